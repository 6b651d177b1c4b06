"""Functions that define the phases of a run and its learning rates.

The functions that return phases take the model as an argument. They read the
model's sizes or stages, so that users need not set them a second time.
"""

import dataclasses
import math
from collections.abc import Callable

from tf_i2i.errors import UserError
from tf_i2i.methods.capabilities import Staged
from tf_i2i.sizes import Size
from tf_i2i.sizes import height_width
from tf_i2i.sizes import size_text
from tf_i2i.values import Count
from tf_i2i.values import CountOrZero
from tf_i2i.values import Decay
from tf_i2i.values import Share
from tf_i2i.values import checked


@dataclasses.dataclass(frozen=True)
class Phase:
    """A part of a run at one image size.

    Args:
        name: name for progress and logs, such as "32px-fade".
        size: size of the images; see `tf_i2i.sizes`.
        batch_size: number of images of each domain in a step, over all
            replicas.
        images: number of images of each domain that the phase shows.
        fading: whether the block at `size` is being faded in.
        reset_optimizers: whether the state of both optimizers is set to zero
            when the phase begins.
        stage: one of the model's `stages`. None if the model has no stages, or
            if the model lists None as its last stage.
        start: number of images of each domain that were shown before the
            phase; `Phase.sequence` sets it.
        scores: validation scores since the beginning of the phase, the oldest
            first; higher is better. The callback `Clock` sets them for
            schedules. None if the run has no scores that all its processes
            know.
    """

    name: str
    size: Size
    batch_size: int
    images: int
    fading: bool = False
    reset_optimizers: bool = True
    start: int = 0
    stage: str | None = None
    scores: tuple[float, ...] | None = None

    @property
    def end(self):
        """Number of images of each domain shown up to the end of the phase."""
        return self.start + self.images

    @property
    def path(self):
        """Dictionary of arguments for the model's `enter_phase`."""
        names = ("size", "start", "images", "fading", "stage")
        return {name: getattr(self, name) for name in names}

    @staticmethod
    def sequence(phases):
        """Returns consecutive phases, each of a whole number of batches.

        The number of images of each phase is rounded up to a multiple of the
        phase's batch size. Each phase starts where the previous phase ends.
        Phases without images are left out.

        Args:
            phases: iterable of `Phase`, in order.

        Raises:
            UserError: a phase has a size or batch size below 1 or a negative
                number of images, or no phase has images.
        """
        start, placed = 0, []
        for phase in phases:
            least = min(*height_width(phase.size), phase.batch_size)
            if least < 1 or phase.images < 0:
                raise UserError(
                    "`train.phases` must have sizes and batch sizes of at "
                    "least 1, and numbers of images of at least 0. "
                    f"Received: {phase}"
                )
            if not phase.images:
                continue
            images = -(-phase.images // phase.batch_size) * phase.batch_size
            placed.append(
                dataclasses.replace(phase, images=images, start=start)
            )
            start += images
        if not placed:
            raise UserError(
                "`train.phases` must train on at least one image. "
                "Received: none"
            )
        return placed


@checked
def single_phase(model, batch_size: Count = 8, images: CountOrZero = 300_000):
    """Returns one phase at the model's full image size.

    Args:
        model: the `UnpairedTranslator` to train.
        batch_size: number of images of each domain in a step.
        images: number of images of each domain to show.

    Returns:
        List of one `Phase`.

    Raises:
        UserError: a number is below its range.
    """
    size = model.image_size
    return Phase.sequence(
        [Phase(f"{size_text(size)}px", size, batch_size, images)]
    )


@checked
def growing_phases(
    model,
    images: CountOrZero = 300_000,
    fade_images: CountOrZero | None = None,
    last_images: CountOrZero | None = None,
    batch_size: Count = 8,
    batch_sizes: dict[Count, Count] | None = None,
):
    """Returns the phases of progressive growing.

    The model is trained at one size of `model.sizes` after the other. For
    each size except the first there is a phase in which the new block is
    faded in, and then a phase in which all blocks are trained (Karras et al.
    2018, arXiv:1710.10196, section 2).

    Args:
        model: the `UnpairedTranslator` to train.
        images: number of images of each domain in a phase in which all blocks
            are trained.
        fade_images: number of images of each domain in a phase in which a
            block is faded in (default: `images`).
        last_images: number of images of each domain in the last phase (default:
            `images`).
        batch_size: number of images of each domain in a step.
        batch_sizes: dictionary of the batch sizes that differ from
            `batch_size`. The keys are image sizes.

    Returns:
        List of `Phase`.

    Raises:
        UserError: a number is below its range.
    """
    batch_sizes = batch_sizes or {}
    fade_images = images if fade_images is None else fade_images
    last_images = images if last_images is None else last_images
    phases: list[Phase] = []
    for size in model.sizes:
        batch = batch_sizes.get(size, batch_size)
        if phases:
            phases.append(
                Phase(f"{size}px-fade", size, batch, fade_images, fading=True)
            )
        shown = last_images if size == model.sizes[-1] else images
        phases.append(Phase(f"{size}px", size, batch, shown))
    return Phase.sequence(phases)


@checked
def cascade_phases(
    model,
    statistics_images: CountOrZero = 5000,
    inversion_images: CountOrZero = 300_000,
    inversion_batch_size: Count = 25,
    images: CountOrZero = 300_000,
    batch_size: Count = 40,
):
    """Returns the phases of CDFT, one for each of the model's stages.

    The stages are the statistics of the features, the training of the
    inversion networks, and the training of translators and critics for one
    layer after the other, from the deepest to the shallowest (Katzir et al.
    2019, arXiv:1906.01526, sections 3 and 6.1).

    Args:
        model: the `UnpairedTranslator` to train, which has stages.
        statistics_images: number of images of each domain whose features are
            measured.
        inversion_images: number of images of each domain that the inversion
            networks are trained on.
        inversion_batch_size: number of images of each domain in a step of
            the first two stages.
        images: number of images of each domain that the translators and
            critics of each layer are trained on.
        batch_size: number of images of each domain in a step of the other
            stages. The batch is divided between the critic updates of the
            step. For example, it must be 40 for 4 updates of 10 images each.

    Returns:
        List of `Phase`.

    Raises:
        UserError: the model has no stages, or a number is below its range.
    """
    size = model.image_size
    if not isinstance(model, Staged):
        raise UserError(
            "`train.phases` must not be @cascade_phases for a model without "
            f"stages. Received: {type(model).__name__}"
        )
    before = {
        "statistics": (inversion_batch_size, statistics_images),
        "inversion": (inversion_batch_size, inversion_images),
    }
    return Phase.sequence(
        Phase(
            stage, size, *before.get(stage, (batch_size, images)), stage=stage
        )
        for stage in model.stages
    )


@checked
def class_phases(
    model,
    class_images: CountOrZero = 0,
    pseudo_label_images: CountOrZero = 0,
    class_batch_size: Count = 32,
    images: CountOrZero = 300_000,
    batch_size: Count = 16,
):
    """Returns the phases of `UNITAdaptation`; the classifier may be first.

    Args:
        model: the `UnpairedTranslator` to train, which has the stages
            "classes" and "pseudo_labels".
        class_images: number of images of each domain in the stage "classes",
            in which the classifier learns from the labels of A.
        pseudo_label_images: number of images of each domain in the stage
            "pseudo_labels", in which the classifier also learns from its own
            labels of B's images.
        class_batch_size: number of images of each domain in a step of the
            stages "classes" and "pseudo_labels".
        images: number of images of each domain in the last phase, in which all
            networks are trained.
        batch_size: number of images of each domain in a step of the last
            phase.

    Returns:
        List of `Phase`.

    Raises:
        UserError: a number is below its range.
    """
    size = model.image_size
    before = {"classes": class_images, "pseudo_labels": pseudo_label_images}
    return Phase.sequence(
        [
            *(
                Phase(stage, size, class_batch_size, count, stage=stage)
                for stage, count in before.items()
            ),
            Phase(f"{size_text(size)}px", size, batch_size, images),
        ]
    )


def constant(images_shown, phase):
    """Returns the factor 1, which keeps learning rates constant.

    Args:
        images_shown: number of images of each domain shown; it has no effect.
        phase: the current `Phase`; it has no effect.
    """
    return 1.0


@checked
def constant_then_linear(images_shown, phase, constant_share: Decay = 0.5):
    """Returns a factor on learning rates that is 1, then decreases linearly.

    The factor is 0 at the end of the phase.

    Args:
        images_shown: number of images of each domain shown since the run
            began.
        phase: the current `Phase`.
        constant_share: fraction of the phase in which the factor is 1, at
            least 0 and below 1.
    """
    progress = (images_shown - phase.start) / phase.images
    return min(1.0, (1.0 - progress) / (1.0 - constant_share))


@checked
def cosine(images_shown, phase, final: Share = 0.0):
    """Returns a factor that falls from 1 to `final` along half a cosine.

    The factor is `final` at the end of the phase (Loshchilov and Hutter 2017,
    arXiv:1608.03983, without restarts).

    Args:
        images_shown, phase: see `constant_then_linear`.
        final: factor at the end of the phase, from 0 to 1.
    """
    progress = (images_shown - phase.start) / phase.images
    return final + (1.0 - final) * (1.0 + math.cos(math.pi * progress)) / 2


@checked
def step_decay(
    images_shown,
    phase,
    shares: tuple[Share, ...] = (0.5, 0.75),
    factor: Share = 0.1,
):
    """Returns a factor that begins at 1 and decreases in steps in each phase.

    Args:
        images_shown, phase: see `constant_then_linear`.
        shares: moments of the steps, as fractions of the phase.
        factor: number from 0 to 1 by which each step multiplies the result.
    """
    progress = (images_shown - phase.start) / phase.images
    return factor ** sum(progress >= share for share in shares)


@checked
def warm_up(
    images_shown, phase, images: Count = 10_000, then: Callable = constant
):
    """Returns the factor of another schedule, which at first grows from 0.

    Args:
        images_shown, phase: see `constant_then_linear`.
        images: number of images of each domain during which the factor grows
            linearly to that of the other schedule, in each phase.
        then: the other schedule.
    """
    # The first batch of a phase must not have the factor 0.
    shown = images_shown - phase.start + phase.batch_size
    return min(1.0, shown / images) * then(images_shown, phase)


@checked
def plateau(
    images_shown,
    phase,
    factor: Share = 0.5,
    patience: Count = 3,
    least: Share = 0.01,
):
    """Returns a factor that falls when validation scores stop improving.

    The factor is 1 at the beginning of each phase. The factor is multiplied by
    `factor` each time that `patience` evaluations in a row were not better than
    the best evaluation so far, as in `keras.callbacks.ReduceLROnPlateau`. The
    score is the one that `Evaluation.best` names.

    Args:
        images_shown: number of images of each domain shown; it has no effect.
        phase: the current `Phase`, with the scores of its evaluations.
        factor: number from 0 to 1.
        patience: number of evaluations.
        least: smallest result, from 0 to 1.

    Raises:
        UserError: the run has no evaluations, or several processes.
    """
    if phase.scores is None:
        raise UserError(
            "`train.evaluation` must be set, for example to @Evaluation(), and "
            "the run must have a single process, if train.schedule is "
            "@plateau. Received: no evaluations, or several processes"
        )
    result, best, waited = 1.0, -math.inf, 0
    for score in phase.scores:
        waited = 0 if score > best else waited + 1
        best = max(best, score)
        if waited == patience:
            result, waited = result * factor, 0
    return max(result, least)
