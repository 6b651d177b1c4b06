"""Convolutions by Winograd's algorithm are those of TensorFlow."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_i2i.layers import Conv2D
from tf_i2i.layers import convolution
from tf_i2i.layers.winograd import convolve_3x3
from tf_i2i.methods import CycleGAN
from tf_i2i.methods.frozen import frozen


@pytest.mark.parametrize("shape", [(1, 3, 3), (2, 6, 10), (3, 19, 8)])
@pytest.mark.parametrize("known", [True, False], ids=["static", "dynamic"])
def test_the_values_are_those_of_conv2d(shape, known, rng):
    x = np.float32(rng.normal(size=(*shape, 5)))
    kernel = np.float32(rng.normal(size=(3, 3, 5, 7)))
    sides = shape if known else (None, None, None)
    made = tf.function(
        lambda x: convolve_3x3(x, kernel),
        input_signature=[tf.TensorSpec((*sides, 5), tf.float32)],
        autograph=False,
    )(x)
    wanted = tf.nn.conv2d(x, kernel, 1, "VALID")
    np.testing.assert_allclose(made, wanted, atol=2e-4)


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_constant_kernels_take_it_and_variables_do_not(padding, monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda *_: [])
    monkeypatch.setattr(convolution, "_MANY", 4)
    layer = Conv2D(6, 3, padding=padding)
    x = tf.random.stateless_normal((2, 17, 20, 4), (0, 1))
    wanted = layer(x)
    value = layer.kernel.numpy()

    def constant(x):
        with keras.StatelessScope([(layer.kernel, tf.constant(value))]):
            return layer(x)

    for call, kinds in ((constant, 0), (layer, 1)):
        graph = tf.function(call, autograph=False).get_concrete_function(x)
        found = graph.graph.get_operations()
        assert sum(op.type == "Conv2D" for op in found) == kinds
        np.testing.assert_allclose(graph(x), wanted, atol=1e-4)


def test_frozen_functions_keep_their_weights(rng):
    model = CycleGAN(16, residual_blocks=1, width=0.05, critic_layers=1)
    images = np.float32(rng.uniform(-1, 1, (2, 16, 16, 3)))
    wanted = model.translate(images, "a_to_b")
    call = frozen(model)(model.translate)
    model.generator_b.set_weights(
        [0 * weight for weight in model.generator_b.get_weights()]
    )
    np.testing.assert_allclose(call(images, "a_to_b"), wanted, atol=1e-5)
    graph = call.get_concrete_function(images, "a_to_b").graph
    assert not graph.variables
