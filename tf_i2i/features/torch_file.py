"""Reads tensors from files of PyTorch, without PyTorch.

`torch.save` writes a zip archive, which has a pickle of the object and a file
for each storage. Before version 1.6 it wrote five pickles in a row (magic
number, protocol version, system information, the object, names of the
storages), and then the length and the bytes of each storage. Loading a pickle
can execute code. This reader therefore allows only the few functions that build
tensors and dictionaries, and raises an error for everything else.
"""

import collections
import pickle
import zipfile

import numpy as np

from tf_i2i.errors import UserError
from tf_i2i.foreign_files import open_regular

_MAGIC = 0x1950A86A20F9469CFC6C
_DAMAGED = (
    *(pickle.UnpicklingError, zipfile.BadZipFile),
    *(EOFError, ValueError, TypeError, KeyError, AttributeError),
)
_TYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


def read_tensors(path):
    """Reads all tensors of a saved state dictionary.

    Args:
        path: path of a `.pth` file, little-endian, with float32 and int64
            tensors.

    Returns:
        Dictionary from names to NumPy arrays.

    Raises:
        UserError: the file has another format, or its pickle contains other
            objects than tensors and dictionaries.
    """
    try:
        with open_regular(path) as file:
            if zipfile.is_zipfile(file):
                return _read_archive(file)
            file.seek(0)
            return _read(file)
    except _DAMAGED as error:
        raise UserError(
            f"`{path}` must be a state dictionary of tensors in a file of "
            f"PyTorch. Received: {error}"
        ) from error


def _read_archive(file):
    with zipfile.ZipFile(file) as archive:
        named = [n for n in archive.namelist() if n.endswith("/data.pkl")]
        if len(named) != 1:
            raise ValueError("an archive without data.pkl")
        folder = named[0].removesuffix(".pkl")
        with archive.open(named[0]) as pickled:
            tensors = _Tensors(pickled).load()
        storages = {
            stored.key: np.frombuffer(
                archive.read(f"{folder}/{stored.key}"), stored.dtype
            )
            for stored, *_ in tensors.values()
        }
    return _tensors(tensors, storages)


def _read(file):
    if _Tensors(file).load() != _MAGIC:
        raise ValueError("a file with another magic number")
    for _ in range(2):
        _Tensors(file).load()
    tensors = _Tensors(file).load()
    storages = {}
    types = {stored.key: stored.dtype for stored, *_ in tensors.values()}
    for key in _Tensors(file).load():
        count = int.from_bytes(file.read(8), "little")
        size = count * types[key].itemsize
        storages[key] = np.frombuffer(file.read(size), types[key], count)
    return _tensors(tensors, storages)


def _tensors(tensors, storages):
    """Returns a dictionary of the tensors, as copies of their values."""
    return {
        name: _view(storages[stored.key], *place)
        for name, (stored, *place) in tensors.items()
    }


_Storage = collections.namedtuple("_Storage", ["key", "dtype"])


class _Tensors(pickle.Unpickler):
    """An unpickler that returns tensors as (storage, offset, shape, strides).

    For every other class or function the unpickler raises an error.
    """

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda *parts: parts[:4]
        if module == "torch" and name in _TYPES:
            return _TYPES[name]
        raise pickle.UnpicklingError(f"it contains {module}.{name}")

    def persistent_load(self, saved):
        kind, dtype, key, *_ = saved
        if kind != "storage":
            raise pickle.UnpicklingError(f"it contains a {kind}")
        return _Storage(key, dtype)


def _view(storage, offset, shape, strides):
    """Returns a tensor as a copy of the values in its storage.

    An error is raised if the tensor would need values beyond the storage.
    """
    last = offset + sum(
        (n - 1) * s for n, s in zip(shape, strides, strict=True)
    )
    if min((offset, *shape, *strides)) < 0 or last >= len(storage):
        raise ValueError("a tensor that exceeds its storage")
    steps = [stride * storage.itemsize for stride in strides]
    view = np.lib.stride_tricks.as_strided(storage[offset:], shape, steps)
    return view.copy()
