"""Lightness of a part of images, before and after a translation.

The lightness is luma (Rec. 601), `0.299 R + 0.587 G + 0.114 B`, in levels from
0 to 255.
"""

import numpy as np

from tf_i2i.errors import UserError
from tf_i2i.extras import optional

_LUMA = (0.299, 0.587, 0.114)
# Names of the three equal groups of images, from dark to light.
THIRDS = ("dark", "middle", "light")


def box_lightness(images, boxes):
    """Returns the lightness of the median colour inside boxes.

    The median of each colour channel is taken over the pixels of all boxes, so
    that shadows and hair in a small part of the boxes have little influence.

    Args:
        images: uint8 `[N, S, S, 3]`.
        boxes: sequence of (top, bottom, left, right), in shares of the side. A
            box contains at least one pixel.

    Returns:
        float64 `[N]`, in [0, 255].
    """
    parts = [images[:, *_pixels(box, images.shape[1])] for box in boxes]
    pixels = [part.reshape(len(images), -1, 3) for part in parts]
    return np.median(np.concatenate(pixels, 1), 1) @ np.array(_LUMA)


def _pixels(box, side):
    """Returns the slices of rows and columns that a box contains."""
    top, bottom, left, right = box
    return _slice(top, bottom, side), _slice(left, right, side)


def _slice(start, stop, side):
    first = min(round(start * side), side - 1)
    return slice(first, max(round(stop * side), first + 1))


def lightness_kept(source, made):
    """Returns how translations change the order and the level of lightness.

    Args:
        source: `[N]`, lightness of the inputs, N of at least 3.
        made: `[N]`, lightness of their translations.

    Returns:
        Dictionary of floats. `rank` is Spearman's rank correlation of the two,
        in [-1, 1], and 0 if all inputs or all translations are equally light.
        `shift_dark`, `shift_middle` and `shift_light` are the means of
        `made - source` over the darkest, the middle and the lightest third of
        the inputs.

    Raises:
        UserError: the shapes differ or N is less than 3, or SciPy is missing.
    """
    source, made = np.asarray(source, float), np.asarray(made, float)
    if source.shape != made.shape or source.ndim != 1 or len(source) < 3:
        raise UserError(
            "`source` and `made` must have the same shape [N], N of at least "
            f"3. Received: {list(source.shape)} and {list(made.shape)}"
        )
    found = {"rank": 0.0}
    if np.ptp(source) and np.ptp(made):
        stats = optional("scipy.stats", "eval")
        found["rank"] = float(stats.spearmanr(source, made).statistic)
    thirds = np.array_split(np.argsort(source, kind="stable"), 3)
    for name, at in zip(THIRDS, thirds, strict=True):
        found[f"shift_{name}"] = float(np.mean(made[at] - source[at]))
    return found
