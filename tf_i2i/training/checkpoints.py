"""The state of a run in one weights file."""

import os
import re
from pathlib import Path

import numpy as np

from tf_i2i.errors import UserError

PACKED = "translator.npz"


class Checkpoints:
    """Weights files of a run: networks, optimizers, averages, counters.

    Args:
        run_dir: folder of the run.
        keep: how many of the newest stay.
    """

    def __init__(self, run_dir, keep=2):
        self.folder = Path(run_dir) / "checkpoints"
        self.keep = keep

    def paths(self):
        """Checkpoints, oldest first."""
        if not self.folder.is_dir():
            return []
        # Steps have leading zeros: names sort as numbers do.
        return sorted(
            path
            for path in self.folder.iterdir()
            if re.fullmatch(r"step-\d{9}\.weights\.h5", path.name)
        )

    def save(self, model):
        """Writes beside, then moves into place: there is no half a file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"step-{int(model.step.numpy()):09d}.weights.h5"
        # One name: what a kill left there, the next save writes over.
        beside = self.folder / "unfinished.weights.h5"
        model.save_weights(beside, overwrite=True)
        os.replace(beside, path)
        for old in self.paths()[: -self.keep]:
            old.unlink()
        return path

    def restore(self, model):
        """Loads the newest; returns its path, or None where there is none."""
        paths = self.paths()
        if not paths:
            return None
        model.load_weights(paths[-1])
        return paths[-1]


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
    """Reads what `pack_translator` wrote into weights and averages.

    Raises:
        UserError: if the file is of another model.
    """
    with np.load(path) as arrays:
        names = sorted(set(arrays.files) - {"images_shown"})
        shapes = [arrays[name].shape for name in names]
        if shapes != [tuple(average.shape) for average in model.averages]:
            raise UserError(
                "`run_dir` must hold weights of the model that its "
                f"config.gin describes. Received: {path}"
            )
        pairs = zip(names, model.average_pairs, strict=True)
        for name, (average, variable) in pairs:
            average.assign(arrays[name].astype(np.float32))
            variable.assign(arrays[name].astype(np.float32))
        model.images_shown.assign(arrays["images_shown"])
