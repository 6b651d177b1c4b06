"""Conv2D is Keras' Conv2D, by other operations."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_i2i.layers import Conv2D
from tf_i2i.layers import portable
from tf_i2i.layers.convolution import convolve

# Channels, filters and options.
CASES = {
    "to few": (5, 2, {"kernel_size": 5}),
    "from few": (3, 5, {"kernel_size": 5}),
    "oblong": (3, 5, {"kernel_size": (5, 3)}),
    "dilated": (3, 5, {"kernel_size": 5, "dilation_rate": 2}),
    "plain": (5, 6, {"kernel_size": 3, "padding": "same"}),
    "halved": (5, 6, {"kernel_size": 3, "strides": 2}),
}


@pytest.fixture(autouse=True)
def _no_accelerator(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda *_: [])


def images(channels):
    return tf.random.stateless_normal((2, 9, 12, channels), seed=(0, 1))


@pytest.mark.parametrize("case", CASES)
def test_it_gives_values_and_gradients_of_keras(case):
    channels, filters, options = CASES[case]
    x = images(channels)
    plain = keras.layers.Conv2D(filters, bias_initializer="ones", **options)
    ours = Conv2D(filters, bias_initializer="ones", **options)
    plain.build(x.shape)
    ours.build(x.shape)
    ours.set_weights(plain.get_weights())

    def values(layer):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
            loss = tf.reduce_sum(y * tf.cos(3 * y))
        return [y, *tape.gradient(loss, [x, *layer.trainable_weights])]

    for mine, theirs in zip(values(ours), values(plain), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=5e-3)


@pytest.mark.parametrize("wrap", [tf.function, lambda f: f], ids=["graph", ""])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("size", [3, (4, 3)], ids=["3x3", "4x3"])
def test_gradients_by_matrix_products_are_conv2d_s(size, padding, wrap):
    plain = keras.layers.Conv2D(7, size, padding=padding, use_bias=False)
    x = images(5)
    plain.build(x.shape)

    def ours(x):
        return convolve(x, tf.convert_to_tensor(plain.kernel), padding)

    def learnt(layer):
        """Gradients, and those of a penalty of gradients."""
        with tf.GradientTape() as outer:
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = layer(x)
                loss = tf.reduce_sum(y * tf.cos(3 * y))
            by_x, by_kernel = tape.gradient(loss, [x, plain.kernel])
            penalty = tf.reduce_sum(by_x**2)
        return y, by_x, by_kernel, outer.gradient(penalty, plain.kernel)

    made = [wrap(lambda by=by: learnt(by))() for by in (ours, plain)]
    for mine, theirs in zip(*made, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=5e-2)


def test_large_bfloat16_convolutions_take_them():
    layer = Conv2D(128, 3, dtype="mixed_bfloat16")
    plain = keras.layers.Conv2D(128, 3, dtype="mixed_bfloat16")
    x = tf.random.stateless_normal((1, 24, 25, 128), seed=(0, 1))
    plain.build(x.shape)
    layer.build(x.shape)
    layer.set_weights(plain.get_weights())

    def learnt(layer, x):
        with tf.GradientTape() as tape:
            y = layer(x)
            loss = tf.reduce_sum(tf.cast(y, tf.float32) ** 2)
        return tape.gradient(loss, layer.kernel)

    mine, theirs = learnt(layer, x).numpy(), learnt(plain, x).numpy()
    assert np.abs(mine - theirs).max() < 0.02 * np.abs(theirs).max()
    graph = tf.function(learnt).get_concrete_function(layer, x)
    kinds = [op.type for op in graph.graph.get_operations()]
    assert kinds.count("MatMul") == 9
    assert "Conv2DBackpropFilter" not in kinds


def test_converters_see_one_convolution():
    layer = Conv2D(2, 5)
    x = images(5)

    def convolutions():
        graph = tf.function(lambda x: layer(x)).get_concrete_function(x)
        return sum(op.type == "Conv2D" for op in graph.graph.get_operations())

    assert convolutions() == 2
    with portable():
        assert convolutions() == 1
    assert convolutions() == 2
