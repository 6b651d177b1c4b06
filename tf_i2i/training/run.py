"""A run: its settings, its phases, and how it resumes after a stop."""

import contextlib
from pathlib import Path

import keras

from tf_i2i.cache import default_cache_dir
from tf_i2i.data.augment import Augmentation
from tf_i2i.data.labels import class_numbers
from tf_i2i.data.labels import folder_labels
from tf_i2i.data.labels import read_labels
from tf_i2i.data.maps import colours_of
from tf_i2i.data.reading import FITS
from tf_i2i.data.reading import MAPS
from tf_i2i.data.sources import source_for
from tf_i2i.data.store import open_store
from tf_i2i.data.store import to_stderr
from tf_i2i.data.unpaired import default_load_size
from tf_i2i.data.unpaired import evaluation_images
from tf_i2i.disk import reason
from tf_i2i.domains import DOMAINS
from tf_i2i.domains import check_names
from tf_i2i.errors import UserError
from tf_i2i.evaluation.validation import Evaluation
from tf_i2i.methods import TwinGAN
from tf_i2i.methods.capabilities import Classifying
from tf_i2i.methods.capabilities import stages
from tf_i2i.training import schedules
from tf_i2i.training import settings
from tf_i2i.training.checkpoints import PACKED
from tf_i2i.training.checkpoints import Checkpoints
from tf_i2i.training.checkpoints import unpack_translator
from tf_i2i.training.devices import PRECISIONS
from tf_i2i.training.devices import STRATEGIES
from tf_i2i.training.devices import Workers
from tf_i2i.training.devices import make_strategy
from tf_i2i.training.loop import Training
from tf_i2i.training.optimizers import adam


