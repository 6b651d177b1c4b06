"""The logs of a run: the file metrics.jsonl, and events for TensorBoard."""

import contextlib
import json
import os
import re
from pathlib import Path

import tensorflow as tf

from tf_i2i.backend import tensorflow_writing
from tf_i2i.disk import write_whole
from tf_i2i.disk import writing
from tf_i2i.domains import named
from tf_i2i.foreign_files import open_regular
from tf_i2i.foreign_files import open_to_append
from tf_i2i.training.settings import read_gin

# The beginning of a line that `MetricsLog.record` writes.
_STEP = re.compile(rb'{"step": (\d+),')


class MetricsLog:
    """Writes a run's metrics.jsonl and its events for TensorBoard.

    Args:
        run_dir: folder of the run, with its config.gin.
        domains: names of the two domains in TensorBoard.
        state: `TrainingState`, whose counters are added to each entry.
        enabled: whether anything is written; False for all workers except
            the chief.
    """

    def __init__(self, run_dir, domains, state, enabled=True):
        self.run_dir = Path(run_dir)
        self.path = self.run_dir / "metrics.jsonl"
        self.events = self.run_dir / "events"
        self.domains = domains
        self.state = state
        self.enabled = enabled
        self._writer = tf.summary.create_noop_writer()

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
        with tensorflow_writing(self.events):
            self._writer = tf.summary.create_file_writer(
                os.fsencode(self.events)
            )
            with self._writer.as_default(step=0):
                tf.summary.text("config", "```\n" + config + "\n```")

    def close(self):
        """Writes the events that are still in memory.

        Raises:
            OSError: a file cannot be written; its path is in the error.
        """
        if not self.enabled:
            return
        with tensorflow_writing(self.events):
            self._writer.close()

    def record(self, row, scalars):
        """Appends a line to metrics.jsonl, and scalars to the events.

        Args:
            row: dictionary that JSON can represent. In the line, the counters
                are written before the entries of the dictionary.
            scalars: dictionary of numbers. The keys are names in TensorBoard,
                in which directions such as "a_to_b" are replaced by `domains`.

        Raises:
            OSError: a file cannot be written; its path is in the error.
        """
        if not self.enabled:
            return
        state = self.state
        counters = {"step": state.step, "images_shown": state.images_shown}
        with writing(self.path), open_to_append(self.path) as file:
            file.write(json.dumps(counters | row) + "\n")
        with self._summaries():
            for name, value in scalars.items():
                tf.summary.scalar(named(name, self.domains), value)

    def show(self, name, picture):
        """Adds an image to the events for TensorBoard.

        Args:
            name: name of the image in TensorBoard.
            picture: uint8 `[H, W, 3]`.

        Raises:
            OSError: a file cannot be written; its path is in the error.
        """
        if not self.enabled:
            return
        with self._summaries():
            tf.summary.image(name, picture[None])

    @contextlib.contextmanager
    def _summaries(self):
        """Context in which `tf.summary` writes to the run's events."""
        with (
            tensorflow_writing(self.events),
            self._writer.as_default(step=self.state.images_shown),
        ):
            yield

    def _remove_later_steps(self):
        """Removes the lines of later steps, and an incomplete last line.

        Lines that this program did not write are kept. If the removed lines
        are the last ones, which is usual, the file is truncated. Truncating a
        file also works if the disk is full.
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
