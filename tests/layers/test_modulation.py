"""AdaIN and AdaLIN by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_i2i.layers import AdaptiveNormalization
from tf_i2i.layers import LayerInstanceNormalization

X = np.random.default_rng(0).normal(2, 3, (2, 4, 4, 3)).astype(np.float32)
SCALE = np.array([[0.0, 1.0, -2.0], [0.5, 0.0, 3.0]], np.float32)
OFFSET = np.array([[1.0, 0.0, 0.0], [0.0, -1.0, 2.0]], np.float32)


def normalized(axes):
    mean = X.mean(axes, keepdims=True)
    return (X - mean) / np.sqrt(X.var(axes, keepdims=True) + 1e-5)


def affine(y):
    return y * (1 + SCALE[:, None, None]) + OFFSET[:, None, None]


@pytest.mark.parametrize("training", [False, True])
def test_adain_has_no_weights(training):
    layer = AdaptiveNormalization()
    y = layer(X, SCALE, OFFSET, training=training)
    np.testing.assert_allclose(y, affine(normalized((1, 2))), atol=1e-5)
    assert layer.weights == []


@pytest.mark.parametrize("rho", [0.0, 0.25, 1.0])
def test_adalin_mixes_both_normalizations(rho):
    layer = AdaptiveNormalization(instance_share=rho)
    y = layer(X, SCALE, OFFSET)
    mixed = rho * normalized((1, 2)) + (1 - rho) * normalized((1, 2, 3))
    np.testing.assert_allclose(y, affine(mixed), atol=1e-5)


def test_rho_stays_a_share():
    layer = AdaptiveNormalization(instance_share=0.5)
    layer.build(X.shape)
    optimizer = keras.optimizers.SGD(1.0)
    gradient = tf.constant([5.0, -5.0, 0.2])
    optimizer.apply([gradient], layer.trainable_variables)
    np.testing.assert_allclose(layer.rho, [0.0, 1.0, 0.3], atol=1e-6)


def test_scale_and_offset_may_be_learned():
    layer = LayerInstanceNormalization()
    np.testing.assert_allclose(layer(X), normalized((1, 2, 3)), atol=1e-5)
    layer.rho.assign([1.0, 1.0, 1.0])
    layer.scale.assign(SCALE[1:])
    layer.offset.assign(OFFSET[1:])
    expected = normalized((1, 2)) * (1 + SCALE[1]) + OFFSET[1]
    np.testing.assert_allclose(layer(X), expected, atol=1e-5)
