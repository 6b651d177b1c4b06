"""ThinConvolution is a Conv2D, by other operations."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_i2i.layers import ThinConvolution
from tf_i2i.layers import portable


@pytest.fixture
def images():
    return tf.random.stateless_normal((2, 9, 11, 3), seed=(0, 1))


@pytest.mark.parametrize("filters", [2, 5], ids=["to few", "from few"])
def test_it_gives_values_and_gradients_of_conv2d(images, filters):
    plain = keras.layers.Conv2D(filters, 5, bias_initializer="ones")
    thin = ThinConvolution(filters, 5, bias_initializer="ones")
    plain.build(images.shape)
    thin.build(images.shape)
    thin.set_weights(plain.get_weights())

    def values(layer):
        with tf.GradientTape() as tape:
            tape.watch(images)
            y = layer(images)
            loss = tf.reduce_sum(y * tf.cos(3 * y))
        return [y, *tape.gradient(loss, [images, *layer.trainable_weights])]

    assert plain(images).shape == (2, 5, 7, filters)
    for ours, theirs in zip(values(thin), values(plain), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_converters_see_one_convolution(images):
    layer = ThinConvolution(2, 5)

    def convolutions():
        graph = tf.function(lambda x: layer(x)).get_concrete_function(images)
        return sum(op.type == "Conv2D" for op in graph.graph.get_operations())

    assert convolutions() == 2
    with portable():
        assert convolutions() == 1
    assert convolutions() == 2
