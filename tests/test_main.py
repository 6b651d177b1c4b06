"""python -m tf_i2i and python -m tf_i2i.models, and what --model means."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import tf_i2i
from tf_i2i import __main__ as program
from tf_i2i import cli
from tf_i2i import evaluate
from tf_i2i import models
from tf_i2i import train
from tf_i2i import translate
from tf_i2i.verbs import VERBS

PACKAGE = Path(tf_i2i.__file__).parent


def refuse(*argv):
    with pytest.raises(SystemExit) as leaving:
        program.main(list(argv))
    return leaving.value.code


def test_all_verbs_are_listed(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["tf_i2i"])
    program.main([])
    listed = capsys.readouterr().out
    for name, does in VERBS.items():
        assert f"  {name:17} {does}\n" in listed


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_is_a_module_that_runs(name):
    runnable = [PACKAGE / f"{name}.py", PACKAGE / name / "__main__.py"]
    (module,) = filter(Path.is_file, runnable)
    assert "cli.run(main)" in module.read_text()


def test_the_readme_lists_the_verbs():
    text = (PACKAGE.parent / "README.md").read_text()
    rows = re.findall(r"^\| `tf-i2i (\w+)` \| (.*) \|$", text, re.M)
    assert dict(rows) == VERBS


def test_version(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["tf_i2i", "--version"])
    assert refuse("--version") == 0
    assert capsys.readouterr().out == f"tf_i2i {tf_i2i.__version__}\n"


def test_an_unknown_verb_is_refused(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["tf_i2i", "transalte"])
    assert refuse("transalte") == 2
    assert capsys.readouterr().err.startswith("error: `command` ")


def test_a_verb_is_run(monkeypatch):
    ran = []
    monkeypatch.setattr(
        runpy, "run_module", lambda *args, **kwargs: ran.append(args)
    )
    monkeypatch.setattr(sys, "argv", [])
    program.main(["sample", "--seed=1"])
    assert ran == [("tf_i2i.sample",)]
    assert sys.argv == ["tf_i2i.sample", "--seed=1"]


def test_models_are_listed_without_tensorflow():
    found = subprocess.run(
        [
            *(sys.executable, "-c"),
            "import sys\n"
            "from tf_i2i.models.__main__ import main\n"
            "main([])\n"
            "print('tensorflow' in sys.modules)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    *lines, loaded = found.stdout.splitlines()
    assert loaded == "False"
    assert [line.split()[0] for line in lines] == [*models.shipped_models()]
    assert any(line.startswith("twingan-toy ") for line in lines)


def test_a_model_is_a_run():
    flags = translate._parser().parse_args(
        ["--model=twingan-toy", "--input=x", "--output=y"]
    )
    assert flags.run_dir == PACKAGE / "models" / "twingan_toy"
    assert cli.find_run("twingan-toy", "init_from") == flags.run_dir
    assert cli.find_run(str(flags.run_dir), "init_from") == flags.run_dir


def test_an_unknown_model_is_refused(refuses):
    with refuses("--model"):
        translate._parser().parse_args(
            ["--model=lion", "--input=x", "--output=y"]
        )


@pytest.mark.parametrize(
    "given", [[], ["--model=twingan-toy", "--run_dir=runs/mine"]]
)
def test_one_of_run_and_model(given, refuses):
    with refuses("--run_dir", "--model"):
        translate._parser().parse_args([*given, "--input=x", "--output=y"])


def test_scores_of_a_shipped_model_stay_out_of_the_package():
    folder = models.find_model("twingan-toy")
    assert evaluate._home(folder) == Path("runs/twingan-toy")
    assert evaluate._home("runs/mine") == Path("runs/mine")


def test_flags_of_absl(tmp_path, refuses):
    inner, outer = tmp_path / "inner.txt", tmp_path / "outer.txt"
    inner.write_text("# Comment.\n--gin_param=train.steps = 3\n")
    outer.write_text(f"--flagfile={inner}\n--gin_file={inner}\n")
    parser = train._parser()
    flags = [f"--flagfile={outer}", "--gin_bindings=a.b = 1"]
    args = parser.parse_args(flags)
    assert args.gin_param == ["train.steps = 3", "a.b = 1"]
    assert args.gin_file == [str(inner)]
    with refuses("--flagfile"):
        parser.parse_args([f"--flagfile={tmp_path / 'no.txt'}"])
    with pytest.raises(SystemExit):
        parser.parse_args(["--helpfull"])
