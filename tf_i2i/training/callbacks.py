"""Keras callbacks of a run: counters, learning rates, logs and checkpoints."""

import collections
import dataclasses
import time

import keras
import numpy as np

from tf_i2i.evaluation.evidence import RealImages
from tf_i2i.evaluation.log import round_numbers
from tf_i2i.evaluation.validation import Validation

# Number of log lines over which losses are averaged before the model checks
# them for alarms.
LINES = 5


class Every:
    """Counts images, and reports each time `images` more images were shown.

    Args:
        images: number of images of each domain.
    """

    def __init__(self, images):
        self.images = max(1, int(images))
        self.last = None

    def start(self, images_shown):
        """Starts counting when `images_shown` images have been shown."""
        self.last = images_shown // self.images

    def due(self, images_shown):
        """Returns whether a multiple of `images` has been reached.

        Only multiples after the last call of `due` or of `start` count.
        """
        now = images_shown // self.images
        due = now > self.last
        self.last = now
        return due


class StateCallback(keras.callbacks.Callback):
    """A base class for callbacks that act each time N images were shown.

    Args:
        state: `TrainingState`.
        images: N, the number of images of each domain between two actions.
    """

    def __init__(self, state, images):
        super().__init__()
        self.state = state
        self.every = Every(images)

    def on_train_begin(self, logs=None):
        self.every.start(self.state.images_shown)

    def due(self):
        """Returns whether the callback must act after this step.

        This function must be called exactly once in each step.
        """
        return self.every.due(self.state.images_shown)

    def phase_done(self):
        """Returns whether the phase has ended with the latest step."""
        return self.state.images_shown >= self.state.phase.end


class Clock(keras.callbacks.Callback):
    """A callback that counts steps and images, and sets the learning rates.

    This callback must be the first one, because the other callbacks read the
    counters.

    Args:
        state: `TrainingState`.
        schedule: function that takes the number of images shown and the phase,
            and returns a factor on both learning rates.
        learning_rates: dictionary of the learning rates before they are
            multiplied by the factor, for each of the model's `optimizers`.
        history: `ScoreHistory`; None if the run has none.
    """

    def __init__(self, state, schedule, learning_rates, history=None):
        super().__init__()
        self.state = state
        self.schedule = schedule
        self.learning_rates = learning_rates
        self.history = history
        self.factor = None

    def on_train_batch_begin(self, batch, logs=None):
        phase = self.state.phase
        if self.history:
            scores = self.history.of_phase(phase)
            phase = dataclasses.replace(phase, scores=scores)
        factor = self.schedule(self.state.images_shown, phase)
        if factor == self.factor:
            return
        for side, optimizer in self.model.optimizers.items():
            optimizer.learning_rate = self.learning_rates[side] * factor
        self.factor = factor

    def on_train_batch_end(self, batch, logs=None):
        self.state.count_step()


class Log(StateCallback):
    """A callback that logs mean losses, and prints each alarm once.

    The model computes alarms from the mean losses of the last `LINES` lines,
    because the losses of one line are too noisy.

    Args:
        state: `TrainingState`.
        images: number of images of each domain between two lines.
        metrics: `MetricsLog` to which the lines are written.
        warn: function that is called with each alarm, a line of text.
    """

    def __init__(self, state, images, metrics, warn):
        super().__init__(state, images)
        self.metrics = metrics
        self.warn = warn
        self.lines: collections.deque[dict] = collections.deque(maxlen=LINES)
        self.logged: set[str] = set()

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        self._restart()

    def on_train_batch_end(self, batch, logs=None):
        if self.due():
            self._write()

    def on_train_end(self, logs=None):
        if self.state.step > self.since:
            self._write()

    def _restart(self):
        for metric in self.model.metrics:
            metric.reset_state()
        self.since, self.began = self.state.step, time.monotonic()

    def _write(self):
        seconds = time.monotonic() - self.began
        phase = self.state.phase
        images = (self.state.step - self.since) * phase.batch_size
        # Only one worker writes the results, but every worker must read them,
        # because the read operation computes sums over all workers.
        losses = {m.name: float(m.result()) for m in self.model.metrics}
        rate = {"images_per_second": images / seconds}
        self.metrics.record(
            {"phase": phase.name, **round_numbers(losses | rate)},
            {f"losses/{name}": v for name, v in losses.items()} | rate,
        )
        self._warn(losses)
        self._restart()

    def _warn(self, losses):
        self.lines.append(losses)
        if len(self.lines) < LINES:
            return
        means = {n: np.mean([line[n] for line in self.lines]) for n in losses}
        for sentence in self.model.alarms(means):
            if sentence not in self.logged:
                self.logged.add(sentence)
                self.warn(f"! {sentence}")


