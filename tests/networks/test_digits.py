"""Counts, sizes and values of the networks of Tables 4, 5 and 6."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tf_i2i.networks.digits import DigitCritic
from tf_i2i.networks.digits import DigitEncoder
from tf_i2i.networks.digits import DigitGenerator

CRITICS = {
    28: {"own": 1_520, "shared": 425_550, "score": 501, "classes": 5_010},
    32: {"own": 4_864, "shared": 4_301_696, "score": 2_049, "classes": 20_490},
}


def count(*layers):
    return sum(
        int(np.prod(variable.shape))
        for layer in layers
        for variable in layer.trainable_variables
    )


def images(shape, seed=0):
    rng = np.random.default_rng(seed)
    return tf.constant(rng.uniform(-1, 1, shape), tf.float32)


def sizes_of(layers, call):
    """Shapes of what each layer returns in a call."""
    shapes = []

    def recording(before, *args, **options):
        y = before(*args, **options)
        shapes.append(tuple(y.shape[1:]))
        return y

    calls = {layer: layer.call for layer in layers}
    for layer, before in calls.items():
        layer.call = functools.partial(recording, before)
    call()
    for layer, before in calls.items():
        layer.call = before
    return shapes


@pytest.mark.parametrize(
    ("size", "coordinates", "own"), [(28, False, 4_928), (32, True, 8_128)]
)
def test_the_encoder_is_that_of_table_4(size, coordinates, own):
    encoder = DigitEncoder(coordinates=coordinates)
    x = images((2, size, size, 3))
    encoder(x, domains="ab")
    assert [count(encoder.own[d]) for d in "ab"] == [own, own]
    assert count(*encoder.shared, encoder.mean) == 2_960_128
    found = sizes_of(
        [encoder.own["a"], *encoder.shared, encoder.mean],
        lambda: encoder(x[:1], domains="a"),
    )
    assert found == [
        *((16, 16, 64), (8, 8, 128), (1, 1, 256)),
        *((1, 1, 512), (1, 1, 1024)),
    ]


@pytest.mark.parametrize("size", [28, 32])
def test_the_generator_is_that_of_table_4(size):
    generator = DigitGenerator(size)
    code = images((1, 1, 1, 1024))
    made = generator(code, domains="ab")
    assert made.shape == (2, size, size, 3)
    assert np.abs(made).max() <= 1
    assert count(*generator.shared) == 11_011_840
    for d in "ab":
        assert count(generator.own[d], generator.last[d]) == 131_395
    found = sizes_of(
        [*generator.shared, generator.own["a"], generator.last["a"]],
        lambda: generator(code, domains="a"),
    )
    assert found == [
        *((4, 4, 512), (8, 8, 256), (16, 16, 128)),
        *((32, 32, 64), (32, 32, 3)),
    ]


@pytest.mark.parametrize("size", CRITICS)
def test_critics_are_those_of_tables_5_and_6(size):
    critic = DigitCritic(size)
    x = images((1, size, size, 3))
    features, score, classes = critic(tf.repeat(x, 2, 0), domains="ab")
    assert features.shape == (2, {28: 500, 32: 2048}[size])
    assert score.shape == (2, 1)
    assert classes.shape == (2, 10)
    dense = [critic.dense] if critic.dense else []
    assert {
        "own": count(critic.own["a"]),
        "shared": count(*critic.shared, *dense),
        "score": count(critic.score),
        "classes": count(critic.classifier),
    } == CRITICS[size]
    convolutions = [critic.own["a"], *critic.shared]
    found = sizes_of(convolutions, lambda: critic(x, domains="a"))
    assert [side for side, *_ in found] == {28: [24, 8], 32: [32, 16, 8, 4]}[
        size
    ]


def test_critics_start_with_the_authors_weights():
    critic = DigitCritic(32, 0.25)
    critic(images((2, 32, 32, 3)), domains="ab")
    kernel, bias = critic.shared[0].weights
    limit = np.sqrt(2) * np.sqrt(6 / (25 * (kernel.shape[2] + kernel.shape[3])))
    assert np.abs(kernel).max() == pytest.approx(limit, rel=0.01)
    assert np.std(kernel) == pytest.approx(limit / np.sqrt(3), rel=0.02)
    np.testing.assert_allclose(bias, 0.1)


@pytest.mark.parametrize("relu", [False, True])
def test_convolutions_may_be_followed_by_relu(relu):
    critic = DigitCritic(32, 0.1, relu=relu)
    features, *_ = critic(images((2, 32, 32, 3)), domains="ab")
    assert np.any(np.less(features, 0)) != relu


def test_width_is_a_factor_on_channels():
    encoder = DigitEncoder(width=0.25)
    assert encoder(images((1, 28, 28, 3)), domains="b").shape == (1, 1, 1, 256)
    features, *_ = DigitCritic(28, width=0.5, classes=3)(
        images((1, 28, 28, 3)), domains="a"
    )
    assert features.shape == (1, 250)


def test_domains_differ_in_their_own_layers_alone():
    x = images((1, 28, 28, 3))
    both = tf.repeat(x, 2, 0)
    encoder, critic = DigitEncoder(0.05), DigitCritic(28, 0.1)
    code = encoder(both, domains="ab")
    judged = critic(both, domains="ab")
    for ends in (code, judged[0]):
        assert not np.allclose(ends[0], ends[1], rtol=0.01, atol=0)
    generator = DigitGenerator(28, 0.05)
    made = generator(code[:1], domains="ab")
    assert not np.allclose(made[0], made[1], rtol=0.01, atol=0)
    for layers in (encoder.own, critic.own, generator.own, generator.last):
        layers["b"].set_weights(layers["a"].get_weights())
    code = encoder(both, domains="ab")
    judged = critic(both, domains="ab")
    made = generator(code[:1], domains="ab")
    for same in (code, *judged, made):
        np.testing.assert_allclose(same[0], same[1], rtol=1e-4, atol=1e-9)
    # Alone a domain is what it is beside the other.
    np.testing.assert_allclose(
        encoder(x, domains="b"),
        encoder(both, domains="ab")[1:],
        rtol=1e-4,
        atol=1e-9,
    )


def test_28_px_have_a_black_frame():
    x = images((2, 28, 28, 3))
    framed = np.full((2, 32, 32, 3), -1.0, np.float32)
    framed[:, 2:30, 2:30] = x
    encoder = DigitEncoder(0.05)
    np.testing.assert_allclose(
        encoder(x, domains="ab"),
        encoder(tf.constant(framed), domains="ab"),
        rtol=1e-4,
        atol=1e-9,
    )


def test_coordinates_are_x_and_y():
    encoder = DigitEncoder(0.05, coordinates=True)
    seen = []
    encoder(images((1, 32, 32, 3)), domains="a")
    inner = encoder.own["a"].call
    encoder.own["a"].call = lambda x, training=False: (
        seen.append(x) or inner(x, training=training)
    )
    encoder(images((1, 32, 32, 3)), domains="a")
    (x,) = seen
    assert x.shape == (1, 32, 32, 5)
    line = np.arange(32) / 16 - 1
    np.testing.assert_allclose(x[0, 7, :, 3], line, atol=1e-6)
    np.testing.assert_allclose(x[0, :, 7, 4], line, atol=1e-6)
    np.testing.assert_allclose(x[0, :, 7, 3], line[7], atol=1e-6)


def test_statistics_are_those_of_both_domains_together():
    encoder = DigitEncoder(0.05)
    x = tf.concat([images((4, 32, 32, 3)), images((4, 32, 32, 3), 1) - 2], 0)
    code = encoder(x, domains="ab", training=True)
    # The moments of a shared layer's output, over the joint batch.
    block = encoder.shared[-1]
    seen = []
    inner = block.norm.call
    block.norm.call = lambda x, routing: (
        seen.append((x, inner(x, routing))) or seen[-1][1]
    )
    encoder(x, domains="ab", training=True)
    block.norm.call = inner
    (before, after), *_ = seen
    mean, variance = tf.nn.moments(before, [0, 1, 2])
    np.testing.assert_allclose(
        after, (before - mean) / np.sqrt(variance + 1e-3), atol=1e-4
    )
    assert not np.allclose(code, encoder(x, domains="ab"), rtol=0.01, atol=0)


def test_dropout_is_where_the_tables_have_it():
    asked = []

    def keep_all(shape, layer):
        asked.append((layer, shape))
        return tf.ones(shape)

    critic = DigitCritic(32, 0.1)
    x = images((6, 32, 32, 3))
    critic(x, domains="ab")
    for weight in critic.trainable_variables:
        if weight.name == "bias":
            weight.assign(tf.zeros_like(weight))
    plain = critic(x, domains="ab")
    kept = critic(x, domains="ab", dropout=keep_all)
    assert asked == [
        *((0, (3, 16, 16, 6)), (1, (3, 8, 8, 13))),
        *((2, (3, 4, 4, 26)), (3, (3, 204))),
    ]
    # Nothing was dropped, and each layer was scaled up: .9, .7, .5, .5. Without
    # biases, the outputs are scaled by the same factors.
    np.testing.assert_allclose(
        kept[0], plain[0] / (0.9 * 0.7 * 0.5), rtol=1e-3, atol=1e-5
    )
    np.testing.assert_allclose(
        kept[2], plain[2] / (0.9 * 0.7 * 0.5 * 0.5), rtol=1e-3, atol=1e-5
    )
    gone = critic(x, domains="ab", dropout=lambda shape, _: tf.zeros(shape))
    assert not np.any(gone[2])

    asked.clear()
    critic = DigitCritic(28, 0.1)
    critic(images((2, 28, 28, 3)), domains="ab", dropout=keep_all)
    assert asked == [(2, (1, 50))]


def test_image_i_of_each_domain_loses_the_same():
    critic = DigitCritic(28, 0.1)
    critic.own["b"].build((None, 28, 28, 3))
    x = images((4, 28, 28, 3))
    critic(tf.repeat(x, 2, 0), domains="ab")
    critic.own["b"].set_weights(critic.own["a"].get_weights())

    def drop(shape, layer):
        return tf.random.stateless_uniform(shape, (layer, 0))

    _, _, classes = critic(tf.concat([x, x], 0), domains="ab", dropout=drop)
    np.testing.assert_allclose(classes[:4], classes[4:], rtol=1e-4, atol=1e-9)
    whole = critic(tf.concat([x, x], 0), domains="ab")[2]
    assert not np.allclose(classes, whole, rtol=0.01, atol=0)


@pytest.mark.parametrize(
    "build", [DigitGenerator, DigitCritic], ids=["generator", "critic"]
)
def test_other_sizes_are_refused(build, refuses):
    with refuses("image_size"):
        build(64)
