"""Spectral normalization is a reparametrisation, with its gradient."""

import keras
import numpy as np
import tensorflow as tf

from tf_i2i.layers import SpectralConv2D

X = np.random.default_rng(1).normal(size=(1, 5, 5, 2)).astype(np.float32)


def settled():
    """A layer after many calls, its kernel as a matrix, and sigma."""
    keras.utils.set_random_seed(0)
    layer = SpectralConv2D(3, 3)
    layer.build(X.shape)
    kernel = np.array(layer.kernel)
    for _ in range(100):
        layer(X, training=True)
    np.testing.assert_array_equal(layer.kernel, kernel)
    return layer, kernel, np.linalg.svd(kernel.reshape(-1, 3))[1][0]


def test_output_and_gradient():
    layer, kernel, sigma = settled()
    plain = tf.nn.conv2d(X, kernel, 1, "VALID")
    np.testing.assert_allclose(layer(X), plain / sigma, rtol=1e-4, atol=1e-5)

    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(X))
    found = tape.gradient(total, layer.kernel)
    weights = tf.Variable(kernel)
    with tf.GradientTape() as tape:
        matrix = tf.reshape(weights, [-1, 3])
        by_svd = tf.linalg.svd(matrix, compute_uv=False)[0]
        total = tf.reduce_sum(tf.nn.conv2d(X, weights / by_svd, 1, "VALID"))
    wanted = tape.gradient(total, weights)
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3)


def test_only_training_moves_the_estimate():
    layer = SpectralConv2D(3, 3)
    layer(X)
    before = np.array(layer.singular_vector)
    layer(X)
    np.testing.assert_array_equal(layer.singular_vector, before)
    layer(X, training=True)
    assert np.abs(layer.singular_vector - before).max() > 1e-3


def test_the_singular_vector_is_saved():
    layer, _, _ = settled()
    stored = {}
    layer.save_own_variables(stored)
    other = SpectralConv2D(3, 3)
    other.build(X.shape)
    other.load_own_variables(stored)
    np.testing.assert_array_equal(
        other.singular_vector, layer.singular_vector.numpy()
    )
