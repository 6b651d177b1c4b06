"""The generator for phones: its layers, and what it takes from a batch."""

import numpy as np
import tensorflow as tf

from tf_i2i.networks.mobile import MobileGenerator


def built(**arguments):
    network = MobileGenerator(**arguments)
    network(tf.zeros((1, 16, 16, 3)))
    return network


def test_parameters_by_hand():
    few, some, many, blocks = 32, 64, 128, 4

    def separable(inputs, outputs):
        # Kernels, and scale and offset of two normalizations.
        return 9 * inputs + inputs * outputs + 2 * (inputs + outputs)

    count = 27 * few + 2 * few
    count += separable(few, some) + separable(some, many)
    count += 2 * blocks * separable(many, many)
    count += separable(many, some) + separable(some, few)
    count += 9 * few * 12 + 12
    trained = built(blocks=blocks).trainable_variables
    assert sum(int(np.prod(v.shape)) for v in trained) == count


def test_any_multiple_of_eight_keeps_its_shape():
    network = built(width=0.1, blocks=1)
    for shape in [(2, 8, 8, 3), (1, 24, 40, 3)]:
        assert network(tf.zeros(shape)).shape == shape


def test_statistics_come_from_training_alone(rng):
    network = built(width=0.1, blocks=1)
    images = rng.uniform(-1, 1, (4, 16, 16, 3)).astype(np.float32)
    network(images)
    mean = network.first.norm.moving_mean
    assert np.all(mean == 0)
    network(images, training=True)
    convolved = np.asarray(network.first.convolution(images))
    # A hundredth of the way.
    np.testing.assert_allclose(
        mean[0], 0.01 * convolved.mean((0, 1, 2)), atol=1e-5
    )
