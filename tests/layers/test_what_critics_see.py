"""Differentiable augmentation against loops in NumPy, and on easy images."""

import numpy as np
import pytest
import tensorflow as tf

from tf_i2i.layers import augment


def by_hand(image, u, kinds):
    """One image `[H, W, 3]` with seven numbers, pixel by pixel."""
    x = image.copy()
    height, width = x.shape[:2]
    if "color" in kinds:
        x = x + (u[0] - 0.5)
        grey = x.mean(axis=2, keepdims=True)
        x = grey + (x - grey) * 2 * u[1]
        x = x.mean() + (x - x.mean()) * (0.5 + u[2])
    if "translation" in kinds:
        moved = np.zeros_like(x)
        most = [round(side / 8) for side in (height, width)]
        down = int(u[3] * (2 * most[0] + 1)) - most[0]
        right = int(u[4] * (2 * most[1] + 1)) - most[1]
        for i in range(height):
            for j in range(width):
                if 0 <= i + down < height and 0 <= j + right < width:
                    moved[i, j] = x[i + down, j + right]
        x = moved
    if "cutout" in kinds:
        tall, wide = height // 2, width // 2
        top = int(u[5] * (height + 1 - tall % 2)) - tall // 2
        left = int(u[6] * (width + 1 - wide % 2)) - wide // 2
        x = x.copy()
        x[max(0, top) : top + tall, max(0, left) : left + wide] = 0
    return x


@pytest.mark.parametrize(
    "kinds", [("color",), ("translation",), ("cutout",), augment.KINDS]
)
def test_each_kind_is_what_loops_make(kinds, rng):
    images = rng.uniform(-1, 1, (16, 16, 24, 3)).astype(np.float32)
    draws = rng.uniform(size=(16, augment.DRAWS)).astype(np.float32)
    found = augment.augment(tf.constant(images), draws, kinds)
    expected = [
        by_hand(image, u, kinds) for image, u in zip(images, draws, strict=True)
    ]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_ends_of_each_range():
    images = np.ones((2, 8, 8, 3), np.float32)
    draws = np.zeros((2, augment.DRAWS), np.float32)
    draws[1] = 1 - 2**-23  # The largest that TensorFlow draws.
    darker, brighter = augment.augment(images, draws, ("color",)).numpy()
    assert darker.max() == 0.5
    assert brighter.min() == pytest.approx(1.5)
    first, last = augment.augment(images, draws, ("translation",)).numpy()
    assert first.sum() == last.sum() == 7 * 7 * 3  # A row and a column gone.
    assert first[0, 4, 0] == 0 == last[-1, 4, 0]
    first, last = augment.augment(images, draws, ("cutout",)).numpy()
    assert np.array_equal(first[:2, :2], np.zeros((2, 2, 3)))
    assert first.sum() == last.sum() == (64 - 4) * 3


def test_the_gradient_goes_back_to_the_place_it_came_from(rng):
    images = tf.constant(rng.uniform(-1, 1, (4, 16, 16, 3)), tf.float32)
    draws = rng.uniform(size=(4, augment.DRAWS)).astype(np.float32)
    weights = rng.normal(size=images.shape).astype(np.float32)

    def loss(x):
        return tf.reduce_sum(weights * augment.augment(x, draws, augment.KINDS))

    with tf.GradientTape() as tape:
        tape.watch(images)
        total = loss(images)
    gradient = tape.gradient(total, images)
    # All of it is linear in the images but for brightness.
    step = rng.normal(size=images.shape).astype(np.float32)
    change = loss(images + step) - loss(images)
    expected = tf.reduce_sum(gradient * step)
    assert float(change) == pytest.approx(float(expected), abs=2e-3)


@pytest.mark.parametrize("kinds", ["color", ("colour",), ("color", "noise")])
def test_unknown_kinds_are_refused(kinds, refuses):
    with refuses("critic_augmentation"):
        augment.check_kinds(kinds)


def test_kinds_are_done_in_one_order():
    assert augment.check_kinds(["cutout", "color"]) == ("color", "cutout")
