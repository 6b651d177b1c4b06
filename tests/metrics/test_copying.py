"""Nearest neighbours against all distances, and what copying scores."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from tf_i2i.metrics.copying import copy_rate
from tf_i2i.metrics.copying import copying_scores
from tf_i2i.metrics.copying import nearest
from tf_i2i.metrics.copying import nearest_distance


def cloud(seed, count, shape=(8,)):
    return np.random.default_rng(seed).standard_normal((count, *shape))


def test_nearest_equals_scikit_learn():
    # More than one block on either side.
    x, y = cloud(0, 600), cloud(1, 1100)
    finder = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(y)
    distances, indices = finder.kneighbors(x)
    found, where = nearest(x, y)
    np.testing.assert_array_equal(where, indices[:, 0])
    np.testing.assert_allclose(found, distances[:, 0], rtol=1e-12)


def test_images_are_compared_as_whole_numbers():
    rng = np.random.default_rng(2)
    x = rng.integers(0, 256, (5, 8, 8, 3), np.uint8)
    y = rng.integers(0, 256, (7, 8, 8, 3), np.uint8)
    gaps = x.reshape(5, 1, -1).astype(np.int64) - y.reshape(1, 7, -1)
    by_hand = np.sqrt((gaps**2).sum(-1).min(1))
    np.testing.assert_array_equal(nearest_distance(x, y), by_hand)


def test_an_equal_one_is_at_exactly_zero():
    y = cloud(3, 700) + 1e4
    distances, indices = nearest(y[::-1], y)
    assert (distances == 0).all()
    assert indices.tolist() == list(range(699, -1, -1))


def test_batches_do_not_matter():
    x, y = cloud(4, 30), cloud(5, 600)
    alone = [nearest_distance(x[i : i + 1], y)[0] for i in range(30)]
    np.testing.assert_allclose(nearest_distance(x, y), alone, rtol=1e-10)


def test_copy_rate_by_hand():
    train = np.zeros((1, 1))
    test = np.arange(1.0, 22.0)[:, None]
    # The 5th percentile of 1, 2, ..., 21 is 2.
    outputs = np.array([[0.0], [1.9], [2.0], [2.1], [-1.0]])
    assert copy_rate(outputs, train, test) == 3 / 5
    assert copy_rate(test, train, test) == 1 / 21


def test_fresh_images_score_five_percent_and_copies_all():
    train, test, fresh = cloud(6, 400), cloud(7, 2000), cloud(8, 2000)
    assert copy_rate(fresh, train, test) == pytest.approx(0.05, abs=0.02)
    assert copy_rate(train[:50], train, test) == 1.0
    assert copy_rate(fresh + 10, train, test) == 0.0


def test_copies_are_seen_where_test_images_repeat_training_images():
    # Every tenth test image is in the training set: the threshold is 0.
    train, test = cloud(9, 100), cloud(10, 100)
    test[::10] = train[::10]
    assert copy_rate(train, train, test) == 1.0
    assert copy_rate(test, train, test) == 0.1


def test_scores_hold_outputs_against_real_images():
    train, test, outputs = cloud(11, 60), cloud(12, 50), cloud(13, 40)
    scores = copying_scores(outputs, train, test)
    assert scores == pytest.approx(
        {
            "copy_rate": copy_rate(outputs, train, test),
            "to_train": nearest_distance(outputs, train).mean(),
            "to_test": nearest_distance(outputs, test).mean(),
            "real": nearest_distance(test, train).mean(),
        }
    )


def test_constant_sets_are_finite():
    grey = np.full((4, 6, 6, 3), 9, np.uint8)
    scores = copying_scores(grey, grey, grey)
    assert scores == {"copy_rate": 1, "to_train": 0, "to_test": 0, "real": 0}


def test_arrays_that_are_refused(refuses):
    x = cloud(0, 3)
    with refuses("x"):
        nearest(x.astype(np.float16), x)
    with refuses("y"):
        nearest(x, x[:0])
    with refuses("x"):
        nearest(x, x[:, :4])
