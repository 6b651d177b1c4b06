"""The LPIPS form against a loop, number by number."""

import math

import numpy as np
import pytest

from tf_i2i.metrics.perceptual import diversity
from tf_i2i.metrics.perceptual import perceptual_distance


def features(seed, count=3):
    rng = np.random.default_rng(seed)
    return {
        "relu1": rng.standard_normal((count, 4, 3, 2)).astype(np.float32),
        "relu2": rng.standard_normal((count, 2, 2, 5)).astype(np.float32),
    }


def by_loop(taps_x, taps_y, weights, image):
    total = 0.0
    for name in taps_x:
        x, y = taps_x[name][image], taps_y[name][image]
        height, width, channels = x.shape
        for row in range(height):
            for column in range(width):
                a = [float(v) for v in x[row, column]]
                b = [float(v) for v in y[row, column]]
                norm_a = math.sqrt(sum(v * v for v in a)) + 1e-10
                norm_b = math.sqrt(sum(v * v for v in b)) + 1e-10
                for c in range(channels):
                    gap = a[c] / norm_a - b[c] / norm_b
                    lin = weights[name][c] if weights else 1.0
                    total += lin * gap * gap / (height * width)
    return total


@pytest.mark.parametrize(
    "weights",
    [None, {"relu1": [0.5, 2.0], "relu2": [0.0, 1.0, 0.25, 3.0, 1.0]}],
    ids=["sum", "lin"],
)
def test_every_image_equals_the_loop(weights):
    x, y = features(0), features(1)
    loops = [by_loop(x, y, weights, i) for i in range(3)]
    values = perceptual_distance(x, y, weights, per_image=True)
    np.testing.assert_allclose(values, loops, rtol=1e-12)
    assert perceptual_distance(x, y, weights) == pytest.approx(np.mean(loops))


def test_lists_are_layers_too():
    x, y = features(0), features(1)
    assert perceptual_distance(
        list(x.values()), list(y.values())
    ) == perceptual_distance(x, y)


def test_by_hand():
    # Right angle: 2. Opposite: 4. Equal but for length: 0.
    x = np.float32([[3, 0], [1, 0], [1, 1]]).reshape(1, 1, 3, 2)
    y = np.float32([[0, 5], [-9, 0], [7, 7]]).reshape(1, 1, 3, 2)
    assert perceptual_distance([x], [y]) == pytest.approx((2 + 4 + 0) / 3)


def test_dead_columns_are_finite():
    zero = {"relu": np.zeros((2, 4, 4, 8), np.float32)}
    one = {"relu": np.ones((2, 4, 4, 8), np.float32)}
    assert perceptual_distance(zero, zero) == 0.0
    assert perceptual_distance(zero, one) == pytest.approx(1.0)


def test_equal_features_are_at_zero_and_noise_moves_away():
    x = features(2)
    gaps = []
    for sigma in (0.0, 0.1, 0.3, 1.0):
        rng = np.random.default_rng(3)
        y = {
            name: tap + sigma * rng.standard_normal(tap.shape)
            for name, tap in x.items()
        }
        gaps.append(perceptual_distance(x, y))
    assert gaps[0] == 0.0
    assert gaps == sorted(gaps)
    assert gaps[1] > 0.001


def test_batches_do_not_matter():
    x, y = features(4, 40), features(5, 40)
    alone = [
        perceptual_distance(
            {n: t[i : i + 1] for n, t in x.items()},
            {n: t[i : i + 1] for n, t in y.items()},
        )
        for i in range(40)
    ]
    together = perceptual_distance(x, y, per_image=True)
    np.testing.assert_allclose(together, alone, rtol=1e-12)


def test_diversity_is_the_mean_of_all_pairs(refuses):
    a, b, c = features(6), features(7), features(8)
    pairs = [(a, b), (a, c), (b, c)]
    assert diversity([a, b, c]) == pytest.approx(
        np.mean([perceptual_distance(x, y) for x, y in pairs]), rel=1e-12
    )
    assert diversity([a, a, a]) == 0.0
    with refuses("outputs"):
        diversity([a])


def test_vectors_are_maps_of_one_position():
    x, y = np.random.default_rng(0).normal(size=(2, 3, 5))
    vectors = perceptual_distance([x], [y], per_image=True)
    maps = [[v[:, None, None]] for v in (x, y)]
    np.testing.assert_array_equal(
        vectors, perceptual_distance(*maps, per_image=True)
    )


def test_features_that_are_refused(refuses):
    x = features(0)
    half = {name: tap.astype(np.float16) for name, tap in x.items()}
    broken = {name: tap * np.float32(np.nan) for name, tap in x.items()}
    with refuses("taps_y[relu1]"):
        perceptual_distance(x, half)
    with refuses("taps_x[relu1]"):
        perceptual_distance(broken, x)
    with refuses("taps_x"):
        perceptual_distance(x, features(1, count=2))
    with refuses("taps_x"):
        perceptual_distance(x, {"relu1": x["relu1"]})


def test_weights_that_are_refused(refuses):
    x = features(0)
    with refuses("weights"):
        perceptual_distance(x, x, {"relu1": [1, 1], "relu2": [1]})
    with refuses("weights[relu1]"):
        perceptual_distance(x, x, {"relu1": [1, -1], "relu2": [1] * 5})
