"""CUT: PatchNCE by hand, what is compared, and its switches."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_i2i import losses
from tf_i2i.methods import CUT
from tf_i2i.networks.patches import sample_positions


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    sizes = CUT.tiny | {"head_size": 32}
    return CUT(**sizes, nce_a_weight=3.0, nce_b_weight=0.5)


@pytest.fixture(scope="module")
def fast():
    keras.utils.set_random_seed(1)
    return CUT(**CUT.tiny, nce_b_weight=0.0, flip=True)


def images(seed, count=2):
    x = np.random.default_rng(seed).uniform(-1, 1, (count, 16, 16, 3))
    return tf.constant(x, tf.float32)


def test_patch_nce_of_three_patches():
    # The queries are the keys of positions 0, 2 and 2.
    keys = tf.constant([[[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]])
    queries = tf.gather(keys, [0, 2, 2], axis=1)
    products = np.array([[1, 0, -1], [-1, 0, 1], [-1, 0, 1]]) / 0.5
    shares = np.exp(products) / np.exp(products).sum(1, keepdims=True)
    expected = -np.mean(np.log(np.diag(shares)))
    found = losses.patch_nce(queries, keys, temperature=0.5)
    assert float(found) == pytest.approx(expected, rel=1e-6)
    alike = tf.ones((1, 3, 2))
    assert float(losses.patch_nce(alike, alike)) == pytest.approx(np.log(3))


def test_positions_are_different():
    order = tf.constant([0.1, 0.9, 0.4, 0.6])
    assert list(sample_positions(order, 2)) == [1, 3]
    assert sorted(sample_positions(order, 9)) == [0, 1, 2, 3]


def test_losses_as_in_numpy(model):
    s = model.forward(images(1), images(2), training=True)
    terms = model.translator_losses(s) | model.critic_losses(s)
    real, fake = s["score_b"].numpy(), s["fake_score_b"].numpy()
    expected = {
        "gan": np.mean((fake - 1) ** 2),
        "critic": (np.mean((real - 1) ** 2) + np.mean(fake**2)) / 2,
    }
    for o, weight in {"a": 3.0, "b": 0.5}.items():
        layers = []
        for i in range(4):  # Pixels, two convolutions, one block.
            query, key = (
                s[f"{kind}_{i}_{o}"].numpy() for kind in ("queries", "keys")
            )
            assert query.shape == (2, 8, 32)
            np.testing.assert_allclose(np.sum(query**2, 2), 1, atol=1e-4)
            layers.append(losses.patch_nce(query, key).numpy())
        expected[f"nce_{o}"] = weight * np.mean(layers)
    assert set(terms) == set(expected)
    for name, value in expected.items():
        assert float(terms[name]) == pytest.approx(value, rel=1e-4), name


def test_keys_belong_to_the_input_and_queries_to_the_translation(model):
    a = images(1)
    s = model.forward(a, images(2), training=False)
    _, maps = model.generator.encode(a)
    _, again = model.generator.encode(model.translate(a, "a_to_b"))
    positions = model._positions(maps)
    for kind, given in (("keys", maps), ("queries", again)):
        for i, expected in enumerate(model.heads(given, positions)):
            found = s[f"{kind}_{i}_a"]
            np.testing.assert_allclose(found, expected, atol=1e-3)


def test_no_gradient_flows_through_the_keys(fast):
    a = tf.Variable(images(1))
    with tf.GradientTape() as tape:
        s = fast.forward(a, images(2), training=False)
        total = tf.reduce_sum(s["keys_1_a"])
    assert tape.gradient(total, a) is None


def test_flips_are_undone(fast, monkeypatch):
    """With a generator that returns its input, queries equal keys."""
    generator = fast.generator
    monkeypatch.setattr(generator, "encode", lambda x, training: (x, [x]))
    monkeypatch.setattr(generator, "decode", lambda code, training: code)
    coins = tf.reshape([0.7, 0.2], (2, 1, 1, 1))
    monkeypatch.setattr(fast, "noise", lambda *shape: coins)
    a = images(1)
    s = fast.forward(a, images(2), training=True)
    expected = np.stack([a[0], a[1, :, ::-1]])
    np.testing.assert_array_equal(s["fake_b"], expected)
    np.testing.assert_array_equal(s["queries_0_a"], s["keys_0_a"])


def test_switches(fast, refuses):
    assert set(fast.loss_metrics) == {"gan", "nce_a", "critic"}
    assert fast.averaged_networks == ("generator",)
    with refuses("direction"):
        fast.translate(images(1), "b_to_a")
    with refuses("image_size"):
        CUT(18)