class Run:
    """One training run, or one that was trained before.

    In .gin files its name is `train`.

    Args:
        run_dir: folder of the run.
        model: class or function that builds an `UnpairedTranslator` from
            `image_size` and `seed`.
        phases: function, image size -> list of `Phase`.
        image_size: side of the largest images, pixels.
        data_a, data_b: a folder of images, `tfds:NAME/SPLIT[:LABEL]`,
            `tfrecord:PATTERN[:FEATURE]`, or None or "toy" for the toy faces.
        labels_a, labels_b: CSV files, name of an image and its labels, or
            None; where a method learns classes and images lie in folders of
            classes, those. B's are for validation and evaluation alone.
        domains: names of A and B for people: in logs, file names and
            `--direction`; ("selfie", "anime").
        fit: how an image that is not square becomes so: "crop", "pad" or
            "stretch".
        label_maps: domains that are label maps, such as ('b',): flat colours
            that stand for classes, kept exact. Images are resized to the
            nearest pixels, and the augmentation changes no colour.
        max_bad_fraction: share of files that may be unreadable.
        augmentation: `Augmentation`; None for the default one.
        augmentation_b: another one for B, or None.
        translator_optimizer, critic_optimizer: functions that make one.
        learning_rate: function, (images shown, phase) -> factor on both
            learning rates.
        steps: where to stop before the phases end; None to finish them.
        seed: of weights, order, augmentation and noise.
        strategy: "auto" (all GPUs, where there are several), "none",
            "mirrored" (all GPUs; without any, all logical CPUs) or
            "multi_worker" (the processes that `TF_CONFIG` names, all with
            the same configuration and run directory).
        precision: "float32", "mixed_bfloat16", or "auto": the faster one,
            which `open_run` puts in its place.
        jit_compile: XLA; slower on CPUs.
        critic_augmentation: some of "color", "translation", "cutout", in
            parentheses: what critics see is changed so, for few images.
        log_kimg, sample_kimg, save_kimg: thousands of images between lines
            in the log, sample grids and checkpoints.
        keep: checkpoints to keep.
        evaluation: `Evaluation` on validation images as the run trains; None
            for none.

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
        labels_a=None,
        labels_b=None,
        domains=DOMAINS,
        fit="crop",
        label_maps=(),
        max_bad_fraction=0.01,
        augmentation=None,
        augmentation_b=None,
        translator_optimizer=adam,
        critic_optimizer=adam,
        learning_rate=schedules.constant,
        steps=None,
        seed=0,
        strategy="auto",
        precision="auto",
        jit_compile=False,
        critic_augmentation=(),
        log_kimg=0.5,
        sample_kimg=5.0,
        save_kimg=5.0,
        keep=2,
        evaluation=None,
    ):
        _one_of("strategy", strategy, STRATEGIES)
        _one_of("precision", precision, PRECISIONS)
        _one_of("fit", fit, FITS)
        _whole("keep", keep)
        if steps is not None:
            _whole("steps", steps)
        augmentation = augmentation or Augmentation()
        self.augmentations = {
            "a": augmentation,
            "b": augmentation_b or augmentation,
        }
        for one in self.augmentations.values():
            if not isinstance(one, Augmentation):
                raise UserError(
                    "`train.augmentation` must be @Augmentation(), with "
                    f"parentheses. Received: {one!r}"
                )
        if not isinstance(evaluation, Evaluation | None):
            raise UserError(
                "`train.evaluation` must be @Evaluation(), with parentheses. "
                f"Received: {evaluation!r}"
            )
        self.label_maps = tuple(label_maps)
        if not {*self.label_maps} <= {"a", "b"}:
            raise UserError(
                "`train.label_maps` must hold 'a', 'b' or both, in "
                f"parentheses. Received: {label_maps!r}"
            )
        for domain in self.label_maps:
            plain = self.augmentations[domain].of_maps()
            self.augmentations[domain] = plain
        self.evaluation = evaluation
        self.run_dir = Path(run_dir)
        self.build = model
        self.phases = phases(image_size)
        self.image_size = image_size
        self.data = {"a": data_a, "b": data_b}
        self.labels = {"a": labels_a, "b": labels_b}
        self.domains = check_names(domains)
        self.fit = fit
        self.max_bad_fraction = max_bad_fraction
        self.make_optimizers = {
            "translator": translator_optimizer,
            "critic": critic_optimizer,
        }
        self.schedule = learning_rate
        learning_rate(0, self.phases[0])  # Reads its bindings, to be checked.
        self.steps = steps
        self.seed = seed
        self.strategy = make_strategy(strategy)
        self.workers = Workers(self.strategy)
        self.precision = precision
        self.jit_compile = jit_compile
        self.critic_augmentation = critic_augmentation
        self.kimg = {"log": log_kimg, "sample": sample_kimg, "save": save_kimg}
        self.checkpoints = Checkpoints(run_dir, keep)
        self.stores = {}
        self.classes = None  # How many the model learns; see `build_model`.
        self.tell = to_stderr if self.workers.chief else lambda line: None
        self.step = self.images_shown = 0
        self.phase_number = 1
        self.stop_asked = False  # By a signal to this process.
        self.stop_requested = False  # By all workers, for the same step.
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
                critic_augmentation=self.critic_augmentation,
            )
        self._check_phases(model)
        self.classes = model.classes if isinstance(model, Classifying) else None
        self.learning_rates = {
            side: float(optimizer.learning_rate.numpy())
            for side, optimizer in optimizers.items()
        }
        return model

    def _check_phases(self, model):
        """What would otherwise fail hours later."""
        replicas = self.strategy.num_replicas_in_sync
        for phase in self.phases:
            if phase.size not in model.sizes:
                raise UserError(
                    f"`train.phases` must have sizes of the model, "
                    f"{list(model.sizes)}: start_size is a setting of both. "
                    f"Received: phase {phase.name}"
                )
            if phase.stage not in stages(model):
                raise UserError(
                    "`train.phases` must have stages of the model, "
                    f"{list(stages(model))}: taps is a setting of both. "
                    f"Received: phase {phase.name}"
                )
            shares = replicas * model.batches_in(phase.stage)
            if phase.batch_size % shares:
                raise UserError(
                    f"`batch_size` must be a multiple of {shares}, replicas "
                    "times batches a step. Received: phase "
                    f"{phase.name}, batch_size={phase.batch_size}"
                )

    def store(self, domain):
        """The domain's images at the size that training reads."""
        if domain not in self.stores:
            with _named_files():
                self.stores[domain] = open_store(
                    source_for(self.data[domain], domain),
                    default_load_size(
                        self.image_size, self.augmentations[domain]
                    ),
                    fit=self.fit + MAPS * (domain in self.label_maps),
                    max_bad_fraction=self.max_bad_fraction,
                    progress=self.tell,
                )
                if domain in self.label_maps:
                    colours_of(self.stores[domain])
        return self.stores[domain]

    def label_tables(self):
        """Domain -> labels as `read_labels` has them, where there are any."""
        tables = {domain: self._label_table(domain) for domain in "ab"}
        return {domain: table for domain, table in tables.items() if table}

    def _label_table(self, domain):
        if path := self.labels[domain]:
            return read_labels(path)
        if self.classes is not None:
            return folder_labels(self.store(domain).names)
        return {}

    def class_numbers(self):
        """int32 class of each image in A's store, if the model learns them.

        Raises:
            UserError: there are no such labels.
        """
        if self.classes is None:
            return None
        names = self.store("a").names
        return class_numbers(self._label_table("a"), names, self.classes)

    def images(self, domain, split, count):
        """uint8 `[count or fewer, size, size, 3]` at the phase's size."""
        return evaluation_images(
            self.store(domain), split, self.phase.size, count
        )

    def test_images(self, domain, count):
        """Images of the test split at the phase's size; uint8."""
        return self.images(domain, "test", count)

    @property
    def phase(self):
        return self.phases[self.phase_number - 1]

    def restore(self, model, run_dir=None, set_aside=False, best=False):
        """Loads the newest whole state and enters the phase where it stands.

        Args:
            model: from `build_model`.
            run_dir: whose state; None for the run's own.
            set_aside: whether damaged checkpoints are renamed.
            best: the best state instead, as `Evaluation.best` has it.

        Returns:
            Whether there was one.

        Raises:
            UserError: all that there are are damaged.
            OtherNetworksError: the weights are not of this model.
        """
        run_dir = run_dir or self.run_dir
        checkpoints = Checkpoints(run_dir)
        if best:
            found = checkpoints.restore_best(model)
        else:
            found = checkpoints.restore(model, self.tell, set_aside)
        if not found and not best and (run_dir / PACKED).exists():
            unpack_translator(model, run_dir / PACKED)
            found = True
        if not found:
            return False
        self.step = int(model.step.numpy())
        self.images_shown = int(model.images_shown.numpy())
        self.find_phase()
        self.enter(model, last_seen=True)
        return True

    def find_phase(self):
        """Finds the phase that the images shown so far lead to."""
        done = [p for p in self.phases if p.end <= self.images_shown]
        self.phase_number = min(len(done) + 1, len(self.phases))

    def enter(self, model, last_seen=False):
        """Sets the model's path; for viewing, that of the last image shown."""
        phase = self.phase
        if last_seen and phase.start == self.images_shown > 0:
            self.phase_number -= 1
            phase = self.phase
        model.enter_phase(**phase.path)

    def train(self, model, init_from=None, skip_step=None):
        """Trains to the end of the phases: see `Training.go`.

        Args:
            model: from `build_model`.
            init_from, skip_step: as in `Training.go`.
        """
        Training(self, model).go(init_from, skip_step)

    def configuration(self):
        """The configuration with every choice made, as gin text."""
        from tf_i2i.configuration import resolved_config

        return resolved_config()

    def save(self, model):
        """Writes a checkpoint, if that is for this process to do."""
        if self.workers.chief:
            self.checkpoints.save(model)

    def keep_best(self, model, value):
        """Keeps this state if its value is the highest so far."""
        if self.workers.chief and self.checkpoints.is_best(model, value):
            self.checkpoints.save_best(model, value)


