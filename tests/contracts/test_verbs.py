"""Every command works on a method of one's own, whatever it can do."""

import contextlib
import json
import os
import sys
from types import SimpleNamespace

import pytest
from PIL import Image

from tf_i2i import distill
from tf_i2i import doctor
from tf_i2i import evaluate
from tf_i2i import export
from tf_i2i import neighbours
from tf_i2i import sample
from tf_i2i import train
from tf_i2i import translate

SIZE = 16
METHODS = (
    "OwnOneWay",
    *("OwnStyled", "OwnStyledOneWay", "OwnEmbedding", "OwnReconstructing"),
    *("OwnPrior", "OwnClassifying", "OwnAnnotated", "OwnStaged"),
)
# Method -> directions that take a style.
STYLED = {"OwnStyled": ("a_to_b", "b_to_a"), "OwnStyledOneWay": ("b_to_a",)}


@pytest.fixture(scope="module")
def data(tmp_path_factory, make_labelled_folders):
    """Flags of two domains with all splits, and labels."""
    root = tmp_path_factory.mktemp("data")
    flags = make_labelled_folders(root, SIZE)
    return SimpleNamespace(flags=flags, image=root / "b" / "test/test_0.png")


def quick_for(*names):
    """Runs a test for these methods, and as a slow test for the others."""
    methods = [
        pytest.param(name, marks=() if name in names else pytest.mark.slow)
        for name in METHODS
    ]
    return pytest.mark.parametrize("run", methods, indirect=True)


@pytest.fixture(scope="module", params=METHODS)
def run(request, data, tmp_path_factory, eagerly):
    """Name of a method, and the flags that lead to its run."""
    name = request.param
    folder = tmp_path_factory.mktemp(name)
    phases = "cascade_phases" if name == "OwnStaged" else "single_phase"
    config = folder / "own.gin"
    config.write_text(
        "import own_methods\n"
        f"train.model = @{name}\n"
        f"train.phases = @{phases}\n"
        f"train.image_size = {SIZE}\n"
        "train.precision = 'float32'\n"
        f"{phases}.batch_size = 2\n"
        f"{phases}.images = 4\n"
    )
    flags = [f"--gin_file={config}", f"--run_dir={folder / 'run'}"]
    with eagerly():
        train.main([*flags, *data.flags])
    flags = [f"--run_dir={folder / 'run'}", "--trust_config"]
    return SimpleNamespace(name=name, folder=folder / "run", flags=flags)


@pytest.mark.slow
def test_doctor(run, tmp_path, monkeypatch):
    # It trains in a child process, which must find the module, too.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    flags = [*run.flags, f"--json={tmp_path / 'found.json'}"]
    with contextlib.suppress(SystemExit):  # Eight images are too few.
        doctor.main(flags)
    report = json.loads((tmp_path / "found.json").read_text())
    assert report["needs"]["step"] > 0


def test_train(run):
    lines = (run.folder / "metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["images_shown"] == (
        8 if "Staged" in run.name else 4
    )
    assert list((run.folder / "samples").iterdir())


@quick_for("OwnOneWay", "OwnStyledOneWay", "OwnClassifying")
@pytest.mark.parametrize("direction", ["a_to_b", "b_to_a"])
def test_translate(run, data, direction, tmp_path, refuses):
    flags = [*run.flags, f"--input={data.image}", f"--direction={direction}"]
    plain = [*flags, f"--output={tmp_path / 'plain.png'}"]
    if run.name == "OwnOneWay" and direction == "b_to_a":
        with refuses("--direction"):
            translate.main(plain)
        return
    translate.main(plain)
    styled = direction in STYLED.get(run.name, ())
    for style in ("sample", str(data.image)):
        output = tmp_path / f"{style[-8:]}.png"
        given = [*flags, f"--style={style}", f"--output={output}"]
        if not styled:
            with refuses("--style"):
                translate.main(given)
            continue
        translate.main(given)
        with Image.open(output) as picture:
            assert picture.size == (SIZE, SIZE)


# The methods that are measured as no other is.
@quick_for("OwnStyled", "OwnEmbedding", "OwnReconstructing", "OwnClassifying")
def test_evaluate(run, eagerly):
    with eagerly():
        evaluate.main([*run.flags, "--cheats=needed"])
    assert (run.folder / "report.html").exists()


@quick_for("OwnStyledOneWay", "OwnEmbedding")
def test_export(run, tmp_path):
    export.main([*run.flags, f"--output={tmp_path / 'saved'}"])
    (report,) = tmp_path.rglob("parity.json")
    assert json.loads(report.read_text())["accepted"]


@pytest.mark.slow
def test_distill(run, tmp_path, refuses):
    small = ("Student.width = .1", "Student.blocks = 1")
    short = ("single_phase.images = 8", "train.precision = 'float32'")
    flags = [f"--gin_param={line}" for line in (*small, *short)]
    given = [*run.flags, *flags, f"--student={tmp_path / 'small'}"]
    if "a_to_b" in STYLED.get(run.name, ()):
        with refuses("--run_dir"):
            distill.main(given)
        return
    distill.main(given)
    report = json.loads((tmp_path / "small" / distill.REPORT).read_text())
    assert report["a_to_b"]["scores"]["student"]


@quick_for("OwnEmbedding", "OwnPrior")
def test_neighbours(run, tmp_path, refuses):
    given = [*run.flags, f"--output={tmp_path / 'alike'}"]
    if run.name == "OwnEmbedding":
        neighbours.main(given)
        assert list((tmp_path / "alike").iterdir())
        return
    with refuses("--run_dir"):
        neighbours.main(given)


@quick_for("OwnPrior", "OwnEmbedding")
def test_sample(run, tmp_path, refuses):
    given = [*run.flags, f"--output={tmp_path / 'pairs.png'}"]
    if run.name == "OwnPrior":
        sample.main(given)
        assert (tmp_path / "pairs.png").exists()
        return
    with refuses("--run_dir"):
        sample.main(given)
