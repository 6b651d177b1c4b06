"""Precision, recall, density, coverage against `prdc` and golden numbers."""

import numpy as np
import prdc
import pytest

from tf_i2i.metrics import manifold
from tf_i2i.metrics.manifold import precision_recall_density_coverage


def golden_pair():
    rng = np.random.default_rng(0)
    a = rng.standard_normal((300, 64))
    return a, rng.standard_normal((300, 64)) * 1.1 + 0.1


def test_golden_numbers():
    result = precision_recall_density_coverage(*golden_pair(), k=5)
    expected = {
        "precision": 0.423333,
        "recall": 0.97,
        "density": 0.292,
        "coverage": 0.723333,
    }
    assert result == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("k", [1, 3, 5, 20])
def test_it_is_prdc(k, capsys):
    rng = np.random.default_rng(k)
    real = rng.normal(size=(150, 6)) + 1000
    fake = rng.normal(size=(90, 6)) * 0.7 + 1000.3
    ours = precision_recall_density_coverage(real, fake, k)
    assert ours == pytest.approx(prdc.compute_prdc(real, fake, k), rel=1e-12)


def test_by_hand():
    # Radii for k = 1: real 1, 1, 3; fake 2, 2, 14.
    real = np.array([[0.0], [1.0], [4.0]])
    fake = np.array([[-1.0], [1.0], [15.0]])
    strict = precision_recall_density_coverage(real, fake, 1)
    # -1 lies on the sphere around 0, and 1 in that around itself alone.
    assert strict == {
        "precision": 1 / 3,
        "recall": 1.0,
        "density": 1 / 3,
        "coverage": 1 / 3,
    }
    inclusive = precision_recall_density_coverage(real, fake, 1, True)
    # Now -1 is in one ball and 1 in all three.
    assert inclusive == {
        "precision": 2 / 3,
        "recall": 1.0,
        "density": 4 / 3,
        "coverage": 1.0,
    }


def test_equal_sets_in_any_order():
    a, _ = golden_pair()
    result = precision_recall_density_coverage(a, a[::-1], 5)
    # Each is in its own ball and, strictly, in those of k - 1 neighbours.
    assert result == pytest.approx(
        {"precision": 1, "recall": 1, "density": 1, "coverage": 1}
    )


def test_blocks_do_not_matter(monkeypatch):
    a, b = golden_pair()
    whole = precision_recall_density_coverage(a, b[:200])
    monkeypatch.setattr(manifold, "_BLOCK", 300 * 7)
    assert precision_recall_density_coverage(a, b[:200]) == whole


def test_one_image_repeated_is_precise_and_covers_nothing():
    a, _ = golden_pair()
    with pytest.warns(UserWarning, match="`fake`: all features are the same"):
        result = precision_recall_density_coverage(a, np.repeat(a[:1], 50, 0))
    assert result["precision"] == 1
    assert result["recall"] == 0
    assert result["coverage"] < 0.03


def test_two_points_are_finite():
    point = np.ones((8, 3))
    with pytest.warns(UserWarning, match="all features are the same"):
        strict = precision_recall_density_coverage(point, point)
    assert set(strict.values()) == {0.0}
    with pytest.warns(UserWarning, match="all features are the same"):
        inclusive = precision_recall_density_coverage(
            point, point, inclusive=True
        )
    assert inclusive["precision"] == inclusive["coverage"] == 1


def test_too_few_are_refused(refuses):
    a, b = golden_pair()
    assert precision_recall_density_coverage(a[:6], b[:6])["density"] >= 0
    with refuses("fake"):
        precision_recall_density_coverage(a, b[:5])
    with refuses("k"):
        precision_recall_density_coverage(a, b, 0)
    with refuses("real"):
        precision_recall_density_coverage(a.astype(np.float16), b)
