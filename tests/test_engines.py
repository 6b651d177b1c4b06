"""Translations by LiteRT are those of TensorFlow, or are refused."""

import numpy as np
import pytest

from tf_i2i.engines import ENGINES
from tf_i2i.engines import LiteRT
from tf_i2i.exporting import litert
from tf_i2i.exporting.pictures import Translation
from tf_i2i.layers.portable import is_portable
from tf_i2i.methods.capabilities import StyleSampling

SIZE = 16


class Tint(StyleSampling):
    """Stands for a trained translator: a_to_b negates and adds the style."""

    size, size_multiple, fixed_size = SIZE, 4, False
    averaged_variables = ()
    style_shape = (3,)
    styled_directions = ("a_to_b",)

    def translate(self, images, direction, style=None):
        if direction == "b_to_a":
            return -0.5 * images
        style = self.style_or_mean(style, images)
        return -0.5 * images + style[:, None, None, :]


class Apart(Tint):
    """Its exported network makes images that are 6 levels brighter."""

    def translate(self, images, direction, style=None):
        made = super().translate(images, direction, style)
        return made + 0.05 if is_portable() else made


def noise(count, height=SIZE, width=SIZE):
    shape = (count, height, width, 3)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize(
    ("images", "styles"),
    [
        (noise(3), [None]),
        (noise(3), np.float32([[0.1, 0.0, -0.2]])),
        (noise(2, 16, 20), np.float32([[0.1, 0.0, -0.2], [0.0, 0.4, 0.0]])),
    ],
    ids=["mean style", "one style", "a style for each image"],
)
def test_the_engines_agree(images, styles):
    expected = ENGINES["tensorflow"](Tint(), "a_to_b")(images, styles)
    engine = ENGINES["litert"](Tint(), "a_to_b")
    for _ in range(2):  # The second call is not compared any more.
        made = engine(images, styles)
        assert made.dtype == np.uint8
        assert np.abs(made.astype(int) - expected).max() <= 1
    assert expected.std() > 10


def test_a_network_is_converted_once_for_each_size(monkeypatch):
    converted = []

    def convert(model, direction, size, precision):
        converted.append(size)
        return original(model, direction, size, precision)

    original = litert.convert
    monkeypatch.setattr(litert, "convert", convert)
    engine = LiteRT(Tint(), "b_to_a")
    for height, width in ((16, 16), (16, 20), (16, 16), (16, 20)):
        assert engine(noise(1, height, width), [None]).shape[1:3] == (
            height,
            width,
        )
    assert converted == [16, (16, 20)]


def test_an_engine_that_is_not_exact_is_refused(refuses):
    with refuses("--engine"):
        LiteRT(Apart(), "b_to_a")(noise(2), [None])


def test_auto_goes_on_with_tensorflow_where_litert_is_not_exact():
    images = noise(2)
    expected = Translation(Apart(), "b_to_a")(images, [None])
    engine = ENGINES["auto"](Apart(), "b_to_a")
    np.testing.assert_array_equal(engine(images, [None]), expected)
    exact = ENGINES["auto"](Tint(), "b_to_a")(images, [None])
    by_litert = LiteRT(Tint(), "b_to_a")(images, [None])
    np.testing.assert_array_equal(exact, by_litert)


def test_large_images_are_left_to_tensorflow():
    image = noise(1, 256, 320)
    expected = Translation(Apart(), "b_to_a", 256)(image, [None])
    made = LiteRT(Apart(), "b_to_a", 256)(image, [None])
    np.testing.assert_array_equal(made, expected)
