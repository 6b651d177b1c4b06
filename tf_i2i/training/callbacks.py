"""What happens beside the training step: counting, logs, scores, saving."""

import collections
import time

import keras
import numpy as np

from tf_i2i.evaluation.evidence import RealImages
from tf_i2i.evaluation.log import round_numbers
from tf_i2i.evaluation.validation import Validation

LINES = 5  # Lines of the log whose mean a method's alarms look at.


class Every:
    """Tells when another `images` images have been shown.

    Args:
        images: of each domain.
    """

    def __init__(self, images):
        self.images = max(1, int(images))
        self.last = None

    def start(self, images_shown):
        """Counts from here on."""
        self.last = images_shown // self.images

    def due(self, images_shown):
        """Whether a multiple of `images` was reached since the last call."""
        now = images_shown // self.images
        due = now > self.last
        self.last = now
        return due


class StateCallback(keras.callbacks.Callback):
    """Base of the callbacks that act every so many images.

    Args:
        state: `TrainingState`.
        images: images of each domain between two actions.
    """

    def __init__(self, state, images):
        super().__init__()
        self.state = state
        self.every = Every(images)

    def on_train_begin(self, logs=None):
        self.every.start(self.state.images_shown)

    def due(self):
        """Whether it is time to act; call it once a step."""
        return self.every.due(self.state.images_shown)

    def phase_done(self):
        """Whether the last step was the last one of the phase."""
        return self.state.images_shown >= self.state.phase.end


class Clock(keras.callbacks.Callback):
    """Counts steps and images, and sets the learning rates.

    It comes first in the list, because the others read the counters.

    Args:
        state: `TrainingState`.
        schedule: function, (images shown, phase) -> factor on the rates.
        learning_rates: dictionary, name of an optimizer -> its rate where
            the factor is 1.
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
    """Writes mean losses, and prints each of the model's alarms once.

    A method judges the mean of the last `LINES` lines: one is too noisy.

    Args:
        state, images: as in `StateCallback`.
        metrics: `MetricsLog`.
        log: called with each alarm, a line of text.
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
        # The results are sums over all workers, so that each of them must
        # read them, though only one writes.
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
    """Scores the averaged networks on validation images; keeps the best.

    Args:
        state: `TrainingState`.
        metrics: `MetricsLog`.
        data: `RunData`.
        config: `RunConfig` with an `evaluation`.
        checkpoints: `Checkpoints`.
        log: called with each alarm, a line of text.
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
        real = RealImages.of_data(self.data, self.state.phase.size)
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
            # The numbers differ each time; the first words tell which alarm
            # it is.
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
    """Saves every so many images, at the end of a phase, and when stopped.

    Args:
        state, images: as in `StateCallback`.
        workers: `Workers`, which stop together.
        signals: `StopSignals` of this process.
        save: function of the model that writes a checkpoint.
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
