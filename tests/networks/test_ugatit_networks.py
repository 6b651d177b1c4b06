"""The published networks of U-GAT-IT, and its attention by hand."""

import numpy as np
import pytest
import tensorflow as tf
from shapes import convolved
from shapes import parameters

from tf_i2i.networks.ugatit import AttentiveCritic
from tf_i2i.networks.ugatit import AttentiveGenerator
from tf_i2i.networks.ugatit import ClassActivation


def test_generator():
    network = AttentiveGenerator()
    image = tf.zeros((1, 32, 32, 3))
    assert convolved(network, image) == [
        (7, 3, 32, 64),
        (3, 64, 16, 128),
        (3, 128, 8, 256),
        *[(3, 256, 8, 256)] * 8,
        (1, 512, 8, 256),
        *[(3, 256, 8, 256)] * 8,
        (3, 256, 16, 128),
        (3, 128, 32, 64),
        (7, 64, 32, 3),
    ]
    made, logits, attention = network(image)
    assert [x.shape for x in (made, logits, attention)] == [
        *((1, 32, 32, 3), (1, 2), (1, 8, 8))
    ]
    # The authors' PyTorch code has no biases except in the 1x1 convolution.
    biases = 2_496 + 1_024 + 2_048 + 192 + 3
    assert parameters(network) == 10_589_888 + biases


@pytest.mark.parametrize(("layers", "side"), [(3, 6), (4, 2)])
def test_critics(layers, side):
    network = AttentiveCritic(layers, width=0.0625)
    scores, logits = network(tf.zeros((2, 64, 64, 3)))
    assert scores.shape == (2, side, side, 1)
    assert logits.shape == (2, 2)


def test_local_critic_of_the_paper():
    network = AttentiveCritic(3)
    assert convolved(network, tf.zeros((1, 64, 64, 3))) == [
        (4, 3, 32, 64),
        (4, 64, 16, 128),
        (4, 128, 8, 256),
        (4, 256, 7, 512),
        (1, 1024, 7, 512),
        (4, 512, 6, 1),
    ]
    assert parameters(network) == 3_290_560


@pytest.mark.parametrize("spectral", [False, True])
def test_class_activation(spectral):
    layer = ClassActivation(tf.nn.relu, spectral=spectral)
    x = np.random.default_rng(0).normal(size=(2, 3, 3, 4)).astype(np.float32)
    y, logits, attention = layer(x)
    weights = layer.importance.numpy()
    if spectral:
        weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    pooled = x.mean((1, 2)) @ weights[0], x.max((1, 2)) @ weights[1]
    np.testing.assert_allclose(logits, np.stack(pooled, 1), atol=1e-6)
    both = np.concatenate([x * weights[0], x * weights[1]], 3)
    expected = np.maximum(both @ layer.mix.kernel.numpy()[0, 0], 0)
    np.testing.assert_allclose(y, expected, atol=1e-6)
    np.testing.assert_allclose(attention, expected.sum(3), atol=1e-6)
