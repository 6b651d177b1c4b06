"""Pixel-shuffle against NumPy, and the kernels that it begins with."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_i2i.layers import equal_in_block
from tf_i2i.layers import pixel_shuffle
from tf_i2i.layers import pixel_unshuffle


@pytest.mark.parametrize("block", [2, 4])
def test_a_block_of_pixels_becomes_the_channels_of_one(block, rng):
    x = rng.normal(size=(2, 8, 16, 3)).astype(np.float32)
    rows, columns = 8 // block, 16 // block
    cells = x.reshape(2, rows, block, columns, block, 3)
    expected = cells.transpose(0, 1, 3, 2, 4, 5).reshape(2, rows, columns, -1)
    assert np.array_equal(pixel_unshuffle(x, block), expected)
    assert np.array_equal(pixel_shuffle(expected, block), x)


def test_a_block_of_one_pixel_changes_nothing(rng):
    x = rng.normal(size=(1, 3, 5, 3))
    assert pixel_unshuffle(x, 1) is x
    assert pixel_shuffle(x, 1) is x
    assert equal_in_block("he_normal", 1) == "he_normal"


def power(images):
    """Power of each frequency, `[S, S]`; that of a checkerboard is in line and
    column S / 2.
    """
    spectra = np.fft.fft2(images - np.mean(images), axes=(1, 2))
    return np.mean(np.abs(spectra) ** 2, axis=(0, 3))


@pytest.mark.parametrize("block", [2, 4])
def test_first_kernels_make_no_checkerboard(block, rng):
    x = rng.normal(size=(4, 8, 8, 6)).astype(np.float32)
    strongest = {}
    for name, initializer in {
        "equal": equal_in_block("glorot_normal", block),
        "plain": keras.initializers.GlorotNormal(seed=1),
    }.items():
        kernel = initializer((3, 3, 6, 3 * block**2))
        images = pixel_shuffle(tf.nn.conv2d(x, kernel, 1, "SAME"), block)
        found = power(images.numpy())
        # Patterns that repeat with each block, except their mean.
        found[::8, ::8][0, 0] = 0
        strongest[name] = found[::8, ::8].max() / found.mean()
        assert np.std(images) > 0.1
    assert strongest["equal"] < 1e-9
    assert strongest["plain"] > 1
