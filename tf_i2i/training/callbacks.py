"""What happens beside the training step: progress, logs, pictures, saving."""

import collections
import contextlib
import errno
import io
import json
import sys
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from PIL import Image
from tqdm import tqdm

from tf_i2i.disk import reason
from tf_i2i.disk import write_whole
from tf_i2i.domains import named
from tf_i2i.evaluation.evidence import RealImages
from tf_i2i.evaluation.log import round_numbers
from tf_i2i.evaluation.validation import Validation
from tf_i2i.images import grid
from tf_i2i.images import to_float
from tf_i2i.images import to_uint8

LINES = 5  # Of the log, by which a run is judged.
SHOWN_SIDE = 64  # Pixels: small images are enlarged to this in grids.


class Every:
    """Says when another `images` images have been shown."""

    def __init__(self, images):
        self.images = max(1, int(images))
        self.last = None

    def due(self, images_shown):
        now = images_shown // self.images
        due = self.last is not None and now > self.last
        self.last = now
        return due


@contextlib.contextmanager
def writing(path):
    """Names the file where a disk fails, whoever says so.

    Raises:
        OSError: with `path` and the reason.
    """
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, reason(error), str(path)) from error
    except tf.errors.OpError as error:
        # "... path; No space left on device\n ..."
        words = str(error).partition("; ")[2] or str(error)
        words = words.partition("\n")[0].partition(" [Op:")[0]
        raise OSError(errno.EIO, words, str(path)) from error


class RunCallback(keras.callbacks.Callback):
    """Base: `run`, the current `phase`, and the run's counters in Python."""

    def __init__(self, run):
        super().__init__()
        self.run = run

    @property
    def shown(self):
        return self.run.images_shown

    @property
    def phase(self):
        return self.run.phase

    def record(self, row, scalars):
        """Appends a line to metrics.jsonl, and scalars for TensorBoard.

        Args:
            row: dictionary for JSON, to follow the counters.
            scalars: TensorBoard's names -> numbers; there, domains are
                called as the run calls them.
        """
        counters = {"step": self.run.step, "images_shown": self.shown}
        path = self.run.run_dir / "metrics.jsonl"
        with writing(path), open(path, "a") as file:
            file.write(json.dumps(counters | row) + "\n")
        with (
            writing(self.run.run_dir / "events"),
            self.run.writer.as_default(step=self.shown),
        ):
            for name, value in scalars.items():
                tf.summary.scalar(named(name, self.run.domains), value)


class Clock(RunCallback):
    """Counts steps and images in Python, and sets the learning rates.

    First in the list: the others read the counters. Reading the model's
    variables instead would wait for the device at each step.
    """

    def on_train_begin(self, logs=None):
        self.rates = [
            (optimizer, self.run.learning_rates[side])
            for side, optimizer in self.model.optimizers.items()
        ]
        self.factor = None

    def on_train_batch_begin(self, batch, logs=None):
        factor = self.run.schedule(self.shown, self.phase)
        if factor == self.factor:
            return
        for optimizer, rate in self.rates:
            optimizer.learning_rate = rate * factor
        self.factor = factor

    def on_train_batch_end(self, batch, logs=None):
        self.run.step += 1
        self.run.images_shown += self.phase.batch_size


