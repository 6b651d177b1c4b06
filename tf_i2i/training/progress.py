"""Shows the progress of a run on the terminal."""

import sys
import time

import keras
from tqdm import tqdm

from tf_i2i import messages
from tf_i2i.sizes import short_side
from tf_i2i.sizes import size_text


class Progress(keras.callbacks.Callback):
    """A callback that shows phase, images shown, speed and remaining time.

    On a terminal it shows a progress bar. If stderr is not a terminal, it
    prints a line every few seconds.

    Args:
        state: `TrainingState`.
        seconds: shortest time between two lines, in seconds.
    """

    def __init__(self, state, seconds=15.0):
        super().__init__()
        self.state = state
        self.seconds = seconds

    def on_train_begin(self, logs=None):
        state = self.state
        self.terminal = sys.stderr.isatty()
        self.title = (
            f"phase {state.phase_number}/{len(state.phases)} {state.phase.name}"
        )
        self.bar = tqdm(
            total=state.phase.end,
            initial=state.images_shown,
            desc=self.title,
            unit="img",
            disable=not self.terminal,
            dynamic_ncols=True,
            bar_format="{desc} {bar} {n_fmt}/{total_fmt} images "
            "[{rate_fmt}{postfix}]",
        )
        self.began = None

    def on_train_batch_end(self, batch, logs=None):
        now = time.monotonic()
        if self.began is None:
            # The measurement of speed starts at the end of the first step. If
            # the graph is traced in that step, the step takes seconds.
            self.began = self.last_line = now
            self.began_at = self.state.images_shown
            self.bar.update(self.state.phase.batch_size)
            return
        rate = self._rate(now)
        self.bar.set_postfix_str(self._left(rate), False)
        self.bar.update(self.state.phase.batch_size)
        if self.terminal or now - self.last_line < self.seconds:
            return
        self.last_line = now
        self._print(rate)

    def on_train_end(self, logs=None):
        self.bar.close()
        if self.began is not None and not self.terminal:
            self._print(self._rate(time.monotonic()))

    def _rate(self, now):
        """Returns the images per second since the first step ended."""
        shown = self.state.images_shown - self.began_at
        return shown / max(now - self.began, 1e-9)

    def _print(self, rate):
        state = self.state
        line = (
            f"{self.title} at {size_text(state.phase.size)} px  "
            f"{state.images_shown}/{state.total_images} images"
        )
        # After a single step no speed has been measured.
        if rate:
            line += f"  {rate:.1f} images/s  {self._left(rate)}"
        messages.info(line)

    def _left(self, rate):
        """Returns a text with the estimated time until the run ends.

        The time per image in later phases is assumed to be proportional to the
        side of the images. Nothing is assumed about other stages of the
        training. Before the last stage, the text therefore has the time until
        the current phase ends.

        Args:
            rate: images per second in the current phase.
        """
        state = self.state
        later = state.phases[state.phase_number :]
        same = [phase for phase in later if phase.stage == state.phase.stage]
        left = state.phase.end - state.images_shown
        if len(same) < len(later):
            return f"{_clock(left / rate)} left in this phase"
        for phase in later:
            left += phase.images * (
                short_side(phase.size) / short_side(state.phase.size)
            )
        return f"{_clock(left / rate)} left"


def _clock(seconds):
    """Returns a time as text, "h:mm:ss", or "m:ss" if it is below an hour."""
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02d}:{seconds:02d}"
    return f"{minutes}:{seconds:02d}"
