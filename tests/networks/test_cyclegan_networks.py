"""The published networks of CycleGAN, by shapes and counts."""

import numpy as np
import pytest
import tensorflow as tf
from shapes import convolved
from shapes import parameters

from tf_i2i.networks.patch import AntialiasedCritic
from tf_i2i.networks.patch import PatchCritic
from tf_i2i.networks.resnet import ResnetGenerator


@pytest.mark.parametrize(("blocks", "count"), [(6, 7_837_699), (9, 11_378_179)])
def test_generator(blocks, count):
    generator = ResnetGenerator(blocks)
    rows = convolved(generator, tf.zeros((1, 64, 64, 3)))
    assert rows == [
        (7, 3, 64, 64),
        (3, 64, 32, 128),
        (3, 128, 16, 256),
        *[(3, 256, 16, 256)] * (2 * blocks),
        (3, 256, 32, 128),
        (3, 128, 64, 64),
        (7, 64, 64, 3),
    ]
    assert parameters(generator) == count


@pytest.mark.parametrize(
    ("kind", "sides"),
    [(PatchCritic, (128, 64, 32)), (AntialiasedCritic, (255, 127, 63))],
)
def test_critic(kind, sides):
    critic = kind()
    rows = convolved(critic, tf.zeros((1, 256, 256, 3)))
    assert rows == [
        (4, 3, sides[0], 64),
        (4, 64, sides[1], 128),
        (4, 128, sides[2], 256),
        (4, 256, 31, 512),
        (4, 512, 30, 1),
    ]
    assert parameters(critic) == 2_764_737
    for size, scores in ((128, 14), (64, 6), (32, 2)):
        assert critic(tf.zeros((1, size, size, 3))).shape == (
            *(1, scores, scores),
            1,
        )


@pytest.mark.parametrize(
    ("kind", "layers", "field"),
    [
        *((PatchCritic, 1, 16), (PatchCritic, 2, 34), (PatchCritic, 3, 70)),
        *((AntialiasedCritic, 1, 18), (AntialiasedCritic, 3, 84)),
    ],
)
def test_pixels_that_a_score_sees(kind, layers, field):
    critic = kind(layers, width=0.05)
    critic.norms = [lambda x, training: x] * layers  # It sees whole images.
    x = tf.Variable(tf.random.stateless_normal((1, 128, 128, 3), (1, 2)))
    with tf.GradientTape() as tape:
        scores = critic(x)
        one = scores[0, scores.shape[1] // 2, scores.shape[2] // 2, 0]
    seen = np.abs(tape.gradient(one, x)).sum(axis=(0, 2, 3)) > 0
    assert seen.sum() == field


def test_training_kernels_give_the_same_images():
    generator = ResnetGenerator(blocks=2, width=0.1)
    x = tf.random.stateless_uniform((2, 16, 16, 3), (1, 2)) - 0.5
    np.testing.assert_allclose(
        generator(x, training=True), generator(x), atol=1e-5
    )
