"""A run on two small folders: stopped, killed, resumed, refused, explained."""

import contextlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from own_methods import OwnPlain
from PIL import Image
from states import lines
from states import state

from tf_i2i import train
from tf_i2i.errors import UserError
from tf_i2i.training import callbacks

TINY = [
    "train.precision = 'float32'",
    "train.log_kimg = .002",  # Each step.
    "train.save_kimg = .006",  # Each third step.
    "train.sample_kimg = 1000.",
    "train.domains = ('selfie', 'anime')",
    "train.critic_augmentation = ('color',)",
]
# Three phases of four, two and four steps: a rest, a fade, a rest.
GROWING = [
    "train.image_size = 8",
    "TwinGAN.start_size = 4",
    "TwinGAN.width = .02",
    # Fewer operations to trace.
    "TwinGAN.same_gan = False",
    "TwinGAN.dragan_weight = 0.",
    "growing_phases.batch_size = 2",
    "growing_phases.images = 8",
    "growing_phases.fade_images = 4",
    "growing_phases.last_images = 8",
]
# One phase of four steps.
SINGLE = [
    "train.model = @OwnPlain",
    "train.image_size = 16",
    "single_phase.batch_size = 2",
    "single_phase.images = 8",
]


def flags(folders, run_dir, params=(), config="twingan.gin", small=GROWING):
    return [
        f"--gin_file={config}",
        f"--run_dir={run_dir}",
        f"--data_a={folders / 'a'}",
        f"--data_b={folders / 'b'}",
        *(f"--gin_param={p}" for p in [*TINY, *small, *params]),
    ]


@pytest.fixture
def single(folders, tmp_path):
    """Function that makes the flags of a short run of a small method."""
    config = tmp_path / "own.gin"
    config.write_text("import own_methods\n")

    def single(run_dir, params=()):
        given = flags(folders, run_dir, params, config, SINGLE)
        return [*given, "--trust_config"]

    return single


@contextlib.contextmanager
def started(folders, run_dir):
    """The verb as a user starts it."""
    command = [sys.executable, "-m", "tf_i2i.train"]
    with subprocess.Popen(
        command + flags(folders, run_dir),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        yield process


def wait_for(process, condition):
    while not condition():
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.01)


def assert_same_state(finished, other, step=None):
    name, arrays = state(finished, step)
    its_name, its_arrays = state(other)
    assert name == its_name
    assert arrays.keys() == its_arrays.keys()
    for key, array in arrays.items():
        assert np.array_equal(array, its_arrays[key]), key


@pytest.fixture(scope="module")
def finished(folders, eagerly):
    """A run of ten steps that nothing disturbed, and what it printed."""
    run_dir = folders / "finished"
    output = io.StringIO()
    with (
        eagerly(),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(output),
    ):
        train.main(flags(folders, run_dir, ["train.keep = 99"]))
    return run_dir, output.getvalue()


