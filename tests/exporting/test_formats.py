"""The table of formats, and what the command `export` reads from it."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from tf_i2i import export
from tf_i2i.errors import UserError
from tf_i2i.exporting import formats
from tf_i2i.exporting.formats import FORMATS
from tf_i2i.exporting.formats import find_format


class Negative:
    """Stands for a trained translator."""

    size, size_multiple, fixed_size, images_shown = 16, 4, False, 8

    def check_direction(self, direction):
        pass

    def translate(self, images, direction, style=None):
        return -images


def copy_format():
    """A format whose files say nothing, and are loaded as the negative."""

    def load(path, directions):
        (direction,) = directions
        assert path.read_text() == f"negative {direction}"
        return {direction: lambda images: 255 - images}

    return formats.Format(
        name="negative",
        form="a name that ends in .negative",
        suffix=".negative",
        write=lambda job: job.path.write_text(f"negative {job.directions[0]}"),
        load=load,
        precisions={"tiny": formats.Precision({"max": 1}, "of one bit")},
    )


def test_a_format_is_added_in_one_place(monkeypatch, tmp_path, refuses):
    monkeypatch.setitem(FORMATS, "negative", copy_format())
    run = SimpleNamespace(
        check_trained=lambda: None,
        model=Negative(),
        images=lambda domain, split, count: np.full(
            (count, 16, 16, 3), 40, np.uint8
        ),
    )
    stub = SimpleNamespace(load_translator=lambda *_: run)
    monkeypatch.setitem(sys.modules, "tf_i2i.runs", stub)
    (tmp_path / "config.gin").touch()
    flags = [f"--run_dir={tmp_path}", f"--output={tmp_path}/x.negative"]
    export.main(flags)
    report = json.loads((tmp_path / "x.negative.parity.json").read_text())
    assert report["accepted"]
    assert report["a_to_b"]["max"] == 0
    card = (tmp_path / "x.negative.MODEL_CARD.md").read_text()
    assert "| direction | a_to_b |" in card
    assert "| sizes | 16 x 16 pixels only |" in card
    # Help and errors name it.
    help_text = " ".join(export._parser().format_help().split())
    assert "a name that ends in .negative" in help_text
    assert "tiny: of one bit" in help_text
    with refuses("--precision"):
        export.main([*flags, "--precision=int8"])
    with refuses("--output") as refused:
        find_format("face.pb")
    assert ".negative" in str(refused.value)


def exact_and_dark():
    """A format whose small form makes images that are too dark."""

    def load(path, directions):
        factor = 2 if path.read_text() == "int8" else 1
        return {directions[0]: lambda images: (255 - images) // factor}

    every = {
        name: formats.Precision({"max": 1}) for name in ("float32", "int8")
    }
    return copy_format()._replace(
        write=lambda job: job.path.write_text(job.precision),
        load=load,
        precisions=every,
    )


@pytest.fixture
def untrained(monkeypatch, tmp_path):
    """Flags of a run whose own images are on another machine."""

    def images(domain, split, count):
        raise UserError("`train.data_a` must be a folder. Received: /elsewhere")

    run = SimpleNamespace(
        model=Negative(), images=images, check_trained=lambda: None
    )
    stub = SimpleNamespace(load_translator=lambda *_: run)
    monkeypatch.setitem(sys.modules, "tf_i2i.runs", stub)
    monkeypatch.setitem(FORMATS, "negative", exact_and_dark())
    (tmp_path / "config.gin").touch()
    return [f"--run_dir={tmp_path}", f"--output={tmp_path}/x.negative"]


def test_the_smallest_accurate_precision_is_kept(
    untrained, tmp_path, capsys, refuses
):
    export.main([*untrained, "--images=sample", "--precision=auto"])
    assert (tmp_path / "x.negative").read_text() == "float32"
    tried = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert tried[:2] == ["int8", "float32"]
    with refuses("--output"):
        export.main([*untrained, "--images=sample", "--precision=int8"])


def test_the_images_of_the_run_are_on_another_machine(
    untrained, folders, tmp_path, refuses
):
    with refuses("--images"):
        export.main(untrained)
    export.main([*untrained, f"--images={folders}"])
    report = json.loads((tmp_path / "x.negative.parity.json").read_text())
    assert report["a_to_b"]["images"] == 12


@pytest.mark.parametrize(
    ("output", "name"),
    [
        ("export", "saved_model"),
        ("export/", "saved_model"),
        ("serving.v1/", "saved_model"),
        ("a/Face.TFLITE", "tflite"),
        ("face.onnx", "onnx"),
        ("face.mlpackage/", "coreml"),
    ],
)
def test_the_name_says_the_format(output, name):
    assert find_format(output).name == name


@pytest.mark.parametrize("output", ["face.pb", "..", ""])
def test_other_names_are_refused(output, refuses):
    with refuses("--output"):
        find_format(output)


def test_one_format_refuses_the_names_of_others(refuses):
    for output in ("face.tflite", "face.tflite/"):
        with refuses("--output"):
            find_format(output, ["saved_model"])
    with refuses("--output"):
        find_format("export/", ["tflite"])