@contextlib.contextmanager
def _named_files():
    """A disk that fails while images are read or stored, in one line."""
    try:
        yield
    except OSError as error:
        raise UserError(
            "`train.data_a` and `train.data_b` must be readable, and the "
            "cache folder (TF_I2I_CACHE) must take their store. Received: "
            f"{error.filename or default_cache_dir()} ({reason(error)})"
        ) from error


def _one_of(name, value, choices):
    if value not in choices:
        raise UserError(
            f"`train.{name}` must be one of {', '.join(choices)}. "
            f"Received: {value!r}"
        )


def _whole(name, value):
    if not isinstance(value, int) or value < 1:
        raise UserError(
            f"`train.{name}` must be a whole number from 1. Received: {value!r}"
        )


# For the verbs. Imported late: the configuration registers `Run`.


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
    from tf_i2i import configuration

    configuration.configure(
        files or [configuration.own_config(run_dir, allow_imports)], bindings
    )
    workers = _join_workers(configuration)
    with workers.watched(), configuration.one_line_errors():
        configuration.choose_precision(run_dir, workers)
        run = configuration.configured_run(run_dir)
        model = run.build_model()
    configuration.check_unused()
    if run.checkpoints.paths():
        configuration.check_same(run_dir, run.tell)
    elif (run.run_dir / PACKED).exists():
        raise UserError(
            "`run_dir` must be a run to go on with, and this is a packed "
            "model: begin a new run from its weights with --init_from. "
            f"Received: {run_dir}"
        )
    return run, model


def load_translator(run_dir, allow_imports=False, best=False):
    """A trained run and its model, for all that comes after training.

    The model carries the *averaged* weights, in float32 whatever the run
    trained in, and stands in the phase that the run has reached.

    Args:
        run_dir: folder of a run, or of a packed model.
        allow_imports: whether its config.gin may import code.
        best: whether to load the best checkpoint, not the last.

    Returns:
        `(model, run)`.

    Raises:
        UserError: if there is no run, or nothing saved in it.
    """
    from tf_i2i import configuration

    configuration.configure(
        [configuration.own_config(run_dir, allow_imports)],
        ("train.precision = 'float32'", "train.strategy = 'none'"),
    )
    with configuration.one_line_errors():
        run = configuration.configured_run(run_dir)
        model = run.build_model()
    if not run.restore(model, best=best):
        raise UserError(
            "`run_dir` must hold a checkpoint; train first. "
            f"Received: {run_dir}"
        )
    run.tell = lambda line: None
    for average, variable in model.average_pairs:
        variable.assign(average)
    return model, run


def write_config(run):
    """Writes the resolved configuration to the run's config.gin."""
    from tf_i2i import configuration

    try:
        configuration.write_config(run.run_dir)
    except OSError as error:
        raise run.checkpoints.unwritable(run.run_dir, error) from error


def _join_workers(configuration):
    """The processes that train together, before TensorFlow computes.

    Raises:
        UserError: they were not told the same.
    """
    if configuration.given("strategy") != "multi_worker":
        return Workers(make_strategy("none"))
    workers = Workers(make_strategy("multi_worker"))
    same = [
        f"{name} = {value}".encode()
        for name, value in sorted(configuration.given_settings().items())
        if name not in ("train.data_a", "train.data_b")
    ]
    with workers.watched():
        workers.check_same(
            "gin_file",
            "the same for all workers",
            bindings=settings.checksum(same),
        )
    return workers


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
