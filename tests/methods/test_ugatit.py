"""U-GAT-IT: its losses in NumPy, the paths of its tensors, and attention."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_i2i.methods import UGATIT


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    weights = {"gan_weight": 2.0, "cycle_weight": 3.0, "identity_weight": 5.0}
    return UGATIT(**UGATIT.tiny, **weights, attention_weight=7.0)


@pytest.fixture(scope="module")
def tensors(model):
    a, b = np.random.default_rng(0).uniform(-1, 1, (2, 2, 16, 16, 3))
    a, b = (tf.constant(x, tf.float32) for x in (a, b))
    return model.forward(a, b, training=False)


def test_losses(model, tensors):
    s = tf.nest.map_structure(np.asarray, tensors)
    expected = {}
    for o in "ab":
        names = [
            f"{kind}_{view}_{o}"
            for kind in ("score", "logit_score")
            for view in ("global", "local")
        ]
        fakes = [s[f"fake_{name}"] for name in names]
        pairs = zip([s[name] for name in names], fakes, strict=True)
        expected[f"gan_{o}"] = 2 * sum(np.mean((x - 1) ** 2) for x in fakes)
        expected[f"critic_{o}"] = 2 * sum(
            np.mean((x - 1) ** 2) + np.mean(y**2) for x, y in pairs
        )
        for kind, weight in (("cycle", 3), ("identity", 5)):
            made = s[f"cycled_{o}" if kind == "cycle" else f"same_{o}"]
            expected[f"{kind}_{o}"] = weight * np.mean(np.abs(s[o] - made))
        # Images of the other domain are class 1, and those of its own class 0.
        expected[f"attention_{o}"] = 7 * (
            np.mean(np.log1p(np.exp(-s[f"logits_{o}"])))
            + np.mean(np.log1p(np.exp(s[f"same_logits_{o}"])))
        )
    for side in ("translator", "critic"):
        squares = sum(np.sum(np.square(w)) for w in model.owned(side))
        expected[f"decay_{side}"] = 1e-4 * squares / 2
    found = model.translator_losses(tensors) | model.critic_losses(tensors)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(value, rel=1e-4), name


def test_tensors_take_the_paths_of_the_figure(model, tensors):
    s = tensors
    same, logits, _ = model.generator_a(s["a"])
    expected = {
        "fake_b": model.translate(s["a"], "a_to_b"),
        "same_a": same,
        "same_logits_a": logits,
        "logits_b": model.generator_b(s["a"])[1],
        "cycled_a": model.cycle(s["a"], "a"),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(s[name], value, atol=1e-5, err_msg=name)


def test_critics_are_updated_without_cycles(model):
    model.current_update.sides = ("critic",)
    try:
        x = tf.zeros((1, 16, 16, 3))
        s = model.forward(x, x, training=True)
    finally:
        model.current_update.sides = ("translator", "critic")
    assert "cycled_a" not in s
    assert float(model.critic_losses(s)["critic_a"]) > 0


def test_grids_show_the_attention(model, tensors):
    translated, attention, cycled = model.sample_rows(tensors["a"], "a")
    assert translated.shape == attention.shape == cycled.shape
    maps = model.generator_b(tensors["a"])[2].numpy()
    darkest = np.unravel_index(maps[0].argmin(), maps[0].shape)
    assert attention.numpy().min() >= -1
    assert attention.numpy().max() <= 1
    corner = attention[0, 4 * darkest[0] + 2, 4 * darkest[1] + 2, 0]
    assert float(corner) < float(tf.reduce_mean(attention[0]))


def test_small_images_are_refused(refuses):
    with refuses("UGATIT.image_size"):
        UGATIT(**UGATIT.tiny | {"global_layers": 5})
