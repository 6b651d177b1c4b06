"""CDFT's Tables S1 to S3 and section 6.1.2 by shapes, counts and numbers."""

import numpy as np
import pytest
import tensorflow as tf
from shapes import convolved
from shapes import parameters

from tf_i2i.layers import NormRouting
from tf_i2i.layers import modulate
from tf_i2i.networks.cdft import DeepTranslator
from tf_i2i.networks.cdft import FeatureCritic
from tf_i2i.networks.cdft import FeatureStatistics
from tf_i2i.networks.cdft import InversionCritic
from tf_i2i.networks.cdft import Inverter
from tf_i2i.networks.cdft import LayerTranslator
from tf_i2i.networks.cdft import strided_sides


def test_deepest_translator_is_table_s1():
    network = DeepTranslator(512)
    rows = convolved(network, tf.zeros((1, 14, 14, 512)))
    assert rows == [
        (3, 512, 14, 512),
        (3, 512, 7, 256),
        (3, 256, 4, 512),
        (3, 512, 7, 256),
        (3, 256, 14, 256),
        (3, 256, 14, 512),
        (3, 512, 14, 512),
    ]
    assert parameters(network) == 10_033_408


@pytest.mark.parametrize("side", [2, 4, 5, 7, 8])
def test_the_deepest_translator_keeps_any_side(side):
    x = tf.random.stateless_normal((2, side, side, 6), (1, side))
    y = DeepTranslator(6)(x)
    assert y.shape == x.shape
    assert np.abs(y).max() < 1


@pytest.mark.parametrize(
    ("side", "deep", "channels", "count", "style"),
    [
        (28, 512, 512, 11_274_240, 18_347_496),
        (56, 512, 256, 7_407_104, 19_015_144),
    ],
)
def test_layer_translators_are_tables_s2_and_s3(
    side, deep, channels, count, style
):
    network = LayerTranslator(deep, channels)
    rows = convolved(
        network,
        tf.zeros((1, side // 2, side // 2, deep)),
        tf.zeros((1, side, side, channels)),
    )
    sides = strided_sides(side)[1:]
    assert rows[: len(sides)] == [
        (3, 512 if i else channels, s, 512) for i, s in enumerate(sides)
    ]
    assert rows[len(sides) :] == [
        (3, deep, side // 2, deep),
        (3, deep, side // 2, deep),
        (4, deep, side, channels),
        (3, channels, side, channels),
    ]
    assert network.style.last.units == 2 * (2 * deep + channels)
    assert parameters(network.style) == style
    assert parameters(network) == count + style


def test_strided_sides():
    assert strided_sides(28) == [28, 14, 7, 4]
    assert strided_sides(56) == [56, 28, 14, 7, 4]
    assert strided_sides(4) == [4]


def test_the_style_scales_and_shifts():
    network = LayerTranslator(3, 2)
    deeper = tf.random.stateless_normal((1, 4, 4, 3), (1, 2))
    layer = tf.random.stateless_normal((1, 8, 8, 2), (3, 4))
    network(deeper, layer)
    # One scale and offset for each channel of the three normalized layers.
    assert network.style.last.units == 2 * (4 + 4 + 4)
    network.style = lambda layer: tf.constant([[3.0] * 4 + [0.5] * 20])
    network.steps = [network.steps[0], lambda x: x]
    network.norms = [modulate] * 2
    network.last = lambda x: x
    x = network.steps[0](deeper).numpy()
    first = 4 * x + 0.5
    first = np.where(first > 0, first, 0.2 * first)
    second = 1.5 * first + 0.5
    second = np.where(second > 0, second, 0.2 * second)
    np.testing.assert_allclose(network(deeper, layer), np.tanh(second), 1e-5)


@pytest.mark.parametrize(
    ("side", "channels", "doublings", "count"),
    [(14, 512, 4, 9_866_051), (56, 256, 2, 2_427_523)],
)
def test_inverters(side, channels, doublings, count):
    network = Inverter(channels, doublings)
    rows = convolved(network, tf.zeros((1, side, side, channels)))
    assert rows == [
        *[(3, channels, side, channels)] * 3,
        *[
            (
                4,
                channels // 2**i,
                side * 2 ** (i + 1),
                channels // 2 ** (i + 1),
            )
            for i in range(doublings)
        ],
        (3, channels // 2**doublings, 224, 3),
    ]
    assert parameters(network) == count


def test_inversion_critic():
    critic = InversionCritic()

    def both(x):
        return critic(x, routing=NormRouting(("real", "fake")))

    rows = convolved(both, tf.zeros((2, 224, 224, 3)))
    assert rows == [
        (4, 3, 112, 64),
        (4, 64, 56, 128),
        (4, 128, 28, 256),
        (4, 256, 14, 512),
        (4, 512, 13, 1),
    ]
    assert parameters(critic) == 2_766_529


def test_feature_critic():
    critic = FeatureCritic(512)
    rows = convolved(critic, tf.zeros((1, 14, 14, 512)))
    assert rows == [(3, 512, 7, 512), (3, 512, 4, 512)]
    assert critic(tf.zeros((3, 14, 14, 512))).shape == (3, 1)
    rows = convolved(FeatureCritic(128), tf.zeros((1, 4, 4, 128)))
    assert rows == [(3, 128, 2, 256)]


def test_statistics_are_those_of_all_images(rng):
    x = rng.normal([5, -300, 0.1], [1, 70, 1e-3], (12, 4, 4, 3))
    x = x.astype(np.float32)
    statistics = FeatureStatistics()
    statistics(tf.constant(x[:1]))
    for start in (0, 4, 8):
        seen = start / (start + 4)
        statistics.measure(tf.constant(x[start : start + 4]), seen)
    np.testing.assert_allclose(statistics.mean, x.mean((0, 1, 2)), 1e-4)
    np.testing.assert_allclose(statistics.deviation, x.std((0, 1, 2)), 1e-4)
    units = statistics(tf.constant(x)).numpy()
    np.testing.assert_allclose(units.mean((0, 1, 2)), 0, atol=1e-3)
    # The last channel is below a hundredth of the mean deviation.
    floor = x.std((0, 1, 2)).mean() / 100
    expected = [1, 1, x[..., 2].std() / floor]
    np.testing.assert_allclose(units.std((0, 1, 2)), expected, 1e-3)


def test_statistics_stay_finite(rng):
    statistics = FeatureStatistics()
    x = rng.normal(size=(2, 4, 4, 3)).astype(np.float32)
    statistics(tf.constant(x))
    statistics.measure(tf.constant(x), 0.0)
    before = statistics.deviation.numpy()
    statistics.measure(tf.constant(x * np.nan), 0.5)
    np.testing.assert_array_equal(statistics.deviation, before)
    assert np.isfinite(statistics.mean).all()
