"""What .gin files and bindings become: defaults, includes, former names."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from tf_i2i import configs
from tf_i2i import configuration
from tf_i2i import process
from tf_i2i import train
from tf_i2i.methods import UnpairedTranslator
from tf_i2i.methods.registry import methods
from tf_i2i.training import settings
from tf_i2i.training.build import build_model
from tf_i2i.training.packed import PACKED


def configure(tmp_path, text, *bindings):
    """All bindings of a .gin file of this text, by name."""
    path = tmp_path / "own.gin"
    path.write_text(text, encoding="utf-8")
    configuration.configure(tmp_path / "run", [path], bindings)
    return configuration.given_settings()


# Defaults.


@pytest.mark.parametrize("name", methods())
def test_a_method_alone_trains_with_its_own_adam(name, tmp_path):
    found = configure(tmp_path, f"train.model = @{name}")
    for setting, value in methods()[name].adam_values().items():
        assert found[f"Adam.{setting}"] == str(value)
    assert found["train.translator_optimizer"] == "@Adam"
    assert found["train.augmentation"] == "@Augmentation()"


def test_a_bound_learning_rate_wins(tmp_path):
    text = (
        "method = @CycleGAN\n"
        "train.model = %method\n"
        "train.critic_optimizer = @critic/Adam\n"
        "critic/Adam.learning_rate = .3\n"
        "Adam.learning_rate = .1\n"
    )
    found = configure(tmp_path, text, "Adam.learning_rate = .2")
    assert found["Adam.learning_rate"] == "0.2"
    assert found["critic/Adam.learning_rate"] == "0.3"
    assert found["Adam.beta_2"] == "0.999"


def test_both_optimizers_may_have_scopes(tmp_path):
    text = (
        "train.model = @CycleGAN\n"
        "train.translator_optimizer = @g/Adam\n"
        "train.critic_optimizer = @d/Adam\n"
        "g/Adam.learning_rate = .3\n"
    )
    found = configure(tmp_path, text)
    assert found["g/Adam.learning_rate"] == "0.3"
    assert found["d/Adam.learning_rate"] == "0.0002"
    assert found["g/Adam.beta_2"] == "0.999"
    assert "Adam.learning_rate" not in found


def test_scopes_inherit_settings(tmp_path, refuses):
    text = (
        "train.phases = @all/single_phase\n"
        "train.translator_optimizer = @translator/Adam\n"
        "train.critic_optimizer = @critic/Adam\n"
        "train.augmentation = @augmentation/a/Augmentation()\n"
        "train.augmentation_b = @augmentation/b/Augmentation()\n"
        "rates/slow = .1\n"
        "single_phase.images = 8\n"
        "Adam.beta_1 = .4\n"
        "Adam.learning_rate = %rates/slow\n"
        "critic/Adam.learning_rate = .3\n"
        "translator/Adam.learning_rate = .2\n"
        "Augmentation.flip = False\n"
        "augmentation/Augmentation.contrast = .25\n"
        "augmentation/b/Augmentation.hue = .5\n"
    )
    configure(tmp_path, text)
    config = configuration.run_config()
    (phase,) = config.phases(SimpleNamespace(image_size=16))
    assert phase.images == 8
    slow, fast = config.translator_optimizer(), config.critic_optimizer()
    assert (slow.beta_1, fast.beta_1) == (0.4, 0.4)
    np.testing.assert_allclose(slow.learning_rate, 0.2)
    np.testing.assert_allclose(fast.learning_rate, 0.3)
    a, b = config.augmentation, config.augmentation_b
    assert (a.flip, a.contrast, a.hue) == (False, 0.25, 0.05)
    assert (b.flip, b.contrast, b.hue) == (False, 0.25, 0.5)
    configuration.check_unused()
    configure(tmp_path, text, "critics/Adam.beta_2 = .9")
    configuration.run_config().critic_optimizer()
    with refuses("critics/Adam.beta_2"):
        configuration.check_unused()


def test_a_flag_may_make_settings_of_the_file_useless(tmp_path):
    text = (
        "rate = @warm_up\n"
        "train.schedule = %rate\n"
        "warm_up.then = @constant_then_linear\n"
        "constant_then_linear.constant_share = .6\n"
        "train.critic_optimizer = @critic/Adam\n"
        "critic/Adam.beta_1 = .4\n"
    )
    flags = ("train.schedule = @cosine", "train.critic_optimizer = @Adam")
    left = configure(tmp_path, text, *flags)
    assert not {"rate", "warm_up.then", "critic/Adam.beta_1"} & {*left}
    assert "constant_then_linear.constant_share" not in left
    # A setting is kept if another reference reaches it, or a flag sets it.
    left = configure(tmp_path, text, "warm_up.then = @cosine")
    assert left["rate"] == "@warm_up"
    useless = "constant_then_linear.constant_share = 0.7"
    assert useless in map(
        " = ".join, configure(tmp_path, text, *flags, useless).items()
    )


def test_own_folders_of_configs(tmp_path, refuses):
    @process.unchanged()
    def given(*flags):
        args = train._parser().parse_args([*flags, "--gin_file=run.gin"])
        return configs.find_config(args.gin_file[0])

    text = "include 'more/base.gin'\ntrain.steps = 3\n"
    for folder in ("mine", "mine/more", "runs"):
        (tmp_path / folder).mkdir()
    (tmp_path / "runs" / "run.gin").write_text(text)
    (tmp_path / "mine" / "more" / "base.gin").write_text("train.seed = 5\n")
    folders = [f"--gin_search_path={tmp_path / f}" for f in ("mine", "runs")]
    with refuses("--gin_file"):
        given()

    @process.unchanged()
    def read():
        found = given(*folders)
        with refuses("include"):
            configure(tmp_path, found.read_text())
        configs.search_in(tmp_path / "mine")
        return configure(tmp_path, found.read_text())

    assert read()["train.seed"] == "5"


def test_a_macro_without_a_value_is_named(tmp_path, refuses):
    with refuses("rate"):
        configure(tmp_path, "rates = .1\nAdam.learning_rate = %rate\n")


@pytest.mark.parametrize(
    ("saved", "checkpoint", "expected"),
    [
        # The values that earlier versions had for all methods.
        ("0.001", True, "0.001"),
        # A flag that is not repeated is a difference, which is refused later.
        ("0.01", True, "0.0002"),
        # Nothing was trained: the file is of a start that failed.
        ("0.001", False, "0.0002"),
    ],
)
def test_a_run_of_an_earlier_version_keeps_its_adam(
    tmp_path, saved, checkpoint, expected
):
    run_dir = tmp_path / "run"
    (run_dir / "checkpoints").mkdir(parents=True)
    if checkpoint:
        (run_dir / "checkpoints" / "step-000000001.weights.h5").touch()
    text = f"train.model = @CycleGAN\nAdam.learning_rate = {saved}\n"
    (run_dir / "config.gin").write_text(text)
    found = configure(tmp_path, "train.model = @CycleGAN")
    assert found["Adam.learning_rate"] == expected


@pytest.mark.parametrize(
    ("saved", "command", "width", "convs"),
    [
        ("dragan_noise = 'uniform'", "", 0.5 / 3, "1"),
        ("dragan_noise = 'normal'", "", 0.5, "1"),
        ("dragan_noise = 'normal'", "TwinGAN.dragan_width = 0.2", 0.2, "1"),
        ("dragan_noise = 'normal'\nTwinGAN.convs_at_8 = 2", "", 0.5, "2"),
        (
            "dragan_noise = 'uniform'\nTwinGAN.dragan_width = 0.1",
            "",
            None,
            None,
        ),
    ],
)
def test_a_run_of_an_earlier_version_keeps_its_networks_and_noise(
    tmp_path, saved, command, width, convs
):
    model = "train.model = @TwinGAN\n"
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    (tmp_path / "run/checkpoints/step-000000001.weights.h5").touch()
    (tmp_path / "run/config.gin").write_text(f"{model}TwinGAN.{saved}\n")
    found = configure(tmp_path, model + command)
    assert found.get("TwinGAN.dragan_width") == (width and repr(width))
    assert found.get("TwinGAN.convs_at_8") == convs
    # A new run has the present defaults.
    (tmp_path / "run/checkpoints/step-000000001.weights.h5").unlink()
    assert "TwinGAN.convs_at_8" not in configure(tmp_path, model + command)


@pytest.mark.parametrize("method", ["SpriteTranslator", "OwnStyle"])
@pytest.mark.parametrize("weights", ["checkpoints", PACKED])
def test_a_reader_of_an_earlier_version_keeps_its_networks(
    tmp_path, method, weights
):
    model = f"train.model = @{method}\n"
    path = tmp_path / "run" / weights
    path.mkdir(parents=True)
    (path / "step-000000001.weights.h5").touch()
    config = tmp_path / "run/config.gin"
    config.write_text(f"{model}{method}.slots = None\n")
    name = f"{method}.detailed_reader"
    assert configure(tmp_path, model)[name] == "False"
    config.write_text(f"{model}{method}.slots = None\n{name} = True\n")
    assert name not in configure(tmp_path, model)


def test_a_method_may_state_more_arguments_of_adam(tmp_path, monkeypatch):
    adam = {"learning_rate": 2e-4, "epsilon": 1e-6}
    monkeypatch.setattr(methods()["CycleGAN"], "adam", adam)
    found = configure(tmp_path, "train.model = @CycleGAN")
    assert found["Adam.epsilon"] == "1e-06"
    assert found["Adam.beta_1"] == "0.5"


def test_a_method_may_state_some_values_of_adam():
    class Own(UnpairedTranslator):
        adam = {"learning_rate": 2e-4}

    values = {"learning_rate": 2e-4, "beta_1": 0.5, "beta_2": 0.99}
    assert Own.adam_values() == values


def test_no_augmentation_is_the_default_one(tmp_path):
    found = configure(tmp_path, "train.augmentation = None")
    assert found["train.augmentation"] == "@Augmentation()"


# Includes.


def test_an_own_file_includes_a_shipped_one_from_anywhere(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    text = "include 'paper/unit_digits_svhn.gin'\nUNITAdaptation.width = .5\n"
    found = configure(tmp_path, text)
    assert found["UNITAdaptation.width"] == "0.5"
    assert found["single_phase.batch_size"] == "64"
    assert found["Augmentation.hue"] == "0.0"


def test_files_are_included_from_the_folder_of_the_including_file(
    tmp_path, capsys
):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/base.gin").write_text("include 'more.gin'\n")
    (tmp_path / "parts/more.gin").write_text("train.steps = 3\n")
    # This own file has the name of a shipped config and includes that config.
    (tmp_path / "parts/cyclegan.gin").write_text("include 'cyclegan.gin'\n")
    text = "include  'parts/base.gin'\ninclude \"parts/cyclegan.gin\"\n"
    found = configure(tmp_path, text)
    assert found["train.steps"] == "3"
    assert found["train.model"] == "@CycleGAN"
    assert capsys.readouterr().err == ""


def test_shipped_configs_include_shipped_ones(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cdft.gin").write_text("nonsense")
    configuration.configure(tmp_path, [configs.find_config("cdft_64.gin")])
    assert "CDFT.taps" in configuration.given_settings()


def test_a_file_that_includes_itself_is_refused(tmp_path, monkeypatch, refuses):
    monkeypatch.chdir(tmp_path)
    with refuses("include"):
        configure(tmp_path, "include 'own.gin'")


def test_a_file_that_is_not_there_is_named(tmp_path, refuses):
    with refuses("include") as error:
        configure(tmp_path, "include 'twingans.gin'")
    assert "twingans.gin" in str(error.value)


@pytest.mark.parametrize("line", ["include 'twingan.gin'", "import os"])
def test_a_run_may_neither_include_nor_import(line, tmp_path, refuses):
    (tmp_path / "config.gin").write_text(f"{line}\ntrain.steps = 1\n")
    with refuses("run_dir"):
        configuration.configure(tmp_path)
    configuration.configure(tmp_path, trust_config=True)


def test_macros_in_a_circle_are_refused(tmp_path, refuses):
    configure(tmp_path, "x = %y\ny = %x\ntrain.seed = %x\n")
    with refuses("configuration"), configuration.one_line_errors():
        configuration.run_config()


def test_a_config_that_is_too_large_is_not_read(tmp_path, refuses):
    with refuses("configuration") as error:
        configure(tmp_path, "#\n" * 500_001)
    assert "at most 1,000,000 are read" in str(error.value)


def test_networks_that_do_not_fit_the_memory(tmp_path, refuses):
    text = "train.model = @CycleGAN\ntrain.precision = 'float32'\n"
    configure(tmp_path, text + "train.image_size = 1_000_000_000")
    with refuses("train.image_size"):
        build_model(configuration.run_config(), tf.distribute.get_strategy())


# Encodings.


def test_a_config_is_read_in_any_locale(tmp_path):
    text = "train.domains = ('foto', 'größe')\n"
    (tmp_path / "config.gin").write_text(text, encoding="utf-8")
    code = (
        "from tf_i2i.training.settings import domain_names as names\n"
        f"print(ascii(names({str(tmp_path)!r})))"
    )
    found = subprocess.run(
        [sys.executable, "-X", "utf8=0", "-c", code],
        env=os.environ | {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        check=True,
        text=True,
    )
    assert found.stdout == "('foto', 'gr\\xf6\\xdfe')\n"


def test_a_config_with_a_byte_order_mark(tmp_path):
    text = "\ufefftrain.steps = 3\n"
    assert configure(tmp_path, text)["train.steps"] == "3"


def test_a_config_in_another_encoding(tmp_path, refuses):
    (tmp_path / "own.gin").write_bytes("# größe\n".encode("latin-1"))
    with refuses("gin_file") as error:
        configuration.configure(tmp_path, [tmp_path / "own.gin"])
    assert "own.gin" in str(error.value)


# Former names.


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("train.learning_rate = @x", "train.schedule = @x"),
        ("  a/train.learning_rate=1", "  a/train.schedule=1"),
        ("# train.learning_rate = 1", "# train.learning_rate = 1"),
        ("train.learning_rates = 1", "train.learning_rates = 1"),
        ("cascade_phases.taps = (\n  'x',)", "former.taps = (\n  'x',)"),
    ],
)
def test_rename(before, after):
    text, notes = settings.rename(f"steps = 1\n{before}\n")
    assert text == f"steps = 1\n{after}\n"
    assert len(notes) == (before != after)


def test_a_former_name_is_read_and_its_new_one_told(tmp_path, capsys):
    (tmp_path / "base.gin").write_text(
        "train.learning_rate = @constant_then_linear\n"
        "growing_phases.start_size = 4\n"
    )
    text = f"include '{tmp_path / 'base.gin'}'\n"
    found = configure(tmp_path, text, "cascade_phases.taps = ('a',)")
    assert found["train.schedule"] == "@constant_then_linear"
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 3
    assert "train.learning_rate is now called train.schedule" in told[0]
    assert "growing_phases.start_size is no longer" in told[1]
    found = configure(tmp_path, "", "train.learning_rate = @constant_rate")
    assert found["train.schedule"] == "@constant_rate"


def test_what_moved_must_not_contradict_the_model(tmp_path, refuses):
    text = "growing_phases.start_size = 8\ncascade_phases.taps = ['a', 'b']\n"
    configure(tmp_path, text)
    configuration.check_moved(SimpleNamespace(start_size=8, taps=("a", "b")))
    configuration.check_moved(SimpleNamespace())
    with refuses("growing_phases.start_size") as error:
        configuration.check_moved(SimpleNamespace(start_size=4))
    assert "start_size is 4" in str(error.value)
    with refuses("cascade_phases.taps"):
        configuration.check_moved(SimpleNamespace(taps=("a",)))


def test_a_runs_own_former_names_are_read_silently(tmp_path, capsys):
    (tmp_path / "config.gin").write_text(
        "train.learning_rate = @constant_then_linear\n"
        "growing_phases.start_size = 4\n"
    )
    configuration.configure(tmp_path)
    assert capsys.readouterr().err == ""
    saved = settings.saved_bindings(tmp_path / "config.gin")
    assert saved == {"train.schedule": "@constant_then_linear"}


def test_a_value_may_end_with_a_bracket_at_the_start_of_a_line():
    text = "a.slots = {\n    'hair': 3,\n}\na.cells = 8\n"
    assert settings.bindings_of(text) == {
        "a.slots": "{ 'hair': 3, }",
        "a.cells": "8",
    }
