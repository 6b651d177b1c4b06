"""Opens runs for the commands, either for training or after training."""

import dataclasses
from numbers import Real
from pathlib import Path

from tf_i2i import configuration
from tf_i2i import messages
from tf_i2i.errors import UserError
from tf_i2i.methods import UnpairedTranslator
from tf_i2i.methods.capabilities import Annotated
from tf_i2i.methods.capabilities import Classifying
from tf_i2i.methods.capabilities import Described
from tf_i2i.methods.capabilities import Staged
from tf_i2i.sizes import height_width
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
        config: settings of the run.
        model: model of the run, with new weights.
        phases: phases of the run, in order.
        data: images of the run, as a `RunData` that has not read them yet.
        workers: processes that train the run.
        bindings: resolved configuration, a dictionary from gin names such as
            "CycleGAN.width" to their values as strings.
    """

    run_dir: Path
    config: RunConfig
    model: UnpairedTranslator
    phases: list[Phase]
    data: RunData
    workers: Workers
    bindings: dict[str, str]

    def train(self, init_from=None, skip_step=None):
        """Trains the run until its last phase ends, or until it is stopped.

        No file of the run is changed before its settings, weights and images
        are accepted.

        Args:
            init_from: folder of a run whose weights a new run begins with, or
                None.
            skip_step: number of a step whose batch is not used, or None.

        Returns:
            `TrainingState` at the end.

        Raises:
            UserError: see `Trainer.prepare` and `Trainer.run`; or the run
                directory cannot be written.
        """
        trainer = Trainer(**vars(self), log=_log_of(self.workers))
        trainer.prepare(init_from, skip_step)
        if self.workers.chief:
            self.write_config()
        trainer.run()
        return trainer.state

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
        """Returns a text that describes the phases and the networks."""
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
        config: settings of the run.
        model: model of the run, with the averaged weights in its networks.
        phase: phase in which the last training image was shown.
        step: number of training steps done.
        images_shown: number of training images of each domain shown so far.
        data: images of the run, as a `RunData` that has not read them yet.
        checkpoints: checkpoints of the run.
    """

    run_dir: Path
    config: RunConfig
    model: UnpairedTranslator
    phase: Phase
    step: int
    images_shown: int
    data: RunData
    checkpoints: Checkpoints

    def check_trained(self):
        """Checks whether a translator of the run was trained.

        A packed model is accepted even if its number of training images is 0,
        because its weights may have been made by another program, like those of
        face-avatar.

        Raises:
            UserError: no training image was shown, or all of them were shown in
                stages that only prepare the training of translators.
        """
        stage = getattr(self.model, "stage", None)
        prepared = isinstance(self.model, Staged) and (
            stage in self.model.preparing_stages
        )
        begun = self.images_shown or (self.run_dir / PACKED).exists()
        if begun and not prepared:
            return
        raise UserError(
            "`run_dir` must be a run whose translators were trained, so "
            f"continue its training. Received: {self.run_dir}, stopped after "
            f"{self.images_shown} images"
            + (f" in the stage {stage!r}" if prepared else "")
        )

    def images(self, domain, split, count=None):
        """Returns real images, scaled to the size of the phase.

        Args:
            domain: "a" or "b".
            split: "train", "val" or "test".
            count: largest number of images; None for all.

        Returns:
            uint8 `[count or fewer, height, width, 3]`.
        """
        return self.data.images(domain, split, self.phase.size, count)


def open_run(run_dir, files=(), bindings=(), trust_config=False):
    """Returns a new or resumed run that can be trained.

    No file of the run is written. If the user agreed to load the networks of
    the configuration, the hashes of their files and the names of downloads are
    recorded in the cache folder; see `tf_i2i.consent`.

    Args:
        run_dir: folder of the run, which may not exist yet.
        files: paths of .gin files; empty for the run's own config.gin.
        bindings: list of texts of the form "name.parameter = value", which take
            precedence over the files.
        trust_config: whether the run's own config.gin may import code,
            include files, load networks from files and download.

    Returns:
        `OpenedRun`.

    Raises:
        UserError: the configuration is invalid, has a binding that no
            function uses, or differs from the run's config.gin.
    """
    run_dir = Path(run_dir)
    consent = dataclasses.replace(
        configuration.configure(run_dir, files, bindings, trust_config),
        recording=True,
    )
    workers = _join_workers()
    with (
        workers.watched(),
        configuration.one_line_errors(),
        consent.applied(),
    ):
        configuration.choose_precision(run_dir, workers)
        config = configuration.run_config()
        workers = Workers(make_strategy(config.strategy))
        phases, model = _build(config, workers.strategy)
        if model.likeness:
            # The network of the likeness loss is loaded here, because only
            # training needs it.
            model.likeness.load()
    configuration.check_moved(model)
    configuration.check_unused()
    log = _log_of(workers)
    if Checkpoints(run_dir).paths():
        configuration.check_same(run_dir, log)
    elif (run_dir / PACKED).exists():
        raise UserError(
            "`run_dir` must be a run that can be continued. A packed model "
            "cannot be continued. Begin a new run with its weights by "
            "--init_from. "
            f"Received: {run_dir}, a packed model"
        )
    return OpenedRun(
        run_dir,
        config,
        model,
        phases,
        _data(config, model, consent, log),
        workers,
        settings.bindings_of(configuration.resolved_config()),
    )