class Evaluate(StateCallback):
    """A callback that scores validation images, and saves the best weights.

    The networks have their averaged weights when they are scored.

    Args:
        state: `TrainingState`.
        metrics: `MetricsLog` to which the scores are written.
        data: `RunData`.
        config: `RunConfig` whose `evaluation` is not None.
        checkpoints: `Checkpoints` of the run.
        history: `ScoreHistory` to which the scores are added; None for none.
        warn: function that is called with each alarm, a line of text.
    """

    def __init__(
        self, state, metrics, data, config, checkpoints, history, warn
    ):
        super().__init__(state, 1000 * config.evaluation.kimg)
        self.metrics = metrics
        self.data = data
        self.config = config
        self.checkpoints = checkpoints
        self.history = history
        self.warn = warn
        self.logged: set[str] = set()

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        real = RealImages.of_data(
            self.data,
            self.state.phase.size,
            labels=self.data.label_tables(),
        )
        with self.data.consent.applied():
            self.validation = Validation(
                self.model, real, self.config.evaluation, self.config.seed
            )

    def on_train_batch_end(self, batch, logs=None):
        if self.due() or self.phase_done():
            self._score()

    def _score(self):
        with self.model.averaged():
            scores, alarms = self.validation.scores()
        self._warn(alarms)
        self._record(scores)
        value = self.validation.value(scores)
        if self.history:
            self.history.add(self.state.images_shown, value)
        if self.checkpoints.is_best(self.model, value):
            self.checkpoints.save_best(self.model, value)

    def _warn(self, alarms):
        for sentence in alarms:
            # Each alarm is printed once. Two alarms are considered equal if
            # their first 40 characters are equal, because the numbers in an
            # alarm differ each time.
            if sentence[:40] not in self.logged:
                self.logged.add(sentence[:40])
                self.warn(f"! {sentence}")

    def _record(self, scores):
        row = {
            "evaluation": "val",
            "features": self.validation.features.label,
        }
        self.metrics.record(
            row | {d: round_numbers(found) for d, found in scores.items()},
            {
                f"validation_{direction}/{name}": value
                for direction, found in scores.items()
                for name, value in found.items()
            },
        )


class Save(StateCallback):
    """A callback that saves checkpoints.

    A checkpoint is saved each time N images were shown, at the end of a phase,
    and when the training is stopped.

    Args:
        state: `TrainingState`.
        images: N, the number of images of each domain between two
            checkpoints.
        workers: the `Workers` of the run. All of them stop at the same step.
        signals: `StopSignals` of this process.
        save: function that takes the model and writes a checkpoint.
    """

    def __init__(self, state, images, workers, signals, save):
        super().__init__(state, images)
        self.workers = workers
        self.signals = signals
        self.save = save

    def on_train_batch_end(self, batch, logs=None):
        stop = self.workers.any(self.signals.received)
        self.model.stop_training = self.state.stopped = stop
        if self.due() and not self.phase_done():
            self.save(self.model)

    def on_train_end(self, logs=None):
        self.save(self.model)
