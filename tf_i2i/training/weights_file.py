"""Weights files with a checksum, which are written completely or not at all.

A file consists of the output of Keras' `save_weights` and a line with the
SHA-256 of that output. HDF5 ignores the line. Therefore Keras can also load the
file.
"""

import io
import os

import h5py
import numpy as np

from tf_i2i.disk import digest_line
from tf_i2i.disk import read_digests
from tf_i2i.disk import reason
from tf_i2i.errors import UserError
from tf_i2i.errors import printable
from tf_i2i.foreign_files import open_regular

# A variable needs more bytes in a file than in memory. To estimate its size in
# a file, its size in memory is multiplied by `_SHARE` because of alignment, and
# `_HEADER_BYTES` are added for names and groups. Both numbers were measured.
_SHARE, _HEADER_BYTES = 1.15, 1200


class OtherNetworksError(UserError):
    """An error about undamaged weights that belong to other networks."""


class _InMemory(io.BytesIO):
    """A file in memory whose name makes Keras write weights into it.

    The file is built in memory, because HDF5 aborts the process when the
    disk is full.
    """

    def __str__(self):
        return "memory.weights.h5"


def content_of(model):
    """Returns the content of a weights file, in two parts.

    The parts are the weights and the line with the checksum, both in memory.

    Args:
        model: `UnpairedTranslator` with its optimizers.
    """
    memory = _InMemory()
    model.save_weights(memory)
    weights = memory.getbuffer()
    return weights, digest_line(weights)


def damage(path):
    """Returns a text that describes the damage of a weights file, or None.

    The result is None if the file is undamaged. A file without a checksum,
    which older versions wrote, can be undamaged, too. A file whose values are
    not all finite counts as damaged.

    Args:
        path: path of the file.

    Raises:
        UserError: there is no permission to read the file.
    """
    try:
        written, found = read_digests(path)
        if written != found:
            return "has other content than was written"
        return _damaged_array(path)
    except PermissionError as error:
        raise UserError(
            "`run_dir` must have checkpoints that can be read. "
            f"Received: {path} ({reason(error)})"
        ) from error
    except OSError as error:
        return "cannot be read" if error.errno else "is cut short"
    except (RuntimeError, KeyError, ValueError, TypeError):
        return "cannot be read"


def _damaged_array(path):
    """Returns a text about the first damaged array of a file, or None.

    The sizes of all arrays are checked before any array is read.
    """
    arrays = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            arrays[name] = item

    with open_regular(path) as stream, h5py.File(stream, "r") as file:
        file.visititems(visit)
        content = sum(array.nbytes for array in arrays.values())
        if content > os.fstat(stream.fileno()).st_size:
            return "declares larger arrays than it contains"
        bad = [
            name
            for name, array in arrays.items()
            if array.dtype.kind == "f" and not np.isfinite(array[()]).all()
        ]
    return f"has {_count(bad, arrays)}" if bad else None


def find_not_finite(model):
    """Returns a text about weights that are not finite, or None.

    Args:
        model: `UnpairedTranslator` with its optimizers.
    """
    variables = _variables(model)
    bad = [v.path for v in variables if not np.isfinite(v.numpy()).all()]
    return _count(bad, variables) if bad else None


def _count(bad, arrays):
    return (
        f"values that are not finite in {len(bad)} of {len(arrays)} arrays, "
        f"the first of which is {printable(bad[0])}"
    )


def _variables(model):
    """Returns all variables that a checkpoint contains."""
    variables = list(model.variables)
    for optimizer in model.optimizers.values():
        variables += optimizer.variables
    return variables


def load_weights(model, path):
    """Loads an undamaged weights file.

    Args:
        model: `UnpairedTranslator` with its optimizers.
        path: path of a checkpoint in a run's folder of checkpoints.

    Raises:
        OtherNetworksError: the weights do not fit the model.
    """
    try:
        model.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        raise OtherNetworksError(
            f"`{path.parent.parent}` must hold a checkpoint of a model with "
            "the same networks. "
            f"Received: {' '.join(str(error).split())[:200]}"
        ) from error


def size_of(model):
    """Returns an estimate of the size of a checkpoint in bytes.

    The estimate should be too large rather than too small.

    Args:
        model: `UnpairedTranslator` with its optimizers.
    """
    variables = _variables(model)
    content = sum(variable.numpy().nbytes for variable in variables)
    return _SHARE * content + _HEADER_BYTES * len(variables)
