"""Weights in files that must not be used: damaged, hostile, not finite."""

import h5py
import numpy as np
import pytest

from tf_i2i.features.base import weights_hash
from tf_i2i.training.packed import _read_packed
from tf_i2i.training.weights_file import damage


def weights(path, **arrays):
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return path


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(value, tmp_path, refuses):
    good = np.ones(3, np.float32)
    bad = good * value
    path = weights(tmp_path / "x.h5", a=good, b=bad, step=np.int64(3))
    assert damage(path) == (
        "has values that are not finite in 1 of 3 arrays, the first of which "
        "is b"
    )
    np.savez(tmp_path / "translator.npz", images_shown=1, a=bad)
    with refuses("run_dir"):
        _read_packed(tmp_path / "translator.npz")
    with refuses("kerasfile:x"):
        weights_hash("kerasfile:x", [good, bad])


def test_finite_values(tmp_path):
    path = weights(tmp_path / "x.h5", a=np.ones(3, np.float32), b=1, c="text")
    assert damage(path) is None


def test_an_array_that_is_larger_than_its_file(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset(
            "a", (2**40,), "f4", chunks=(2**20,), compression="gzip"
        )
    assert damage(tmp_path / "x.h5") == (
        "declares larger arrays than it contains"
    )
