"""The generators of CoGAN, by the table of the appendix."""

import numpy as np
import tensorflow as tf
from shapes import convolved
from shapes import parameters

from tf_i2i.networks.cogan import CoupledGenerators
from tf_i2i.networks.cogan import PReLU
from tf_i2i.networks.cogan import search_noise


def test_the_generators_are_those_of_the_appendix(refuses):
    generator = CoupledGenerators()
    rows = convolved(lambda z: generator(z, domains="ab"), tf.zeros((1, 100)))
    assert rows == [
        *((4, 100, 4, 1024), (3, 1024, 7, 512), (3, 512, 13, 256)),
        *((3, 256, 25, 128), (6, 128, 28, 3), (6, 128, 28, 3)),
    ]
    kernels = 1_638_400 + 4_718_592 + 1_179_648 + 294_912 + 2 * 13_824
    channels = 1024 + 512 + 256 + 128
    assert parameters(generator) == kernels + 3 * channels + 2 * 3
    with refuses("image_size"):
        CoupledGenerators(32)


def test_prelu():
    x = np.float32([[[[-4.0, 3.0]]]])
    np.testing.assert_array_equal(PReLU()(x), [[[[-1.0, 3.0]]]])


def test_the_search_minimizes_the_difference_of_pixels():
    """The images are linear in the noise, and one pixel is out of reach."""
    wanted = np.float32([[0.25, -0.5, 3.0], [0.0, 0.75, -3.0]])
    found = search_noise(
        lambda noise: tf.reshape(noise[:, :3], (-1, 1, 1, 3)),
        wanted[:, None, None],
        steps=60,
    )
    np.testing.assert_allclose(found[:, :3], np.clip(wanted, -1, 1), atol=0.02)
    np.testing.assert_array_equal(found[:, 3:], 0)
