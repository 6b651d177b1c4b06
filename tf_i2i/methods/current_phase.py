"""The phase of a run in which a method is being trained."""

from typing import Any

import keras
import tensorflow as tf

from tf_i2i.errors import UserError
from tf_i2i.methods.capabilities import stages
from tf_i2i.sizes import shortest


class CurrentPhase(keras.Model):
    """The part of a method that knows the current phase and its progress.

    A phase is a part of the training in which the image size and the stage do
    not change.

    Attributes:
        size: size of the images, one of `sizes`.
        stage: the current stage of a `Staged` method.
        fading: whether the block at `size` is being faded in.
        phase_start: value of `images_shown` at the beginning of the phase.
        phase_images: length of the phase in images of each domain; None if it
            is not fixed.
        updates: the updates of a training step in the current stage.
    """

    size: Any
    stage: str | None
    fading: bool

    def enter_phase(self, size, start=0, images=None, fading=False, stage=None):
        """Sets the image size, the stage and the length of the next phase.

        Args:
            size: size of the images, one of `sizes`.
            start: value of `images_shown` at the beginning of the phase.
            images: number of images of each domain in the phase; None if the
                length of the phase is not fixed.
            fading: whether the block at `size` is being faded in.
            stage: one of the stages of a `Staged` method; None for the last
                stage.

        Raises:
            UserError: the model was not built for this size or stage.
        """
        # A Keras file has lists in place of tuples.
        size = shortest(size)
        if size not in self.sizes:
            raise UserError(
                f"`size` must be one of {list(self.sizes)}, for which the "
                f"model was built. Received: size={size}"
            )
        known = stages(self)
        if stage not in (None, *known):
            raise UserError(
                f"`stage` must be one of {', '.join(map(str, known))}. "
                f"Received: {stage!r}"
            )
        stage = stage or known[-1]
        if (size, fading, stage) != (self.size, self.fading, self.stage):
            # The training step was traced for the previous values.
            self.train_function = None
        # The start and the length of a phase are constants of the test step.
        self.test_function = None
        self.size, self.fading, self.stage = size, fading, stage
        self.updates = self.updates_in(stage)
        self.phase_start, self.phase_images = start, images

    @property
    def phase(self):
        """Dictionary of the arguments of `enter_phase` in this phase."""
        return {
            "size": self.size,
            "start": self.phase_start,
            "images": self.phase_images,
            "fading": self.fading,
            "stage": self.stage,
        }

    def begin_phase(self):
        """Prepares a phase. It is called once, before the first step."""

    @property
    def _span(self):
        """Start and length in images of the phase; the length may be None."""
        return self.current_update.span or (self.phase_start, self.phase_images)

    @property
    def images_in_phase(self):
        """Number of images of each domain since the phase began, float32."""
        start, _ = self._span
        shown = tf.convert_to_tensor(self.images_shown) - start
        return tf.cast(shown, tf.float32)

    @property
    def phase_progress(self):
        """Completed fraction of the phase; 1 if its length is not fixed."""
        _, images = self._span
        if images is None:
            return tf.constant(1.0)
        return tf.clip_by_value(self.images_in_phase / images, 0.0, 1.0)

    @property
    def fade(self):
        """Blending weight in [0, 1] of the block at `size`.

        The weight is None if the block is not being faded in.
        """
        return self.phase_progress if self.fading else None
