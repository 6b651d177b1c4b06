"""The published networks of MUNIT, by shapes and counts."""

import numpy as np
import tensorflow as tf
from shapes import convolved
from shapes import parameters

from tf_i2i.networks.multiscale import MultiScaleCritic
from tf_i2i.networks.munit import AdaINDecoder
from tf_i2i.networks.munit import ContentEncoder
from tf_i2i.networks.munit import StridedCritic
from tf_i2i.networks.munit import StyleEncoder

IMAGE = tf.zeros((1, 32, 32, 3))


def test_content_encoder():
    network = ContentEncoder()
    assert convolved(network, IMAGE) == [
        (7, 3, 32, 64),
        (4, 64, 16, 128),
        (4, 128, 8, 256),
        *[(3, 256, 8, 256)] * 8,
    ]
    assert parameters(network) == 5_385_856


def test_style_encoder():
    network = StyleEncoder()
    assert convolved(network, IMAGE) == [
        (7, 3, 32, 64),
        (4, 64, 16, 128),
        (4, 128, 8, 256),
        (4, 256, 4, 256),
        (4, 256, 2, 256),
    ]
    assert network(IMAGE).shape == (1, 8)
    assert parameters(network) == 2_764_936


def test_decoder():
    network = AdaINDecoder()
    content, style = tf.zeros((1, 8, 8, 256)), tf.zeros((1, 8))
    assert convolved(network, content, style) == [
        *[(3, 256, 8, 256)] * 8,
        (5, 256, 16, 128),
        (5, 128, 32, 64),
        (7, 64, 32, 3),
    ]
    # The perceptron has 2,304 + 65,792 + 1,052,672 parameters.
    assert parameters(network) == 5_754_627 + 1_120_768


def test_critics():
    network = MultiScaleCritic([StridedCritic() for _ in range(3)])
    scores = network(tf.zeros((1, 64, 64, 3)))
    assert [x.shape[1:] for x in scores] == [(4, 4, 1), (2, 2, 1), (1, 1, 1)]
    assert parameters(network) == 3 * 2_757_057


def test_a_smaller_scale_sees_means():
    network = MultiScaleCritic([lambda x, training: x] * 2)
    x = np.zeros((1, 4, 4, 1), np.float32)
    x[0, 0, 0], x[0, 3, 3] = 9, 4
    whole, half = network(x)
    np.testing.assert_array_equal(whole, x)
    # Of 3x3 pixels, of which 2x2 are within the image in the last corner.
    np.testing.assert_allclose(half[0, :, :, 0], [[1, 0], [0, 1]], atol=1e-6)
