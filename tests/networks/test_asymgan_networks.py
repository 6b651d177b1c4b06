"""The published networks of AsymGAN, by shapes and counts."""

import numpy as np
import pytest
import tensorflow as tf
from shapes import convolved
from shapes import parameters

from tf_i2i.networks.asymgan import AuxEncoder
from tf_i2i.networks.asymgan import MapCritic
from tf_i2i.networks.asymgan import StyledGenerator
from tf_i2i.networks.asymgan import VectorCritic
from tf_i2i.networks.asymgan import concat_style

IMAGE = tf.zeros((1, 64, 64, 3))
VECTOR = tf.ones((1, 8))
BEFORE = [(7, 3, 64, 64), (3, 64, 32, 128), (3, 128, 16, 256)]
AFTER = [(3, 256, 32, 128), (3, 128, 64, 64), (7, 64, 64, 3)]


def test_generator_with_a_map():
    generator = StyledGenerator(style_path="map")
    rows = convolved(generator, IMAGE, tf.zeros((1, 8, 8, 8)))
    assert rows == [
        *BEFORE,
        *[(3, 256, 16, 256)] * 6,
        *[(3, 264, 16, 264)] * 6,
        (3, 264, 32, 128),
        *AFTER[1:],
    ]
    assert parameters(generator) == 8_071_603


def test_generator_with_a_vector_beside():
    generator = StyledGenerator(style_path="concat")
    rows = convolved(generator, IMAGE, VECTOR)
    assert rows == [
        *BEFORE,
        *[(3, 256, 16, 256)] * 6,
        *[(3, 264, 16, 256), (3, 256, 16, 256)] * 3,
        *[(k, n + 8, side, m) for k, n, side, m in AFTER],
    ]
    assert parameters(generator) == 7_907_995


def test_generator_with_conditional_norms():
    generator = StyledGenerator(style_path="norm")
    rows = convolved(generator, IMAGE, VECTOR)
    assert rows == [*BEFORE, *[(3, 256, 16, 256)] * 12, *AFTER]
    # The middle three of six: scale and offset after each convolution.
    assert generator.styled == (2, 3, 4)
    assert parameters(generator) == 7_837_699 + 3 * 2 * 2 * (8 + 1) * 256


@pytest.mark.parametrize(("blocks", "styled"), [(2, (0, 1)), (9, (3, 4, 5))])
def test_the_middle_three_blocks(blocks, styled):
    generator = StyledGenerator(blocks, 0.05, style_path="norm")
    assert generator.styled == styled


@pytest.mark.parametrize("side", [3, 6, 8, 12])
def test_a_map_is_resized_to_the_nearest_pixels(side):
    z = tf.random.stateless_normal((2, 3, 3, 2), (1, 2))
    laid = concat_style(tf.zeros((2, side, side, 1)), z)
    nearest = tf.image.resize(z, [side, side], "nearest")
    np.testing.assert_array_equal(laid[..., 1:], nearest)
    assert not np.any(laid[..., 0])


@pytest.mark.parametrize("times", [1, 2, 4])
def test_xla_differentiates_by_a_map(times):
    @tf.function(jit_compile=True)
    def gradient(z):
        with tf.GradientTape() as tape:
            tape.watch(z)
            laid = concat_style(tf.zeros((1, 3 * times, 3 * times, 1)), z)
            total = tf.reduce_sum(laid)
        return tape.gradient(total, z)

    # Each pixel of z is laid to so many.
    np.testing.assert_array_equal(gradient(tf.ones((1, 3, 3, 2))), times**2)


@pytest.mark.parametrize("path", ["map", "concat", "norm"])
def test_an_image_depends_on_its_own_style_only(path):
    generator = StyledGenerator(2, 0.1, style_path=path)
    x = tf.random.stateless_uniform((1, 16, 16, 3), (1, 2)) - 0.5
    shape = (2, 4, 4, 8) if path == "map" else (2, 8)
    styles = 3 * tf.random.stateless_normal(shape, (3, 4))
    both = generator(tf.repeat(x, 2, 0), styles)
    for i in range(2):
        one = generator(x, styles[i : i + 1])
        np.testing.assert_allclose(both[i : i + 1], one, atol=1e-5)
    assert np.abs(both[0] - both[1]).max() > 1e-3
    np.testing.assert_allclose(
        generator(tf.repeat(x, 2, 0), styles, training=True), both, atol=1e-5
    )


