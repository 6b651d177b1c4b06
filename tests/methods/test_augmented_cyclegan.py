"""Augmented CycleGAN: its losses in NumPy, and the paths of its tensors."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_i2i.methods import AugmentedCycleGAN


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    return AugmentedCycleGAN(**AugmentedCycleGAN.tiny, styled_domains="ab")


@pytest.fixture(scope="module")
def tensors(model):
    rng = np.random.default_rng(0)
    a, b = rng.uniform(-1, 1, (2, 2, 16, 16, 3)).astype(np.float32)
    return model.forward(tf.constant(a), tf.constant(b), training=False)


def test_losses(model, tensors):
    s = tf.nest.map_structure(np.asarray, tensors)
    expected = {}
    for o in ("a", "b", "z_a", "z_b"):
        real, fake = s[f"score_{o}"], s[f"fake_score_{o}"]
        expected[f"gan_{o}"] = np.mean((fake - 1) ** 2)
        expected[f"critic_{o}"] = np.mean((real - 1) ** 2 + fake**2) / 2
    for o in "ab":
        expected[f"cycle_{o}"] = np.mean(np.abs(s[o] - s[f"cycled_{o}"]))
        error = np.mean(np.abs(s[f"draw_{o}"] - s[f"fake_z_{o}"]))
        expected[f"cycle_z_{o}"] = 0.025 * error
    found = model.translator_losses(tensors) | model.critic_losses(tensors)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(value, rel=1e-4), name


def test_tensors_take_the_paths_of_the_figure(model, tensors):
    s = tensors
    code = model.encoder_b(s["b"], s["fake_a"])
    expected = {
        "fake_b": model.translate(s["a"], "a_to_b", s["draw_b"]),
        "fake_a": model.translate(s["b"], "b_to_a", s["draw_a"]),
        "z_b": code,
        "fake_z_b": model.encoder_b(s["fake_b"], s["a"]),
        "cycled_b": model.translate(s["fake_a"], "a_to_b", code),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(s[name], value, atol=1e-5, err_msg=name)
    translated = model.translate(s["b"], "b_to_a")
    np.testing.assert_allclose(
        model.encode_style(s["b"], "a_to_b"),
        model.encoder_b(s["b"], translated),
        atol=1e-5,
    )


def test_images_without_codes_have_no_style(model, monkeypatch, refuses):
    monkeypatch.setattr(model, "styled_domains", "b")
    with refuses("direction"):
        model.encode_style(tf.zeros((1, 16, 16, 3)), "b_to_a")
