"""DTN: its losses in NumPy, what is trained, and what it refuses."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_i2i import exporting
from tf_i2i.images import to_float
from tf_i2i.methods import DTN

SMALL = {"image_size": 16, "width": 0.05}


def encoder(size=6):
    """Makes f: a convolution of fixed weights, averaged."""
    kernel = np.random.default_rng(3).normal(size=(4, 4, 3, size))

    def f(images):
        x = tf.nn.conv2d(images, tf.constant(kernel, tf.float32), 2, "SAME")
        return tf.reduce_mean(tf.nn.relu(x), [1, 2])

    return lambda: f


def build(**kwargs):
    keras.utils.set_random_seed(1)
    return DTN(**{**SMALL, "encoder": encoder(), **kwargs})


@functools.cache
def shared():
    """A model that no test changes."""
    return build()


def images(seed, count=4):
    x = np.random.default_rng(seed).uniform(-1, 1, (count, 16, 16, 3))
    return tf.constant(x, tf.float32)


def log_softmax(x):
    return x - np.log(np.exp(x).sum(1, keepdims=True))


def compiled(model, rate=1e-2):
    model.compile(keras.optimizers.Adam(rate), keras.optimizers.Adam(rate))
    return model


def test_losses_as_in_numpy():
    model = build(constancy_weight=15.0, identity_weight=2.0, gan_weight=0.5)
    s = model.forward(images(1), images(2), training=True)
    n = {name: value.numpy() for name, value in s.items()}
    fake, same, real = (
        log_softmax(n[name])
        for name in ("fake_score_b", "same_score_b", "score_b")
    )
    cosine = np.sum(n["code_a"] * n["again_b"], 1)
    steps = [
        np.abs(np.diff(n[name], axis=axis)).mean()
        for name in ("fake_b", "same_b")
        for axis in (1, 2)
    ]
    expected = {
        "gan": -0.5 * (fake[:, 2].mean() + same[:, 2].mean()),
        "constancy": 15 * np.mean(1 - cosine),
        "identity": 2 * np.mean((n["b"] - n["same_b"]) ** 2),
        "variation": 0.05 * sum(steps),
        "critic": -0.5
        * (fake[:, 0].mean() + same[:, 1].mean() + real[:, 2].mean()),
    }
    terms = model.translator_losses(s) | model.critic_losses(s)
    assert set(terms) == set(expected)
    for name, value in expected.items():
        assert float(terms[name]) == pytest.approx(value, rel=1e-4), name


def test_tensors_take_the_ways_that_their_names_say():
    model = shared()
    a, b = images(1), images(2)
    s = model.forward(a, b, training=False)
    expected = {
        "fake_b": model.translate(a, "a_to_b"),
        "same_b": model.reconstruct(b, "b"),
        "code_a": model.embed(a, "a"),
        "again_b": model.embed(s["fake_b"], "b"),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(s[name], value, atol=1e-5, err_msg=name)
    codes = encoder()()(a).numpy()
    codes /= np.linalg.norm(codes, axis=1, keepdims=True)
    np.testing.assert_allclose(s["code_a"], codes, atol=1e-5)


@pytest.mark.parametrize("finetune", [False, True])
def test_the_encoder_stays_or_learns(finetune):
    model = compiled(build(finetune=finetune))
    assert ("encoder" in model.translators) == finetune
    x = images(1)
    before = model.embed(x, "a").numpy()
    np.testing.assert_allclose(
        before, shared().embed(x, "a"), atol=1e-5
    )  # It begins as it was.
    model.train_step((x, images(2)))
    moved = np.abs(model.embed(x, "a") - before).max()
    assert (moved > 1e-3) == finetune


def test_a_fine_tuned_encoder_learns_from_constancy_alone():
    model = build(finetune=True)
    weights = model.encoder.trainable_variables
    with tf.GradientTape(persistent=True) as tape:
        s = model.forward(images(1), images(2), training=True)
        terms = model.translator_losses(s)
    for name, term in terms.items():
        (gradient,) = tape.gradient(term, weights)
        if name == "constancy":
            assert np.abs(gradient).max() > 1e-6
        else:
            assert gradient is None, name


@pytest.mark.parametrize(
    "finetune", [pytest.param(False, marks=pytest.mark.slow), True]
)
def test_exports_hold_the_encoder(finetune, tmp_path):
    model = build(finetune=finetune)
    photos = np.random.default_rng(1).integers(0, 256, (2, 16, 16, 3), np.uint8)
    source = exporting.photo_to_photo(model, "a_to_b")
    exporting.export_saved_model(model, tmp_path / "saved")
    loaded = tf.saved_model.load(str(tmp_path / "saved")).signatures
    assert set(loaded) == {
        *("serving_default", "translate", "a_to_b", "a_to_b_float"),
        *("translate_bytes", "a_to_b_bytes"),
        *("encode_a", "encode_b"),
    }
    codes = loaded["encode_b"](image=tf.constant(photos))["embedding"]
    wanted = model.embed(to_float(photos), "b")
    np.testing.assert_allclose(codes, wanted, atol=1e-5)
    (saved,) = exporting.load_saved_model(tmp_path / "saved").values()
    assert exporting.parity(source, saved, photos)["max"] <= 1
    exporting.export_tflite(model, tmp_path / "dtn.tflite")
    lite = exporting.load_tflite(tmp_path / "dtn.tflite")
    assert exporting.parity(source, lite, photos)["max"] <= 1


def test_switches_leave_terms_out():
    model = build(identity_weight=0.0, variation_weight=0.0)
    assert set(model.loss_metrics) == {"gan", "constancy", "critic"}


def test_there_is_no_way_back(refuses):
    with refuses("direction"):
        shared().translate(images(1), "b_to_a")


@pytest.mark.parametrize(
    ("wrong", "argument"),
    [
        ({"encoder": None}, "DTN.encoder"),
        ({"image_size": 24}, "image_size"),
        (
            {"encoder": lambda: lambda x: tf.round(x)[:, 0, 0]},
            "DTN.encoder",
        ),
    ],
)
def test_what_cannot_be_built_is_refused(wrong, argument, refuses):
    with refuses(argument):
        build(**wrong)
