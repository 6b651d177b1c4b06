"""Reads tensors from a PyTorch file of the old kind, without PyTorch.

The format that `torch.save` wrote before version 1.6: five pickles in a row
(magic number, protocol, system, the object, names of the storages), then for
each storage its length and its bytes. A pickle can run code; here only what
builds tensors and dictionaries is let through.
"""

import collections
import pickle

import numpy as np

from tf_i2i.errors import UserError

_MAGIC = 0x1950A86A20F9469CFC6C
_TYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


def read_tensors(path):
    """All tensors of a saved state dictionary.

    Args:
        path: of a `.pth` file in the old format, little-endian, with float32
            and int64 tensors.

    Returns:
        Dictionary, name -> array.

    Raises:
        UserError: another format, or a pickle that asks for more than
            tensors and dictionaries.
    """
    try:
        with open(path, "rb") as file:
            return _read(file)
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError) as error:
        raise UserError(
            f"`{path}` must be a state dictionary of tensors as PyTorch saved "
            f"it before 1.6. Received: {error}"
        ) from error


def _read(file):
    if _Tensors(file).load() != _MAGIC:
        raise ValueError("another magic number")
    for _ in range(2):
        _Tensors(file).load()
    tensors = _Tensors(file).load()
    storages = {}
    types = {stored.key: stored.dtype for stored, *_ in tensors.values()}
    for key in _Tensors(file).load():
        count = int.from_bytes(file.read(8), "little")
        size = count * types[key].itemsize
        storages[key] = np.frombuffer(file.read(size), types[key], count)
    return {
        name: _view(storages[stored.key], *place)
        for name, (stored, *place) in tensors.items()
    }


_Storage = collections.namedtuple("_Storage", ["key", "dtype"])


class _Tensors(pickle.Unpickler):
    """Tensors become (storage, offset, shape, strides)."""

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda *parts: parts[:4]
        if module == "torch" and name in _TYPES:
            return _TYPES[name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")

    def persistent_load(self, saved):
        kind, dtype, key, *_ = saved
        if kind != "storage":
            raise pickle.UnpicklingError(f"it asks for a {kind}")
        return _Storage(key, dtype)


def _view(storage, offset, shape, strides):
    """The tensor in its storage, copied; never a byte beside it."""
    last = offset + sum(
        (n - 1) * s for n, s in zip(shape, strides, strict=True)
    )
    if min((offset, *shape, *strides)) < 0 or last >= len(storage):
        raise ValueError("a tensor that reaches out of its storage")
    steps = [stride * storage.itemsize for stride in strides]
    view = np.lib.stride_tricks.as_strided(storage[offset:], shape, steps)
    return view.copy()
