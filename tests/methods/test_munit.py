"""MUNIT: its losses in NumPy, and the paths of its tensors."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_i2i.methods import MUNIT

WEIGHTS = {"image_weight": 10.0, "content_weight": 2.0, "style_weight": 3.0}


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    return MUNIT(**MUNIT.tiny, **WEIGHTS, cycle_weight=5.0)


@pytest.fixture(scope="module")
def tensors(model):
    rng = np.random.default_rng(0)
    a, b = rng.uniform(-1, 1, (2, 2, 16, 16, 3)).astype(np.float32)
    return model.forward(tf.constant(a), tf.constant(b), training=False)


def test_losses(model, tensors):
    s = tf.nest.map_structure(np.asarray, tensors)

    def l1(x, y):
        return np.mean(np.abs(s[x] - s[y]))

    expected = {}
    for o, i in ("ab", "ba"):
        real, fake = (
            [s[f"{kind}_{k}_{o}"] for k in range(2)]
            for kind in ("score", "fake_score")
        )
        # The second size is half of the first.
        assert [x.shape[1] for x in real] == [4, 2]
        expected[f"gan_{o}"] = sum(np.mean((x - 1) ** 2) for x in fake)
        expected[f"critic_{o}"] = sum(
            np.mean((x - 1) ** 2) + np.mean(y**2)
            for x, y in zip(real, fake, strict=True)
        )
        expected[f"reconstruction_{o}"] = 10 * l1(o, f"same_{o}")
        # The content of a translation is that of its source.
        expected[f"content_{o}"] = 2 * l1(f"content_{i}", f"fake_content_{o}")
        expected[f"style_{o}"] = 3 * l1(f"draw_{o}", f"fake_style_{o}")
        expected[f"cycle_{o}"] = 5 * l1(o, f"cycled_{o}")
    found = model.translator_losses(tensors) | model.critic_losses(tensors)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(value, rel=1e-5), name


def test_tensors_take_the_paths_of_the_figure(model, tensors):
    s = tensors
    content = model.content_encoder_a(s["a"])
    style = model.style_encoder_a(s["a"])
    fake = model.decoder_b(content, s["draw_b"])
    again = model.content_encoder_b(fake)
    expected = {
        "fake_b": fake,
        "same_a": model.decoder_a(content, style),
        "fake_content_b": again,
        "fake_style_b": model.style_encoder_b(fake),
        "cycled_a": model.decoder_a(again, style),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(s[name], value, atol=1e-5, err_msg=name)
    made = model.translate(s["a"], "a_to_b", s["draw_b"])
    np.testing.assert_allclose(made, fake, atol=1e-5)
    np.testing.assert_allclose(
        model.reconstruct(s["a"], "a"), s["same_a"], atol=1e-5
    )
    np.testing.assert_allclose(
        model.encode_style(s["b"], "a_to_b"), s["style_b"], atol=1e-5
    )


def test_critics_need_enough_pixels(refuses):
    with refuses("image_size"):
        MUNIT(**MUNIT.tiny | {"critic_layers": 4})
