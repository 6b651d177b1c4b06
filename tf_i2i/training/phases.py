"""Phases of a run, and learning rates over images shown.

A function of phases takes the model and reads the sizes or stages that it
trains from there, so that they are given once.
"""

import dataclasses

from tf_i2i.errors import UserError
from tf_i2i.methods.capabilities import Staged


@dataclasses.dataclass(frozen=True)
class Phase:
    """A stretch of a run at one image size.

    Args:
        name: for progress and logs, e.g. "32px-fade".
        size: side of the images, pixels.
        batch_size: images of each domain in a step, over all replicas.
        images: images of each domain that the phase shows.
        fading: whether the newest block is being faded in.
        reset_optimizers: whether both optimizers start afresh.
        stage: one of the model's `stages`, where it has some.
        start: images shown before the phase; set by `Phase.sequence`.
    """

    name: str
    size: int
    batch_size: int
    images: int
    fading: bool = False
    reset_optimizers: bool = True
    start: int = 0
    stage: str | None = None

    @property
    def end(self):
        return self.start + self.images

    @property
    def path(self):
        """Arguments for the model's `enter_phase`."""
        names = ("size", "start", "images", "fading", "stage")
        return {name: getattr(self, name) for name in names}

    @staticmethod
    def sequence(phases):
        """Rounds each phase up to whole batches and sets its start.

        Phases of no images are left out.

        Raises:
            UserError: for a size or batch below 1, or fewer than 0 images.
        """
        start, placed = 0, []
        for phase in phases:
            if min(phase.size, phase.batch_size) < 1 or phase.images < 0:
                raise UserError(
                    "`train.phases` must have sizes and batches from 1, and "
                    f"images from 0. Received: {phase}"
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
                "`train.phases` must show at least one image. Received: none"
            )
        return placed


def single_phase(model, batch_size=8, images=300_000):
    """One phase at the full size.

    Args:
        model: the `UnpairedTranslator` to train.
        batch_size: images of each domain in a step.
        images: images of each domain to show.

    Returns:
        List of one `Phase`.

    Raises:
        UserError: a number below its range.
    """
    size = model.image_size
    return Phase.sequence([Phase(f"{size}px", size, batch_size, images)])


def growing_phases(
    model,
    images=300_000,
    fade_images=None,
    last_images=None,
    batch_size=8,
    batch_sizes=None,
):
    """Progressive growing: each size but the first is faded in, then trained.

    Karras et al. 2018 (arXiv:1710.10196), section 2.

    Args:
        model: the `UnpairedTranslator` to train, one size of `model.sizes`
            after the other.
        images: images of each domain at a size, after its fade.
        fade_images: images of each domain in a fade; None for `images`.
        last_images: images of each domain at the last size, after its fade;
            None for `images`.
        batch_size: images of each domain in a step.
        batch_sizes: dictionary, size -> batch size, where it differs.

    Returns:
        List of `Phase`.

    Raises:
        UserError: a number below its range.
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


def cascade_phases(
    model,
    statistics_images=5000,
    inversion_images=300_000,
    inversion_batch_size=25,
    images=300_000,
    batch_size=40,
):
    """Statistics, inversion, and each layer from the deepest to the shallowest.

    Katzir et al. 2019 (CDFT, arXiv:1906.01526), sections 3 and 6.1.

    Args:
        model: the `UnpairedTranslator` to train, one of `model.stages` after
            the other.
        statistics_images: images of each domain whose features are measured.
        inversion_images: images of each domain to train the inversion
            networks on.
        inversion_batch_size: images of each domain in a step of these two.
        images: images of each domain for each layer's translators and
            critics.
        batch_size: images of each domain in a step of these. Each update of
            a critic reads its own part of the batch: 4 parts of 10 are 40.

    Returns:
        List of `Phase`.

    Raises:
        UserError: a model without stages, or a number below its range.
    """
    size = model.image_size
    if not isinstance(model, Staged):
        raise UserError(
            "`train.phases` must be others than @cascade_phases for a model "
            f"without stages. Received: {type(model).__name__}"
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


def constant(images_shown, phase):
    """Factor 1 on the learning rates."""
    return 1.0


def constant_then_linear(images_shown, phase, constant_share=0.5):
    """Factor 1, then linear to 0 at the end of the phase.

    Args:
        images_shown: since the run began.
        phase: the current `Phase`.
        constant_share: share of the phase before the decay.
    """
    progress = (images_shown - phase.start) / phase.images
    return min(1.0, (1.0 - progress) / (1.0 - constant_share))
