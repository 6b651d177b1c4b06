"""Trains a run, from its beginning or from its last checkpoint."""

import contextlib
import functools
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import tensorflow as tf

from tf_i2i import messages
from tf_i2i.domains import DOMAINS
from tf_i2i.errors import UserError
from tf_i2i.methods.training_step import NOT_FINITE
from tf_i2i.optimizers import reset_optimizers
from tf_i2i.sizes import image_shape
from tf_i2i.training import callbacks
from tf_i2i.training import data_record
from tf_i2i.training import settings
from tf_i2i.training.checkpoints import Checkpoints
from tf_i2i.training.init_from import load_initial_weights
from tf_i2i.training.metrics_log import MetricsLog
from tf_i2i.training.progress import Progress
from tf_i2i.training.samples import Samples
from tf_i2i.training.score_history import ScoreHistory
from tf_i2i.training.signals import StopSignals
from tf_i2i.training.state import TrainingState


class Trainer:
    """Trains the model of a run until its last phase ends.

    Args:
        run_dir: folder of the run, with its config.gin.
        config: `RunConfig`.
        model: `UnpairedTranslator` from `build_model`, with new weights.
        phases: list of `Phase`.
        data: `RunData`.
        workers: `Workers` that train together.
        bindings: dictionary of the run's resolved configuration, which is
            used in error messages. The keys have the form "name.parameter", and
            the values are texts.
        log: function that is called with each line for the user.

    Attributes:
        state: `TrainingState` of the run.
    """

    def __init__(
        self,
        run_dir,
        config,
        model,
        phases,
        data,
        workers,
        bindings,
        log=messages.info,
    ):
        self.run_dir = Path(run_dir)
        self.config = config
        self.model = model
        self.data = data
        self.workers = workers
        self.bindings = bindings
        self.log = log
        self.state = TrainingState(phases)
        self.checkpoints = Checkpoints(run_dir, config.keep)
        # With several processes there are no validation scores. Only the chief
        # could compute them, but learning rates that depend on the scores must
        # be equal in all processes.
        has_scores = config.evaluation and workers.count == 1
        self.history = ScoreHistory(run_dir) if has_scores else None
        self._skip_step = self._record = None
        self.metrics = MetricsLog(
            run_dir,
            config.domains,
            self.state,
            enabled=workers.chief,
            loggers=config.loggers,
        )
        # The learning rates are read here, before a checkpoint is loaded. A
        # checkpoint contains the learning rates of its step, and loading it
        # overwrites those of the optimizers.
        self.learning_rates = {
            side: float(optimizer.learning_rate.numpy())
            for side, optimizer in model.optimizers.items()
        }

    def prepare(self, init_from=None, skip_step=None):
        """Loads weights and images, and checks them against the run.

        This function writes nothing to the run directory. Therefore a run is
        not changed if the function raises an error.

        Args:
            init_from: folder of another run of the same model, whose weights
                are the initial weights of a new run. None for random weights.
            skip_step: number of a step whose batch is not used, or None.

        Raises:
            UserError: the data cannot be read, the disk is too small, or an
                argument, a weight or an image does not fit the run.
        """
        with self._disk_errors():
            resumed = self._load(init_from)
            self._skip_step = self._check_skip(skip_step)
            if self.workers.chief and self.state.step < self._last_step():
                self.checkpoints.check_room(self.model, self.log)
            self._read_data()
            self._record = self._check_data(resumed)
            self._check_workers()

    def run(self):
        """Trains until the last phase ends, or until a request to stop.

        `prepare` must be called before.

        Raises:
            UserError: a loss or a gradient is not finite, the data cannot be
                read, or the run directory cannot be written.
        """
        with self._disk_errors():
            self._write_record()
            if self.workers.chief:
                self.checkpoints.set_aside_damaged(self.log)
            self.metrics.open()
            with self.workers.watched(), StopSignals() as signals:
                self._train_phases(self._skip_step, signals)
            self.metrics.close()

    @contextlib.contextmanager
    def _disk_errors(self):
        """Context that turns each `OSError` into a `UserError`."""
        try:
            yield
        except BrokenPipeError:
            # The error is raised unchanged, because it is not about a file. The
            # error means that stdout or stderr was closed.
            raise
        except OSError as error:
            raise self._save_after(error) from error

    # The following methods prepare the training.

    def _load(self, init_from):
        """Loads the run's own checkpoint, or another run's weights.

        Returns:
            A value that is true if the run had a checkpoint of its own.
        """
        resumed = self.checkpoints.restore(self.model, self.log)
        if resumed:
            self.state.read_counters(self.model)
        if self.history:
            self.history.read(self.state.images_shown)
        if init_from and resumed:
            self.log(
                f"{self.run_dir} has a checkpoint of step {self.state.step} "
                "and continues from it. --init_from has no effect, because it "
                "is for a new run"
            )
        elif init_from:
            load_initial_weights(
                Path(init_from), self.model, self.bindings, self.log
            )
        return resumed

    def _read_data(self):
        """Opens the stores of both domains, and makes those that are missing.

        Making a store takes long. Meanwhile a second thread traces the training
        step, which is needed next. The main thread reads the images, so that
        Ctrl-C ends the reading immediately.

        Raises:
            UserError: see `RunData.read`.
        """
        with ThreadPoolExecutor(1) as thread:
            tracing = functools.cache(lambda: thread.submit(self._trace))
            self.data.read(before_making=tracing)

    def _trace(self):
        """Traces the training step of the next phase.

        An error is not reported here. Training raises it again.
        """
        alone = self.workers.strategy.num_replicas_in_sync == 1
        if self.state.finished or self.data.labelled or not alone:
            return
        phase = self.state.next_phase()
        self.model.enter_phase(**phase.path)
        images = tf.zeros((phase.batch_size, *image_shape(phase.size)))
        self.model.trace_train_function(
            tf.data.Dataset.from_tensors((images, images))
        )

    def _last_step(self):
        return self.state.last_step(self.config.steps)

    def _check_skip(self, number):
        """Returns the number of the step to skip, or None.

        Args:
            number: value of `--skip_step`, or None.

        Returns:
            `number`; None if that step is already done or the run has ended.

        Raises:
            UserError: the step is after the end of the run.
        """
        step, last = self.state.step, self._last_step()
        if step >= last:
            self.log(
                f"the run has done {step} steps already and is to end after "
                f"{last}, so nothing is trained"
            )
            return None
        if number is None:
            return None
        if number < step:
            self.log(
                f"step {number} is already done; --skip_step has no effect"
            )
            return None
        if number >= last:
            raise UserError(
                "`--skip_step` must be a step that is still to come, "
                f"{step} to {last - 1}. Received: {number}"
            )
        return number

    def _check_data(self, resumed):
        """Compares the images with the run's record, and returns a new record.

        Raises:
            UserError: the run began with different images.
        """
        return self.data.check_record(self.run_dir / "data.json", resumed)

    def _write_record(self):
        """Writes the record of the images if this worker is the chief."""
        if self.workers.chief:
            data_record.write(self.run_dir / "data.json", self._record)

    def _check_workers(self):
        """Raises an error if the workers would not train the same run.

        This function also waits until all workers have read the run directory.
        No worker changes the directory earlier.
        """
        if self.workers.count == 1:
            return
        weights = (w.numpy().tobytes() for w in self.model.weights)
        with self.workers.watched():
            self.workers.check_same(
                "run_dir",
                "one folder that all workers share",
                step=self.state.step,
                weights=settings.checksum(weights),
            )
            for domain in DOMAINS:
                store = self.data.store(domain)
                names = (name.encode() for name in store.names)
                self.workers.check_same(
                    f"data_{domain}",
                    "the same images for all workers",
                    images=len(store.images),
                    names=settings.checksum(names),
                )

    # The following methods make the training steps.

    def _train_phases(self, skip_step, signals):
        state = self.state
        while not state.finished:
            self._enter_phase()
            steps = state.steps_left()
            if self.config.steps is not None:
                steps = min(steps, self.config.steps - state.step)
            if steps <= 0:
                return
            if skip_step == state.step:
                self._skip()
                continue
            if skip_step is not None and skip_step > state.step:
                steps = min(steps, skip_step - state.step)
            self._fit(steps, signals)
            if state.stopped:
                return

    def _enter_phase(self):
        """Enters the phase of the next image.

        If no image of the phase was shown before, the phase is also prepared.
        """
        phase = self.state.phase = self.state.next_phase()
        self.model.enter_phase(**phase.path)
        if self.state.images_shown > phase.start:
            return
        self.model.begin_phase()
        if phase.reset_optimizers:
            reset_optimizers(self.model)

    def _skip(self):
        """Counts a step without training, and saves a checkpoint."""
        self.model.step.assign_add(1)
        self.model.images_shown.assign_add(self.state.phase.batch_size)
        self.state.count_step()
        self._save(self.model)

    def _fit(self, steps, signals):
        """Trains a number of steps of the current phase."""
        if self.data.read_removed():
            self._record = self._check_data(resumed=True)
            self._write_record()
        batches = self.data.batches(
            self.state.phase, self.state.images_shown, self.workers.strategy
        )
        try:
            self.model.fit_batches(
                batches,
                steps_per_epoch=steps,
                verbose=0,
                callbacks=self._callbacks(signals),
            )
        except tf.errors.InvalidArgumentError as error:
            if NOT_FINITE in str(error):
                raise self._explain_not_finite(str(error)) from error
            raise

    def _callbacks(self, signals):
        config, state, metrics = self.config, self.state, self.metrics
        clock = callbacks.Clock(
            state, config.schedule, self.learning_rates, self.history
        )
        warn = messages.warning if self.workers.chief else self.log
        log = callbacks.Log(state, 1000 * config.log_kimg, metrics, warn)
        save = callbacks.Save(
            state, 1000 * config.save_kimg, self.workers, signals, self._save
        )
        if not self.workers.chief:
            return [clock, log, save]
        samples = Samples(state, 1000 * config.sample_kimg, metrics, self.data)
        found = [clock, Progress(state), log, samples, save]
        if config.evaluation:
            evaluate = callbacks.Evaluate(
                state,
                metrics,
                self.data,
                config,
                self.checkpoints,
                self.history,
                warn,
            )
            found.insert(-1, evaluate)
        return found

    def _explain_not_finite(self, text):
        """Returns a `UserError` that tells the user how to continue.

        Args:
            text: message of TensorFlow's error. The message names the step, and
                the loss, the gradient or the weights that are not finite.
        """
        found = re.search(rf"{NOT_FINITE}\W*(.+?)\W*step\W*(\d+)", text, re.S)
        name, step = found.groups() if found else ("a loss", self.state.step)
        advice = ""
        saved = self.checkpoints.undamaged_step()
        if saved is not None:
            advice = (
                f"start a new run from the checkpoint of step {saved}, which "
                "is undamaged, with"
                f" --init_from={self.run_dir} --run_dir=NEW and a "
                "lower learning rate, --gin_param='Adam.learning_rate = "
                f"{self.learning_rates['translator'] / 3:.1g}', or "
            )
        return UserError(
            f"{name} became infinite or not a number at step {step}. Repeating "
            f"the step would have the same result; {advice}continue without "
            f"this batch, --skip_step={step}"
        )

    # The following methods save checkpoints.

    def _save(self, model):
        """Writes a checkpoint if this worker is the chief."""
        if self.workers.chief:
            self.checkpoints.save(model)

    def _save_after(self, error):
        """Tries to save a checkpoint after another file could not be written.

        Args:
            error: `OSError` about the other file.

        Returns:
            A `UserError` about the other file.
        """
        if self.state.step > (self.checkpoints.last_step() or 0):
            with contextlib.suppress(UserError):
                self._save(self.model)
        place = error.filename or self.run_dir
        return self.checkpoints.unwritable(place, error)
