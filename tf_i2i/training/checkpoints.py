"""The state of a run in one weights file.

A checkpoint is what `save_weights` of Keras writes, and behind it a line with
its SHA-256, which HDF5 does not mind: readers of weights see none of it.
"""

import hashlib
import io
import json
import os
import re
import shutil
import zipfile
import zlib
from pathlib import Path

import h5py
import numpy as np

from tf_i2i.disk import format_bytes
from tf_i2i.disk import reason
from tf_i2i.disk import write_whole
from tf_i2i.errors import UserError

PACKED = "translator.npz"
_NAME = re.compile(r"step-\d{9}\.weights\.h5")
_DIGEST = re.compile(rb"\nsha256 ([0-9a-f]{64})\n")
_DIGEST_BYTES = 73
# What Keras and HDF5 make of a variable, measured: names, groups, alignment.
_SHARE, _HEADER_BYTES = 1.15, 1200


class OtherNetworksError(UserError):
    """The weights are whole, but those of other networks."""


class _InMemory(io.BytesIO):
    """A file that Keras takes, by its name, for one with weights.

    HDF5 never sees the disk: it ends the process where that is full.
    """

    def __str__(self):
        return "memory.weights.h5"


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
            path for path in self.folder.iterdir() if _NAME.fullmatch(path.name)
        )

    def last_step(self):
        """Step of the newest checkpoint, or None."""
        paths = self.paths()
        return _step(paths[-1]) if paths else None

    def save(self, model):
        """Writes beside, then moves into place: there is no half a file.

        Takes the size of a checkpoint in memory.

        Raises:
            UserError: it cannot be written; the older ones are as they were.
        """
        path = self.folder / f"step-{int(model.step.numpy()):09d}.weights.h5"
        return self._write(model, path)

    def _write(self, model, path):
        # One name: what a kill left there, the next save writes over.
        beside = self.folder / "unfinished.weights.h5"
        memory = _InMemory()
        model.save_weights(memory)
        content = memory.getbuffer()
        digest = hashlib.sha256(content).hexdigest()
        parts = (content, f"\nsha256 {digest}\n".encode())
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(path, parts, beside)
            for old in self.paths()[: -self.keep]:
                old.unlink()
        except OSError as error:
            raise UserError(
                "`run_dir` must take a checkpoint of "
                f"{format_bytes(len(content))}. Received: {self.folder} "
                f"({reason(error)}). {self.standing()}"
            ) from error
        return path

    @property
    def best(self):
        """Where the best checkpoint is, and how good it was."""
        return self.folder / "best.weights.h5", self.folder / "best.json"

    def is_best(self, model, value):
        """Whether a value is above that of the best checkpoint.

        One of a later step was made before a stop lost that step: the run
        comes to it again.
        """
        try:
            known = json.loads(self.best[1].read_text())
            return value > known["value"] or (
                known["step"] >= int(model.step.numpy())
            )
        except (OSError, ValueError, KeyError):
            return True

    def save_best(self, model, value):
        """Writes the best checkpoint.

        Raises:
            UserError: it cannot be written; the others are as they were.
        """
        weights, told = self.best
        self._write(model, weights)
        known = {"step": int(model.step.numpy()), "value": value}
        write_whole(told, [json.dumps(known).encode()])

    def restore_best(self, model):
        """Loads the best; returns its path, or None where there is none.

        Raises:
            UserError: it is damaged.
            OtherNetworksError: it does not fit the model.
        """
        path = self.best[0]
        if not path.exists():
            return None
        if found := damage(path):
            raise UserError(
                "`run_dir` must hold a whole best checkpoint, or none. "
                f"Received: {path}, which {found}"
            )
        _load(model, path)
        return path

    def standing(self):
        """What a run that stops here has, and how it goes on."""
        step = self.last_step()
        if step is None:
            return (
                "Nothing is saved yet: mend this, and the same command begins "
                "anew"
            )
        return (
            f"The checkpoint of step {step} is good: mend this, and the same "
            "command goes on from it"
        )

    def unwritable(self, place, error):
        """The `UserError` of a run that cannot write a file.

        Args:
            place: what was to be written, a path.
            error: `OSError`.
        """
        return UserError(
            "`run_dir` must be a folder that can be written. Received: "
            f"{place} ({reason(error)}). {self.standing()}"
        )

    def check_room(self, model, tell):
        """States what the checkpoints will take on the disk.

        Args:
            model: `UnpairedTranslator` with its optimizers.
            tell: called with the line.

        Raises:
            UserError: so much is not there.
        """
        # One more than stay: the newest is written before the oldest goes.
        count = self.keep + 1
        size = size_of(model)
        there = sum(path.stat().st_size for path in self.paths())
        need = max(0, count * size - there)
        free = shutil.disk_usage(self.folder.parent).free
        if need > free:
            raise UserError(
                f"`run_dir` must have {format_bytes(need)} free for {count} "
                f"checkpoints of {format_bytes(size)} "
                f"(train.keep = {self.keep}, and the one being written): "
                "make room, or keep fewer. "
                f"Received: {self.folder.parent} with {format_bytes(free)}"
            )
        tell(
            f"checkpoints: {count} of {format_bytes(size)} at most, "
            f"in {self.folder}"
        )

    def restore(self, model, tell, set_aside=False):
        """Loads the newest that is whole.

        Args:
            model: `UnpairedTranslator` with its optimizers.
            tell: called with a line if it is not the newest of all.
            set_aside: whether damaged ones get another name, so that they
                are not met again.

        Returns:
            Its path, or None where there is none.

        Raises:
            UserError: there are some, and none is whole.
            OtherNetworksError: it does not fit the model.
        """
        damaged = {}
        for path in reversed(self.paths()):
            if found := damage(path):
                damaged[path] = found
                continue
            _load(model, path)
            if damaged:
                tell(_fallen_back(path, damaged, set_aside))
            return path
        if damaged:
            raise UserError(
                "`run_dir` must hold a whole checkpoint: put a copy of one "
                "back, or begin anew with another --run_dir. Received: "
                f"{self.folder} with {_listed(damaged)}"
            )
        return None