def test_killed_and_resumed_is_bit_equal(single, tmp_path, monkeypatch):
    """A process that is killed leaves the files of that moment."""
    argv = [single(tmp_path / name) for name in ("whole", "killed")]
    write = callbacks.Log._write

    def write_and_copy(log):
        write(log)
        if log.state.step == 4:  # The last checkpoint is of step 3.
            shutil.copytree(tmp_path / "whole", tmp_path / "killed")

    with monkeypatch.context() as patch:
        patch.setattr(callbacks.Log, "_write", write_and_copy)
        train.main(argv[0])
    assert state(tmp_path / "killed")[0] == "step-000000003.weights.h5"
    train.main(argv[1])
    assert_same_state(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.slow
def test_killed_at_thirty_moments(folders, tmp_path):
    """All in processes of their own, whose bits are the same."""
    with started(folders, tmp_path / "whole") as process:
        pass
    assert process.returncode == 0
    for i, at in enumerate(np.random.default_rng(2).integers(1, 10, 30)):
        run_dir = tmp_path / str(i)
        with started(folders, run_dir) as process:
            wait_for(process, lambda d=run_dir, n=at: len(lines(d)) >= n)
            process.send_signal(signal.SIGKILL)
        with started(folders, run_dir) as process:
            pass
        assert_same_state(tmp_path / "whole", run_dir)


def test_sigterm_saves_and_says_so(
    folders, finished, tmp_path, monkeypatch, capsys, eagerly
):
    write = callbacks.Log._write

    def write_and_stop(log):
        write(log)
        if log.state.step == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch, eagerly():
        patch.setattr(callbacks.Log, "_write", write_and_stop)
        train.main(flags(folders, tmp_path))
    assert "saved at step 2;" in capsys.readouterr().out
    assert state(tmp_path)[0] == "step-000000002.weights.h5"
    with eagerly():
        train.main(flags(folders, tmp_path, ["train.steps = 3"]))
    assert_same_state(finished[0], tmp_path, 3)


def test_a_finished_run_explains_itself(finished):
    run_dir, output = finished
    names = {path.name for path in run_dir.iterdir()}
    assert names == {
        "config.gin",
        "data.json",
        "checkpoints",
        "saved.json",
        "samples",
        "metrics.jsonl",
        "events",
    }
    rows = [json.loads(line) for line in lines(run_dir)]
    assert [row["step"] for row in rows] == list(range(1, 11))
    phases = [row["phase"] for row in rows]
    assert phases == ["4px"] * 4 + ["8px-fade"] * 2 + ["8px"] * 4
    assert rows[-1]["images_shown"] == 20
    steps = [path.name[5:14] for path in (run_dir / "checkpoints").iterdir()]
    ends = {4, 6, 10}  # Of phases.
    assert {*map(int, steps)} == {3, 6, 9} | ends
    (events,) = (run_dir / "events").glob("events.out.tfevents*")
    assert b"losses/gan_selfie" in events.read_bytes()
    assert "python -m tf_i2i.translate --run_dir=" in output
    assert "images/s" in output
    samples = sorted((run_dir / "samples").glob("*.png"))
    ends = ["000000008.png", "000000012.png", "000000020.png"]
    assert [path.name for path in samples] == ends
    # Six rows, a validation image a column, on gaps of two pixels.
    with Image.open(samples[-1]) as picture:
        assert picture.size == (2 + 66, 2 + 6 * 66)


def test_phases_resume_across_their_border(
    folders, finished, tmp_path, eagerly
):
    with eagerly():
        for steps in (4, 6):  # At the border to the fade, and at its end.
            train.main(flags(folders, tmp_path, [f"train.steps = {steps}"]))
    assert_same_state(finished[0], tmp_path, 6)
    phases = [json.loads(line)["phase"] for line in lines(tmp_path)]
    assert phases == ["4px"] * 4 + ["8px-fade"] * 2


def test_optimizers_start_afresh_with_each_phase(finished):
    _, arrays = state(finished[0])
    iterations = {
        key: int(array)
        for key, array in arrays.items()
        if "optimizer" in key and array.dtype == np.int64 and array.ndim == 0
    }
    # Four steps of the last phase, not ten.
    assert sorted(iterations.values()) == [4, 4], iterations


@pytest.mark.slow
def test_mirrored_runs_resume(folders, tmp_path):
    params = ["TwinGAN.start_size = 8", "train.strategy = 'mirrored'"]
    train.main(flags(folders, tmp_path, [*params, "train.steps = 2"]))
    train.main(flags(folders, tmp_path, [*params, "train.steps = 3"]))
    rows = [json.loads(line) for line in lines(tmp_path)]
    assert [row["images_shown"] for row in rows] == [2, 4, 6]


def test_another_configuration_is_refused(folders, finished, refuses):
    with refuses("--run_dir") as error:
        train.main(flags(folders, finished[0], ["TwinGAN.cycle_weight = 2."]))
    assert "TwinGAN.cycle_weight = 2.0 (was 10.0)" in str(error.value)


def test_a_rerun_may_be_longer_and_say_more(single, tmp_path, eagerly):
    params = ["train.steps = 2", "train.log_kimg = .004"]
    with eagerly():
        train.main(single(tmp_path / "run", ["train.steps = 1"]))
        train.main(single(tmp_path / "run", params))
    assert "train.steps = 2" in (tmp_path / "run" / "config.gin").read_text()
    assert json.loads(lines(tmp_path / "run")[-1])["step"] == 2


def test_a_new_store_is_made_while_the_step_is_traced(
    single, tmp_path, monkeypatch
):
    threads = []
    train_step = OwnPlain.train_step

    def noting(model, batch):
        threads.append(threading.current_thread())
        return train_step(model, batch)

    monkeypatch.setattr(OwnPlain, "train_step", noting)
    monkeypatch.setenv("TF_I2I_CACHE", str(tmp_path / "cache"))
    train.main(single(tmp_path / "run"))
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()
    train.main(single(tmp_path / "other"))
    assert len(threads) == 2
    assert threads[1] is threading.main_thread()
    assert_same_state(tmp_path / "run", tmp_path / "other")


def test_a_damaged_checkpoint_is_refused(finished, tmp_path, refuses):
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    (tmp_path / "config.gin").write_text(
        (finished[0] / "config.gin").read_text()
    )
    name, _ = state(finished[0])
    whole = (finished[0] / "checkpoints" / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2])
    with refuses("--run_dir") as error:
        train.main([f"--run_dir={tmp_path}"])
    assert name in str(error.value)


