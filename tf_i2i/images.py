"""Conversion between the two value ranges of images, and grids of images.

Methods, networks and losses take images as float in [-1, 1], NHWC, with three
channels. Images are uint8 in [0, 255] in files, stores, measures, reports and,
by default, exported models. The functions here convert between the two.
"""

import numpy as np

from tf_i2i.errors import UserError


def to_float(images):
    """Converts uint8 in [0, 255] to float32 in [-1, 1].

    Args:
        images: NumPy array or tensor, any shape, values in [0, 255].

    Returns:
        `x / 127.5 - 1`, a float32 array or tensor of the same shape.
    """
    if isinstance(images, np.ndarray):
        return images.astype(np.float32) / 127.5 - 1.0
    import tensorflow as tf

    return tf.cast(images, tf.float32) / 127.5 - 1.0


def to_uint8(images):
    """Converts float in [-1, 1] to uint8 in [0, 255].

    Values are clipped, and halves are rounded to even.

    Args:
        images: NumPy array or tensor, any shape; values outside [-1, 1] are
            clipped.

    Returns:
        `round(clip(x, -1, 1) * 127.5 + 127.5)`, a uint8 array or tensor of the
        same shape.
    """
    if isinstance(images, np.ndarray):
        levels = np.clip(images, -1.0, 1.0).astype(np.float32) * 127.5 + 127.5
        return np.rint(levels).astype(np.uint8)
    import tensorflow as tf

    levels = tf.clip_by_value(tf.cast(images, tf.float32), -1.0, 1.0)
    return tf.cast(tf.round(levels * 127.5 + 127.5), tf.uint8)


def check_finite(images):
    """Raises an error if translated images have values that are not finite.

    Such values would become black pixels.

    Args:
        images: float array, or tensor outside of a graph, of any shape.

    Raises:
        UserError: a value is infinite or not a number.
    """
    if not np.isfinite(images).all():
        raise UserError(
            "`run_dir` must hold a model whose images are finite. Received: "
            "a model that makes images with infinite values or values that "
            "are not a number"
        )


def grid(rows, gap=2):
    """Returns rows of images as one image, on a white background.

    Args:
        rows: list of uint8 arrays `[columns, height, width, 3]`, all of the
            same shape; each array is one row of the grid.
        gap: width of the white space between and around the images, in
            pixels.

    Returns:
        uint8 array `[H, W, 3]`.
    """
    rows = np.stack(rows)
    n_rows, n_columns, height, width, _ = rows.shape
    picture = np.full(
        (
            n_rows * (height + gap) + gap,
            n_columns * (width + gap) + gap,
            3,
        ),
        255,
        np.uint8,
    )
    for r in range(n_rows):
        for c in range(n_columns):
            top = gap + r * (height + gap)
            left = gap + c * (width + gap)
            picture[top : top + height, left : left + width] = rows[r, c]
    return picture
