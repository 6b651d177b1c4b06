"""Frechet distance against SciPy's root, closed forms and a golden number."""

import numpy as np
import pytest
from scipy import linalg

from tf_i2i.metrics.frechet import frechet_distance
from tf_i2i.metrics.frechet import frechet_from_statistics
from tf_i2i.metrics.frechet import frechet_statistics


def golden_pair():
    rng = np.random.default_rng(0)
    a = rng.standard_normal((300, 64))
    return a, rng.standard_normal((300, 64)) * 1.1 + 0.1


def by_square_root(x, y):
    """The formula as it stands."""
    sx, sy = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = linalg.sqrtm(sx @ sy).real
    gap = ((x.mean(0) - y.mean(0)) ** 2).sum()
    return gap + np.trace(sx + sy - 2 * root)


def test_golden_number_of_torch_fidelity_and_torchmetrics():
    a, b = golden_pair()
    assert frechet_distance(a, b) == pytest.approx(9.3588593144138, rel=1e-12)


@pytest.mark.parametrize("count", [33, 60, 400])
def test_it_is_the_formula(count):
    rng = np.random.default_rng(count)
    x = rng.normal(size=(count, 32)) @ rng.normal(size=(32, 32))
    y = rng.normal(size=(count + 7, 32)) * 2 + 1
    expected = by_square_root(x, y)
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-9)
    kept = frechet_from_statistics(frechet_statistics(x), frechet_statistics(y))
    assert kept == pytest.approx(expected, rel=1e-9)


def test_of_two_diagonal_gaussians():
    # Two points at each side of the mean have exactly that covariance.
    sides = np.concatenate([np.eye(3), -np.eye(3)]) * np.sqrt(5 / 2)
    x, y = sides * [1, 2, 3], sides * [2, 2, 5] + [0, 3, 4]
    expected = 3**2 + 4**2 + (1 - 2) ** 2 + (3 - 5) ** 2
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-12)


def test_fewer_images_than_dimensions():
    # Nothing is lost by rotating features into the few dimensions they span.
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 10, 19))
    turned, _ = np.linalg.qr(rng.normal(size=(500, 19)))
    wide = frechet_distance(x @ turned.T, y @ turned.T)
    assert wide == pytest.approx(frechet_distance(x, y), rel=1e-12)
    kept = frechet_from_statistics(
        frechet_statistics(x @ turned.T), frechet_statistics(y @ turned.T)
    )
    assert kept == pytest.approx(wide, rel=1e-5)


def test_equal_sets_in_any_order_are_at_zero():
    a, b = golden_pair()
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-10)
    assert frechet_distance(a, a[::-1]) == pytest.approx(0, abs=1e-10)
    plain = frechet_distance(a, b)
    assert frechet_distance(b, a) == pytest.approx(plain, rel=1e-12)
    assert frechet_distance(a, b[::-1]) == pytest.approx(plain, rel=1e-12)


def test_it_grows_with_noise():
    a, b = golden_pair()
    rows = [frechet_distance(a, a + sigma * b) for sigma in (0.2, 0.5, 1)]
    assert 0.01 < rows[0] < rows[1] < rows[2]


def test_principal_components_are_those_of_the_reference():
    from sklearn.decomposition import PCA

    a, b = golden_pair()
    a = a * np.linspace(1, 4, 64)
    pca = PCA(8, svd_solver="full").fit(a)
    expected = by_square_root(pca.transform(a), pca.transform(b))
    assert frechet_distance(a, b, pca=8) == pytest.approx(expected, rel=1e-9)
    few = frechet_distance(a[:30], b, pca=8)
    pca = PCA(8, svd_solver="full").fit(a[:30])
    expected = by_square_root(pca.transform(a[:30]), pca.transform(b))
    assert few == pytest.approx(expected, rel=1e-9)


def test_dead_dimensions_do_not_blow_up():
    a, b = golden_pair()
    plain = frechet_distance(a, b, standardize=True)
    dead = np.zeros((300, 2))
    beside = np.concatenate([b, dead], axis=1)
    beside[0, -2:] = 1e-4
    nearly = frechet_distance(
        np.concatenate([a, dead], axis=1), beside, standardize=True
    )
    assert nearly == pytest.approx(plain, rel=1e-12)
    # Hardly alive: divided by a tenth of the median, not by its own .002.
    faint = np.concatenate([a, 0.002 * a[:, :1]], axis=1)
    moved = np.concatenate([b, 0.1 + 0.002 * b[:, :1]], axis=1)
    scaled = frechet_distance(faint, moved, standardize=True)
    assert scaled == pytest.approx(plain + 1, abs=0.2)


def test_constant_sets_are_finite_and_said_to_be():
    a, _ = golden_pair()
    point = np.ones_like(a)
    with pytest.warns(UserWarning, match="`fake`: all features are the same"):
        distance = frechet_distance(a, point)
    expected = ((a.mean(0) - 1) ** 2).sum() + a.var(0, ddof=1).sum()
    assert distance == pytest.approx(expected, rel=1e-12)
    with pytest.warns(UserWarning, match="all features"):
        assert frechet_distance(point, 3 * point, standardize=True) == 4 * 64


def test_float32_is_computed_in_float64():
    a, b = (x.astype(np.float32) for x in golden_pair())
    exact = frechet_distance(a.astype(np.float64), b.astype(np.float64))
    assert frechet_distance(a, b) == exact


@pytest.mark.parametrize(
    "features",
    [
        np.ones((4, 64), np.float16),
        np.ones((4, 64), np.uint8),
        np.ones((1, 64)),
        np.eye(64)[:, :5],
        np.full((4, 64), np.nan),
    ],
    ids=["half", "integers", "one", "narrow", "nan"],
)
def test_what_is_not_features_is_refused(features, refuses):
    with refuses("fake"):
        frechet_distance(golden_pair()[0], features)


def test_more_components_than_there_are_are_refused(refuses):
    a, b = golden_pair()
    with refuses("pca"):
        frechet_distance(a[:10], b, pca=10)


def test_statistics_of_two_widths_are_refused(refuses):
    a, b = golden_pair()
    with refuses("fake"):
        frechet_from_statistics(
            frechet_statistics(a), frechet_statistics(b[:, :3])
        )
