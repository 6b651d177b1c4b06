"""CoGAN: its losses in NumPy, its pairs of images and its search for noise."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_i2i.methods import CoGAN

CLASSES = 3


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    weights = {"gan_weight": 2.0, "class_weight": 3.0, "feature_weight": 5.0}
    return CoGAN(**CoGAN.tiny, **weights, classes=CLASSES, weight_decay=0.0)


@pytest.fixture(scope="module")
def tensors(model):
    a, b = np.random.default_rng(0).uniform(-1, 1, (2, 2, 28, 28, 3))
    a, b = (tf.constant(x, tf.float32) for x in (a, b))
    return model.forward(a, b, False, tf.constant([2, 0]))


def test_losses_as_in_numpy(model, tensors):
    s = tf.nest.map_structure(np.asarray, tensors)
    expected = {}
    for o in "ab":
        real, fake = s[f"score_{o}"], s[f"sample_score_{o}"]
        expected[f"gan_{o}"] = 2 * np.log1p(np.exp(-fake)).mean()
        expected[f"critic_{o}"] = 2 * (
            np.log1p(np.exp(-real)).mean() + np.log1p(np.exp(fake)).mean()
        )
    shares = np.exp(s["classes_a"])
    shares /= shares.sum(1, keepdims=True)
    expected["class"] = -3 * np.log(shares[[0, 1], [2, 0]]).mean()
    apart = s["sample_features_a"] - s["sample_features_b"]
    expected["feature"] = 5 * np.sum(apart**2) / 2
    found = model.translator_losses(tensors) | model.critic_losses(tensors)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(value, rel=1e-4), name


def test_a_pair_comes_from_the_same_noise(model, tensors):
    noise = 2 * model.noise((2, 100), "noise", "uniform") - 1
    for domain, image in model.decode(noise).items():
        np.testing.assert_allclose(tensors[f"sample_{domain}"], image)
    codes = model.sample_codes(50, 0)
    assert -1 <= np.min(codes) < -0.99
    assert 0.99 < np.max(codes) <= 1


def test_translations_come_from_the_noise_that_was_found(model, tensors):
    start = tf.zeros((2, 100))
    found = model._search(tensors["a"], "a")
    errors = [
        np.mean((model.decode(noise)["a"] - tensors["a"]) ** 2)
        for noise in (start, found)
    ]
    assert errors[1] < errors[0]
    for domain, image in (
        ("a", model.reconstruct(tensors["a"], "a")),
        ("b", model.translate(tensors["a"], "a_to_b")),
    ):
        np.testing.assert_allclose(
            image, model.decode(found)[domain], atol=1e-4
        )


def test_an_image_is_translated_alike_in_every_batch(model, tensors):
    both = model.translate(tensors["a"], "a_to_b")
    alone = model.translate(tensors["a"][1:], "a_to_b")
    np.testing.assert_allclose(both[1:], alone, atol=1e-4)


def test_mistakes_are_told(model, refuses):
    with refuses("images"):
        model.translate(tf.zeros((1, 56, 56, 3)), "a_to_b")
    with refuses("CoGAN.classes"):
        CoGAN(classes=1)
