"""The networks of Augmented CycleGAN's authors' code, by shapes and counts."""

import numpy as np
import pytest
import tensorflow as tf
from shapes import convolved
from shapes import parameters

from tf_i2i.networks.augmented_cyclegan import CodeGenerator
from tf_i2i.networks.augmented_cyclegan import CodeNormalization
from tf_i2i.networks.augmented_cyclegan import PairEncoder

CODE = tf.zeros((1, 16))


@pytest.mark.parametrize(
    ("codes", "normalizations"),
    # Each channel has two constants, or two rows of 16 weights and a constant.
    # The second convolution of a block always has constants.
    [([], 2 * (320 + 384)), ([CODE], 2 * (320 + 384) * 17 + 2 * 384)],
)
def test_generators(codes, normalizations):
    network = CodeGenerator(coded=bool(codes))
    assert convolved(network, tf.zeros((1, 16, 16, 3)), *codes) == [
        (7, 3, 16, 32),
        (3, 32, 16, 64),
        (3, 64, 8, 128),
        *[(3, 128, 8, 128)] * 6,
        (3, 128, 16, 64),
        (3, 64, 16, 32),
        (7, 32, 16, 3),
    ]
    convolutions = 4_736 + 18_496 + 73_856 + 6 * 147_584
    convolutions += 73_792 + 18_464 + 4_707
    assert parameters(network) == convolutions + normalizations


def test_encoder():
    network = PairEncoder()
    image = tf.zeros((1, 64, 64, 3))
    assert convolved(network, image, image) == [
        (3, 6, 32, 32),
        (3, 32, 16, 64),
        (3, 64, 8, 128),
        (3, 128, 4, 256),
        (4, 256, 1, 256),
    ]
    assert parameters(network) == 1_442_224


def test_a_code_scales_and_shifts_normalized_maps(rng):
    layer = CodeNormalization()
    x = rng.normal(3, 2, (2, 4, 4, 3)).astype(np.float32)
    code = rng.normal(size=(2, 5)).astype(np.float32)
    y = layer(x, code)
    weights = {w.path.split("/", 1)[1]: w.numpy() for w in layer.weights}
    scale = 1 + code @ weights["scale/kernel"]
    offset = code @ weights["offset/kernel"]
    np.testing.assert_allclose(np.mean(y, (1, 2)), offset, atol=1e-5)
    np.testing.assert_allclose(np.std(y, (1, 2)), np.abs(scale), rtol=1e-4)