class Progress(RunCallback):
    """Phase, resolution, images shown, images per second, time left.

    A bar on a terminal; a line every few seconds elsewhere.
    """

    def __init__(self, run, seconds=15.0):
        super().__init__(run)
        self.seconds = seconds

    def on_train_begin(self, logs=None):
        self.terminal = sys.stderr.isatty()
        self.title = (
            f"phase {self.run.phase_number}/{len(self.run.phases)} "
            f"{self.phase.name}"
        )
        self.bar = tqdm(
            total=self.phase.end,
            initial=self.shown,
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
            # From the first step's end: it takes seconds to trace.
            self.began = self.told = now
            self.began_at = self.shown
            self.bar.update(self.phase.batch_size)
            return
        rate = self._rate(now)
        self.bar.set_postfix_str(f"{_clock(self._left(rate))} left", False)
        self.bar.update(self.phase.batch_size)
        if self.terminal or now - self.told < self.seconds:
            return
        self.told = now
        self._tell(rate)

    def on_train_end(self, logs=None):
        self.bar.close()
        if self.began is not None and not self.terminal:
            self._tell(self._rate(time.monotonic()))

    def _rate(self, now):
        """Images per second since the phase's first step."""
        return (self.shown - self.began_at) / max(now - self.began, 1e-9)

    def _tell(self, rate):
        print(
            f"{self.title} at {self.phase.size} px  "
            f"{self.shown}/{self.run.phases[-1].end} images  "
            f"{rate:.1f} images/s  {_clock(self._left(rate))} left",
            file=sys.stderr,
            flush=True,
        )

    def _left(self, rate):
        """Seconds to the end of the run, an image costing by its side."""
        left = self.phase.end - self.shown
        for phase in self.run.phases[self.run.phase_number :]:
            left += phase.images * phase.size / self.phase.size
        return left / max(rate, 1e-9)


class Log(RunCallback):
    """Mean losses to metrics.jsonl and TensorBoard; what they warn of, told.

    A method judges the mean of the last `LINES`: one is too noisy.
    """

    def __init__(self, run, images):
        super().__init__(run)
        self.every = Every(images)
        self.lines: collections.deque[dict] = collections.deque(maxlen=LINES)
        self.told = set()

    def on_train_begin(self, logs=None):
        self.every.due(self.shown)
        self._restart()

    def on_train_batch_end(self, batch, logs=None):
        if self.every.due(self.shown):
            self._write()

    def on_train_end(self, logs=None):
        if self.run.step > self.since:
            self._write()

    def _restart(self):
        for metric in self.model.metrics:
            metric.reset_state()
        self.since, self.began = self.run.step, time.monotonic()

    def _write(self):
        seconds = time.monotonic() - self.began
        images = (self.run.step - self.since) * self.phase.batch_size
        # Sums over all workers, so that each of them must come here.
        losses = {m.name: float(m.result()) for m in self.model.metrics}
        if not self.run.workers.chief:
            self._restart()
            return
        rate = {"images_per_second": images / seconds}
        self.record(
            {"phase": self.phase.name, **round_numbers(losses | rate)},
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
            if sentence not in self.told:
                self.told.add(sentence)
                self.run.tell(f"! {sentence}")


class Samples(RunCallback):
    """Grids of the averaged networks on images that training never sees.

    Rows: images of A, their translations, their reconstructions (or what
    else a method has to show of them); the same for B.
    """

    def __init__(self, run, images, count=8):
        super().__init__(run)
        self.every = Every(images)
        self.count = count
        self.folder = Path(run.run_dir) / "samples"

    def on_train_begin(self, logs=None):
        self.every.due(self.shown)

    def on_train_batch_end(self, batch, logs=None):
        if self.every.due(self.shown) or self.shown >= self.phase.end:
            self._draw()

    def _draw(self):
        with self.model.averaged():
            a, b = (self.run.images(d, "val", self.count) for d in "ab")
            columns = min(len(a), len(b))
            picture = sample_grid(self.model, a[:columns], b[:columns])
        path = self.folder / f"{self.shown:09d}.png"
        with writing(path):
            self.folder.mkdir(exist_ok=True)
            write_whole(path, [_png(picture)])
        self.run.last_sample = path
        with (
            writing(self.run.run_dir / "events"),
            self.run.writer.as_default(step=self.shown),
        ):
            tf.summary.image("samples", picture[None])


def _png(picture):
    memory = io.BytesIO()
    Image.fromarray(picture).save(memory, "PNG")
    return memory.getvalue()


def sample_grid(model, images_a, images_b):
    """Images of both domains and what a model makes of them, as a picture.

    Args:
        model: `UnpairedTranslator`.
        images_a, images_b: uint8 `[N, size, size, 3]`.

    Returns:
        uint8 `[H, W, 3]`.
    """
    rows = []
    for domain, images in (("a", images_a), ("b", images_b)):
        made = model.sample_rows(tf.constant(to_float(images)), domain)
        rows += [images, *(to_uint8(picture).numpy() for picture in made)]
    times = max(1, SHOWN_SIDE // images_a.shape[1])
    return grid([np.repeat(np.repeat(r, times, 1), times, 2) for r in rows])


class Evaluate(RunCallback):
    """Scores the averaged networks on validation images; keeps the best."""

    def __init__(self, run):
        super().__init__(run)
        self.every = Every(1000 * run.evaluation.kimg)
        self.told = set()

    def on_train_begin(self, logs=None):
        self.every.due(self.shown)
        real = RealImages.of_run(self.run, labels=self.run.label_tables())
        self.validation = Validation(
            self.model, real, self.run.evaluation, self.run.seed
        )

    def on_train_batch_end(self, batch, logs=None):
        if self.every.due(self.shown) or self.shown >= self.phase.end:
            self._score()

    def _score(self):
        with self.model.averaged():
            scores, alarms = self.validation.scores()
        for sentence in alarms:
            # Numbers differ each time: the first words say which it is.
            if sentence[:40] not in self.told:
                self.told.add(sentence[:40])
                self.run.tell(f"! {sentence}")
        self._record(scores)
        self.run.keep_best(self.model, self.validation.value(scores))

    def _record(self, scores):
        row = {
            "evaluation": "val",
            "features": self.validation.features.label,
        }
        self.record(
            row | {d: round_numbers(found) for d, found in scores.items()},
            {
                f"validation_{direction}/{name}": value
                for direction, found in scores.items()
                for name, value in found.items()
            },
        )


class Save(RunCallback):
    """Checkpoints every so many images, at the end, and when asked to stop."""

    def __init__(self, run, images):
        super().__init__(run)
        self.every = Every(images)

    def on_train_begin(self, logs=None):
        self.every.due(self.shown)

    def on_train_batch_end(self, batch, logs=None):
        stop = self.run.workers.any(self.run.stop_asked)
        self.model.stop_training = self.run.stop_requested = stop
        if self.every.due(self.shown) and self.shown < self.phase.end:
            self.run.save(self.model)

    def on_train_end(self, logs=None):
        self.run.save(self.model)


def _clock(seconds):
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02d}:{seconds:02d}"
    return f"{minutes}:{seconds:02d}"
