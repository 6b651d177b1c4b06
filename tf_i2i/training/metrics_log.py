"""The logs of a run: the file metrics.jsonl, and curves by its loggers."""

import json
import os
import re
from pathlib import Path

from tf_i2i.disk import write_whole
from tf_i2i.disk import writing
from tf_i2i.domains import named
from tf_i2i.foreign_files import open_regular
from tf_i2i.foreign_files import open_to_append
from tf_i2i.training.loggers import make_loggers
from tf_i2i.training.settings import read_gin

# The beginning of a line that `MetricsLog.record` writes.
_STEP = re.compile(rb'{"step": (\d+),')


class MetricsLog:
    """Writes a run's metrics.jsonl, and passes numbers to the run's loggers.

    Args:
        run_dir: folder of the run, with its config.gin.
        domains: names of the two domains in the curves.
        state: `TrainingState`, whose counters are added to each entry.
        enabled: whether anything is written; False for all workers except
            the chief.
        loggers: names of the loggers, from `loggers.LOGGERS`.

    Raises:
        UserError: the package of a logger is not installed.
    """

    def __init__(
        self, run_dir, domains, state, enabled=True, loggers=("tensorboard",)
    ):
        self.run_dir = Path(run_dir)
        self.path = self.run_dir / "metrics.jsonl"
        self.domains = domains
        self.state = state
        self.enabled = enabled
        self.loggers = make_loggers(loggers, run_dir) if enabled else []

    def open(self):
        """Opens the log, so that it is continued after the current step.

        Lines of later steps are removed, because a resumed run repeats these
        steps.

        Raises:
            OSError: a file cannot be written; its path is in the error.
        """
        if not self.enabled:
            return
        with writing(self.path):
            self._remove_later_steps()
        config = read_gin(self.run_dir / "config.gin")
        for logger in self.loggers:
            logger.open(config)

    def close(self):
        """Closes the loggers, which write what is still in memory.

        Raises:
            OSError: a file cannot be written; its path is in the error.
        """
        for logger in self.loggers:
            logger.close()

    def record(self, row, scalars):
        """Appends a line to metrics.jsonl, and adds a point to each curve.

        Args:
            row: dictionary that JSON can represent. In the line, the counters
                are written before the entries of the dictionary.
            scalars: dictionary of numbers. The keys are names of curves, in
                which directions such as "a_to_b" are replaced by `domains`.

        Raises:
            OSError: a file cannot be written; its path is in the error.
        """
        if not self.enabled:
            return
        state = self.state
        counters = {"step": state.step, "images_shown": state.images_shown}
        with writing(self.path), open_to_append(self.path) as file:
            file.write(json.dumps(counters | row) + "\n")
        values = {named(n, self.domains): v for n, v in scalars.items()}
        for logger in self.loggers:
            logger.scalars(values, state.images_shown)

    def show(self, name, picture):
        """Passes an image to the loggers.

        Args:
            name: name of the image.
            picture: uint8 `[H, W, 3]`.

        Raises:
            OSError: a file cannot be written; its path is in the error.
        """
        for logger in self.loggers:
            logger.image(name, picture, self.state.images_shown)

    def _remove_later_steps(self):
        """Removes the lines of later steps, and an incomplete last line.

        Lines that this program did not write are kept. If the removed lines are
        at the end of the file, which is usual, the file is truncated.
        Truncating a file also works if the disk is full.
        """
        if not os.path.lexists(self.path):
            return
        # A link is refused here, before the file is truncated.
        open_to_append(self.path).close()
        with open_regular(self.path) as file:
            lines = file.readlines()
        kept = [line for line in lines if self._is_kept(line)]
        if kept == lines[: len(kept)]:
            os.truncate(self.path, sum(map(len, kept)))
        else:
            write_whole(self.path, kept)

    def _is_kept(self, line):
        """Returns whether a line is kept when the run is resumed.

        Args:
            line: bytes. The last line of the file is incomplete if it does not
                end in a line break.
        """
        step = _STEP.match(line)
        later = step and int(step[1]) > self.state.step
        return line.endswith(b"\n") and not later
