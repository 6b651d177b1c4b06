"""Paths that users give: one check for all flags, settings and variables."""

import errno
import importlib
import os
import pwd
from pathlib import Path

import pytest

from tf_i2i import cli
from tf_i2i import process
from tf_i2i.cache import default_cache_dir
from tf_i2i.data import sources
from tf_i2i.data.labels import read_labels
from tf_i2i.errors import UserError
from tf_i2i.features import load_features
from tf_i2i.features.keras_applications import _imagenet_path
from tf_i2i.features.translator import exported
from tf_i2i.styles import images_of
from tf_i2i.verbs import VERBS

LONG = "x" * 300
# Flags whose value is not a path, or whose paths are checked where it is split.
NO_PATHS = {
    *(
        "--direction",
        "--gin_bindings",
        "--host",
        "--gin_param",
        "--features",
        "--recipe",
        "--model",
        "--names",
        "--repo",
        "--licence",
    ),
    *("--data", "--data_a", "--data_b", "--style", "--trial", "--flagfile"),
    # Flags of absl. The folder `--log_dir` is checked when its file is opened.
    *("--verbosity", "--log_dir", "--logger_levels", "--stderrthreshold"),
    "--undefok",
}


def parsers():
    modules = {
        verb: importlib.import_module(f"tf_i2i.{verb}") for verb in VERBS
    }
    return {
        verb: module._parser()
        for verb, module in modules.items()
        if hasattr(module, "_parser")
    }


def path_flags():
    return [
        (verb, action.option_strings[-1])
        for verb, parser in parsers().items()
        for action in parser._actions
        if action.type in (cli.read_path, cli.read_folder, cli.write_path)
    ]


def test_every_flag_of_a_path_is_checked():
    for verb, parser in parsers().items():
        texts = {
            action.option_strings[-1]
            for action in parser._actions
            if action.nargs != 0
            and action.choices is None
            and action.type in (None, str)
        }
        assert texts <= NO_PATHS, verb


def test_a_file_is_no_folder(tmp_path, refuses):
    file = tmp_path / "0.png"
    file.touch()
    for verb in ("evaluate", "neighbours"):
        with refuses("--images_b"):
            parsers()[verb].parse_args([f"--images_b={file}"])


@process.unchanged()
def _command(argument):
    parser = cli.parser("verb", "A command.", [])
    parser.add_argument("--size")
    parser.parse_args([])
    raise UserError(f"`{argument}` must be even. Received: `size` 3")


def test_an_argument_is_named_as_the_user_gave_it():
    """`size` is the argument of a function, and `--size` is what was typed."""
    for argument, named in (
        ("size", "--size"),
        ("--size", "--size"),
        ("style", "style"),
        ("train.size", "train.size"),
    ):
        with pytest.raises(UserError) as caught:
            _command(argument)
        end = "must be even. Received: `size` 3"
        assert str(caught.value) == f"`{named}` {end}"


@pytest.mark.parametrize(("verb", "flag"), path_flags())
def test_a_flag_of_a_path(verb, flag, tmp_path, monkeypatch, refuses):
    parser = parsers()[verb]
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for wrong in ("", LONG, loop, loop / "x", "~nobody_has_this_name/x"):
        with refuses(flag) as error:
            parser.parse_args([f"{flag}={wrong}"])
        assert str(wrong) in str(error.value)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with refuses(flag) as error:
        parser.parse_args([f"{flag}={tmp_path}"])
    assert str(error.value).endswith("(Permission denied)")


def test_home_folders_in_flags(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    found = parsers()["export"].parse_args(["--run_dir=~/x", "--output=~/y/"])
    assert found.run_dir == f"{tmp_path}/x"
    # The slash selects the format.
    assert found.output == f"{tmp_path}/y/"


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """A folder in the user's home folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "photos").mkdir()
    return tmp_path / "photos"


def test_home_folders_in_sources(photos):
    assert sources.locate("~/photos", "data_a") == str(photos)
    assert images_of("~/a.png,~/b.png") == [
        photos.parent / "a.png",
        photos.parent / "b.png",
    ]
    (photos / "labels.csv").write_text("file,mood\nx.png,sad\n")
    assert read_labels("~/photos/labels.csv") == {"mood": {"x": "sad"}}


@pytest.mark.parametrize(
    ("argument", "use"),
    [
        ("--data_a", lambda path: sources.locate(path, "data_a")),
        ("data_b", lambda path: sources.source_for(path, "b")),
        ("--style", images_of),
        ("labels", read_labels),
        ("exported.folder", exported),
        ("kerasfile:", lambda path: load_features(f"kerasfile:{path}")),
        ("savedmodel:", lambda path: load_features(f"savedmodel:{path}")),
        ("tflite:", lambda path: load_features(f"tflite:{path}")),
        ("keras:VGG19:", lambda path: load_features(f"keras:VGG19:{path}")),
    ],
)
def test_paths_that_cannot_be_read(argument, use, refuses):
    with refuses(argument):
        use(LONG)


def test_many_styles_have_a_long_text():
    assert len(images_of(",".join(["style.png"] * 100))) == 100


@pytest.fixture
def homeless(monkeypatch):
    """A user without HOME and without an entry in /etc/passwd."""

    def getpwuid(number):
        raise KeyError(number)

    for name in ("HOME", "TF_I2I_CACHE", "XDG_CACHE_HOME", "KERAS_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", getpwuid)


def test_a_user_without_home(homeless, monkeypatch, refuses):
    with refuses("TF_I2I_CACHE"):
        default_cache_dir()
    with refuses("KERAS_HOME"):
        _imagenet_path("VGG19")
    with refuses("--run_dir"):
        parsers()["train"].parse_args(["--run_dir=~/x"])
    monkeypatch.setenv("TF_I2I_CACHE", "/cache")
    monkeypatch.setenv("KERAS_HOME", "/keras")
    assert default_cache_dir() == Path("/cache")
    assert _imagenet_path("VGG19").is_relative_to("/keras")


def test_an_error_of_the_system_is_one_line(monkeypatch, capsys):
    def main(argv):
        raise PermissionError(13, "Permission denied", "/run\n/checkpoints")

    with pytest.raises(SystemExit) as leaving:
        cli.run(main)
    assert leaving.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "checkpoints" in line
    assert "Permission denied" in line


def test_a_full_disk_is_one_line(capsys):
    def main(argv):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(SystemExit) as leaving:
        cli.run(main)
    assert leaving.value.code == 2
    assert "No space left on device" in capsys.readouterr().err
