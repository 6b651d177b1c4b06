"""Opens runs for the verbs: to be trained, or after training."""

import dataclasses
from pathlib import Path

from tf_i2i import configuration
from tf_i2i.data.store import to_stderr
from tf_i2i.errors import UserError
from tf_i2i.methods import UnpairedTranslator
from tf_i2i.methods.capabilities import Classifying
from tf_i2i.training import settings
from tf_i2i.training.build import build_model
from tf_i2i.training.build import check_phases
from tf_i2i.training.checkpoints import Checkpoints
from tf_i2i.training.devices import Workers
from tf_i2i.training.devices import make_strategy
from tf_i2i.training.packed import PACKED
from tf_i2i.training.phases import Phase
from tf_i2i.training.run_config import RunConfig
from tf_i2i.training.run_data import RunData
from tf_i2i.training.state import TrainingState
from tf_i2i.training.trainer import Trainer


@dataclasses.dataclass(frozen=True)
class OpenedRun:
    """A run that is configured and can be trained.

    Attributes:
        run_dir: folder of the run, which may not exist yet.
        config: its settings.
        model: the model, with new weights.
        phases: its phases, in order.
        data: its images, a `RunData` that has not read them yet.
        workers: the processes that train it.
        bindings: the resolved configuration, a dictionary,
            "name.parameter" -> value as text.
    """

    run_dir: Path
    config: RunConfig
    model: UnpairedTranslator
    phases: list[Phase]
    data: RunData
    workers: Workers
    bindings: dict[str, str]

    def trainer(self):
        """Returns a `Trainer` of the run."""
        return Trainer(**vars(self), log=_log_of(self.workers))

    def write_config(self):
        """Writes the resolved configuration to the run's config.gin.

        Raises:
            UserError: the folder cannot be written.
        """
        try:
            configuration.write_config(self.run_dir)
        except OSError as error:
            checkpoints = Checkpoints(self.run_dir)
            raise checkpoints.unwritable(self.run_dir, error) from error

    def describe(self):
        """Returns a description of phases and networks, as text."""
        lines = ["Phases"]
        lines += [
            f"  {phase.name:14} batch {phase.batch_size:3}  images "
            f"{phase.start:>9} to {phase.end:>9}"
            for phase in self.phases
        ]
        for side in ("translators", "critics"):
            lines.append(side.capitalize())
            for name in getattr(self.model, side):
                network = getattr(self.model, name)
                lines.append(f"  {name}: {network.count_params():,} parameters")
                lines += [
                    f"    {variable.path.partition('/')[2]:44} "
                    f"{tuple(variable.shape)!s:18}"
                    for variable in network.trainable_variables
                ]
        return "\n".join(lines)


@dataclasses.dataclass(frozen=True)
class TrainedRun:
    """A run whose trained weights are loaded.

    Attributes:
        run_dir: folder of the run, or of a packed model.
        config: its settings.
        model: the model, with the averaged weights in its networks.
        phase: the phase that the last training image was shown in.
        step: number of training steps done.
        images_shown: number of training images of each domain shown so far.
        data: its images, a `RunData` that has not read them yet.
        checkpoints: its checkpoints.
    """

    run_dir: Path
    config: RunConfig
    model: UnpairedTranslator
    phase: Phase
    step: int
    images_shown: int
    data: RunData
    checkpoints: Checkpoints

    def images(self, domain, split, count=None):
        """Returns real images, scaled to the size of the phase.

        Args:
            domain: "a" or "b".
            split: "train", "val" or "test".
            count: largest number of images; None for all.

        Returns:
            uint8 `[count or fewer, size, size, 3]`.
        """
        return self.data.images(domain, split, self.phase.size, count)


