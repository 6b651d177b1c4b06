"""Differentiable augmentation of the input images of critics.

Source: Zhao, Liu, Lin, Zhu and Han, 2020, "Differentiable Augmentation for
Data-Efficient GAN Training", arXiv:2006.10738.
"""

import tensorflow as tf

from tf_i2i.errors import UserError

KINDS = ("color", "translation", "cutout")
# Number of random numbers that `augment` needs for each image.
DRAWS = 7
# The largest shift of an image, as a fraction of its side.
_SHIFT = 1 / 8
# The side of the cutout square, as a fraction of the image's side.
_CUT = 1 / 2


def check_kinds(kinds):
    """Returns `kinds` as a tuple, in the order in which they are applied.

    Raises:
        UserError: one of the kinds is unknown.
    """
    unknown = {*kinds} - {*KINDS}
    if isinstance(kinds, str) or unknown:
        raise UserError(
            "`critic_augmentation` must be a tuple with some of "
            f"{', '.join(KINDS)}. Received: {kinds!r}"
        )
    return tuple(kind for kind in KINDS if kind in kinds)


def augment(images, draws, kinds):
    """Returns augmented images; each image is augmented independently.

    - "color": a number in [-.5, .5) is added to the brightness. Then the
      saturation is multiplied by a factor in [0, 2), and the contrast by a
      factor in [.5, 1.5).
    - "translation": the image is shifted by up to an eighth of its side. The
      pixels that the shift leaves empty are set to 0.
    - "cutout": a square whose side is half the image's side is set to 0. The
      centre of the square may be any pixel.

    Args:
        images: `[N, H, W, 3]`, float in [-1, 1]. The value 0 is grey.
        draws: `[N, DRAWS]`, random numbers, uniform in [0, 1).
        kinds: tuple of some of `KINDS`.

    Returns:
        `[N, H, W, 3]`, float32, not clipped.
    """
    images = tf.cast(images, tf.float32)
    if "color" in kinds:
        images = _change_colors(images, draws[:, 0:3])
    if "translation" in kinds:
        images = _shift(images, draws[:, 3:5])
    if "cutout" in kinds:
        images = _cut(images, draws[:, 5:7])
    return images


def _change_colors(x, draws):
    brightness, saturation, contrast = tf.unstack(
        tf.reshape(draws, [-1, 3, 1, 1, 1]), axis=1
    )
    x += brightness - 0.5
    grey = tf.reduce_mean(x, axis=3, keepdims=True)
    x = grey + (x - grey) * 2.0 * saturation
    level = tf.reduce_mean(x, axis=[1, 2, 3], keepdims=True)
    return level + (x - level) * (contrast + 0.5)


def _shift(x, draws):
    for axis in (1, 2):
        size = x.shape[axis]
        most = round(size * _SHIFT)
        padding = [[most, most] if i == axis else [0, 0] for i in range(4)]
        first = _whole(draws[:, axis - 1], 2 * most + 1)
        # `gather` reads each pixel at most once. Therefore its gradient
        # contains no sums, whose rounding depends on the order of the terms.
        places = first[:, None] + tf.range(size)
        x = tf.gather(tf.pad(x, padding), places, axis=axis, batch_dims=1)
    return x


def _cut(x, draws):
    inside = []
    for axis in (1, 2):
        size = x.shape[axis]
        side = round(size * _CUT)
        centre = _whole(draws[:, axis - 1], size + 1 - side % 2)
        first = (centre - side // 2)[:, None]
        places = tf.range(size)
        inside.append((places >= first) & (places < first + side))
    hole = inside[0][:, :, None] & inside[1][:, None, :]
    return tf.where(hole[..., None], 0.0, x)


def _whole(draws, count):
    """Returns integers from 0 to `count - 1`, made of numbers in [0, 1)."""
    return tf.cast(draws * count, tf.int32)