def damage(path):
    """What is wrong with a checkpoint, in words; None for a whole one.

    One without a digest, which older versions wrote, is whole if HDF5 opens
    it.

    Raises:
        UserError: it may not be read.
    """
    try:
        told, found = _digests(path)
        if told is None:
            h5py.File(path, "r").close()
    except PermissionError as error:
        raise UserError(
            "`run_dir` must hold checkpoints that can be read. "
            f"Received: {path} ({reason(error)})"
        ) from error
    except OSError as error:
        return "cannot be read" if error.errno else "is cut short"
    return None if told == found else "has other content than was written"


def _digests(path):
    """SHA-256 as written behind the weights, and as found; None without."""
    with open(path, "rb") as stream:
        weights = max(0, os.fstat(stream.fileno()).st_size - _DIGEST_BYTES)
        stream.seek(weights)
        told = _DIGEST.fullmatch(stream.read())
        if not told:
            return None, None
        stream.seek(0)
        found = hashlib.sha256()
        while weights:
            chunk = stream.read(min(weights, 2**20))
            found.update(chunk)
            weights -= len(chunk)
    return told[1].decode(), found.hexdigest()


def _load(model, path):
    try:
        model.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        raise OtherNetworksError(
            f"`{path.parent.parent}` must hold a checkpoint of a model with "
            "the same networks. "
            f"Received: {' '.join(str(error).split())[:200]}"
        ) from error


def _fallen_back(path, damaged, set_aside):
    text = f"{_listed(damaged)}: using that of step {_step(path)}"
    if not set_aside:
        return text
    for bad in damaged:
        os.replace(bad, bad.with_name(bad.name + ".damaged"))
    return text + ", and the damaged one is renamed to *.damaged"


def _listed(damaged):
    return "; ".join(f"{path.name} {why}" for path, why in damaged.items())


def _step(path):
    return int(path.name.removeprefix("step-").partition(".")[0])


def size_of(model):
    """Bytes of a checkpoint, a little more than less.

    Args:
        model: `UnpairedTranslator` with its optimizers.
    """
    variables = list(model.variables)
    for optimizer in model.optimizers.values():
        variables += optimizer.variables
    content = sum(variable.numpy().nbytes for variable in variables)
    return _SHARE * content + _HEADER_BYTES * len(variables)


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
        UserError: the file is damaged.
        OtherNetworksError: it is of another model.
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
    """All arrays, the weights in order; zip archives carry a checksum."""
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
