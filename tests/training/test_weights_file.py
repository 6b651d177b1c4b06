"""Weights in files that must not be used: damaged, hostile, not finite."""

import io
import zipfile

import h5py
import numpy as np
import pytest

from tf_i2i.features.base import weights_hash
from tf_i2i.training.packed import _read_packed
from tf_i2i.training.weights_file import OtherNetworksError
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
        _read_packed(tmp_path / "translator.npz", [(3,)])
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


def header(shape, dtype="<f4"):
    """The bytes of an .npy file of this shape, without its content."""
    stream = io.BytesIO()
    fields = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, fields)
    return stream.getvalue()


def packed(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)


COUNT = header((), "<i8") + bytes(8)


@pytest.mark.parametrize(
    "members",
    [
        {"images_shown": COUNT, "a": header((2**48,))},
        {"images_shown": COUNT, "a": header((3,), "<U9") + bytes(108)},
        {"images_shown": COUNT, "a": header((3,), "|O") + b"\x80\x04N."},
        {"images_shown": COUNT, "a": header((3,)) + bytes(13)},
        {"images_shown": COUNT, "a": b"\x93NUMPY\x02\x00" + b"\xff" * 4},
        {"images_shown": COUNT, "a": b"text"},
        {"images_shown": header((2,), "<i8") + bytes(16), "a": COUNT},
        {"a": header((3,)) + bytes(12)},
    ],
)
def test_malformed_packed_models(members, tmp_path, refuses):
    packed(tmp_path / "translator.npz", **members)
    with refuses("run_dir"):
        _read_packed(tmp_path / "translator.npz", [(3,)])


def test_files_that_are_no_packed_models(tmp_path, refuses):
    path = tmp_path / "translator.npz"
    np.save(tmp_path / "x.npy", np.ones(3))
    for content in (
        (tmp_path / "x.npy").read_bytes(),
        b"",
        b"PK\x03\x04",
        b"x",
    ):
        path.write_bytes(content)
        with refuses("run_dir"):
            _read_packed(path, [(3,)])


def test_large_arrays_are_refused_unread(tmp_path, monkeypatch):
    """A small file can unpack to much; shapes are compared first."""
    packed(
        tmp_path / "translator.npz",
        images_shown=COUNT,
        a=header((10**6,)) + bytes(4 * 10**6),
    )
    monkeypatch.setattr(np.lib.format, "read_array", None)
    with pytest.raises(OtherNetworksError):
        _read_packed(tmp_path / "translator.npz", [(3,)])