def test_small_uneven_validation_sets(folders, single, tmp_path, eagerly):
    few = folders / "few"
    few.mkdir()
    for i in range(3):
        shutil.copy(folders / "b" / f"{i}.png", few)
    params = ["train.steps = 1", "train.sample_kimg = .002"]
    argv = single(tmp_path / "run", params)
    with eagerly():
        train.main([*argv, f"--data_b={few}"])
    assert list((tmp_path / "run" / "samples").glob("*.png"))


def test_run_dir_is_enough_to_go_on(folders, finished):
    before = lines(finished[0])
    config = finished[0] / "config.gin"
    text = config.read_text()
    # As an older version wrote it, to which settings were new.
    older = text
    for new in ("train.jit_compile = False\n", "TwinGAN.pixel_norm = True\n"):
        assert new in older
        older = older.replace(new, "")
    config.write_text(older)
    train.main([f"--run_dir={finished[0]}"])
    assert config.read_text() == text
    assert lines(finished[0]) == before


def test_a_loss_that_is_not_finite_is_one_line(
    single, tmp_path, refuses, eagerly
):
    params = ["Adam.learning_rate = 1e30"]
    with refuses(None) as error, eagerly():
        train.main(single(tmp_path / "run", params))
    assert "weights of the" in str(error.value)
    assert "--skip_step=0" in str(error.value)
    # There is nothing to begin from yet.
    assert "--init_from" not in str(error.value)
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_a_step_can_be_left_out(single, tmp_path, eagerly):
    argv = single(tmp_path / "run")
    with eagerly():
        train.main([*argv, "--skip_step=2"])
        train.main(argv)  # The step stays left out.
    steps = [json.loads(line)["step"] for line in lines(tmp_path / "run")]
    assert steps == [1, 2, 4]


def test_a_new_run_from_the_weights_of_another(
    folders, finished, tmp_path, eagerly
):
    # So low a rate leaves the weights as they are.
    params = ["train.steps = 1", "Adam.learning_rate = 1e-30"]
    argv = [*flags(folders, tmp_path, params), f"--init_from={finished[0]}"]
    with eagerly():
        train.main(argv)
    name, arrays = state(tmp_path)
    assert name == "step-000000001.weights.h5"
    kernels = [key for key in arrays if key.endswith("convolution/vars/0")]
    assert len(kernels) > 10
    theirs = state(finished[0])[1]
    for key in kernels:
        assert np.array_equal(arrays[key], theirs[key]), key


@pytest.mark.parametrize(
    ("binding", "argument", "named"),
    [
        ("TwinGAN.cycle_wieght = 1.", "configuration", "cycle_wieght"),
        ("TwinGAM.width = 1.", "configuration", "TwinGAN, "),
        ("TwinGAN.start_size = 4 +", "configuration", "4 +"),
        ("Augmentation.flipp = False", "configuration", "flipp"),
        ("single_phase.images = 3", "single_phase.images", "images = 3"),
        ("steps = 4", "steps", "train.steps"),
        ("train.fit = 'bogus'", "train.fit", "crop"),
        ("train.steps = '4'", "train.steps", "'4'"),
        ("train.augmentation = @Augmentation", "train.augmentation", "()"),
        ("growing_phases.batch_size = 0", "batch_size", "Received: 0"),
        ("train.strategy = 'many'", "train.strategy", "auto, none, mirrored"),
        ("train.image_size = 12", "start_size", "image_size=12"),
        # Former names.
        ("growing_phases.start_size = 8", "growing_phases.start_size", "4"),
        ("train.learning_rate = @constnt", "configuration", "constnt"),
    ],
)
def test_wrong_bindings_are_one_line(
    folders, tmp_path, refuses, binding, argument, named
):
    with refuses(argument) as error:
        train.main(flags(folders, tmp_path, [binding]))
    assert named in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "config.gin").exists()


