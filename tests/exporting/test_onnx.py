"""ONNX files against their source (the extra `onnx`)."""

import sys

import numpy as np
import pytest

from tf_i2i import exporting
from tf_i2i.errors import UserError
from tf_i2i.exporting import onnx
from tf_i2i.methods import TwinGAN


def model(**arguments):
    return TwinGAN(image_size=16, start_size=16, width=0.02, **arguments)


@pytest.mark.parametrize("style_size", [None, 4])
def test_onnx_is_the_model(style_size, tmp_path, rng):
    for module in ("tf2onnx", "onnxruntime"):
        pytest.importorskip(module, reason="the extra `onnx` is missing")
    translator = model(style_size=style_size)
    path = tmp_path / "face.onnx"
    exporting.export_onnx(translator, path)
    onnx.describe(path, {"method": "TwinGAN"})
    assert b"TwinGAN" in path.read_bytes()
    images = rng.integers(0, 256, (3, 16, 16, 3), np.uint8)
    style = None
    if style_size:
        style = translator.sample_style(3, 0).numpy()
    wanted = exporting.photo_to_photo(translator, "a_to_b")(images, style)
    given = exporting.load_onnx(path, threads=1)(images, style)
    assert given.dtype == np.uint8
    assert np.abs(np.int32(given) - np.int32(wanted)).max() <= 1
    assert np.std(given) > 1


def test_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(UserError, match=r"tf-i2i\[onnx\]"):
        exporting.export_onnx(model(), tmp_path / "face.onnx")
