"""Packed models, small files with only the averaged translator weights."""

import re
import zipfile
import zlib

import numpy as np

from tf_i2i.errors import UserError
from tf_i2i.foreign_files import read_arrays
from tf_i2i.training.settings import read_gin
from tf_i2i.training.weights_file import OtherNetworksError

PACKED = "translator.npz"
# The settings with the paths of the training data.
_PATHS = r"^(train\.(?:data|labels)_[ab]) = .*(\n[ \t].*)*"


def pack_run(run, folder):
    """Writes a packed model: weights, and config.gin without paths of data.

    Args:
        run: `TrainedRun`.
        folder: existing folder, a `Path`.
    """
    pack_translator(run.model, folder / PACKED)
    config = read_gin(run.run_dir / "config.gin")
    (folder / "config.gin").write_text(
        re.sub(_PATHS, r"\1 = None", config, flags=re.M), encoding="utf-8"
    )


def pack_translator(model, path):
    """Writes the averaged weights of the translators to a file, in float16.

    Args:
        model: `UnpairedTranslator`.
        path: path of the `.npz` file to write.
    """
    arrays = {
        f"{i:04d}": average.numpy().astype(np.float16)
        for i, average in enumerate(model.averages)
    }
    np.savez_compressed(path, images_shown=model.images_shown.numpy(), **arrays)


def unpack_translator(model, path):
    """Loads a packed file into the weights and the averages of a model.

    Args:
        model: `UnpairedTranslator`.
        path: path of a file that `pack_translator` wrote.

    Raises:
        UserError: the file is damaged.
        OtherNetworksError: the weights do not fit the model.
    """
    shapes = [tuple(average.shape) for average in model.averages]
    arrays = _read_packed(path, shapes)
    shown = arrays.pop("images_shown")
    for name, (average, variable) in zip(
        sorted(arrays), model.average_pairs, strict=True
    ):
        array = arrays[name]
        average.assign(array.astype(np.float32))
        variable.assign(array.astype(np.float32))
    model.images_shown.assign(shown)


def _read_packed(path, shapes):
    """Returns a dictionary of the arrays in a packed file.

    Damage of the file is detected, because zip archives contain checksums.

    Args:
        path: path of the file.
        shapes: shapes of the model's averages. Shapes in the file are compared
            with them before any array is read.
    """

    def check(headers):
        counter, _ = headers.pop("images_shown")
        if counter != ():
            raise ValueError("Its counter of images is not a number.")
        if [headers[name][0] for name in sorted(headers)] != shapes:
            raise OtherNetworksError(
                "`run_dir` must hold weights of the model that its "
                f"config.gin describes. Received: {path}"
            )

    try:
        arrays = read_arrays(path, check)
        if not all(np.isfinite(array).all() for array in arrays.values()):
            raise ValueError("It has values that are not finite.")
        return arrays
    except OtherNetworksError:
        raise
    except (
        OSError,
        EOFError,
        ValueError,
        KeyError,
        RuntimeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise UserError(
            f"`run_dir` must have an undamaged {PACKED}. Use another copy. "
            f"Received: {path} ({' '.join(str(error).split())[:100]})"
        ) from error
