"""AsymGAN: its losses in NumPy, its tensors, its switches."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_i2i.methods import AsymGAN
from tf_i2i.methods.capabilities import style_shape

SMALL = {"image_size": 16, "residual_blocks": 2, "width": 0.05}
SMALL |= {"style_halvings": 1, "critic_layers": 1, "pool_size": 4}
VECTOR = {"style_path": "norm"}
EXTENSIONS = {"remade_gan_weight": 1.0, "styled_gan_weight": 0.5}
EXTENSIONS |= {"content_weight": 0.2, "style_weight": 0.1}
EXTENSIONS |= {"variation_weight": 10.0}
PLAIN_TERMS = {"gan_a", "gan_b", "gan_z", "cycle_a", "cycle_b", "cycle_z"}
CRITICS = {"critic_a", "critic_b", "critic_z"}


def maps():
    """Content is the image itself, style its first two channels."""
    return lambda images: ([images], [images[..., :2]])


def build(**kwargs):
    keras.utils.set_random_seed(1)
    return AsymGAN(**{**SMALL, **kwargs})


@pytest.fixture(scope="module")
def plain():
    """Equation 12, z a map."""
    return build()


@pytest.fixture(scope="module")
def extended():
    """Equation 19, z a vector."""
    return build(**VECTOR, **EXTENSIONS, features=maps)


def images(seed, count=2):
    x = np.random.default_rng(seed).uniform(-1, 1, (count, 16, 16, 3))
    return tf.constant(x, tf.float32)


def of(model, training=False):
    """Streams of a step, and the same in NumPy."""
    s = model.forward(images(1), images(2), training=training)
    return s, {name: np.asarray(value) for name, value in s.items()}


def least_squares(real, fake):
    return np.mean((real - 1) ** 2) + np.mean(fake**2)


def test_losses_without_extensions(plain):
    """Equation 12."""
    model = plain
    s, n = of(model, training=True)
    terms = model.translator_losses(s) | model.critic_losses(s)
    expected = {
        f"gan_{o}": np.mean((n[f"fake_{o}_score"] - 1) ** 2) for o in "abz"
    }
    for o in "abz":
        cycle = np.mean(np.abs(n[o] - n[f"cycled_{o}"]))
        expected[f"cycle_{o}"] = 10 * cycle
    for o in "ab":
        expected[f"critic_{o}"] = 0.5 * least_squares(
            n[f"score_{o}"], n[f"fake_{o}_pooled_score"]
        )
    expected["critic_z"] = 0.5 * least_squares(n["score_z"], n["fake_z_score"])
    assert terms.keys() == expected.keys() == PLAIN_TERMS | CRITICS
    for name, value in expected.items():
        assert float(terms[name]) == pytest.approx(value, rel=1e-5), name


def test_losses_with_extensions(extended):
    """Equation 19."""
    model = extended
    s, n = of(model, training=True)
    terms = model.translator_losses(s) | model.critic_losses(s)
    expected = {}
    for kind, weight in (("remade_a", 1.0), ("styled_a", 0.5)):
        fooling = np.mean((n[f"{kind}_score"] - 1) ** 2)
        expected[f"gan_{kind}"] = weight * fooling
        expected[f"critic_{kind}"] = (0.5 * weight) * least_squares(
            n["score_a"], n[f"{kind}_pooled_score"]
        )
    # Maps are divided by their deviation over real images of A.
    made, a, b = n["styled_a"], n["a"], n["b"]
    content = np.mean((made - b) ** 2) / a.std() ** 2
    expected["content"] = 0.2 * content

    def gram(x):
        return np.einsum("nhwc,nhwd->ncd", x, x) / (2 * 16 * 16)

    of_two = a[..., :2].std()
    style = (gram(made[..., :2] / of_two) - gram(a[..., :2] / of_two)) ** 2
    expected["style"] = 0.1 * style.sum((1, 2)).mean()
    expected["variation"] = 10 * sum(
        np.mean(np.diff(n[name], axis=1) ** 2)
        + np.mean(np.diff(n[name], axis=2) ** 2)
        for name in (
            *("fake_b", "cycled_a", "remade_a", "fake_a", "cycled_b"),
            "styled_a",
        )
    )
    assert terms.keys() == expected.keys() | PLAIN_TERMS | CRITICS
    assert len(model.translator_losses(s)) == 11
    for name, value in expected.items():
        assert float(terms[name]) == pytest.approx(value, rel=1e-4), name


def test_tensors_take_the_ways_that_their_names_say(extended):
    model = extended
    s, _ = of(model)
    a, b, z = s["a"], s["b"], s["z"]
    to_b, to_a, read = model.generator_b, model.generator_a, model.encoder
    expected = {
        "fake_b": to_b(a),
        "fake_z": read(a),
        "fake_a": to_a(b, z),
        "cycled_a": to_a(to_b(a), read(a)),
        "cycled_b": to_b(to_a(b, z)),
        "cycled_z": read(to_a(b, z)),
        "remade_a": to_a(to_b(a), z),
        "styled_a": to_a(b, read(a)),
        "fake_b_score": model.critic_b(to_b(a)),
        "fake_a_score": model.critic_a(to_a(b, z)),
        "remade_a_score": model.critic_a(to_a(to_b(a), z)),
        "score_a": model.critic_a(a),
        "score_z": model.critic_z(z),
        "fake_z_score": model.critic_z(read(a)),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(s[name], value, atol=1e-4, err_msg=name)
    np.testing.assert_array_equal(s["pooled_styled_a"], s["styled_a"])
    np.testing.assert_allclose(
        model.translate(b, "b_to_a", z), s["fake_a"], atol=1e-4
    )
    np.testing.assert_allclose(model.cycle(a, "a"), s["cycled_a"], atol=1e-4)


def test_z_is_drawn_anew_in_each_step(plain):
    (_, first), (_, again) = of(plain), of(plain)
    np.testing.assert_array_equal(first["z"], again["z"])
    plain.step.assign(1)
    _, next_one = of(plain)
    plain.step.assign(0)
    assert np.abs(first["z"] - next_one["z"]).max() > 0.1
    assert first["z"].shape == (2, 8, 8, 8)


def test_z_as_a_map_goes_the_same_ways(plain):
    s, _ = of(plain)
    read, to_a = plain.encoder, plain.generator_a
    expected = {
        "fake_a": to_a(s["b"], s["z"]),
        "cycled_a": to_a(plain.generator_b(s["a"]), read(s["a"])),
        "cycled_z": read(s["fake_a"]),
        "fake_z_score": plain.critic_z(read(s["a"])),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(s[name], value, atol=1e-4, err_msg=name)


def test_styles(extended, refuses):
    model = extended
    a = images(1)
    assert style_shape(model, "b_to_a") == (8,)
    assert style_shape(model, "a_to_b") is None
    drawn = model.sample_style(1000, seed=3).numpy()
    assert drawn.mean() == pytest.approx(0, abs=0.05)
    assert drawn.std() == pytest.approx(1, abs=0.05)
    np.testing.assert_array_equal(drawn, model.sample_style(1000, seed=3))
    np.testing.assert_array_equal(
        model.encode_style(a, "b_to_a"), model.encoder(a)
    )
    np.testing.assert_array_equal(
        model.translate(a, "b_to_a"),
        model.translate(a, "b_to_a", tf.zeros((2, 8))),
    )
    with refuses("direction"):
        model.encode_style(a, "a_to_b")
    with refuses("style"):
        model.translate(a, "a_to_b", drawn[:2])


def test_a_map_of_z_fits_images_of_other_sizes(plain, refuses):
    wide = tf.zeros((1, 16, 32, 3))
    style = plain.sample_style(1, 0)
    assert plain.translate(wide, "b_to_a", style).shape == wide.shape
    with refuses("images"):
        plain.encode_style(wide, "b_to_a")


def test_only_what_is_asked_for_is_made(plain):
    assert "remade_a" not in of(plain)[0]
    model = build(variation_weight=1.0)
    assert {"remade_a", "styled_a"} <= of(model)[0].keys()
    assert not hasattr(model, "pool_remade_a")
    assert set(model.loss_metrics) == {
        *(PLAIN_TERMS | CRITICS),
        *("variation", "code_deviation"),
    }


def test_mistakes_are_named(refuses):
    with refuses("style_path"):
        build(style_path="middle")
    with refuses("image_size"):
        AsymGAN(36, style_halvings=3)
    with refuses("features"):
        build(content_weight=1.0)
