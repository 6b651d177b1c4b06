"""XGAN's Table 1 by shapes and counts; what is shared, and by which routes."""

import numpy as np
import pytest
import tensorflow as tf
from shapes import convolved
from shapes import parameters

from tf_i2i.layers import BATCH_NORM
from tf_i2i.layers import NormRouting
from tf_i2i.networks.lifted import Lifted
from tf_i2i.networks.xgan import DomainClassifier
from tf_i2i.networks.xgan import XganCritic
from tf_i2i.networks.xgan import XganDecoder
from tf_i2i.networks.xgan import XganEncoder

A, B = NormRouting(("a",)), NormRouting(("b",))
ALL = NormRouting(("aa", "ab", "ba", "bb"), routes_per_source=2)


def unit(rng, count, size):
    codes = rng.normal(size=(count, size)).astype(np.float32)
    return codes / np.linalg.norm(codes, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def full():
    """Encoder and decoder at the paper's width, and what is convolved."""
    encoder, decoder = XganEncoder(64), XganDecoder(64)
    images = tf.random.stateless_uniform((2, 64, 64, 3), (1, 2), -1, 1)
    rows = [
        convolved(lambda x: encoder(x, routing=A), images),
        convolved(
            lambda x: decoder(x, routing=NormRouting(("ab",))), tf.eye(1, 1024)
        ),
    ]
    encoder(images, routing=B)
    decoder(tf.eye(2, 1024), routing=ALL)
    return encoder, decoder, rows


def test_table_1(full):
    encoder, _, (down, up) = full
    assert down == [
        (4, 3, 32, 32),
        (4, 32, 16, 64),
        (4, 64, 8, 128),
        (4, 128, 4, 256),
        (4, 256, 1, 1024),
        (1, 1024, 1, 1024),
    ]
    assert up == [
        (4, 1024, 4, 512),
        (4, 512, 8, 256),
        (4, 256, 16, 128),
        (4, 128, 32, 64),
        (4, 64, 64, 3),
    ]
    assert encoder.size == 1024


def test_parameters(full):
    encoder, decoder, _ = full
    assert parameters(*encoder.own_a) == 34_496
    assert parameters(*encoder.own_b) == 34_496
    assert parameters(*encoder.shared, encoder.last) == 5_902_080
    assert parameters(*decoder.shared) == 10_487_296
    for own in ("own_a", "own_b"):
        last = own.replace("own", "last")
        owned = parameters(*getattr(decoder, own), getattr(decoder, last))
        assert owned == 658_819
    assert parameters(encoder, decoder) == 17_776_006


def test_critic_and_classifier():
    critic, classifier = XganCritic(64), DomainClassifier()
    rows = convolved(
        lambda x: critic(x, routing=NormRouting(("real",))),
        tf.zeros((1, 64, 64, 3)),
    )
    assert rows == [
        (4, 3, 32, 16),
        (4, 16, 16, 32),
        (4, 32, 8, 32),
        (4, 32, 4, 32),
        (4, 32, 1, 1),
    ]
    assert parameters(critic) == 42_465
    assert classifier(tf.eye(3, 1024)).shape == (3, 1)
    assert parameters(classifier) == 2_100_225


def test_embeddings_have_length_one(full, rng):
    encoder, _, _ = full
    images = rng.uniform(-1, 1, (3, 64, 64, 3)).astype(np.float32)
    codes = encoder(images, routing=A).numpy()
    np.testing.assert_allclose(np.linalg.norm(codes, axis=1), 1, rtol=1e-5)


def tracked(layers):
    return {id(v) for layer in layers for v in layer.variables}


@pytest.mark.parametrize("count", [0, 2, 4])
def test_what_domains_share(count):
    """By the variables that an image's way depends on."""
    encoder = XganEncoder(16, 0.05, shared_blocks=count)
    decoder = XganDecoder(16, 0.05, shared_blocks=count)
    images = tf.random.stateless_uniform((2, 16, 16, 3), (1, 2), -1, 1)
    used = {}
    for d in "ab":
        with tf.GradientTape() as tape:
            code = encoder(images, routing=NormRouting((d,)))
            made = decoder(code, routing=NormRouting((d + d,)))
        weights = [*encoder.trainable_variables, *decoder.trainable_variables]
        used[d] = {
            weight.path
            for weight, gradient in zip(
                weights, tape.gradient(made, weights), strict=True
            )
            if gradient is not None
        }
    kernels = [p for p in used["a"] & used["b"] if p.endswith("/kernel")]
    # Two dense layers, and the blocks of both networks.
    assert len(kernels) == 2 + 2 * count
    assert len(used["a"] - used["b"]) == len(used["b"] - used["a"])


def test_routes_are_normalized_each_by_itself(rng):
    """One call with two routes is two calls with one."""
    encoder, again = (XganEncoder(16, 0.1) for _ in range(2))
    a, b = rng.uniform(-1, 1, (2, 4, 16, 16, 3)).astype(np.float32)
    for one in (encoder, again):
        one(tf.concat([a, b], 0), routing=NormRouting(("a", "b")))
    again.set_weights(encoder.get_weights())
    both = encoder(
        tf.concat([a, b], 0), routing=NormRouting(("a", "b"), BATCH_NORM)
    )
    for d, images, part in zip("ab", (a, b), tf.split(both, 2), strict=True):
        alone = again(images, routing=NormRouting((d,), BATCH_NORM))
        np.testing.assert_allclose(alone, part, atol=1e-5)
    for mine, its in zip(encoder.variables, again.variables, strict=True):
        np.testing.assert_allclose(mine, its, atol=1e-5, err_msg=mine.path)


def test_fakes_never_move_the_statistics_of_images(rng):
    encoder = XganEncoder(16, 0.1)
    images = rng.uniform(-1, 1, (8, 16, 16, 3)).astype(np.float32)
    encoder(images, routing=NormRouting(("a", "b")))
    before = [encoder(images, routing=p).numpy() for p in (A, B)]
    encoder(images, routing=NormRouting(("fake_a", "fake_b"), BATCH_NORM))
    for p, codes in zip((A, B), before, strict=True):
        np.testing.assert_array_equal(encoder(images, routing=p), codes)
    encoder(images, routing=NormRouting(("a", "b"), BATCH_NORM))
    for p, codes in zip((A, B), before, strict=True):
        assert np.abs(encoder(images, routing=p) - codes).max() > 1e-4


def test_decoding_four_ways_is_decoding_each(rng):
    decoder = XganDecoder(16, 0.05)
    codes = unit(rng, 6, 51)
    made = tf.split(decoder(codes, routing=ALL), 4)
    for way, images in zip(ALL.routes, made, strict=True):
        part = codes[:3] if way[0] == "a" else codes[3:]
        alone = decoder(part, routing=NormRouting((way,)))
        np.testing.assert_allclose(alone, images, atol=1e-5, err_msg=way)


def test_a_decoder_of_one_domain(rng):
    decoder = XganDecoder(16, 0.05, shared_blocks=0, targets="b")
    codes = unit(rng, 4, 7)
    made = decoder(codes, routing=NormRouting(("ab", "bb")))
    assert made.shape == (4, 16, 16, 3)
    assert not hasattr(decoder, "own_a")


def test_what_was_frozen_is_trained_again(rng):
    kernel = tf.constant(rng.normal(size=(12, 5)), tf.float32)
    mean = tf.constant([0.1, 0.2, 0.3])
    bias = tf.Variable(rng.normal(size=5), dtype=tf.float32)

    def frozen(images):
        cells = tf.nn.space_to_depth(images - mean, 2)
        return tf.reduce_mean(cells @ kernel, [1, 2]) + bias

    images = rng.uniform(-1, 1, (3, 8, 8, 3)).astype(np.float32)
    lifted = Lifted(frozen, 8)
    # Three colour means are no weights.
    assert sorted(tuple(v.shape) for v in lifted.trainable_variables) == [
        (5,),
        (12, 5),
    ]
    np.testing.assert_allclose(lifted(images), frozen(images), atol=1e-5)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(lifted(images) ** 2)
    gradients = tape.gradient(loss, lifted.trainable_variables)
    assert all(np.abs(gradient).max() > 0 for gradient in gradients)
    for variable in lifted.trainable_variables:
        variable.assign(2 * variable)
    np.testing.assert_allclose(lifted(images), 2 * frozen(images), atol=1e-5)
    np.testing.assert_array_equal(tf.function(lifted)(images), lifted(images))
