"""One file of weights, written whole and checked when it is read.

The file is what `save_weights` of Keras writes, followed by a line with its
SHA-256. HDF5 does not mind the line, and readers of weights do not see it.
"""

import hashlib
import io
import os
import re

import h5py

from tf_i2i.disk import reason
from tf_i2i.errors import UserError

_DIGEST = re.compile(rb"\nsha256 ([0-9a-f]{64})\n")
_DIGEST_BYTES = 73
# What Keras and HDF5 add to a variable, measured: a share of its size for
# alignment, and bytes for names and groups.
_SHARE, _HEADER_BYTES = 1.15, 1200


class OtherNetworksError(UserError):
    """The weights are whole, but belong to other networks."""


class _InMemory(io.BytesIO):
    """A file in memory whose name makes Keras write weights into it.

    The file is built in memory, because HDF5 aborts the process when the
    disk is full.
    """

    def __str__(self):
        return "memory.weights.h5"


def content_of(model):
    """The content of a weights file, in two parts of bytes.

    It takes the size of the file in memory.

    Args:
        model: `UnpairedTranslator` with its optimizers.
    """
    memory = _InMemory()
    model.save_weights(memory)
    weights = memory.getbuffer()
    digest = hashlib.sha256(weights).hexdigest()
    return weights, f"\nsha256 {digest}\n".encode()


def damage(path):
    """What is wrong with a weights file, in words; None if it is whole.

    A file without a digest, which older versions wrote, counts as whole if
    HDF5 opens it.

    Raises:
        UserError: there is no permission to read it.
    """
    try:
        written, found = _digests(path)
        if written is None:
            h5py.File(path, "r").close()
    except PermissionError as error:
        raise UserError(
            "`run_dir` must hold checkpoints that can be read. "
            f"Received: {path} ({reason(error)})"
        ) from error
    except OSError as error:
        return "cannot be read" if error.errno else "is cut short"
    return None if written == found else "has other content than was written"


def _digests(path):
    """SHA-256 as written after the weights, and as found; None without one."""
    with open(path, "rb") as stream:
        weights = max(0, os.fstat(stream.fileno()).st_size - _DIGEST_BYTES)
        stream.seek(weights)
        written = _DIGEST.fullmatch(stream.read())
        if not written:
            return None, None
        stream.seek(0)
        found = hashlib.sha256()
        while weights:
            chunk = stream.read(min(weights, 2**20))
            found.update(chunk)
            weights -= len(chunk)
    return written[1].decode(), found.hexdigest()


def load_weights(model, path):
    """Loads a whole file.

    Args:
        model: `UnpairedTranslator` with its optimizers.
        path: a checkpoint in a run's folder of checkpoints.

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
    """Size of a checkpoint in bytes, rather over- than underestimated.

    Args:
        model: `UnpairedTranslator` with its optimizers.
    """
    variables = list(model.variables)
    for optimizer in model.optimizers.values():
        variables += optimizer.variables
    content = sum(variable.numpy().nbytes for variable in variables)
    return _SHARE * content + _HEADER_BYTES * len(variables)
