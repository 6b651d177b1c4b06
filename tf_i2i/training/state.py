"""The state of a run: its counters of steps and images, and its phase."""

import dataclasses
from pathlib import Path

from tf_i2i.training.phases import Phase


@dataclasses.dataclass
class TrainingState:
    """The counters of a run, as plain Python numbers.

    The counters repeat variables of the model, because reading a variable at
    each step would have to wait for the device. The trainer holds the state.
    The callback `Clock` updates the counters, and other callbacks read them.

    Attributes:
        phases: all phases of the run, in order.
        step: number of training steps done.
        images_shown: number of images of each domain shown.
        phase: the current phase.
        last_sample: path of the newest sample grid that this process wrote.
        stopped: whether all workers stop after this step.
    """

    phases: list[Phase]
    step: int = 0
    images_shown: int = 0
    last_sample: Path | None = None
    stopped: bool = False

    def __post_init__(self):
        self.phase = self.next_phase()

    def read_counters(self, model):
        """Sets the counters to those of a model, after loading its weights."""
        self.step = int(model.step.numpy())
        self.images_shown = int(model.images_shown.numpy())
        self.phase = self.next_phase()

    def next_phase(self):
        """Returns the phase in which the next image will be shown.

        If all phases are finished, the result is the last phase.
        """
        for phase in self.phases:
            if self.images_shown < phase.end:
                return phase
        return self.phases[-1]

    def last_phase(self):
        """Returns the phase in which the last image was shown.

        Before the first image, the result is the first phase.
        """
        for phase in self.phases:
            if self.images_shown <= phase.end:
                return phase
        return self.phases[-1]

    @property
    def phase_number(self):
        """Number of the current phase, counted from 1."""
        return self.phases.index(self.phase) + 1

    @property
    def total_images(self):
        """Number of images of each domain that are shown in the whole run."""
        return self.phases[-1].end

    @property
    def finished(self):
        """Whether all phases are finished."""
        return self.images_shown >= self.total_images

    def count_step(self):
        """Counts one step of the current phase."""
        self.step += 1
        self.images_shown += self.phase.batch_size

    def steps_left(self):
        """Returns the number of steps left in the current phase."""
        return _steps(self.phase, self.images_shown)

    def last_step(self, limit=None):
        """Returns the number of steps of the whole run.

        Args:
            limit: step at which the training stops even if phases are not
                finished; None for no limit.
        """
        step, shown = self.step, self.images_shown
        for phase in self.phases:
            left = _steps(phase, shown)
            step, shown = step + left, shown + left * phase.batch_size
        return step if limit is None else min(step, limit)


def _steps(phase, shown):
    """Returns the number of steps to the end of a phase.

    Args:
        phase: `Phase`.
        shown: number of images of each domain shown so far.
    """
    return -(-max(0, phase.end - shown) // phase.batch_size)
