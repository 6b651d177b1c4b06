"""DRIT: its losses in NumPy, and the paths of its tensors."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_i2i.methods import DRIT


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    return DRIT(**DRIT.tiny | {"content_critic_steps": 2})


@pytest.fixture(scope="module")
def tensors(model):
    rng = np.random.default_rng(0)
    a, b = rng.uniform(-1, 1, (2, 2, 16, 16, 3)).astype(np.float32)
    return model.forward(tf.constant(a), tf.constant(b), training=False)


def softplus(x):
    return np.mean(np.log1p(np.exp(x)))


def test_losses(model, tensors):
    s = tf.nest.map_structure(np.asarray, tensors)

    def l1(x, y):
        return np.mean(np.abs(s[x] - s[y]))

    expected = {}
    for o in "ab":
        real, fake, random = (
            [s[f"score_{k}_{name}"] for k in range(2)]
            for name in (o, f"fake_{o}", f"random_{o}")
        )
        expected[f"gan_{o}"] = sum(softplus(-x) for x in fake + random)
        expected[f"critic_{o}"] = sum(
            2 * softplus(-x) + softplus(y) + softplus(z)
            for x, y, z in zip(real, fake, random, strict=True)
        )
        score = s[f"content_score_{o}"]
        expected[f"gan_content_{o}"] = (softplus(score) + softplus(-score)) / 2
        expected[f"cycle_{o}"] = 10 * l1(o, f"cycled_{o}")
        expected[f"reconstruction_{o}"] = 10 * l1(o, f"same_{o}")
        expected[f"style_{o}"] = 10 * l1(f"draw_{o}", f"random_mean_{o}")
        mean, log_variance = s[f"mean_{o}"], s[f"log_variance_{o}"]
        divergence = mean**2 + np.exp(log_variance) - 1 - log_variance
        expected[f"kl_{o}"] = 0.01 * np.sum(divergence) / 2 / len(mean)
        square = np.mean(s[f"content_{o}"] ** 2)
        expected[f"content_norm_{o}"] = 0.01 * square
    expected["critic_content"] = softplus(s["content_score_a"]) + softplus(
        -s["content_score_b"]
    )
    found = model.translator_losses(tensors) | model.critic_losses(tensors)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(value, rel=1e-4), name


def test_tensors_take_the_paths_of_the_figure(model, tensors):
    s = tensors
    content = model.content_encoder_a(s["a"])
    again = model.content_encoder_b(s["fake_b"])
    expected = {
        "content_a": content,
        "again_a": again,
        "same_a": model.decoder_a(content, s["style_a"]),
        "fake_b": model.decoder_b(content, s["style_b"]),
        "random_b": model.decoder_b(content, s["draw_b"]),
        # Both images of a pair are translated back, each with the other's
        # attributes.
        "cycled_a": model.decoder_a(again, s["fake_style_a"]),
        "mean_a": model.encode_style(s["a"], "b_to_a"),
        "random_mean_b": model.encode_style(s["random_b"], "a_to_b"),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(s[name], value, atol=1e-5, err_msg=name)
    made = model.translate(s["a"], "a_to_b", s["draw_b"])
    np.testing.assert_allclose(made, s["random_b"], atol=1e-5)


def test_later_updates_of_critics_train_the_content_critic_only(model):
    assert model.updates == ("critic", "critic", "translator")
    update = model.current_update
    update.sides, update.index = ("critic",), 1
    try:
        s = model.forward(*tf.zeros((2, 1, 16, 16, 3)), training=True)
    finally:
        update.sides, update.index = ("translator", "critic"), 0
    assert [*model.critic_losses(s)] == ["critic_content"]


def test_content_codes_have_noise_in_training_only(model, tensors):
    a = tensors["a"]
    plain = model._content(a, "a")
    noisy = model._content(a, "a", training=True, name="content_a")
    np.testing.assert_allclose(plain, tensors["content_a"], atol=1e-5)
    assert np.std(noisy - plain) == pytest.approx(1.0, abs=0.2)
