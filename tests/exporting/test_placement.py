"""Where exports are written."""

import os

from tf_i2i.exporting import placement


def test_a_saved_model_needs_a_path_in_utf_8(tmp_path, refuses):
    output = tmp_path / os.fsdecode(b"\xff")
    with refuses("--output") as error:
        placement.make_room(output, "")
    assert "\\udcff" in str(error.value)
    placement.make_room(output / "x.tflite", ".tflite")
    assert output.is_dir()