def test_conditional_norms_by_hand():
    """1 + W z + w scales what the block normalizes, V z + v is added."""
    generator = StyledGenerator(1, 0.05, style_path="norm", style_channels=2)
    (block,) = generator.blocks
    x = tf.random.stateless_normal((1, 4, 4, 13), (1, 2))
    z = tf.constant([[2.0, -1.0]])
    block(x, z)
    ones = tf.ones((2, 13))
    block.scales[0].set_weights([ones, 3 * tf.ones(13)])
    block.offsets[0].set_weights([2 * ones, -ones[0]])
    seen = []
    block.activation = lambda y: seen.append(y) or y
    block(x, z)
    # 1 + (2 - 1) + 3 = 5; 2 * (2 - 1) - 1 = 1.
    zeros = tf.zeros((1, 13))
    normed = block._convolve(0, x, False, zeros, zeros)
    np.testing.assert_allclose(seen[0], 5 * normed + 1, atol=1e-5)


def test_a_map_is_enlarged_to_the_nearest_pixels():
    generator = StyledGenerator(2, 0.05, style_channels=1)
    seen = []
    after = generator.blocks[1]
    generator.blocks[1] = lambda x, training: seen.append(x) or x
    style = tf.reshape(tf.range(4.0), (1, 2, 2, 1))
    generator(tf.zeros((1, 16, 16, 3)), style)
    assert after.filters == 13 + 1
    expected = [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]]
    np.testing.assert_array_equal(seen[0][0, :, :, -1], expected)


def test_encoder():
    encoder = AuxEncoder()
    rows = convolved(encoder, IMAGE)
    assert rows == [
        (7, 3, 64, 64),
        (3, 64, 32, 128),
        (3, 128, 16, 256),
        (3, 256, 8, 512),
        *[(3, 512, 8, 512)] * 6,
        (1, 512, 8, 8),
    ]
    assert parameters(encoder) == 15_721_608
    assert encoder(IMAGE).shape == (1, 8, 8, 8)


def test_a_pooled_code_tells_colours():
    """Which instance normalization would take away."""
    flat = tf.ones((2, 16, 16, 3)) * tf.reshape([-0.5, 0.5], (2, 1, 1, 1))
    encoder = AuxEncoder(width=0.05, pooled=True)
    z = encoder(flat)
    assert z.shape == (2, 8)
    assert np.abs(z[0] - z[1]).max() > 0.05
    assert not encoder.norms
    assert AuxEncoder(width=0.05).norms


def test_critic_of_maps():
    critic = MapCritic()
    rows = convolved(critic, tf.zeros((1, 16, 16, 8)))
    assert rows == [(4, 8, 8, 64), (4, 64, 8, 128), (4, 128, 8, 256)] + [
        (3, 256, 8, 1)
    ]
    assert parameters(critic) == 666_305
    assert critic(tf.zeros((1, 4, 4, 8))).shape == (1, 2, 2, 1)


def test_a_score_of_the_critic_of_maps_sees_twenty_pixels():
    critic = MapCritic(width=0.1)
    z = tf.Variable(tf.random.stateless_normal((1, 64, 64, 8), (1, 2)))
    with tf.GradientTape() as tape:
        one = critic(z)[0, 15, 15, 0]
    seen = np.abs(tape.gradient(one, z)).sum(axis=(0, 2, 3)) > 0
    assert seen.sum() == 20


def test_critic_of_vectors():
    critic = VectorCritic()
    assert critic(VECTOR).shape == (1, 1)
    assert parameters(critic) == 8 * 64 + 64 + 2 * (64 * 64 + 64) + 64 + 1
