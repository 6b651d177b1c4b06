"""The checkpoints of a run, of which the newest are kept."""

import contextlib
import json
import os
import re
import shutil
from pathlib import Path

from tf_i2i.disk import format_bytes
from tf_i2i.disk import reason
from tf_i2i.disk import write_whole
from tf_i2i.errors import UserError
from tf_i2i.foreign_files import read_json
from tf_i2i.training.packed import PACKED
from tf_i2i.training.packed import unpack_translator
from tf_i2i.training.weights_file import content_of
from tf_i2i.training.weights_file import damage
from tf_i2i.training.weights_file import find_not_finite
from tf_i2i.training.weights_file import load_weights
from tf_i2i.training.weights_file import size_of

_NAME = re.compile(r"step-\d{9}\.weights\.h5")
# Name of an unfinished checkpoint. The name is always the same, so that the
# next checkpoint overwrites the file that a killed process left.
_UNFINISHED = "unfinished.weights.h5"


class Checkpoints:
    """The checkpoints in a run's folder.

    A checkpoint contains the weights of the networks, the moving averages of
    these weights, the state of the optimizers, and the counters.

    Args:
        run_dir: folder of the run.
        keep: number of checkpoints to keep; older checkpoints are removed.
    """

    def __init__(self, run_dir, keep=2):
        self.folder = Path(run_dir) / "checkpoints"
        # This file records that the run has written a checkpoint. If the folder
        # of checkpoints is removed, the file still shows that the run had some.
        self.record = Path(run_dir) / "saved.json"
        self.keep = keep
        self._damaged: list[Path] = []

    def paths(self):
        """Returns the paths of the checkpoints, the oldest first."""
        if not self.folder.is_dir():
            return []
        # The steps in the names have leading zeros, so that sorting by name
        # is the same as sorting by step.
        return sorted(
            path for path in self.folder.iterdir() if _NAME.fullmatch(path.name)
        )

    def last_step(self):
        """Returns the step of the newest checkpoint, or None if none exists."""
        paths = self.paths()
        return _step(paths[-1]) if paths else None

    def undamaged_step(self):
        """Returns the step of the newest undamaged checkpoint, or None.

        The files are read and compared with their checksums.
        """
        for path in reversed(self.paths()):
            with contextlib.suppress(UserError):
                if damage(path) is None:
                    return _step(path)
        return None

    def save(self, model):
        """Writes a checkpoint, and removes all but the newest `keep`.

        Args:
            model: `UnpairedTranslator` with its optimizers.

        Returns:
            Path of the checkpoint.

        Raises:
            UserError: the checkpoint cannot be written, or the model has
                weights that are not finite. The older checkpoints are not
                changed.
        """
        path = self.folder / f"step-{int(model.step.numpy()):09d}.weights.h5"
        return self._write(model, path)

    def _write(self, model, path):
        if found := find_not_finite(model):
            raise UserError(
                "`model` must have finite weights to be saved. "
                f"Received: {found}. {self.saved_so_far()}"
            )
        beside = self.folder / _UNFINISHED
        parts = content_of(model)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(path, parts, beside)
            for old in self.paths()[: -self.keep]:
                old.unlink()
            if not self.record.exists():
                known = {"first_checkpoint": path.name}
                write_whole(self.record, [json.dumps(known).encode()])
        except OSError as error:
            raise UserError(
                "`run_dir` must have room for a checkpoint of "
                f"{format_bytes(len(parts[0]))}. Received: {self.folder} "
                f"({reason(error)}). {self.saved_so_far()}"
            ) from error
        return path

    @property
    def best(self):
        """Paths of the best checkpoint and of the JSON file with its score."""
        return self.folder / "best.weights.h5", self.folder / "best.json"

    def is_best(self, model, value):
        """Returns whether a value is higher than the best checkpoint's value.

        If the best checkpoint is from this step or from a later step, the
        result is True. Such a checkpoint was written before the run was
        stopped and resumed from an earlier checkpoint.

        Args:
            model: `UnpairedTranslator`, whose counter of steps is read.
            value: validation score of the model with its present weights, a
                float; higher is better.
        """
        try:
            known = read_json(self.best[1], 10**4)
            return value > known["value"] or (
                known["step"] >= int(model.step.numpy())
            )
        except (OSError, ValueError, KeyError, TypeError):
            return True

    def save_best(self, model, value):
        """Writes the best checkpoint over the earlier one.

        Args:
            model: `UnpairedTranslator` with its optimizers.
            value: validation score of the model with its present weights, a
                float; higher is better.

        Raises:
            UserError: the checkpoint cannot be written. The other checkpoints
                are not changed.
        """
        weights, about = self.best
        self._write(model, weights)
        known = {"step": int(model.step.numpy()), "value": value}
        write_whole(about, [json.dumps(known).encode()])

    def restore_best(self, model):
        """Loads the best checkpoint into a model.

        Args:
            model: `UnpairedTranslator` with its optimizers.

        Returns:
            Path of the checkpoint; None if there is none.

        Raises:
            UserError: the checkpoint is damaged.
            OtherNetworksError: the weights do not fit the model.
        """
        path = self.best[0]
        if not path.exists():
            return None
        if found := damage(path):
            raise UserError(
                "`run_dir` must have an undamaged best checkpoint, or none. "
                f"Received: {path}, which {found}"
            )
        load_weights(model, path)
        return path

    def saved_so_far(self):
        """Returns a text on what is saved and how to continue the run."""
        step = self.undamaged_step()
        if step is None and self.paths():
            return (
                "All checkpoints of the run are damaged, too. Restore a copy "
                "of one, or begin a new run with another --run_dir"
            )
        if step is None:
            return (
                "Nothing is saved yet; remove the cause, and the same command "
                "begins the training again"
            )
        return (
            f"The checkpoint of step {step} is undamaged; remove the cause, "
            "and the same command continues from it"
        )

    def unwritable(self, place, error):
        """Returns the `UserError` for a run that cannot write a file.

        Args:
            place: path of the file that could not be written.
            error: the `OSError` that was raised.
        """
        return UserError(
            "`run_dir` must be a folder that can be written. Received: "
            f"{place} ({reason(error)}). {self.saved_so_far()}"
        )

    def check_room(self, model, log):
        """Logs how much disk space the checkpoints will need.

        Args:
            model: `UnpairedTranslator` with its optimizers.
            log: function that is called with the line.

        Raises:
            UserError: there is not enough free space.
        """
        # Space is needed for one more checkpoint than are kept, because the
        # newest checkpoint is written before the oldest one is removed.
        count = self.keep + 1
        size = size_of(model)
        there = sum(path.stat().st_size for path in self.paths())
        need = max(0, count * size - there)
        free = shutil.disk_usage(self.folder.parent).free
        if need > free:
            raise UserError(
                f"`run_dir` must have {format_bytes(need)} free for {count} "
                f"checkpoints of {format_bytes(size)} "
                f"(train.keep = {self.keep}, and one more, because a new "
                "checkpoint is written before the oldest is removed). Free "
                "some space, or keep fewer checkpoints. "
                f"Received: {self.folder.parent} with {format_bytes(free)}"
            )
        log(
            f"checkpoints: at most {count} of {format_bytes(size)} each, in "
            f"{self.folder}"
        )

    def restore(self, model, log):
        """Loads the newest undamaged checkpoint, or a packed model.

        The packed model is loaded if there are no checkpoints. No file is
        changed; `set_aside_damaged` renames the damaged checkpoints that were
        found.

        Args:
            model: `UnpairedTranslator` with its optimizers.
            log: function that is called with a line if newer checkpoints are
                damaged.

        Returns:
            Path of what was loaded, or None if there was nothing to load.

        Raises:
            UserError: all checkpoints are damaged, or the run has written
                checkpoints and has none now.
            OtherNetworksError: the weights do not fit the model.
        """
        damaged = {}
        for path in reversed(self.paths()):
            if found := damage(path):
                damaged[path] = found
                continue
            load_weights(model, path)
            if damaged:
                step = _step(path)
                log(
                    f"{_list_damage(damaged)}. The checkpoint of step {step} "
                    "is used instead"
                )
            self._damaged = list(damaged)
            return path
        if damaged:
            raise UserError(
                "`run_dir` must have an undamaged checkpoint. Restore a copy "
                "of one, or begin a new run with another --run_dir. Received: "
                f"{self.folder} with {_list_damage(damaged)}"
            )
        if self._has_saved():
            raise UserError(
                "`run_dir` must have the checkpoints that this run has "
                "written. Restore a copy of one, or begin a new run with "
                f"another --run_dir. Received: {self.folder} without an "
                "undamaged checkpoint"
            )
        packed = self.folder.parent / PACKED
        if not packed.exists():
            return None
        unpack_translator(model, packed)
        return packed

    def _has_saved(self):
        """Returns whether the run has written a checkpoint at any time.

        Runs of earlier versions have no file that records this. For such a
        run, the result is True if the folder of checkpoints has any file other
        than an unfinished checkpoint.
        """
        if self.record.exists():
            return True
        if not self.folder.is_dir():
            return False
        return any(p.name != _UNFINISHED for p in self.folder.iterdir())

    def set_aside_damaged(self, log):
        """Renames the damaged checkpoints that `restore` has found.

        Args:
            log: function that is called with a line for each of them.

        Raises:
            OSError: a file cannot be renamed.
        """
        for path in self._damaged:
            aside = path.with_name(f"{path.name}.damaged")
            os.replace(path, aside)
            log(f"{path.name} is renamed to {aside.name}")
        self._damaged = []


def _list_damage(damaged):
    return "; ".join(f"{path.name} {why}" for path, why in damaged.items())


def _step(path):
    return int(path.name.removeprefix("step-").partition(".")[0])