def load_translator(run_dir, trust_config=False, best=False):
    """Returns a trained run with its model, for inference.

    The networks of the model have the *averaged* weights. The networks compute
    in float32, even if the run was trained in another precision. The phase of
    the model is the phase of the last image on which it was trained.

    Args:
        run_dir: folder of a run, or of a packed model.
        trust_config: whether the run's config.gin may import code, include
            files, load networks from files and download.
        best: whether to load the best checkpoint instead of the last one.

    Returns:
        `TrainedRun`.

    Raises:
        UserError: there is no run, the run has no checkpoint, or it was
            stopped before a translator was trained.
    """
    run_dir = Path(run_dir)
    consent = configuration.configure(
        run_dir,
        bindings=("train.precision = 'float32'", "train.strategy = 'none'"),
        trust_config=trust_config,
    )
    with configuration.one_line_errors(), consent.applied():
        config = configuration.run_config()
        phases, model = _build(config, make_strategy("none"))
    configuration.check_unused()
    checkpoints = Checkpoints(run_dir, config.keep)
    if best:
        found = checkpoints.restore_best(model)
    else:
        found = checkpoints.restore(model, messages.info)
    if not found:
        raise UserError(
            "`run_dir` must hold a checkpoint, so train the run first. "
            f"Received: {run_dir}"
        )
    state = TrainingState(phases)
    state.read_counters(model)
    phase = state.last_phase()
    model.enter_phase(**phase.path)
    if isinstance(model, Staged):
        check_stage(run_dir, model)
    else:
        tell_phase(state)
    for average, variable in model.average_pairs:
        variable.assign(average)
    return TrainedRun(
        run_dir,
        config,
        model,
        phase,
        state.step,
        state.images_shown,
        _data(config, model, consent, _silent),
        checkpoints,
    )


def check_stage(run_dir, model):
    """Checks whether the translators of a `Staged` model were trained.

    If only some translators were trained, a line on stderr says which ones are
    missing.

    Raises:
        UserError: no translator was trained.
    """
    stage = model.stage
    prepared = stage in model.preparing_stages
    if prepared and isinstance(model, Classifying):
        messages.info(
            f"The run was stopped in the stage {stage}, before a translator "
            "was trained. Only its classifier can be used."
        )
        return
    if prepared:
        raise UserError(
            "`run_dir` must be a run whose translators were trained, so "
            "continue its training. "
            f"Received: {run_dir}, stopped in the stage {stage!r}"
        )
    later = model.stages[model.stages.index(stage) + 1 :]
    if later:
        names = ", ".join(name or "the last stage" for name in later)
        messages.info(
            f"The run was stopped in the stage {stage}. Its translations are "
            f"made without {names}."
        )


def tell_phase(state):
    """Logs the phase of a run that was stopped before its last phase.

    Args:
        state: `TrainingState` of the run.
    """
    phase, last = state.last_phase(), state.phases[-1]
    if phase is last:
        return
    height, width = height_width(phase.size)
    messages.info(
        f"The run was stopped in the phase {phase.name}, before the phase "
        f"{last.name}. Its images have {height} x {width} pixels."
    )


def _build(config, strategy):
    """Returns the phases and the model of a configuration.

    Raises:
        UserError: a phase has a size or stage that the model does not have, or
            the batch of a phase cannot be divided equally among the devices.
    """
    model = build_model(config, strategy)
    phases = config.phases(model)
    is_list = isinstance(phases, list) and all(
        isinstance(phase, Phase) for phase in phases
    )
    _check_result(is_list, "phases", "a list of `Phase`", phases)
    # The schedule is called once, so that gin counts its bindings as used.
    # Otherwise `configuration.check_unused` would raise an error for them.
    scores = () if config.evaluation else None
    first = dataclasses.replace(phases[0], scores=scores)
    factor = config.schedule(0, first)
    _check_result(isinstance(factor, Real), "schedule", "a number", factor)
    check_phases(phases, model, strategy.num_replicas_in_sync)
    return phases, model


def _check_result(right, name, wanted, result):
    """Raises an error if a configured function returned a wrong type.

    Args:
        right: whether the result has the right type.
        name: name of the setting, without "train.".
        wanted: words for the right type.
        result: what the function returned.

    Raises:
        UserError: `right` is False.
    """
    if not right:
        raise UserError(
            f"`train.{name}` must be a function that returns {wanted}. "
            f"Received: a function that returns {result!r}"
        )


def _data(config, model, consent, log):
    """Returns the `RunData` of a run, with the labels that the model needs."""
    learns: dict[str, int | tuple[str, ...] | dict] = {}
    if isinstance(model, Classifying):
        learns["classes"] = model.classes
    if isinstance(model, Annotated):
        learns["annotations"] = model.annotations
    if isinstance(model, Described):
        learns["words"] = model.words
    return RunData(config, log=log, consent=consent, **learns)


def _join_workers():
    """Joins the processes that train together, and returns them as `Workers`.

    This function must be called before TensorFlow runs its first operation.

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
    """Returns a function that logs a line if this worker is the chief."""
    return messages.info if workers.chief else _silent


def _silent(line):
    """Discards a line instead of logging it."""
