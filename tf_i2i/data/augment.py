"""Random views of one image, as a function of a seed.

Nothing here has a state: the same image and seed give the same view, so a
stopped run goes on exactly where it was.
"""

import math
from dataclasses import dataclass
from dataclasses import replace

import numpy as np

from tf_i2i.errors import UserError
from tf_i2i.images import to_float

# The grey axis of colour space, and a quarter turn about it (the cross
# product with (1, 1, 1) / sqrt 3): hue is an angle, saturation a radius.
_GREY = np.full((3, 3), 1 / 3, np.float32)
_CHROMA = np.eye(3, dtype=np.float32) - _GREY
_QUARTER_TURN = np.float32(3**-0.5) * np.array(
    [[0, -1, 1], [1, 0, -1], [-1, 1, 0]], np.float32
)


@dataclass(frozen=True)
class Augmentation:
    """Crops, mirrors and recolours; every part can be switched off.

    All numbers are drawn uniformly, each from its own stream: switching one
    part off leaves the others' draws as they were.

    Attributes:
        crop: (low, high) side of a random square in shares of the image's
            side, 0 < low <= high <= 1; None takes the whole image.
        flip: mirror left and right, half of the time.
        contrast: distances from the mean of all the image's values are
            multiplied by 1 - contrast to 1 + contrast; in [0, 1].
        hue: colours are turned about the grey axis by up to this share of a
            full turn, either way; in [0, 0.5].
        brightness: up to this share of the full range, [-1, 1], is added or
            taken away; in [0, 1].
        saturation: distances from grey are multiplied by 1 - saturation to
            1 + saturation; in [0, 1].
        invert: take the negative, half of the time.
        maps: take pixels as they are, not mixtures of neighbours: for label
            maps, whose colours are names; see `of_maps`.

    Raises:
        UserError: a value outside its range.
    """

    crop: tuple | None = (0.8, 1.0)
    flip: bool = True
    contrast: float = 0.2
    hue: float = 0.05
    brightness: float = 0.1
    saturation: float = 0.2
    invert: bool = False
    maps: bool = False

    def __post_init__(self):
        low, high = self.crop or (1.0, 1.0)
        if not 0 < low <= high <= 1:
            raise UserError(
                "`crop` must be None or (low, high) with "
                f"0 < low <= high <= 1. Received: {self.crop}"
            )
        for name in ("contrast", "hue", "brightness", "saturation"):
            most = 0.5 if name == "hue" else 1
            value = getattr(self, name)
            if not 0 <= value <= most:
                raise UserError(
                    f"`{name}` must be in [0, {most}]. Received: {value}"
                )

    def of_maps(self):
        """The same crops and mirrors, without another change of colours."""
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
        """One view.

        Args:
            image: uint8 tensor `[S, S, 3]` in [0, 255], S static.
            seed: integer tensor `[2]`.
            size: side of the view in pixels, a plain integer.

        Returns:
            float32 tensor `[size, size, 3]`, clipped to [-1, 1].
        """
        import tensorflow as tf

        draws = tf.unstack(tf.random.stateless_uniform([9], seed))
        view = to_float(self._crop(image, draws[:3], size))
        if self.flip:
            # `tf.where` would take six times as long.
            view = tf.cond(
                draws[3] < 0.5, lambda: view, lambda: tf.reverse(view, [1])
            )
        view = self._recolour(view, draws[4:8])
        if self.invert:
            view = tf.cond(draws[8] < 0.5, lambda: view, lambda: -view)
        return tf.clip_by_value(view, -1.0, 1.0)

    def _crop(self, image, draws, size):
        """Cuts the square out and resamples it in one antialiased step."""
        import tensorflow as tf

        whole = image.shape[0]
        low, high = self.crop or (1.0, 1.0)
        side = (low + (high - low) * draws[0]) * whole
        corner = (whole - side) * tf.stack(draws[1:])
        if self.maps:
            return _nearest(image, corner, side, size)
        scale = size / side
        view = tf.raw_ops.ScaleAndTranslate(
            images=image[None],
            size=[size, size],
            scale=tf.stack([scale, scale]),
            translation=-scale * corner,
            kernel_type="triangle",
            antialias=True,
        )
        return tf.ensure_shape(view[0], [size, size, 3])

    def _recolour(self, view, draws):
        """contrast * (M x - mean) + mean + brightness; M leaves grey as it is.

        The mean is one number, so all parts together are one small matrix
        and one shift.
        """
        import tensorflow as tf

        if not any((self.contrast, self.hue, self.brightness, self.saturation)):
            return view
        contrast, hue, brightness, saturation = (
            2.0 * draw - 1.0 for draw in draws
        )
        contrast = 1.0 + self.contrast * contrast
        saturation = 1.0 + self.saturation * saturation
        angle = 2 * math.pi * self.hue * hue
        turn = tf.cos(angle) * _CHROMA + tf.sin(angle) * _QUARTER_TURN
        matrix = contrast * (_GREY + saturation * turn)
        shift = (1.0 - contrast) * tf.reduce_mean(view)
        shift += 2.0 * self.brightness * brightness
        return tf.einsum("hwc,dc->hwd", view, matrix) + shift


def _nearest(image, corner, side, size):
    """The pixels next to where those of the view lie."""
    import tensorflow as tf

    places = (tf.range(size, dtype=tf.float32) + 0.5) * (side / size)
    rows, columns = (
        tf.minimum(tf.cast(start + places, tf.int32), image.shape[0] - 1)
        for start in tf.unstack(corner)
    )
    view = tf.gather(tf.gather(image, rows), columns, axis=1)
    return tf.ensure_shape(view, [size, size, 3])