def open_run(run_dir, files=(), bindings=(), allow_imports=False):
    """Returns a run that can be trained, new or resumed; writes nothing.

    Args:
        run_dir: folder of the run, which may not exist yet.
        files: paths of .gin files; empty for the run's own config.gin.
        bindings: list of "name.parameter = value"; they take precedence over
            the files.
        allow_imports: whether the run's own config.gin may import code.

    Returns:
        `OpenedRun`.

    Raises:
        UserError: the configuration is invalid, has a binding that nothing
            reads, or differs from that of the run so far.
    """
    run_dir = Path(run_dir)
    configuration.configure(run_dir, files, bindings, allow_imports)
    workers = _join_workers()
    with workers.watched(), configuration.one_line_errors():
        configuration.choose_precision(run_dir, workers)
        config = configuration.run_config()
        workers = Workers(make_strategy(config.strategy))
        phases, model = _build(config, workers.strategy)
    configuration.check_moved(model)
    configuration.check_unused()
    log = _log_of(workers)
    if Checkpoints(run_dir).paths():
        configuration.check_same(run_dir, log)
    elif (run_dir / PACKED).exists():
        raise UserError(
            "`run_dir` must be a run that can be continued. A packed model "
            "cannot; begin a new run with its weights by --init_from. "
            f"Received: {run_dir}, a packed model"
        )
    return OpenedRun(
        run_dir,
        config,
        model,
        phases,
        _data(config, model, log),
        workers,
        settings.bindings_of(configuration.resolved_config()),
    )


def load_translator(run_dir, allow_imports=False, best=False):
    """Returns a trained run with its model, for inference.

    The networks of the model have the *averaged* weights. They compute in
    float32, also if the run was trained in another precision. The model is in
    the phase of the last image that it was trained on.

    Args:
        run_dir: folder of a run, or of a packed model.
        allow_imports: whether its config.gin may import code.
        best: whether to load the best checkpoint instead of the last one.

    Returns:
        `TrainedRun`.

    Raises:
        UserError: there is no run, or the run has no checkpoint.
    """
    run_dir = Path(run_dir)
    configuration.configure(
        run_dir,
        bindings=("train.precision = 'float32'", "train.strategy = 'none'"),
        allow_imports=allow_imports,
    )
    with configuration.one_line_errors():
        config = configuration.run_config()
        phases, model = _build(config, make_strategy("none"))
    checkpoints = Checkpoints(run_dir, config.keep)
    if best:
        found = checkpoints.restore_best(model)
    else:
        found = checkpoints.restore(model, to_stderr)
    if not found:
        raise UserError(
            "`run_dir` must hold a checkpoint; train first. "
            f"Received: {run_dir}"
        )
    state = TrainingState(phases)
    state.read_counters(model)
    phase = state.last_phase()
    model.enter_phase(**phase.path)
    for average, variable in model.average_pairs:
        variable.assign(average)
    return TrainedRun(
        run_dir,
        config,
        model,
        phase,
        state.step,
        state.images_shown,
        _data(config, model, _silent),
        checkpoints,
    )


def _build(config, strategy):
    """Returns the phases and the model of a configuration.

    Raises:
        UserError: phases and model do not fit together.
    """
    model = build_model(config, strategy)
    phases = config.phases(model)
    # Called so that gin marks its bindings as read; unread ones are refused.
    config.schedule(0, phases[0])
    check_phases(phases, model, strategy.num_replicas_in_sync)
    return phases, model


def _data(config, model, log):
    """`RunData` of a run, with the classes that its model learns, if any."""
    classes = model.classes if isinstance(model, Classifying) else None
    return RunData(config, classes, log)


def _join_workers():
    """Joins the processes that train together, and returns them as `Workers`.

    It must be called before TensorFlow runs its first operation.

    Raises:
        UserError: the processes were given different configurations.
    """
    if configuration.given("strategy") != "multi_worker":
        return Workers(make_strategy("none"))
    workers = Workers(make_strategy("multi_worker"))
    bindings = [
        f"{name} = {value}".encode()
        for name, value in sorted(configuration.given_settings().items())
        if name not in ("train.data_a", "train.data_b")
    ]
    with workers.watched():
        workers.check_same(
            "gin_file",
            "the same for all workers",
            bindings=settings.checksum(bindings),
        )
    return workers


def _log_of(workers):
    """Returns the function that logs a line; only the chief logs."""
    return to_stderr if workers.chief else _silent


def _silent(line):
    """Does nothing; used where no lines are logged."""
