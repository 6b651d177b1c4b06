"""What the scores of images and of feature maps ask of their arrays."""

import numpy as np

from tf_i2i.errors import UserError


def check_images(**named):
    """Refuses anything but non-empty stacks of uint8 RGB images.

    Scores are taken of pictures as they would be saved, so floats (which
    could also hide a signal below one level) are rounded first, by
    `images.to_uint8`.

    Args:
        **named: arrays by the name that the message should use.

    Raises:
        UserError: not uint8 `[N, H, W, 3]`, or N is 0.
    """
    for name, array in named.items():
        array = np.asarray(array)
        good = array.ndim == 4 and array.shape[-1] == 3 and len(array)
        if array.dtype != np.uint8 or not good:
            raise UserError(
                f"`{name}` must be uint8 images [N, H, W, 3], N > 0 (floats "
                "in [-1, 1] become so by tf_i2i.images.to_uint8). Received: "
                f"{array.dtype} {list(array.shape)}"
            )


def check_pairs(**named):
    """`check_images`, and all shapes equal: image i belongs to image i.

    Raises:
        UserError: as `check_images`, or shapes or counts differ.
    """
    check_images(**named)
    shapes = {name: list(np.shape(a)) for name, a in named.items()}
    if len({tuple(shape) for shape in shapes.values()}) > 1:
        names = " and ".join(f"`{name}`" for name in shapes)
        raise UserError(
            f"{names} are compared image by image and must have one shape. "
            f"Received: {shapes}"
        )


def check_floats(**named):
    """Refuses non-floats, float16 and what is not finite.

    A half-precision feature has three digits, too few for a difference of
    means or for a distance between neighbours.

    Raises:
        UserError: dtype is not float32 or float64, or a value is not finite.
    """
    for name, array in named.items():
        array = np.asarray(array)
        if array.dtype not in (np.float32, np.float64):
            raise UserError(
                f"`{name}` must be float32 or float64. Received: {array.dtype}"
            )
        if not np.isfinite(array).all():
            raise UserError(
                f"`{name}` must be finite. Received: NaN or infinity"
            )


def blocks(count, size):
    """Slices of at most `size` that cover `range(count)` in order."""
    return [slice(i, min(i + size, count)) for i in range(0, count, size)]
