"""Packed models: the averaged translators alone, in a small file."""

import zipfile
import zlib

import numpy as np

from tf_i2i.errors import UserError
from tf_i2i.training.weights_file import OtherNetworksError

PACKED = "translator.npz"


def pack_translator(model, path):
    """Writes the averaged translators in float16, for a small file.

    Args:
        model: `UnpairedTranslator`.
        path: `.npz` file to write.
    """
    arrays = {
        f"{i:04d}": average.numpy().astype(np.float16)
        for i, average in enumerate(model.averages)
    }
    np.savez_compressed(path, images_shown=model.images_shown.numpy(), **arrays)


def unpack_translator(model, path):
    """Reads a packed file into the weights and the averages of a model.

    Args:
        model: `UnpairedTranslator`.
        path: file that `pack_translator` wrote.

    Raises:
        UserError: the file is damaged.
        OtherNetworksError: it belongs to another model.
    """
    arrays = _read_packed(path)
    shown = arrays.pop("images_shown")
    shapes = [array.shape for array in arrays.values()]
    if shapes != [tuple(average.shape) for average in model.averages]:
        raise OtherNetworksError(
            "`run_dir` must hold weights of the model that its "
            f"config.gin describes. Received: {path}"
        )
    pairs = zip(arrays.values(), model.average_pairs, strict=True)
    for array, (average, variable) in pairs:
        average.assign(array.astype(np.float32))
        variable.assign(array.astype(np.float32))
    model.images_shown.assign(shown)


def _read_packed(path):
    """All arrays by name, the weights in order.

    A damaged file is noticed, because zip archives carry a checksum.
    """
    try:
        with np.load(path) as arrays:
            names = sorted(set(arrays.files) - {"images_shown"})
            return {name: arrays[name] for name in ["images_shown", *names]}
    except (
        OSError,
        EOFError,
        ValueError,
        KeyError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise UserError(
            f"`run_dir` must hold a whole {PACKED}; take another copy. "
            f"Received: {path} ({' '.join(str(error).split())[:100]})"
        ) from error
