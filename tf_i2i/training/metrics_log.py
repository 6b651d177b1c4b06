"""The numbers and pictures of a run on disk: metrics.jsonl, TensorBoard."""

import contextlib
import errno
import json
import os
import re
from pathlib import Path

import tensorflow as tf

from tf_i2i.disk import writing
from tf_i2i.domains import named


class MetricsLog:
    """Writes a run's metrics.jsonl and its events for TensorBoard.

    Args:
        run_dir: folder of the run, with its config.gin.
        domains: the run's names of its domains, for TensorBoard.
        state: `TrainingState`, whose counters go with each entry.
        enabled: whether anything is written; False for all workers but one.
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
        """Continues the log after the state's step.

        Lines of later steps, which will be done again, are dropped.

        Raises:
            OSError: with the path that cannot be written.
        """
        if not self.enabled:
            return
        with writing(self.path):
            self._forget_later_steps()
        config = (self.run_dir / "config.gin").read_text()
        with _writing_events(self.events):
            self._writer = tf.summary.create_file_writer(str(self.events))
            with self._writer.as_default(step=0):
                tf.summary.text("config", "```\n" + config + "\n```")

    def close(self):
        """Writes what is still buffered.

        Raises:
            OSError: with the path that cannot be written.
        """
        if not self.enabled:
            return
        with _writing_events(self.events):
            self._writer.close()

    def record(self, row, scalars):
        """Appends a line to metrics.jsonl, and scalars for TensorBoard.

        Args:
            row: dictionary for JSON; the counters are put before it.
            scalars: dictionary, TensorBoard's names -> numbers; the run's
                names of the domains are put into the names.

        Raises:
            OSError: with the path that cannot be written.
        """
        if not self.enabled:
            return
        state = self.state
        counters = {"step": state.step, "images_shown": state.images_shown}
        with writing(self.path), open(self.path, "a") as file:
            file.write(json.dumps(counters | row) + "\n")
        with self._summaries():
            for name, value in scalars.items():
                tf.summary.scalar(named(name, self.domains), value)

    def show(self, name, picture):
        """A picture for TensorBoard.

        Args:
            name: TensorBoard's name.
            picture: uint8 `[H, W, 3]`.

        Raises:
            OSError: with the path that cannot be written.
        """
        if not self.enabled:
            return
        with self._summaries():
            tf.summary.image(name, picture[None])

    @contextlib.contextmanager
    def _summaries(self):
        with (
            _writing_events(self.events),
            self._writer.as_default(step=self.state.images_shown),
        ):
            yield

    def _forget_later_steps(self):
        """Cuts off the lines of later steps, and a half-written line.

        Steps ascend, so that these are the last lines of the file: cutting
        them off needs no room on the disk.
        """
        if not self.path.exists():
            return
        kept = 0
        with open(self.path, "rb") as file:
            for line in file:
                number = re.match(rb'{"step": (\d+),.*}\n', line)
                if not number or int(number[1]) > self.state.step:
                    break
                kept += len(line)
        os.truncate(self.path, kept)


@contextlib.contextmanager
def _writing_events(path):
    """Turns TensorFlow's errors of writing into `OSError` with the path."""
    try:
        with writing(path):
            yield
    except tf.errors.OpError as error:
        # "... path; No space left on device\n ..."
        words = str(error).partition("; ")[2] or str(error)
        words = words.partition("\n")[0].partition(" [Op:")[0]
        raise OSError(errno.EIO, words, str(path)) from error
