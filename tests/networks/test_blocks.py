"""Layers that double the side of maps, and the patterns that they make."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_i2i.networks.blocks import UpsampleConvolution
from tf_i2i.networks.blocks import doubling_layer


def pattern(layer):
    """Largest difference of neighbours in what a layer makes of a plain map."""
    made = layer(tf.ones((1, 8, 8, 3))).numpy()[0, 4:-4, 4:-4]
    return max(np.abs(np.diff(made, axis=axis)).max() for axis in (0, 1))


def test_upsampling_makes_no_pattern_of_a_plain_map():
    assert pattern(doubling_layer(4, 1.0, 2, "up")) < 1e-6
    assert pattern(doubling_layer(4, 1.0, 1, "up")) > 1e-3
    assert isinstance(
        doubling_layer(4, 1.0, 1, "up"), keras.layers.Conv2DTranspose
    )


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_upsampling_and_convolution_in_turn(dtype, rng):
    layer = UpsampleConvolution(
        4, 3, padding="same", bias_initializer="ones", dtype=dtype
    )
    x = rng.normal(size=(2, 3, 5, 3)).astype(np.float32)
    made = layer(x)
    assert layer.compute_output_shape(x.shape) == made.shape == (2, 6, 10, 4)
    upsampled = np.repeat(np.repeat(x, 2, 1), 2, 2)
    expected = tf.nn.conv2d(upsampled, layer.kernel, 1, "SAME") + 1
    tolerance = 1e-5 if dtype == "float32" else 0.05
    np.testing.assert_allclose(
        tf.cast(made, tf.float32), expected, atol=tolerance
    )