def test_defaults_and_schedules_take_bindings(folders, tmp_path, eagerly):
    """Of a config that names nothing but the sizes."""
    config = tmp_path / "own.gin"
    config.write_text(
        "train.image_size = 8\n"
        "train.steps = 1\n"
        "train.precision = 'float32'\n"
        "train.schedule = @constant_then_linear\n"
        "TwinGAN.width = .02\n"
        "single_phase.batch_size = 2\n"
        "constant_then_linear.constant_share = .3\n"
        "Adam.learning_rate = .01\n"
        "Augmentation.hue = 0.\n"
    )
    argv = [f"--data_{d}={folders / d}" for d in "ab"]
    run_dir = tmp_path / "run"
    with eagerly():
        train.main([f"--gin_file={config}", f"--run_dir={run_dir}", *argv])
    written = (run_dir / "config.gin").read_text()
    assert "Augmentation.hue = 0.0" in written
    assert "single_phase.images = 300000" in written


def test_a_run_with_imports_must_be_trusted(finished, tmp_path, refuses):
    config = (finished[0] / "config.gin").read_text()
    (tmp_path / "config.gin").write_text("import os\n" + config)
    with refuses("--run_dir") as error:
        train.main([f"--run_dir={tmp_path}"])
    assert "--trust_config" in str(error.value)


def test_dry_run_prints_and_writes_nothing(folders, tmp_path, capsys):
    run_dir = tmp_path / "run"
    train.main([*flags(folders, run_dir), "--dry_run"])
    printed = capsys.readouterr().out
    assert "train.precision = 'float32'" in printed
    assert re.search(r"8px-fade +batch +2 +images +8 to +12", printed)
    assert re.search(r"encoder: [\d,]+ parameters", printed)
    assert not run_dir.exists()


def test_places_of_data_are_kept_as_absolute(folders, monkeypatch):
    (folders / "some.tfrecord").touch()
    monkeypatch.chdir(folders)
    flags = ["--data_a=a", "--data_b=tfrecord:*.tfrecord:image"]
    assert train._data_bindings(train._parser().parse_args(flags)) == [
        f"train.data_a = '{folders}/a'",
        f"train.data_b = 'tfrecord:{folders}/*.tfrecord:image'",
    ]


def test_list_configs(capsys):
    train.main(["--list_configs"])
    printed = capsys.readouterr().out
    assert "twingan.gin " in printed
    assert "paper/twingan.gin " in printed


@pytest.mark.parametrize(
    ("argv", "argument", "named"),
    [
        ([], "--gin_file", "--list_configs"),
        (["--gin_file=nothing.gin"], "--gin_file", "twingan.gin"),
        (
            [
                "--gin_file=twingan.gin",
                "--data_a=/nowhere",
                "--data_b=/nowhere",
            ],
            "--data_a",
            "/nowhere",
        ),
        (["--gin_file=twingan.gin", "--data_a=tests"], "--data_a", "tests"),
        (
            ["--gin_file=twingan.gin", "--data_a=tfds:mnist", "--data_b=toy"],
            "tfds:mnist",
            "tfds:NAME/SPLIT",
        ),
        (
            ["--gin_file=twingan.gin", "--data_a=toy", "--data_b=tfrecord:no*"],
            "tfrecord:no*",
            "tfrecord:PATTERN",
        ),
        (["--gin_fil=twingan.gin"], "--gin_fil", "--help"),
        (["--run_dir=nowhere"], "--run_dir", "nowhere"),
        (
            ["--gin_file=twingan.gin", "--init_from=nowhere"],
            "--init_from",
            "nowhere",
        ),
    ],
)
def test_wrong_flags_answer_at_once(argv, argument, named):
    # What takes long is TensorFlow; seconds are of the processor, which other
    # work on the machine does not count in.
    without = (
        "import runpy, sys; sys.modules |= dict.fromkeys(['tensorflow', "
        "'keras']); runpy.run_module('tf_i2i.train', run_name='__main__', "
        "alter_sys=True)"
    )
    before = os.times()
    process = subprocess.run(
        [sys.executable, "-c", without, *argv],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    user, system = (
        getattr(os.times(), name) - getattr(before, name)
        for name in ("children_user", "children_system")
    )
    assert user + system < 1.5
    assert process.returncode == 2
    assert UserError(process.stderr).argument == argument
    assert named in process.stderr
    assert process.stderr.count("\n") == 1
