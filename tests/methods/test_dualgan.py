"""DualGAN: its losses in NumPy, its clipped critics, and its size."""

import numpy as np
import pytest
import tensorflow as tf

from tf_i2i.methods import DualGAN


@pytest.fixture(scope="module")
def model():
    return DualGAN(**DualGAN.tiny | {"cycle_weight": 500.0})


def batch():
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (2, 4, 16, 16, 3)).astype(np.float32)


def test_losses(model):
    s = model.forward(*map(tf.constant, batch()), training=False)
    np.testing.assert_allclose(
        s["cycled_a"], model.translate(s["fake_b"], "b_to_a"), atol=1e-5
    )
    found = model.translator_losses(s) | model.critic_losses(s)
    for o in "ab":
        real, fake = (np.mean(s[f"{k}score_{o}"]) for k in ("", "fake_"))
        error = np.mean(np.abs(s[o] - s[f"cycled_{o}"]))
        expected = {"gan": -fake, "critic": fake - real, "cycle": 500 * error}
        for name, value in expected.items():
            assert float(found[f"{name}_{o}"]) == pytest.approx(value, rel=1e-4)


def test_weights_of_critics_are_clipped_after_an_update(model):
    model.compile()
    model.updates = ("critic",)
    before = [w.numpy() for w in model.owned("critic")]
    assert max(np.abs(w).max() for w in before) > 0.01
    model.train_step(batch())
    for weight in model.owned("critic"):
        assert np.abs(weight).max() <= 0.01
    # Those of generators are not.
    assert max(np.abs(w).max() for w in model.owned("translator")) > 0.01


def test_layers_follow_from_the_size(refuses):
    from tf_i2i.methods.dualgan import _halvings

    assert [_halvings(n) for n in (512, 256, (96, 128), 24)] == [8, 8, 5, 3]
    with refuses("image_size"):
        DualGAN(**DualGAN.tiny | {"layers": 5})
