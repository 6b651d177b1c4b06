"""CycleGAN: its losses in NumPy, its switches, its pool."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_i2i.methods import CycleGAN
from tf_i2i.networks.resnet import _Dropout
from tf_i2i.styles import styles_for

SMALL = {"image_size": 8, "residual_blocks": 1, "width": 0.1}
SMALL |= {"critic_layers": 1, "pool_size": 4}


def build(**kwargs):
    keras.utils.set_random_seed(1)
    model = CycleGAN(**{**SMALL, **kwargs})
    rate = keras.optimizers.Adam(1e-2)
    model.compile(rate, keras.optimizers.Adam(1e-2))
    return model


def images(seed, count=2, side=8):
    x = np.random.default_rng(seed).uniform(-1, 1, (count, side, side, 3))
    return tf.constant(x, tf.float32)


def test_losses_as_in_numpy():
    model = build()
    s = model.forward(images(1), images(2), training=True)
    n = {name: value.numpy() for name, value in s.items()}
    for o in "ab":
        terms = model.translator_losses(s) | model.critic_losses(s)
        expected = {
            f"gan_{o}": np.mean((n[f"fake_score_{o}"] - 1) ** 2),
            f"cycle_{o}": 10 * np.mean(np.abs(n[o] - n[f"cycled_{o}"])),
            f"identity_{o}": 5 * np.mean(np.abs(n[o] - n[f"same_{o}"])),
            f"critic_{o}": 0.5
            * (
                np.mean((n[f"score_{o}"] - 1) ** 2)
                + np.mean(n[f"pooled_score_{o}"] ** 2)
            ),
        }
        for name, value in expected.items():
            assert float(terms[name]) == pytest.approx(value, rel=1e-5), name


def test_tensors_take_the_ways_that_their_names_say():
    # Normalizing the four pixels that 8 px leave would enlarge any rounding.
    model = build(pool_size=0, image_size=16)
    a, b = images(1, side=16), images(2, side=16)
    s = model.forward(a, b, training=False)
    to_a, to_b = model.generator_a, model.generator_b
    expected = {
        "fake_a": to_a(b),
        "same_a": to_a(a),
        "cycled_a": to_a(to_b(a)),
        "fake_score_a": model.critic_a(to_a(b)),
        "score_a": model.critic_a(a),
        "fake_b": to_b(a),
        "same_b": to_b(b),
        "cycled_b": to_b(to_a(b)),
        "fake_score_b": model.critic_b(to_b(a)),
        "score_b": model.critic_b(b),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(s[name], value, atol=1e-5, err_msg=name)
    np.testing.assert_array_equal(s["pooled_a"], s["fake_a"])
    np.testing.assert_allclose(
        model.translate(a, "a_to_b"), s["fake_b"], atol=1e-5
    )


def test_critics_learn_from_the_pool_once_it_is_full():
    model = build(pool_size=5)
    b = images(2, count=5)
    first = model.forward(images(1, count=5), b, training=True)
    np.testing.assert_array_equal(first["pooled_b"], first["fake_b"])
    seen = []
    for step in range(12):
        model.step.assign(step)
        s = model.forward(images(3 + step, count=5), b, training=True)
        seen += [
            np.array_equal(old, new)
            for old, new in zip(s["pooled_b"], s["fake_b"], strict=True)
        ]
    assert 20 <= sum(seen) <= 40  # Half of sixty, by the fall of the coins.
    np.testing.assert_allclose(
        s["pooled_score_b"],
        model.critic_b(s["pooled_b"]),
        atol=1e-5,
    )


def test_switches(refuses):
    model = build(identity_weight=0.0, pool_size=0)
    assert set(model.loss_metrics) == {
        *("gan_a", "gan_b", "cycle_a", "cycle_b", "critic_a", "critic_b")
    }
    assert not hasattr(model, "pool_a")
    assert len(CycleGAN(32, width=0.02).generator_a.blocks) == 6
    with refuses("image_size"):
        CycleGAN(30)


def test_critics_halve_their_loss_not_the_translators():
    # A critic that gives 0 to everything: (0 - 1)^2 / 2, and (0 - 1)^2.
    model = build()
    for critic in (model.critic_a, model.critic_b):
        for variable in critic.trainable_variables:
            variable.assign(tf.zeros_like(variable))
    s = model.forward(images(1), images(2), training=False)
    assert float(model.critic_losses(s)["critic_a"]) == 0.5
    assert float(model.translator_losses(s)["gan_a"]) == 1.0


# Dropout.


@pytest.fixture(scope="module")
def dropping():
    return build(dropout=True, image_size=16)


def test_dropout_follows_the_style(dropping, refuses):
    # Channels after each convolution: the stem, the block, and the two that
    # enlarge the map.
    assert dropping.style_shape == (6 + 13 + 26 + 2 * 26 + 13 + 6,)
    x = images(1, side=16)
    styles = np.repeat(dropping.sample_style(2, 5), 2, 0)
    some, others = (
        dropping.translate(x, "a_to_b", style) for style in np.split(styles, 2)
    )
    plain = dropping.translate(x, "a_to_b")
    for other in (plain, others):
        assert not np.allclose(some, other, atol=0.01)
    # Only signs have an effect. Therefore interpolated styles are valid.
    np.testing.assert_array_equal(
        some, dropping.translate(x, "a_to_b", 3 * styles[:2])
    )
    np.testing.assert_array_equal(
        plain, dropping.translate(x, "a_to_b", 0 * styles[:2])
    )
    # Images have no styles.
    back = dropping.translate(plain, "b_to_a")
    np.testing.assert_array_equal(dropping.cycle(x, "a"), back)
    with refuses("--style"):
        styles_for(dropping, "a_to_b", "cat.png", 1)
    assert len(styles_for(dropping, "a_to_b", "sample", 2)[0]) == 2


def test_dropout_drops_half_of_the_channels():
    style = tf.constant([[1.0, -1, 0, 2], [-0.1, -2, 3, 0]])
    drop = _Dropout(tf.repeat(style, 2, 1))
    first, second = (drop(tf.ones((2, 3, 3, 4))) for _ in range(2))
    np.testing.assert_array_equal(first[:, 1, 1], [[2, 2, 0, 0], [0] * 4])
    np.testing.assert_array_equal(second[:, 2, 0], [[1, 1, 2, 2], [2, 2, 1, 1]])


def test_dropout_is_random_in_training(dropping):
    given = images(1, side=16), images(1, side=16)
    s, quiet = (dropping.forward(*given, training) for training in (1, 0))
    # The inputs are equal, and the dropped channels differ.
    assert not np.allclose(s["fake_a"], s["same_a"], atol=0.01)
    np.testing.assert_allclose(quiet["fake_a"], quiet["same_a"], atol=1e-4)


# Gradients of several parts of a batch.


def trained_on_four(accumulate):
    keras.utils.set_random_seed(1)
    model = CycleGAN(**SMALL | {"image_size": 16, "pool_size": 0})
    rate = keras.optimizers.SGD(1e-2)
    model.compile(rate, keras.optimizers.SGD(1e-2), accumulate=accumulate)
    for step in range(2):
        given = (images(2 * step + i, count=4, side=16) for i in (0, 1))
        model.train_step(tuple(given))
    return model


def test_parts_of_a_batch_train_as_the_whole_batch():
    whole, parts = trained_on_four(1), trained_on_four(2)
    assert int(parts.images_shown) == int(whole.images_shown) == 8
    assert int(parts.step) == 2
    for mine, its in zip(whole.variables, parts.variables, strict=True):
        np.testing.assert_allclose(
            mine.numpy(), its.numpy(), atol=1e-5, err_msg=mine.path
        )
    for name, metric in whole.loss_metrics.items():
        assert float(metric.result()) == pytest.approx(
            float(parts.loss_metrics[name].result()), rel=1e-4
        ), name


# Feature maps that are computed again for the gradients.


def trained(recompute):
    """Returns a model after three steps, and its number of convolutions."""
    keras.utils.set_random_seed(1)
    model = CycleGAN(**SMALL | {"image_size": 16})
    rate = keras.optimizers.SGD(1e-2)
    model.compile(rate, keras.optimizers.SGD(1e-2), recompute=recompute)
    step = tf.function(model.train_step, autograph=False)
    batches = [
        tuple(images(2 * n + i, side=16) for i in (0, 1)) for n in range(3)
    ]
    for batch in batches:
        step(batch)
    graph = step.get_concrete_function(batches[0]).graph
    kinds = [operation.type for operation in graph.get_operations()]
    return model, kinds.count("Conv2D")


def test_recomputed_blocks_train_as_others():
    kept, convolutions = trained(False)
    again, more = trained(True)
    # Two generators are called twice in a step. Their residual block has two
    # convolutions.
    assert more == convolutions + 2 * 2 * 2
    for mine, its in zip(kept.variables, again.variables, strict=True):
        np.testing.assert_allclose(
            mine.numpy(), its.numpy(), atol=1e-6, err_msg=mine.path
        )


def test_a_keras_file_keeps_recompute():
    model = build()
    assert not any(block.recompute for block in model.recomputable)
    model.compile("sgd", "sgd", recompute=True)
    again = CycleGAN.from_config(model.get_config())
    again.compile_from_config(model.get_compile_config())
    assert again.recompute
    assert all(block.recompute for block in again.recomputable)
    again.compile("sgd", "sgd")
    assert not any(block.recompute for block in again.recomputable)
