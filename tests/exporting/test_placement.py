"""Where exports are written."""

import os

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
