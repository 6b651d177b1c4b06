"""SimGAN: its losses in NumPy, its warm-up and its pool."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_i2i.methods import SimGAN


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    return SimGAN(**SimGAN.tiny, regularization_weight=3.0)


def images(seed, count=2):
    x = np.random.default_rng(seed).uniform(-1, 1, (count, 16, 16, 3))
    return tf.constant(x, tf.float32)


def test_losses_as_in_numpy(model):
    s = model.forward(images(1), images(2), training=False)
    terms = model.translator_losses(s) | model.critic_losses(s)
    real, fake = s["score_b"].numpy(), s["fake_score_b"].numpy()
    assert real.shape == (2, 4, 4, 1)
    expected = {
        "gan": np.log1p(np.exp(-fake)).mean(),
        "regularization": 3 * np.abs(s["a"] - s["fake_b"]).mean(),
        "critic": np.log1p(np.exp(-real)).mean()
        + np.log1p(np.exp(fake)).mean(),
    }
    assert terms.keys() == expected.keys()
    for name, value in expected.items():
        assert float(terms[name]) == pytest.approx(value, rel=1e-4), name


def test_the_refiner_first_learns_to_change_nothing(model, monkeypatch):
    s = model.forward(images(1), images(2), training=False)
    monkeypatch.setattr(model, "warm_up_images", 1)
    assert model.translator_losses(s)["gan"] == 0


def test_updates_of_the_critic_alone_fill_the_pool(model):
    model.compile()
    assert model.updates == ("translator", "translator", "critic")
    model.train_step((images(1, 4), images(2, 4)))
    assert int(model.images_shown) == 4
    assert int(model.pool_b.stored) == 2


def test_mistakes_are_told(model, refuses):
    with refuses("direction"):
        model.translate(images(1), "b_to_a")
    with refuses("SimGAN.networks"):
        SimGAN(networks="feet")
