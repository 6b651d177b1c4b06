"""Checks of the arrays that estimators take, and slices of a long array."""

import numpy as np

from tf_i2i.errors import UserError


def check_images(**named):
    """Raises an error unless every array is a stack of uint8 RGB images.

    Images are scored as 8-bit images, because they are saved as such. Callers
    convert floats by `images.to_uint8` first. Floats could also contain a
    hidden signal below one level.

    Args:
        **named: arrays; each keyword is the name that the error message uses.

    Raises:
        UserError: an array is not uint8 `[N, H, W, 3]`, or N is 0.
    """
    for name, array in named.items():
        array = np.asarray(array)
        good = array.ndim == 4 and array.shape[-1] == 3 and len(array)
        if array.dtype != np.uint8 or not good:
            raise UserError(
                f"`{name}` must be uint8 images [N, H, W, 3], N > 0 "
                "(tf_i2i.images.to_uint8 converts floats in [-1, 1]). "
                f"Received: {array.dtype} {list(array.shape)}"
            )


def check_pairs(**named):
    """Raises an error unless all arrays are images of one shape.

    Estimators of pairs compare image i of one array with image i of the
    other.

    Args:
        **named: arrays, as in `check_images`.

    Raises:
        UserError: see `check_images`; or the shapes or the numbers of images
            differ.
    """
    check_images(**named)
    shapes = {name: list(np.shape(a)) for name, a in named.items()}
    if len({tuple(shape) for shape in shapes.values()}) > 1:
        names = " and ".join(f"`{name}`" for name in shapes)
        raise UserError(
            f"{names} must have the same shape, because they are compared "
            f"image by image. Received: {shapes}"
        )


def check_floats(**named):
    """Raises an error unless all arrays are finite float32 or float64.

    float16 is refused because its three digits are too few for a difference
    of means or for a distance between neighbours.

    Args:
        **named: arrays; each keyword is the name that the error message uses.

    Raises:
        UserError: a dtype is not float32 or float64, or a value is not
            finite.
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
    """Returns a list of slices of at most `size` that cover `range(count)`."""
    return [slice(i, min(i + size, count)) for i in range(0, count, size)]
