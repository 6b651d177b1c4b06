"""Phases of a run, and learning rates over images shown."""

import dataclasses

from tf_i2i.errors import UserError


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
        stage: of the model's `stages`, where it has some.
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


def single_phase(image_size, batch_size=8, images=300_000):
    """One phase at the full size.

    Args:
        image_size: side of the images, pixels; given by the run.
        batch_size: images of each domain in a step.
        images: images of each domain to show.
    """
    phase = Phase(f"{image_size}px", image_size, batch_size, images)
    return Phase.sequence([phase])


def growing_phases(
    image_size,
    start_size=4,
    images=300_000,
    fade_images=None,
    last_images=None,
    batch_size=8,
    batch_sizes=None,
):
    """Progressive growing: at each size a fade (but the first), then a rest.

    Karras et al. 2018 (arXiv:1710.10196), section 2.

    Args:
        image_size: side of the last images, pixels; given by the run.
        start_size: side of the first images.
        images: images of each domain in a resting phase.
        fade_images: in a fading phase; None for `images`.
        last_images: in the last resting phase; None for `images`.
        batch_size: images of each domain in a step.
        batch_sizes: dictionary, size -> batch size, where it differs.

    Raises:
        UserError: if doubling `start_size` never gives `image_size`.
    """
    batch_sizes = batch_sizes or {}
    fade_images = images if fade_images is None else fade_images
    last_images = images if last_images is None else last_images
    phases, size = [], start_size
    while 0 < size <= image_size:
        batch = batch_sizes.get(size, batch_size)
        if size > start_size:
            phases.append(
                Phase(f"{size}px-fade", size, batch, fade_images, fading=True)
            )
        shown = last_images if size == image_size else images
        phases.append(Phase(f"{size}px", size, batch, shown))
        size *= 2
    if not phases or phases[-1].size != image_size:
        raise UserError(
            "`growing_phases.start_size` must give `train.image_size` by "
            f"doubling. Received: start_size={start_size}, "
            f"image_size={image_size}"
        )
    return Phase.sequence(phases)


def cascade_phases(
    image_size,
    taps=("conv3_1", "conv4_1", "conv5_1"),
    statistics_images=5000,
    inversion_images=300_000,
    inversion_batch_size=25,
    images=300_000,
    batch_size=40,
):
    """Statistics, inversion, and each layer from the deepest to the shallowest.

    Katzir et al. 2019 (CDFT, arXiv:1906.01526), sections 3 and 6.1.

    Args:
        image_size: side of the images, pixels; given by the run.
        taps: the layers, from the shallowest to the deepest, as the model has
            them.
        statistics_images: images of each domain whose features are measured.
        inversion_images: of each domain to train the inversion networks on.
        inversion_batch_size: images of each domain in a step of these two.
        images: of each domain for each layer's translators and critics.
        batch_size: images of each domain in a step of these, which reads a
            batch for each critic's update: 4 of 10 are 40.
    """
    phases = [
        Phase(
            stage,
            image_size,
            inversion_batch_size,
            count,
            stage=stage,
        )
        for stage, count in (
            ("statistics", statistics_images),
            ("inversion", inversion_images),
        )
    ]
    phases += [
        Phase(tap, image_size, batch_size, images, stage=tap)
        for tap in reversed(taps)
    ]
    return Phase.sequence(phases)


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
