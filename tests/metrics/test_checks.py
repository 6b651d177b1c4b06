"""The alarms on translators that do what they warn of."""

import numpy as np
import pytest

from tf_i2i.metrics import checks


@pytest.fixture
def inputs():
    """Coarse random pictures, so that they are unlike noise."""
    coarse = np.random.default_rng(0).integers(0, 256, (20, 4, 4, 3), np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2)


def warm(images):
    """A translation as it should be: other colours, the same picture."""
    moved = images @ np.array([[0.7, 0.2, 0], [0.2, 0.5, 0.2], [0.1, 0.3, 0.3]])
    return np.rint(moved * 0.8 + 30).clip(0, 255).astype(np.uint8)


def trembling(images):
    noise = np.random.default_rng(1).normal(0, 2, images.shape)
    return np.rint(images + noise).clip(0, 255).astype(np.uint8)


def test_a_translation_rings_nothing(inputs):
    assert checks.verdict(warm(inputs), inputs) == []


def test_collapsed_by_hand():
    inputs = np.array([0, 100], np.uint8).reshape(2, 1, 1, 1).repeat(3, -1)
    outputs = np.array([90, 110], np.uint8).reshape(2, 1, 1, 1).repeat(3, -1)
    assert checks.collapsed(outputs, inputs) == pytest.approx(10 / 50)


def test_one_image_for_all(inputs):
    outputs = np.repeat(inputs[:1], len(inputs), axis=0)
    assert checks.collapsed(outputs, inputs) == 0.0
    (sentence,) = checks.verdict(outputs, inputs)
    assert "nearly all alike (0% of" in sentence
    assert "gradient penalty" in sentence
    # And with a little noise on it.
    assert checks.collapsed(trembling(outputs), inputs) < 0.05


def test_equal_inputs_say_nothing(inputs):
    same = np.repeat(inputs[:1], 5, axis=0)
    assert checks.collapsed(warm(same), same) == 1.0


def test_a_copy(inputs):
    assert checks.identity(inputs, inputs) == 0.0
    assert checks.identity(inputs // 2, inputs // 2 + np.uint8(7)) == 7.0
    (sentence,) = checks.verdict(trembling(inputs), inputs)
    assert "nearly equal to the inputs (mean change of 1." in sentence
    assert "identity" in sentence


def test_a_negative(inputs):
    assert checks.inverted(255 - inputs, inputs) == pytest.approx(-1.0)
    (sentence,) = checks.verdict(255 - inputs, inputs)
    assert "correlation -1.00" in sentence
    assert "another seed" in sentence


def test_luminance_decides(inputs):
    assert checks.inverted(warm(inputs), inputs) > 0.9
    # Another picture is neither: it has no correlation.
    other = np.roll(inputs, 1, axis=0)
    assert abs(checks.inverted(other, inputs)) < 0.15
    assert checks.verdict(other, inputs) == []


def test_flat_images_are_finite(inputs):
    white = np.full_like(inputs, 255)
    assert checks.inverted(white, inputs) == 0.0
    assert checks.collapsed(white, inputs) == 0.0
    assert checks.collapsed(white, white) == 1.0


@pytest.mark.parametrize(
    "check",
    [checks.collapsed, checks.identity, checks.inverted, checks.verdict],
    ids=lambda f: f.__name__,
)
def test_what_is_refused(check, inputs, refuses):
    with refuses("outputs"):
        check(inputs[:3], inputs)
    with refuses("outputs"):
        check(inputs.astype(np.float16), inputs)
