"""UNIT's Table 3 by shapes and counts."""

import pytest
import tensorflow as tf
from shapes import convolved
from shapes import parameters

from tf_i2i.networks.unit import UnitCritic
from tf_i2i.networks.unit import UnitEncoder
from tf_i2i.networks.unit import UnitGenerator
from tf_i2i.networks.unit import residual_blocks


def test_encoder():
    encoder = UnitEncoder(residual_blocks(4))
    rows = convolved(encoder, tf.zeros((1, 64, 64, 3)))
    assert rows == [
        (7, 3, 32, 64),
        (3, 64, 16, 128),
        (3, 128, 8, 256),
        *[(3, 256, 8, 512), (3, 512, 8, 512), (1, 256, 8, 512)],
        *[(3, 512, 8, 512)] * 6,
    ]
    assert parameters(encoder) == 18_208_896


def test_generator():
    generator = UnitGenerator(residual_blocks(4))
    rows = convolved(generator, tf.zeros((1, 8, 8, 512)))
    assert rows == [
        *[(3, 512, 8, 512)] * 8,
        (3, 512, 16, 256),
        (3, 256, 32, 128),
        (3, 128, 64, 64),
        (1, 64, 64, 3),
    ]
    assert parameters(generator) == 20_427_395


def test_kernels_as_printed():
    encoder = UnitEncoder(residual_blocks(4, kernel_size=1))
    generator = UnitGenerator(residual_blocks(4, kernel_size=1))
    generator(encoder(tf.zeros((1, 32, 32, 3))))
    assert parameters(encoder) == 2_480_256
    assert parameters(generator) == 3_650_179


@pytest.mark.parametrize(
    ("layers", "size", "side"),
    [(5, 256, 7), (5, 128, 3), (5, 64, 1), (3, 32, 3)],
)
def test_critic(layers, size, side):
    critic = UnitCritic(layers)
    assert critic(tf.zeros((1, size, size, 3))).shape == (1, side, side, 1)
    if layers == 5:
        assert parameters(critic) == 6_274_689


def test_critic_layers():
    rows = convolved(UnitCritic(), tf.zeros((1, 128, 128, 3)))
    assert rows == [
        (3, 3, 64, 64),
        (3, 64, 32, 128),
        (3, 128, 16, 256),
        (3, 256, 8, 512),
        (3, 512, 4, 1024),
        (2, 1024, 3, 1),
    ]
