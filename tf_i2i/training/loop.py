"""Training a run: from wherever it stands to where it stops."""

import contextlib
import os
import re
import signal
from pathlib import Path

import tensorflow as tf

from tf_i2i.data.unpaired import unpaired
from tf_i2i.errors import UserError
from tf_i2i.methods.training_step import NOT_FINITE
from tf_i2i.training import callbacks
from tf_i2i.training import data_record
from tf_i2i.training import settings
from tf_i2i.training.checkpoints import OtherNetworksError


class Training:
    """One call of `train` for a run.

    Args:
        run: `Run`.
        model: from its `build_model`.
    """

    def __init__(self, run, model):
        self.run = run
        self.model = model
        self.skip_step = None
        self.labels = None  # Of A's images, for methods that learn them.

    def go(self, init_from=None, skip_step=None):
        """Trains to the end of the phases, from wherever the run stands.

        Args:
            init_from: folder of another run of the same model, whose
                weights a new run begins with.
            skip_step: number of a step whose batch is left out.

        Raises:
            UserError: if a loss or a gradient is not finite, or the data
                cannot be read.
        """
        goes_on = self.run.restore(self.model, set_aside=self.run.workers.chief)
        if init_from and goes_on:
            self.run.tell(
                f"{self.run.run_dir} has a checkpoint of step {self.run.step} "
                "and goes on from it; --init_from is for a new run"
            )
        elif init_from:
            self._begin_from(init_from)
        self.skip_step = self._checked_skip(skip_step)
        if self.run.workers.chief and self.run.step < self._last_step():
            self.run.checkpoints.check_room(self.model, self.run.tell)
        data_record.check(self.run, goes_on)
        self.labels = self.run.class_numbers()
        self._check_workers()
        try:
            if self.run.workers.chief:
                self._forget_after(self.run.step)
            with callbacks.writing(self.run.run_dir / "events"):
                self._open_writer()
            with self.run.workers.watched(), self._stopping_on_signals():
                self._train_phases()
            with callbacks.writing(self.run.run_dir / "events"):
                self.run.writer.close()
        except BrokenPipeError:
            raise  # Of the terminal, not of a disk.
        except OSError as error:
            raise self._save_after(error) from error

    def _check_workers(self):
        """Refuses workers that would not train the same run.

        None has taken a step before all have read the run directory.
        """
        if self.run.workers.count == 1:
            return
        with self.run.workers.watched():
            self.run.workers.check_same(
                "run_dir",
                "one folder that all workers share",
                step=self.run.step,
                weights=settings.checksum(
                    w.numpy().tobytes() for w in self.model.weights
                ),
            )
            for domain in "ab":
                store = self.run.store(domain)
                self.run.workers.check_same(
                    f"data_{domain}",
                    "the same images for all workers",
                    images=len(store.images),
                    names=settings.checksum(
                        name.encode() for name in store.names
                    ),
                )

    def _open_writer(self):
        if not self.run.workers.chief:
            self.run.writer = tf.summary.create_noop_writer()
            return
        self.run.writer = tf.summary.create_file_writer(
            str(self.run.run_dir / "events")
        )
        with self.run.writer.as_default(step=0):
            config = (self.run.run_dir / "config.gin").read_text()
            tf.summary.text("config", "```\n" + config + "\n```")

    def _save_after(self, error):
        """Saves what a log or a picture on a bad disk would have lost."""
        if self.run.step > (self.run.checkpoints.last_step() or 0):
            with contextlib.suppress(UserError):
                self.run.save(self.model)
        place = error.filename or self.run.run_dir
        return self.run.checkpoints.unwritable(place, error)

    def _checked_skip(self, number):
        """`--skip_step`, if there is such a step."""
        last = self._last_step()
        if number is None or self.run.step >= last:
            return None
        if number < self.run.step:
            self.run.tell(
                f"step {number} is past: --skip_step leaves nothing out"
            )
            return None
        if number >= last:
            raise UserError(
                "`--skip_step` must be a step that is still to come, "
                f"{self.run.step} to {last - 1}. Received: {number}"
            )
        return number

    def _last_step(self):
        """The number of steps of the whole run, as far as this goes."""
        step, shown = self.run.step, self.run.images_shown
        for phase in self.run.phases:
            left = -(-max(0, phase.end - shown) // phase.batch_size)
            step, shown = step + left, shown + left * phase.batch_size
        return step if self.run.steps is None else min(step, self.run.steps)

    def _begin_from(self, run_dir):
        """Another run's weights with counters and optimizers at zero."""
        try:
            found = self.run.restore(self.model, Path(run_dir))
        except OtherNetworksError as error:
            raise self._explain_other(Path(run_dir), error) from error
        if not found:
            raise UserError(
                "`--init_from` must be the folder of a run with a checkpoint. "
                f"Received: {run_dir}"
            )
        self.model.step.assign(0)
        self.model.images_shown.assign(0)
        self.run.step = self.run.images_shown = 0
        reset_optimizers(self.model)

    def _explain_other(self, run_dir, error):
        """Names the settings in which two models differ."""
        theirs = settings.saved_bindings(run_dir / "config.gin")
        ours = settings.bindings_of(self.run.configuration())
        models = {b.get("train.model", "").lstrip("@") for b in (theirs, ours)}
        of_models = {
            name
            for name in {*theirs, *ours}
            if name in ("train.model", "train.image_size")
            or name.partition(".")[0] in models
        }
        changed = settings.differences(ours, theirs, of_models, "here")
        return UserError(
            "`--init_from` must be a run of a model with the same networks. "
            f"Received: {run_dir} with {'; '.join(changed) or error}"
        )

    def _train_phases(self):
        while self.run.images_shown < self.run.phases[-1].end:
            self.run.find_phase()
            self.run.enter(self.model)
            phase = self.run.phase
            if self.run.images_shown == phase.start:
                self.model.begin_phase()
                if phase.reset_optimizers:
                    reset_optimizers(self.model)
            left = -(-(phase.end - self.run.images_shown) // phase.batch_size)
            if self.run.steps is not None:
                left = min(left, self.run.steps - self.run.step)
            if left <= 0:
                return
            if self.skip_step == self.run.step:
                self._skip()
                continue
            if self.skip_step is not None and self.skip_step > self.run.step:
                left = min(left, self.skip_step - self.run.step)
            try:
                self.model.fit(
                    self._dataset(phase),
                    steps_per_epoch=left,
                    shuffle=False,
                    verbose=0,
                    callbacks=self._callbacks(),
                )
            except tf.errors.InvalidArgumentError as error:
                if NOT_FINITE in str(error):
                    raise self._explain(str(error)) from error
                raise
            if self.run.stop_requested:
                return

    def _skip(self):
        """Counts a step without doing it, for good."""
        self.model.step.assign_add(1)
        self.model.images_shown.assign_add(self.run.phase.batch_size)
        self.run.step += 1
        self.run.images_shown += self.run.phase.batch_size
        self.run.save(self.model)

    def _dataset(self, phase):
        self._mend_stores()

        def share(context):
            return unpaired(
                self.run.store("a"),
                self.run.store("b"),
                phase.size,
                phase.batch_size,
                seed=self.run.seed,
                start=self.run.images_shown,
                augmentation=self.run.augmentations["a"],
                augmentation_b=self.run.augmentations["b"],
                labels_a=self.labels,
                full_size=self.run.image_size,
                context=context,
            )

        return self.run.strategy.distribute_datasets_from_function(share)

    def _mend_stores(self):
        """Makes what was removed from the cache since the phase before."""
        gone = [d for d in "ab" if not self.run.store(d).path.exists()]
        for domain in gone:
            del self.run.stores[domain]
        if gone:
            data_record.check(self.run, goes_on=True)

    def _callbacks(self):
        run = self.run
        found = [
            callbacks.Clock(run),
            callbacks.Progress(run),
            callbacks.Log(run, 1000 * run.kimg["log"]),
            callbacks.Samples(run, 1000 * run.kimg["sample"]),
            callbacks.Save(run, 1000 * run.kimg["save"]),
        ]
        if run.evaluation:
            found.insert(-1, callbacks.Evaluate(run))
        if run.workers.chief:
            return found
        to_see = (callbacks.Progress, callbacks.Samples, callbacks.Evaluate)
        return [one for one in found if not isinstance(one, to_see)]

    def _forget_after(self, step):
        """Drops log lines of steps that will be done again, and half lines.

        Steps ascend, so that these come last: cutting needs no room.
        """
        path = self.run.run_dir / "metrics.jsonl"
        if not path.exists():
            return
        kept = 0
        with open(path, "rb") as file:
            for line in file:
                number = re.match(rb'{"step": (\d+),.*}\n', line)
                if not number or int(number[1]) > step:
                    break
                kept += len(line)
        os.truncate(path, kept)

    def _explain(self, text):
        """The user's way out of a step that is not finite."""
        found = re.search(rf"{NOT_FINITE}\W*(.+?)\W*step\W*(\d+)", text, re.S)
        name, step = found.groups() if found else ("a loss", self.run.step)
        advice = ""
        if self.run.checkpoints.paths():
            advice = (
                "start a new run from the last checkpoint, which is good, "
                f"with --init_from={self.run.run_dir} --run_dir=NEW and a "
                "lower learning rate, --gin_param='Adam.learning_rate = "
                f"{self.run.learning_rates['translator'] / 3:.1g}', or "
            )
        return UserError(
            f"{name} became infinite or not a number at step {step}. A rerun "
            f"would meet it again: {advice}go on without this batch, "
            f"--skip_step={step}"
        )

    @contextlib.contextmanager
    def _stopping_on_signals(self):
        """SIGTERM and Ctrl-C: finish the step, save, and leave."""
        numbers = (signal.SIGTERM, signal.SIGINT)
        before = {number: signal.getsignal(number) for number in numbers}

        def give_back():
            for number, handler in before.items():
                signal.signal(number, handler)

        def stop(number, frame):
            self.run.stop_asked = True
            give_back()  # A second one stops at once.

        for number in numbers:
            signal.signal(number, stop)
        try:
            yield
        finally:
            give_back()


def reset_optimizers(model):
    """Zeroes slots and iterations of both optimizers."""
    for optimizer in model.optimizers.values():
        for variable in optimizer.variables:
            if variable is not optimizer.learning_rate:
                variable.assign(tf.zeros(variable.shape, variable.dtype))
