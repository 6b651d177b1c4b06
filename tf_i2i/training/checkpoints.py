"""The states of a run in weights files, of which the newest ones are kept."""

import json
import os
import re
import shutil
from pathlib import Path

from tf_i2i.disk import format_bytes
from tf_i2i.disk import reason
from tf_i2i.disk import write_whole
from tf_i2i.errors import UserError
from tf_i2i.training.packed import PACKED
from tf_i2i.training.packed import unpack_translator
from tf_i2i.training.weights_file import content_of
from tf_i2i.training.weights_file import damage
from tf_i2i.training.weights_file import load_weights
from tf_i2i.training.weights_file import size_of

_NAME = re.compile(r"step-\d{9}\.weights\.h5")


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
        """Writes a checkpoint, and removes those that are too many.

        Returns:
            Its path.

        Raises:
            UserError: it cannot be written; the older ones are as they were.
        """
        path = self.folder / f"step-{int(model.step.numpy()):09d}.weights.h5"
        return self._write(model, path)

    def _write(self, model, path):
        # One name for all: the next save overwrites what a kill left there.
        beside = self.folder / "unfinished.weights.h5"
        parts = content_of(model)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(path, parts, beside)
            for old in self.paths()[: -self.keep]:
                old.unlink()
        except OSError as error:
            raise UserError(
                "`run_dir` must take a checkpoint of "
                f"{format_bytes(len(parts[0]))}. Received: {self.folder} "
                f"({reason(error)}). {self.saved_so_far()}"
            ) from error
        return path

    @property
    def best(self):
        """Paths of the best checkpoint and of a JSON file with its value."""
        return self.folder / "best.weights.h5", self.folder / "best.json"

    def is_best(self, model, value):
        """Whether a value is above that of the best checkpoint.

        A best checkpoint of this step or a later one does not count: it was
        written before a stop, and the run now does that step again.
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
        weights, about = self.best
        self._write(model, weights)
        known = {"step": int(model.step.numpy()), "value": value}
        write_whole(about, [json.dumps(known).encode()])

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
        load_weights(model, path)
        return path

    def saved_so_far(self):
        """A sentence on what is saved, and how the run goes on."""
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
            f"{place} ({reason(error)}). {self.saved_so_far()}"
        )

    def check_room(self, model, log):
        """Logs how much room the checkpoints will take on the disk.

        Args:
            model: `UnpairedTranslator` with its optimizers.
            log: called with the line.

        Raises:
            UserError: there is less room.
        """
        # The newest is written before the oldest is removed.
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
        log(
            f"checkpoints: {count} of {format_bytes(size)} at most, "
            f"in {self.folder}"
        )

    def restore(self, model, log, set_aside=False):
        """Loads the newest whole checkpoint; without any, a packed model.

        Args:
            model: `UnpairedTranslator` with its optimizers.
            log: called with a line if newer checkpoints are damaged.
            set_aside: whether damaged ones are renamed, so that they are not
                read again.

        Returns:
            Path of what was loaded, or None if there was nothing to load.

        Raises:
            UserError: there are checkpoints, and all are damaged.
            OtherNetworksError: the weights do not fit the model.
        """
        damaged = {}
        for path in reversed(self.paths()):
            if found := damage(path):
                damaged[path] = found
                continue
            load_weights(model, path)
            if damaged:
                log(_fallen_back(path, damaged, set_aside))
            return path
        if damaged:
            raise UserError(
                "`run_dir` must hold a whole checkpoint: put a copy of one "
                "back, or begin anew with another --run_dir. Received: "
                f"{self.folder} with {_listed(damaged)}"
            )
        packed = self.folder.parent / PACKED
        if not packed.exists():
            return None
        unpack_translator(model, packed)
        return packed


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
