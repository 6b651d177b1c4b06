"""The value-range contract, and picture grids.

Inside the library an image is float in [-1, 1], NHWC, three channels; on
disk, in stores and in exported models it is uint8 in [0, 255]. These
functions are the only doors between the two.
"""

import numpy as np


def to_float(images):
    """uint8 in [0, 255] -> float32 in [-1, 1].

    Args:
        images: NumPy array or tensor, any shape, values in [0, 255].

    Returns:
        Same kind and shape, float32: `x / 127.5 - 1`.
    """
    if isinstance(images, np.ndarray):
        return images.astype(np.float32) / 127.5 - 1.0
    import tensorflow as tf

    return tf.cast(images, tf.float32) / 127.5 - 1.0


def to_uint8(images):
    """float in [-1, 1] -> uint8 in [0, 255], clipped and rounded to even.

    Args:
        images: NumPy array or tensor, any shape, values around [-1, 1].

    Returns:
        Same kind and shape, uint8: `round(clip(x, -1, 1) * 127.5 + 127.5)`.
    """
    if isinstance(images, np.ndarray):
        levels = np.clip(images, -1.0, 1.0).astype(np.float32) * 127.5 + 127.5
        return np.rint(levels).astype(np.uint8)
    import tensorflow as tf

    levels = tf.clip_by_value(tf.cast(images, tf.float32), -1.0, 1.0)
    return tf.cast(tf.round(levels * 127.5 + 127.5), tf.uint8)


def grid(rows, gap=2):
    """Lays rows of images out as one picture on white.

    Args:
        rows: list of uint8 arrays `[columns, height, width, 3]`, all of one
            shape; one array is one row of the picture.
        gap: white pixels between and around the images.

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
