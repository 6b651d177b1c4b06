"""Ranks of hidden partners, with ties, and the consistency ratio."""

import importlib

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import rankdata

from tf_i2i.metrics.retrieval import retrieval
from tf_i2i.metrics.retrieval import semantic_consistency

# The package has the function under this name.
module = importlib.import_module("tf_i2i.metrics.retrieval")


def noisy_pair(count=200, noise=1.0):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, 16)) + 3
    return x, x + noise * rng.normal(size=x.shape)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_ranks_are_those_of_scipy(metric):
    x, y = noisy_pair()
    y[50:60] = y[49]
    ranks = np.diag(rankdata(cdist(x, y, metric).round(12), axis=1))
    expected = {
        "r@1": np.mean(ranks <= 1),
        "r@5": np.mean(ranks <= 5),
        "median_rank": np.median(ranks),
    }
    assert 0.2 < expected["r@1"] < expected["r@5"] < 1
    assert retrieval(x, y, metric) == expected
    scaled = retrieval(1e-6 * x, 1e-6 * y, metric)
    assert scaled == expected


def test_by_hand():
    queries = np.array([[0.0], [1.0], [2.0]])
    gallery = np.array([[0.0], [0.5], [1.0]])
    # Query 1 is as near to 1.0 as it can be, then to .5: rank 2.
    result = retrieval(queries, gallery, "euclidean")
    assert result == {"r@1": 2 / 3, "r@5": 1.0, "median_rank": 1.0}


def test_partners_found_in_any_common_order():
    x, y = noisy_pair()
    assert retrieval(x, x)["r@1"] == 1
    order = np.random.default_rng(1).permutation(len(x))
    assert retrieval(x[order], y[order]) == retrieval(x, y)


def test_a_constant_embedding_has_the_rank_of_chance():
    point = np.ones((64, 3))
    for metric in ("cosine", "euclidean"):
        with pytest.warns(UserWarning, match="all features are the same"):
            result = retrieval(point, point, metric)
        assert result == {"r@1": 0.0, "r@5": 0.0, "median_rank": 32.5}


def test_blocks_do_not_matter(monkeypatch):
    x, y = noisy_pair()
    whole = [retrieval(x, y), semantic_consistency(x, y)]
    monkeypatch.setattr(module, "_BLOCK", 7)
    assert retrieval(x, y) == whole[0]
    assert semantic_consistency(x, y) == pytest.approx(whole[1], rel=1e-10)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_consistency_is_partners_over_strangers(metric):
    x, y = noisy_pair()
    gaps = cdist(x, y, metric)
    strangers = gaps[~np.eye(len(x), dtype=bool)].mean()
    expected = np.diag(gaps).mean() / strangers
    ours = semantic_consistency(x, y, metric)
    assert ours == pytest.approx(expected, rel=1e-9)
    assert semantic_consistency(x, x, metric) == 0
    shrunk = semantic_consistency(1e-3 * x, 1e-3 * y, metric)
    assert shrunk == pytest.approx(ours, rel=1e-9)


def test_consistency_of_strangers_is_one():
    x, _ = noisy_pair()
    rolled = semantic_consistency(x, np.roll(x, 1, axis=0))
    # The mean over strangers contains each vector's own, at 0.
    assert rolled == pytest.approx(1, abs=0.03)


def test_consistency_of_a_point_is_one_and_said():
    point = np.ones((8, 3))
    with (
        pytest.warns(UserWarning, match="no two vectors differ"),
        pytest.warns(UserWarning, match="all features are the same"),
    ):
        assert semantic_consistency(point, point) == 1


def test_what_is_not_pairs_is_refused(refuses):
    x, y = noisy_pair()
    with refuses("gallery"):
        retrieval(x, y[:10])
    with refuses("gallery"):
        retrieval(x, y[:, :3])
    with refuses("queries"):
        retrieval(x.astype(np.float16), y)
    with refuses("metric"):
        semantic_consistency(x, y, "l1")
    with refuses("x"):
        semantic_consistency(x[:1], y[:1])
