"""Core ML packages against their source (the extra `coreml`)."""

import sys

import numpy as np
import pytest

from tf_i2i import exporting
from tf_i2i.errors import UserError
from tf_i2i.exporting import coreml
from tf_i2i.exporting import mil
from tf_i2i.methods import TwinGAN


def model(**arguments):
    return TwinGAN(image_size=16, start_size=16, width=0.02, **arguments)


def need_coremltools():
    pytest.importorskip("coremltools", reason="the extra `coreml` is missing")


# Folders that coremltools leaves to the garbage collector.
@pytest.mark.filterwarnings("ignore:Implicitly cleaning up:ResourceWarning")
@pytest.mark.parametrize(
    ("style_size", "precision", "levels"),
    [(None, "float16", 2), (4, "float32", 1)],
)
def test_a_package_is_the_model(style_size, precision, levels, tmp_path, rng):
    need_coremltools()
    translator = model(style_size=style_size)
    path = tmp_path / "face.mlpackage"
    coreml.export_coreml(translator, path, precision=precision)
    facts = {"method": "TwinGAN", "author": "A. Painter", "licence": "free"}
    coreml.describe(path, facts)
    about = coreml.read_spec(path).description
    image, *styles = about.input
    (made,) = about.output
    assert (image.name, made.name) == ("image", "translation")
    for picture in (image.type.imageType, made.type.imageType):
        assert (picture.height, picture.width) == (16, 16)
        assert picture.colorSpace == picture.RGB
    assert [style.name for style in styles] == ["style"] * bool(style_size)
    for style in styles:
        assert [*style.type.multiArrayType.shape] == [1, style_size]
    assert about.metadata.author == "A. Painter"
    assert about.metadata.license == "free"
    assert about.metadata.userDefined["method"] == "TwinGAN"

    images = rng.integers(0, 256, (2, 16, 16, 3), np.uint8)
    style = None
    if style_size:
        style = translator.sample_style(2, 0).numpy()
    wanted = exporting.photo_to_photo(translator, "a_to_b")(images, style)
    given = coreml.load_coreml(path)(images, style)
    assert given.dtype == np.uint8
    assert np.abs(np.int32(given) - np.int32(wanted)).max() <= levels
    assert np.std(given) > 1


def test_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "coremltools", None)
    with pytest.raises(UserError, match=r"tf-i2i\[coreml\]"):
        coreml.export_coreml(model(), tmp_path / "face.mlpackage")


def test_operations_that_cannot_be_compared_are_named(refuses):
    with refuses("--output"):
        mil._find("lstm")
