"""Scaling and padding, with an identity for a model."""

import numpy as np
import pytest
from PIL import Image

from tf_i2i.geometry import InputSize
from tf_i2i.geometry import translate_image

SIZE, MULTIPLE = 16, 4
INPUT_SIZE = InputSize(SIZE, MULTIPLE)


def noise(height, width, seed=0):
    shape = (height, width, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def resized(image, height, width):
    picture = Image.fromarray(image)
    return np.array(picture.resize((width, height), Image.Resampling.BICUBIC))


@pytest.mark.parametrize(
    ("height", "width", "scaled", "padded"),
    [
        (1, 1, (16, 16), (16, 16)),
        (16, 16, (16, 16), (16, 16)),
        (64, 64, (16, 16), (16, 16)),
        (17, 31, (16, 29), (16, 32)),
        (31, 17, (29, 16), (32, 16)),
        (20, 33, (16, 26), (16, 28)),
        (3, 200, (16, 1067), (16, 1068)),
    ],
)
def test_identity_gives_the_scaled_image(height, width, scaled, padded):
    image = noise(height, width)
    seen = []

    def identity(images):
        seen.append(images)
        return images

    result = translate_image(identity, image, INPUT_SIZE)
    expected = resized(image, *scaled)
    np.testing.assert_array_equal(result, expected)
    (images,) = seen
    assert images.shape == (1, *padded, 3)
    # The first padded column mirrors the last but one of the image.
    if padded[1] > scaled[1]:
        np.testing.assert_array_equal(
            images[0, :, scaled[1]], expected[:, scaled[1] - 2]
        )
    restored = translate_image(identity, image, INPUT_SIZE, restore=True)
    np.testing.assert_array_equal(restored, resized(expected, height, width))


@pytest.mark.parametrize(
    ("height", "width", "inner", "shape"),
    [
        (16, 16, (16, 16), (16, 16)),
        (40, 20, (16, 8), (32, 16)),
        (20, 40, (8, 16), (16, 32)),
        (10, 80, (2, 16), (16, 128)),
    ],
)
def test_a_model_of_fixed_size_gets_the_whole_image(
    height, width, inner, shape
):
    image = noise(height, width)
    images = []
    fixed = InputSize(SIZE, SIZE, fixed=True)
    result = translate_image(lambda x: images.append(x) or x, image, fixed)
    assert images[0].shape == (1, SIZE, SIZE, 3)
    top, left = ((SIZE - side) // 2 for side in inner)
    within = images[0][0, top : top + inner[0], left : left + inner[1]]
    np.testing.assert_array_equal(within, resized(image, *inner))
    np.testing.assert_array_equal(result, resized(within, *shape))
    restored = translate_image(lambda x: x, image, fixed, restore=True)
    assert restored.shape == image.shape


def test_padding_larger_than_the_image():
    images = []
    translate_image(
        lambda x: images.append(x) or x, noise(3, 3), InputSize(3, 16)
    )
    row = images[0][0, 0, :, 0]
    assert row.shape == (16,)
    np.testing.assert_array_equal(row[:9], row[[0, 1, 2, 1, 0, 1, 2, 1, 0]])
