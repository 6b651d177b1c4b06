"""Random augmentation of an image, as a function of a seed.

Augmentation has no state. The same image and seed always give the same result.
A run that was stopped and resumed therefore sees the same images as a run that
was not stopped.
"""

import math
from dataclasses import dataclass
from dataclasses import replace
from typing import Annotated

import numpy as np

from tf_i2i.errors import UserError
from tf_i2i.images import to_float
from tf_i2i.sizes import height_width
from tf_i2i.sizes import image_shape
from tf_i2i.values import Range
from tf_i2i.values import Share
from tf_i2i.values import check_values

# Three matrices that act on RGB colours. `_GREY` projects a colour on the grey
# axis. `_CHROMA` returns the remaining part of the colour. `_QUARTER_TURN`
# rotates that part by 90 degrees about the grey axis (the cross product with
# (1, 1, 1) / sqrt 3). The hue of a colour is its angle about the grey axis, and
# the saturation is its distance from the axis.
_GREY = np.full((3, 3), 1 / 3, np.float32)
_CHROMA = np.eye(3, dtype=np.float32) - _GREY
_QUARTER_TURN = np.float32(3**-0.5) * np.array(
    [[0, -1, 1], [1, 0, -1], [-1, 1, 0]], np.float32
)


@dataclass(frozen=True)
class Augmentation:
    """Random crops, flips and changes of colour, each of which is optional.

    Every random number is sampled uniformly and independently. Switching off
    one kind of change does not alter the random numbers of the others.

    Attributes:
        crop: (low, high), range of the sides of a random crop as a share of the
            sides of the image, 0 < low <= high <= 2; None for the whole image.
            A share above 1 shrinks the image and puts it at a random position
            on a black background; label maps do not allow such a share. With
            (0.5, 0.5), images are stored with twice the side that the networks
            take, so that crops need no scaling.
        flip: whether to flip left and right with probability 1/2.
        contrast: strength of the contrast change, in [0, 1]. The difference of
            each value from the image's mean is multiplied by a factor in
            [1 - contrast, 1 + contrast].
        hue: largest rotation of the colours about the grey axis, in either
            direction, as a share of a full turn; in [0, 0.5].
        brightness: largest amount that is added to all values or subtracted
            from them, as a share of the width of the range [-1, 1]; in [0, 1].
        saturation: strength of the saturation change, in [0, 1]. The distance
            of each colour from grey is multiplied by a factor in
            [1 - saturation, 1 + saturation].
        invert: whether to negate all values with probability 1/2.
        maps: whether the images are label maps, whose pixels must not be mixed.
            If so, crops are resized by nearest neighbour. See `of_maps`.

    Raises:
        UserError: a value is outside its range.
    """

    crop: tuple[float, ...] | None = (0.8, 1.0)
    flip: bool = True
    contrast: Share = 0.2
    hue: Annotated[float, Range(0, 0.5)] = 0.05
    brightness: Share = 0.1
    saturation: Share = 0.2
    invert: bool = False
    maps: bool = False

    def __post_init__(self):
        check_values(type(self), vars(self), "Augmentation")
        crop = self.crop or (1.0, 1.0)
        largest = 1 if self.maps else 2
        if len(crop) != 2 or not 0 < crop[0] <= crop[1] <= largest:
            raise UserError(
                "`Augmentation.crop` must be None or (low, high) with "
                f"0 < low <= high <= {largest}. Received: {self.crop}"
            )

    def of_maps(self):
        """Returns the augmentation for label maps: only crops and flips."""
        return replace(
            self,
            contrast=0.0,
            hue=0.0,
            brightness=0.0,
            saturation=0.0,
            invert=False,
            maps=True,
        )

    def __call__(self, image, seed, size):
        """Returns one augmented image.

        Args:
            image: uint8 tensor `[H, W, 3]` in [0, 255], of a static shape.
            seed: integer tensor `[2]`.
            size: size of the result; see `tf_i2i.sizes`.

        Returns:
            float32 tensor `[*height_width(size), 3]`, clipped to [-1, 1].
        """
        import tensorflow as tf

        samples = tf.unstack(tf.random.stateless_uniform([9], seed))
        view = to_float(self._crop(image, samples[:3], size))
        if self.flip:
            # `tf.cond` is used because `tf.where` would take six times as long.
            view = tf.cond(
                samples[3] < 0.5, lambda: view, lambda: tf.reverse(view, [1])
            )
        view = self._recolour(view, samples[4:8])
        if self.invert:
            view = tf.cond(samples[8] < 0.5, lambda: view, lambda: -view)
        return tf.clip_by_value(view, -1.0, 1.0)

    def _crop(self, image, samples, size):
        """Crops an image at random and resizes it, antialiased, in one step.

        Args:
            image: uint8 tensor `[H, W, 3]`.
            samples: three random numbers in [0, 1): for the crop's size, row
                and column.
            size: size of the result; see `tf_i2i.sizes`.
        """
        import tensorflow as tf

        whole = tf.constant([*image.shape[:2]], tf.float32)
        low, high = self.crop or (1.0, 1.0)
        sides = (low + (high - low) * samples[0]) * whole
        corner = (whole - sides) * tf.stack(samples[1:])
        if self.maps:
            return _nearest(image, corner, sides, size)
        scale = tf.constant(height_width(size), tf.float32) / sides
        view = tf.raw_ops.ScaleAndTranslate(
            images=image[None],
            size=height_width(size),
            scale=scale,
            translation=-scale * corner,
            kernel_type="triangle",
            antialias=True,
        )
        return tf.ensure_shape(view[0], image_shape(size))

    def _recolour(self, view, samples):
        """Returns contrast * (M x - mean) + mean + brightness.

        M is a 3x3 matrix that changes hue and saturation and does not change
        grey. The mean is one number for the whole image. Therefore all changes
        together are one product with a 3x3 matrix and one added number.

        Args:
            view: float32 tensor `[H, W, 3]`.
            samples: four random numbers in [0, 1): for contrast, hue,
                brightness and saturation.
        """
        import tensorflow as tf

        if not any((self.contrast, self.hue, self.brightness, self.saturation)):
            return view
        contrast, hue, brightness, saturation = (
            2.0 * sample - 1.0 for sample in samples
        )
        contrast = 1.0 + self.contrast * contrast
        saturation = 1.0 + self.saturation * saturation
        angle = 2 * math.pi * self.hue * hue
        turn = tf.cos(angle) * _CHROMA + tf.sin(angle) * _QUARTER_TURN
        matrix = contrast * (_GREY + saturation * turn)
        shift = (1.0 - contrast) * tf.reduce_mean(view)
        shift += 2.0 * self.brightness * brightness
        return tf.einsum("hwc,dc->hwd", view, matrix) + shift


def _nearest(image, corner, sides, size):
    """Crops and resizes an image by taking the nearest pixels."""
    import tensorflow as tf

    for axis, count in enumerate(height_width(size)):
        places = tf.range(count, dtype=tf.float32) + 0.5
        places = corner[axis] + places * (sides[axis] / count)
        last = image.shape[axis] - 1
        places = tf.minimum(tf.cast(places, tf.int32), last)
        image = tf.gather(image, places, axis=axis)
    return tf.ensure_shape(image, image_shape(size))
