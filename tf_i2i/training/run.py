"""A run: its configuration, its phases, and how it goes on after a stop.

The only module that imports gin. Every public name that a .gin file may
use is registered here, once.
"""

import contextlib
import functools
import os
import re
import signal
import time
from pathlib import Path

import gin
import keras
import numpy as np
import tensorflow as tf

from tf_i2i.data.augment import Augmentation
from tf_i2i.data.sources import source_for
from tf_i2i.data.store import open_store
from tf_i2i.data.store import to_stderr
from tf_i2i.data.unpaired import evaluation_images
from tf_i2i.data.unpaired import unpaired
from tf_i2i.errors import UserError
from tf_i2i.methods import TwinGAN
from tf_i2i.methods.base import NOT_FINITE
from tf_i2i.training import callbacks
from tf_i2i.training import schedules
from tf_i2i.training.checkpoints import PACKED
from tf_i2i.training.checkpoints import Checkpoints
from tf_i2i.training.checkpoints import unpack_translator

STRATEGIES = ("auto", "none", "mirrored")
PRECISIONS = ("auto", "float32", "mixed_bfloat16")
# What a rerun may change: how long, how often, on what.
FREE = ("steps", "strategy", "log_kimg", "sample_kimg", "save_kimg", "keep")


def adam(learning_rate=1e-3, beta_1=0.5, beta_2=0.99, epsilon=1e-8):
    """Adam (Kingma and Ba 2015); defaults of TwinGAN, section 4.1."""
    return keras.optimizers.Adam(learning_rate, beta_1, beta_2, epsilon)


