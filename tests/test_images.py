"""The value-range contract and the grid."""

import numpy as np
import pytest
import tensorflow as tf

from tf_i2i import images

EVERY_BYTE = np.arange(256, dtype=np.uint8)


def kinds(array):
    return [array, tf.constant(array)]


@pytest.mark.parametrize("values", kinds(EVERY_BYTE), ids=["numpy", "tf"])
def test_every_byte_survives_the_way_there_and_back(values):
    floats = images.to_float(values)
    assert floats.dtype == np.float32
    np.testing.assert_array_equal(images.to_uint8(floats), EVERY_BYTE)


@pytest.mark.parametrize("values", kinds(EVERY_BYTE), ids=["numpy", "tf"])
def test_the_ends_of_the_range(values):
    floats = np.array(images.to_float(values))
    assert floats[[0, 255]].tolist() == [-1.0, 1.0]
    assert floats[51] == pytest.approx(-0.6)


@pytest.mark.parametrize(
    "values",
    kinds(np.float32([-3.0, -1.0, 0.0, 1 / 127.5, 1.0, 9.0])),
    ids=["numpy", "tf"],
)
def test_to_uint8_clips_and_rounds(values):
    # 0.0 is 127.5, halfway; it goes to the even neighbour.
    levels = np.array(images.to_uint8(values))
    assert levels.tolist() == [0, 0, 128, 128, 255, 255]


def test_to_uint8_takes_half_precision():
    levels = images.to_uint8(tf.constant([-1.0, 1.0], tf.bfloat16))
    assert levels.numpy().tolist() == [0, 255]


def test_grid_lays_rows_on_white():
    black = np.zeros((3, 4, 5, 3), np.uint8)
    picture = images.grid([black, black], gap=1)
    assert picture.shape == (2 * 4 + 3, 3 * 5 + 4, 3)
    assert (picture == 0).sum() == 2 * black.size
    assert (picture[[0, 5, 10]] == 255).all()
    assert (picture[:, [0, 6, 12, 18]] == 255).all()


def test_grid_keeps_the_order(rng):
    rows = rng.integers(0, 256, (2, 3, 4, 4, 3), dtype=np.uint8)
    picture = images.grid(list(rows), gap=2)
    np.testing.assert_array_equal(picture[8:12, 14:18], rows[1, 2])
