"""Where exports are written."""

import os

import pytest

from tf_i2i.errors import UserError
from tf_i2i.exporting import formats
from tf_i2i.exporting import placement


def test_a_saved_model_needs_a_path_in_utf_8(tmp_path, refuses):
    output = tmp_path / os.fsdecode(b"\xff")
    with refuses("--output") as error:
        placement.make_room(output, "")
    assert "\\udcff" in str(error.value)
    placement.make_room(output / "x.tflite", ".tflite", None)
    assert output.is_dir()


def test_only_a_package_is_replaced_by_a_package(tmp_path, refuses):
    output = tmp_path / "face.mlpackage"
    (output / "photos").mkdir(parents=True)
    with refuses("--output"):
        placement.make_room(output, ".mlpackage", "Manifest.json")
    (output / "Manifest.json").touch()
    placement.make_room(output, ".mlpackage", "Manifest.json")
    with refuses("--output"):
        placement.make_room(output, ".tflite", None)
    assert placement.sidecar(output, "parity.json").parent == tmp_path


@pytest.mark.parametrize("error", [0, 9])
def test_files_beside_an_earlier_export_are_removed(tmp_path, error):
    """They would describe the margin, the styles or the licence of another."""
    output = tmp_path / "face.tflite"
    place = output if not error else tmp_path / "face.tflite.rejected"
    both = {"face.json", "a_to_b.style.json", "b_to_a.style.json", "LICENSE"}

    def put(names):
        part = tmp_path / ".part"
        part.touch()
        report = {"a_to_b": {"max": error, "mean": 0, "ssim": 1}}
        precision = formats.TFLITE.precisions["float32"]
        try:
            placement.accept_or_reject(
                part, output, report, precision, dict.fromkeys(names, "{}")
            )
        except UserError:
            assert error

    put(both | {"style.json", "layers.csv"})
    own = tmp_path / f"{place.name}.notes.txt"
    own.touch()
    put({"MODEL_CARD.md"})
    assert {path.name for path in tmp_path.iterdir()} == {
        place.name,
        own.name,
        f"{place.name}.MODEL_CARD.md",
        f"{place.name}.parity.json",
    }