class Run:
    """One training run, or one that was trained before.

    In .gin files its name is `train`.

    Args:
        run_dir: folder of the run.
        model: class or function that builds an `UnpairedTranslator` from
            `image_size` and `seed`.
        phases: function, image size -> list of `Phase`.
        image_size: side of the largest images, pixels.
        data_a, data_b: folder of images, or None for the toy faces.
        fit: how an image that is not square becomes so: "crop", "pad" or
            "stretch".
        augmentation: `Augmentation`; None for the default one.
        translator_optimizer, critic_optimizer: functions that make one.
        learning_rate: function, (images shown, phase) -> factor on both
            learning rates.
        steps: where to stop before the phases end; None to finish them.
        seed: of weights, order, augmentation and noise.
        strategy: "auto" (all GPUs, where there are several), "none" or
            "mirrored" (all GPUs; without any, all logical CPUs).
        precision: "float32", "mixed_bfloat16", or "auto": the faster one.
        jit_compile: XLA; slower on CPUs.
        log_kimg, sample_kimg, save_kimg: thousands of images between lines
            in the log, sample grids and checkpoints.
        keep: checkpoints to keep.

    Raises:
        UserError: for values out of these ranges.
    """

    def __init__(
        self,
        run_dir,
        model=TwinGAN,
        phases=schedules.single_phase,
        image_size=64,
        data_a=None,
        data_b=None,
        fit="crop",
        augmentation=None,
        translator_optimizer=adam,
        critic_optimizer=adam,
        learning_rate=schedules.constant,
        steps=None,
        seed=0,
        strategy="auto",
        precision="auto",
        jit_compile=False,
        log_kimg=0.5,
        sample_kimg=5.0,
        save_kimg=5.0,
        keep=2,
    ):
        _one_of("strategy", strategy, STRATEGIES)
        _one_of("precision", precision, PRECISIONS)
        self.run_dir = Path(run_dir)
        self.build = model
        self.phases = phases(image_size)
        self.image_size = image_size
        self.data = {"a": data_a, "b": data_b}
        self.fit = fit
        self.augmentation = augmentation or Augmentation()
        self.make_optimizers = {
            "translator": translator_optimizer,
            "critic": critic_optimizer,
        }
        self.schedule = learning_rate
        self.steps = steps
        self.seed = seed
        self.strategy = make_strategy(strategy)
        self.precision = precision
        if precision == "auto":
            self.precision = fastest_precision()
        self.jit_compile = jit_compile
        self.kimg = {"log": log_kimg, "sample": sample_kimg, "save": save_kimg}
        self.checkpoints = Checkpoints(run_dir, keep)
        self.stores = {}
        self.tell = to_stderr
        self.step = self.images_shown = 0
        self.phase_number = 1
        self.stop_requested = False
        self.last_sample = None

    # Parts.

    def build_model(self):
        """The model, with optimizers, in the strategy's scope."""
        keras.config.set_dtype_policy(self.precision)
        keras.utils.set_random_seed(self.seed)
        with self.strategy.scope():
            model = self.build(image_size=self.image_size, seed=self.seed)
            optimizers = {
                side: make() for side, make in self.make_optimizers.items()
            }
            model.compile(
                optimizers["translator"],
                optimizers["critic"],
                jit_compile=self.jit_compile,
            )
        self.learning_rates = {
            side: float(optimizer.learning_rate)
            for side, optimizer in optimizers.items()
        }
        return model

    def store(self, domain):
        """The domain's images at the size that training reads."""
        if domain not in self.stores:
            self.stores[domain] = open_store(
                source_for(self.data[domain], domain),
                self._load_size(),
                fit=self.fit,
                progress=self.tell,
            )
        return self.stores[domain]

    def images(self, domain, split, count):
        """uint8 `[count or fewer, size, size, 3]` at the phase's size."""
        return evaluation_images(
            self.store(domain), split, self.phase.size, count
        )

    def test_images(self, domain, count):
        """Images of the test split at the phase's size; uint8."""
        return self.images(domain, "test", count)

    def _load_size(self):
        if self.augmentation.crop is None:
            return self.image_size
        return int(np.ceil(self.image_size / self.augmentation.crop[0]))

    @property
    def phase(self):
        return self.phases[self.phase_number - 1]

    def restore(self, model, run_dir=None):
        """Loads the newest state and enters the phase where it stands.

        Args:
            model: from `build_model`.
            run_dir: whose state; None for the run's own.

        Returns:
            Whether there was one.
        """
        run_dir = run_dir or self.run_dir
        packed = run_dir / PACKED
        if packed.exists():
            unpack_translator(model, packed)
        elif not _restore_checkpoint(model, run_dir):
            return False
        self.step = int(model.step.numpy())
        self.images_shown = int(model.images_shown.numpy())
        self._find_phase()
        self._enter(model, last_seen=True)
        return True

    def _find_phase(self):
        done = [p for p in self.phases if p.end <= self.images_shown]
        self.phase_number = min(len(done) + 1, len(self.phases))

    def _enter(self, model, last_seen=False):
        """Sets the model's path; for viewing, that of the last image shown."""
        phase = self.phase
        if last_seen and phase.start == self.images_shown > 0:
            self.phase_number -= 1
            phase = self.phase
        model.enter_phase(
            phase.size, phase.start, phase.images, fading=phase.fading
        )

    # Training.

    def train(self, model, init_from=None, skip_step=None):
        """Trains to the end of the phases, from wherever the run stands.

        Args:
            model: from `build_model`.
            init_from: folder of another run of the same model, whose weights
                a new run begins with.
            skip_step: number of a step whose batch is left out.

        Raises:
            UserError: if a loss or a gradient is not finite, or the data
                cannot be read.
        """
        for domain in "ab":
            self.store(domain)
        if not self.restore(model) and init_from:
            self._begin_from(model, init_from)
        self.skip_step = skip_step
        self._forget_after(self.step)
        self.writer = tf.summary.create_file_writer(
            str(self.run_dir / "events")
        )
        with self.writer.as_default(step=0):
            config = (self.run_dir / "config.gin").read_text()
            tf.summary.text("config", "```\n" + config + "\n```")
        with self._stopping_on_signals():
            self._train_phases(model)
        self.writer.close()

    def _begin_from(self, model, run_dir):
        """Another run's weights with counters and optimizers at zero."""
        if not self.restore(model, Path(run_dir)):
            raise UserError(
                "`--init_from` must be the folder of a run with a checkpoint. "
                f"Received: {run_dir}"
            )
        model.step.assign(0)
        model.images_shown.assign(0)
        self.step = self.images_shown = 0
        reset_optimizers(model)

    def _train_phases(self, model):
        while self.images_shown < self.phases[-1].end:
            self._find_phase()
            self._enter(model)
            phase = self.phase
            if phase.reset_optimizers and self.images_shown == phase.start:
                reset_optimizers(model)
            left = -(-(phase.end - self.images_shown) // phase.batch_size)
            if self.steps is not None:
                left = min(left, self.steps - self.step)
            if left <= 0:
                return
            if self.skip_step == self.step:
                self._skip(model)
                continue
            if self.skip_step is not None and self.skip_step > self.step:
                left = min(left, self.skip_step - self.step)
            try:
                model.fit(
                    self._dataset(phase),
                    steps_per_epoch=left,
                    shuffle=False,
                    verbose=0,
                    callbacks=self._callbacks(),
                )
            except tf.errors.InvalidArgumentError as error:
                raise self._explain(error) from error
            if self.stop_requested:
                return

    def _skip(self, model):
        """Counts a step without doing it."""
        model.step.assign_add(1)
        model.images_shown.assign_add(self.phase.batch_size)
        self.step += 1
        self.images_shown += self.phase.batch_size

    def _dataset(self, phase):
        return unpaired(
            self.store("a"),
            self.store("b"),
            phase.size,
            phase.batch_size,
            seed=self.seed,
            start=self.images_shown,
            augmentation=self.augmentation,
            full_size=self.image_size,
        )

    def _callbacks(self):
        return [
            callbacks.Clock(self),
            callbacks.Progress(self),
            callbacks.Log(self, 1000 * self.kimg["log"]),
            callbacks.Samples(self, 1000 * self.kimg["sample"]),
            callbacks.Save(self, 1000 * self.kimg["save"]),
        ]

    def _forget_after(self, step):
        """Drops log lines of steps that will be done again."""
        path = self.run_dir / "metrics.jsonl"
        if not path.exists():
            return
        lines = path.read_text().splitlines(keepends=True)
        number = re.compile(r'{"step": (\d+),')
        kept = [
            line
            for line in lines
            if (found := number.match(line)) and int(found[1]) <= step
        ]
        beside = path.with_suffix(".tmp")
        beside.write_text("".join(kept))
        os.replace(beside, path)

    def _explain(self, error):
        text = str(error)
        if NOT_FINITE not in text:
            return error
        return UserError(
            f"{_assert_data(text)} became infinite or not a number at step "
            f"{self.step}; the last checkpoint is good. A rerun would meet it "
            "again: start a new run from the last checkpoint with a lower "
            "learning rate, --init_from="
            f"{self.run_dir} --run_dir=NEW --gin_param='Adam.learning_rate = "
            f"{self.learning_rates['translator'] / 3:.1g}', or go on without "
            f"this batch, --skip_step={self.step}"
        )

    @contextlib.contextmanager
    def _stopping_on_signals(self):
        """SIGTERM and Ctrl-C: finish the step, save, and leave."""

        def stop(number, frame):
            self.stop_requested = True

        before = {
            number: signal.signal(number, stop)
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _restore_checkpoint(model, run_dir):
    try:
        return Checkpoints(run_dir).restore(model) is not None
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            "`run_dir` must hold a whole checkpoint of the model that its "
            f"config.gin describes. Received: {run_dir} ({error})"
        ) from error


def _assert_data(text):
    """The name in the assertion of `UnpairedTranslator._check_finite`."""
    found = re.search(re.escape(NOT_FINITE) + r"\W*\[?b?'?([\w ]+)", text)
    return found[1].strip() if found else "a loss"


def _one_of(name, value, choices):
    if value not in choices:
        raise UserError(
            f"`train.{name}` must be one of {', '.join(choices)}. "
            f"Received: {value!r}"
        )


def reset_optimizers(model):
    """Zeroes slots and iterations of both optimizers."""
    for optimizer in model.optimizers.values():
        for variable in optimizer.variables:
            if variable is not optimizer.learning_rate:
                variable.assign(tf.zeros(variable.shape, variable.dtype))


@functools.cache
def make_strategy(name):
    """The `tf.distribute` strategy of a name in `STRATEGIES`.

    One for a process: a second one over the same devices numbers its
    collective operations as the first did, and TensorFlow confuses them.
    """
    gpus = tf.config.list_logical_devices("GPU")
    if name == "none" or (name == "auto" and len(gpus) < 2):
        return tf.distribute.get_strategy()
    devices = gpus or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([d.name for d in devices])


def fastest_precision(side=1024, times=5, gain=1.2):
    """ "mixed_bfloat16" where it multiplies at least `gain` times faster."""
    seconds = {}
    for dtype in (tf.float32, tf.bfloat16):
        x = tf.ones((side, side), dtype)
        tf.matmul(x, x)
        took = []
        for _ in range(times):
            began = time.perf_counter()
            tf.matmul(x, x).numpy()
            took.append(time.perf_counter() - began)
        seconds[dtype] = min(took)
    faster = seconds[tf.float32] > gain * seconds[tf.bfloat16]
    return "mixed_bfloat16" if faster else "float32"


# Configuration.

CONFIGURABLE = {
    name: gin.external_configurable(what, name)
    for name, what in {
        "train": Run,
        "TwinGAN": TwinGAN,
        "Augmentation": Augmentation,
        "Adam": adam,
        "single_phase": schedules.single_phase,
        "growing_phases": schedules.growing_phases,
        "constant": schedules.constant,
        "constant_then_linear": schedules.constant_then_linear,
    }.items()
}


def configure(files, bindings):
    """Reads .gin files and then single bindings, the last word winning.

    Raises:
        UserError: for what gin cannot read or does not know.
    """
    gin.clear_config()
    try:
        gin.parse_config_files_and_bindings(
            [str(path) for path in files], list(bindings)
        )
    except Exception as error:  # gin raises whatever its imports do.
        raise UserError(f"configuration: {_gin_message(error)}") from error


def _gin_message(error):
    text = " ".join(str(error).split())
    if "No configurable matching" in text:
        text += f" Known names: {', '.join(CONFIGURABLE)}."
    return text


def open_run(run_dir, files=(), bindings=(), allow_imports=False):
    """A run and its model, as configured; nothing is written.

    Args:
        run_dir: folder of the run, which may not exist yet.
        files: paths of .gin files; empty for the run's own config.gin.
        bindings: "name.parameter = value", the last word.
        allow_imports: whether the run's own config.gin may import code.

    Returns:
        `(run, model)`, the model blank.

    Raises:
        UserError: for a configuration that cannot be built, sets what
            nothing reads, or differs from that of the run so far.
    """
    saved = Path(run_dir) / "config.gin"
    configure(files or [_own_config(saved, allow_imports)], bindings)
    _settle_precision(saved)
    with _one_line_errors():
        run = CONFIGURABLE["train"](run_dir)
        model = run.build_model()
    check_bindings()
    if saved.exists():
        _check_same(saved.read_text(), gin.operative_config_str())
    return run, model


def load_translator(run_dir, allow_imports=False):
    """A trained run and its model, for all that comes after training.

    The model carries the *averaged* weights, in float32 whatever the run
    trained in, and stands in the phase that the run has reached.

    Args:
        run_dir: folder of a run, or of a packed model.
        allow_imports: whether its config.gin may import code.

    Returns:
        `(model, run)`.

    Raises:
        UserError: if there is no run, or nothing saved in it.
    """
    saved = Path(run_dir) / "config.gin"
    bindings = ("train.precision = 'float32'", "train.strategy = 'none'")
    configure([_own_config(saved, allow_imports)], bindings)
    with _one_line_errors():
        run = CONFIGURABLE["train"](run_dir)
        model = run.build_model()
    run.tell = lambda line: None
    if not run.restore(model):
        raise UserError(
            "`run_dir` must hold a checkpoint; train first. "
            f"Received: {run_dir}"
        )
    for average, variable in model.average_pairs:
        variable.assign(average)
    return model, run


def write_config(run):
    """Writes the resolved configuration to the run's config.gin."""
    run.run_dir.mkdir(parents=True, exist_ok=True)
    path = run.run_dir / "config.gin"
    if not path.exists():
        beside = path.with_suffix(".tmp")
        beside.write_text(gin.operative_config_str())
        os.replace(beside, path)


def resolved_config():
    """The configuration with every choice made, as gin text."""
    return gin.operative_config_str()


def _own_config(path, allow_imports):
    if not path.exists():
        raise UserError(
            "`run_dir` must be the folder of a run, with a config.gin. "
            f"Received: {path.parent}"
        )
    imports = re.search(
        r"^\s*(import|from|include)\b.*", path.read_text(), re.M
    )
    if imports and not allow_imports:
        raise UserError(
            "`run_dir` holds a config.gin that runs code; if you trust it, "
            f"pass --allow_imports. Received: {imports[0].strip()} in {path}"
        )
    return path


def _settle_precision(saved):
    """Writes the outcome of "auto" into the configuration.

    A run keeps its arithmetic, whatever machine goes on with it.
    """
    try:
        given = gin.query_parameter("train.precision")
    except ValueError:
        given = "auto"
    if given != "auto":
        return
    precision = None
    if saved.exists():
        precision = bindings_of(saved.read_text()).get("train.precision")
    precision = precision.strip("'\"") if precision else fastest_precision()
    with gin.unlock_config():
        gin.bind_parameter("train.precision", precision)


def _check_same(before, now):
    """Refuses to go on with another configuration than the run began with."""
    before, now = bindings_of(before), bindings_of(now)
    free = {f"train.{name}" for name in FREE}
    changed = [
        f"{name} = {now.get(name, '(not set)')} "
        f"(was {before.get(name, '(not set)')})"
        for name in sorted({*before, *now} - free)
        if before.get(name) != now.get(name)
    ]
    if changed:
        raise UserError(
            "`run_dir` holds a run with another configuration. Begin a new "
            "one with another --run_dir, from these weights with "
            f"--init_from. Received: {'; '.join(changed)}"
        )


@contextlib.contextmanager
def _one_line_errors():
    try:
        yield
    except UserError:
        raise
    except (TypeError, ValueError) as error:
        raise UserError(f"configuration: {_gin_message(error)}") from error


def bindings_of(text):
    """gin text -> dictionary, "scope/name.parameter" -> value as text."""
    text = re.sub(r"\\\n\s*", "", text)
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    found = re.findall(
        r"^(\S+) = (.*(?:\n[ \t].*)*)", "\n".join(lines), flags=re.M
    )
    return {name: " ".join(value.split()) for name, value in found}


def check_bindings():
    """Refuses bindings that were set and never read.

    Raises:
        UserError: naming the first of them.
    """
    given = bindings_of(gin.config_str())
    used = bindings_of(gin.operative_config_str())
    unused = [name for name in given if name not in used and "." in name]
    if unused:
        raise UserError(
            f"`{unused[0]}` is set, but nothing in this run reads it. "
            f"Read are: {', '.join(n for n in used if '.' in n)}. "
            f"Received: {unused[0]} = {given[unused[0]]}"
        )


def describe(run, model):
    """Phases and networks of a run, as text."""
    lines = ["Phases"]
    lines += [
        f"  {phase.name:14} batch {phase.batch_size:3}  images "
        f"{phase.start:>9} to {phase.end:>9}"
        for phase in run.phases
    ]
    for side in ("translators", "critics"):
        lines.append(side.capitalize())
        for name in getattr(model, side):
            network = getattr(model, name)
            lines.append(f"  {name}: {network.count_params():,} parameters")
            lines += [
                f"    {variable.path.partition('/')[2]:44} "
                f"{tuple(variable.shape)!s:18}"
                for variable in network.trainable_variables
            ]
    return "\n".join(lines)
