"""Keras callbacks of a run: counters, learning rates, logs, scores, saving."""

import collections
import time

import keras
import numpy as np

from tf_i2i.evaluation.evidence import RealImages
from tf_i2i.evaluation.log import round_numbers
from tf_i2i.evaluation.validation import Validation

LINES = 5  # Number of log lines whose mean losses a method's alarms judge.


class Every:
    """A counter that tells when another `images` images have been shown.

    Args:
        images: number of images of each domain.
    """

    def __init__(self, images):
        self.images = max(1, int(images))
        self.last = None

    def start(self, images_shown):
        """Starts to count at a number of images shown."""
        self.last = images_shown // self.images

    def due(self, images_shown):
        """Whether a multiple of `images` was reached since the last call."""
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
        """Whether it is time to act; to be called once in each step."""
        return self.every.due(self.state.images_shown)

    def phase_done(self):
        """Whether the last step was the last one of the phase."""
        return self.state.images_shown >= self.state.phase.end


class Clock(keras.callbacks.Callback):
    """A callback that counts steps and images, and sets the learning rates.

    It must be the first callback, because the others read the counters.

    Args:
        state: `TrainingState`.
        schedule: function, (images shown, phase) -> factor on both learning
            rates.
        learning_rates: dictionary, name of an optimizer -> its learning rate
            before it is multiplied by the factor.
    """

    def __init__(self, state, schedule, learning_rates):
        super().__init__()
        self.state = state
        self.schedule = schedule
        self.learning_rates = learning_rates
        self.factor = None

    def on_train_batch_begin(self, batch, logs=None):
        factor = self.schedule(self.state.images_shown, self.state.phase)
        if factor == self.factor:
            return
        for side, optimizer in self.model.optimizers.items():
            optimizer.learning_rate = self.learning_rates[side] * factor
        self.factor = factor

    def on_train_batch_end(self, batch, logs=None):
        self.state.count_step()


class Log(StateCallback):
    """A callback that logs mean losses, and prints each alarm once.

    The model decides on alarms by the mean of the last `LINES` lines, because
    the losses of one line are too noisy.

    Args:
        state: `TrainingState`.
        images: number of images of each domain between two lines.
        metrics: the `MetricsLog` that lines are written to.
        log: function that is called with each alarm, a line of text.
    """

    def __init__(self, state, images, metrics, log):
        super().__init__(state, images)
        self.metrics = metrics
        self.log = log
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
        # Every worker must read the results, although only one writes them,
        # because reading them sums over all workers.
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
                self.log(f"! {sentence}")


class Evaluate(StateCallback):
    """A callback that scores validation images, and saves the best weights.

    The scores are those of the networks with averaged weights.

    Args:
        state: `TrainingState`.
        metrics: the `MetricsLog` that scores are written to.
        data: `RunData`.
        config: `RunConfig` whose `evaluation` is not None.
        checkpoints: `Checkpoints` of the run.
        log: function that is called with each alarm, a line of text.
    """

    def __init__(self, state, metrics, data, config, checkpoints, log):
        super().__init__(state, 1000 * config.evaluation.kimg)
        self.metrics = metrics
        self.data = data
        self.config = config
        self.checkpoints = checkpoints
        self.log = log
        self.logged: set[str] = set()

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        real = RealImages.of_data(
            self.data,
            self.state.phase.size,
            labels=self.data.label_tables(),
        )
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
        if self.checkpoints.is_best(self.model, value):
            self.checkpoints.save_best(self.model, value)

    def _warn(self, alarms):
        for sentence in alarms:
            # An alarm is recognized by its first words, because the numbers
            # in it differ each time.
            if sentence[:40] not in self.logged:
                self.logged.add(sentence[:40])
                self.log(f"! {sentence}")

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

    It saves each time N images were shown, at the end of a phase, and when
    the training is stopped.

    Args:
        state: `TrainingState`.
        images: N, the number of images of each domain between two
            checkpoints.
        workers: `Workers`, all of which stop at the same step.
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
