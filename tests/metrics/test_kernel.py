"""Kernel distance against scikit-learn's kernel and golden numbers."""

import numpy as np
import pytest
from sklearn.metrics.pairwise import polynomial_kernel

from tf_i2i.metrics import kernel
from tf_i2i.metrics.kernel import kernel_distance
from tf_i2i.metrics.kernel import kernel_distance_full


def golden_pair():
    rng = np.random.default_rng(0)
    a = rng.standard_normal((300, 64))
    return a, rng.standard_normal((300, 64)) * 1.1 + 0.1


def by_kernel(x, y):
    xx, yy, xy = (
        polynomial_kernel(a, b, degree=3, gamma=None, coef0=1)
        for a, b in ((x, x), (y, y), (x, y))
    )
    off_diagonal = [k[~np.eye(len(k), dtype=bool)].mean() for k in (xx, yy)]
    return sum(off_diagonal) - 2 * xy.mean()


def test_golden_numbers_of_torch_fidelity():
    mean, deviation = kernel_distance(*golden_pair(), 200, 10, seed=2020)
    assert mean == pytest.approx(0.0270705491678, abs=1e-13)
    assert deviation == pytest.approx(0.0055667146247, abs=1e-13)


def test_the_full_sets_by_scikit_learn():
    a, b = golden_pair()
    for y in (b, b[:123]):
        expected = by_kernel(a, y)
        assert kernel_distance_full(a, y) == pytest.approx(expected, rel=1e-11)


def test_blocks_do_not_matter(monkeypatch):
    a, b = golden_pair()
    whole = kernel_distance_full(a, b)
    monkeypatch.setattr(kernel, "_BLOCK", 7)
    assert kernel_distance_full(a, b) == pytest.approx(whole, rel=1e-10)


def test_equal_sets_are_a_little_below_zero_in_any_order():
    a, b = golden_pair()
    value = kernel_distance_full(a, a)
    assert -0.1 < value < 0
    assert kernel_distance_full(a, a[::-1]) == pytest.approx(value, abs=1e-12)
    turned = kernel_distance_full(b[::-1], a)
    assert turned == pytest.approx(kernel_distance_full(a, b), abs=1e-12)


def test_it_grows_with_the_shift():
    a, _ = golden_pair()
    values = [kernel_distance_full(a, a + shift) for shift in (0, 0.1, 0.2)]
    assert values == sorted(values)


def test_constant_sets_are_finite_and_said_to_be():
    a, _ = golden_pair()
    with pytest.warns(UserWarning, match="`y`: all features are the same"):
        assert np.isfinite(kernel_distance(a, np.ones_like(a), 50, 3)).all()
    with pytest.warns(UserWarning, match="all features"):
        # ((1 + 1)^3 twice, less 2 (2 + 1)^3, plus ((4 + 1)^3).
        value = kernel_distance_full(np.ones_like(a), 2 * np.ones_like(a))
    assert value == pytest.approx(8 + 125 - 2 * 27)


def test_too_few_are_refused(refuses):
    a, b = golden_pair()
    with refuses("y"):
        kernel_distance(a, b[:199], 200)
    with refuses("subset_size"):
        kernel_distance(a, b, 1)
    with refuses("x"):
        kernel_distance(a.astype(np.float16), b, 20)
    with refuses("y"):
        kernel_distance_full(a, b[:, :3])
