"""Translation of large images in overlapping tiles.

The memory that a translation needs is proportional to the number of pixels. An
image with too many pixels is therefore cut into tiles, whose translations are
blended where they overlap.
"""

import numpy as np

from tf_i2i.errors import UserError
from tf_i2i.geometry import resize

# Images of more than SIDE x SIDE pixels are cut into tiles of SIDE x SIDE.
SIDE = 1024
# Smallest overlap of neighbouring tiles, in pixels.
OVERLAP = 128
# Width in pixels of the strip at the edge of a tile that is not used where
# tiles overlap, because the network's padding changes the translation there.
UNUSED = 32


def check_side(side):
    """Raises a `UserError` if tiles with this side would be too small."""
    if side < 2 * OVERLAP:
        raise UserError(
            f"`tile` must be at least {2 * OVERLAP}, because tiles overlap by "
            f"{OVERLAP} pixels. Received: {side}"
        )


def is_large(shape, side):
    """Returns whether an image is cut into tiles.

    Args:
        shape: shape of the image, `(height, width, ...)`.
        side: side of a tile in pixels.
    """
    return shape[0] * shape[1] > side**2


def shrunken(image, side, multiple):
    """Returns an image, reduced to at most the pixel count of a tile.

    Args:
        image: uint8 `[height, width, 3]`.
        side: side of a tile in pixels.
        multiple: number that both sides of the result are multiples of.
    """
    height, width = image.shape[:2]
    scale = side / (height * width) ** 0.5
    sides = [
        max(multiple, int(length * scale) // multiple * multiple)
        for length in (height, width)
    ]
    return resize(image, sides)


def translate_in_tiles(image, translate_fn, side, multiple):
    """Translates an image in tiles.

    Args:
        image: uint8 `[height, width, 3]`; both sides are multiples of
            `multiple`.
        translate_fn: function of a tile, uint8 `[h, w, 3]`, that returns uint8
            of the same shape.
        side: side of a tile in pixels.
        multiple: number that the sides of tiles must be multiples of.

    Returns:
        `(picture, seam)`. `picture` is uint8 of the shape of `image`. `seam`
        is the largest mean absolute difference, in levels of 255, between the
        translations of two neighbouring tiles where the tiles overlap.
    """
    side = max(side // multiple, 1) * multiple
    height, width = image.shape[:2]
    lefts = starts(width, side, multiple)
    seams = [0.0]

    def rows():
        for top in starts(height, side, multiple):
            row = image[top : top + side]
            tiles = (translate_fn(row[:, left : left + side]) for left in lefts)
            yield _joined(tiles, lefts, width, 1, seams)

    tops = starts(height, side, multiple)
    return _joined(rows(), tops, height, 0, seams), max(seams)


def starts(length, side, multiple):
    """Returns the positions at which tiles begin along a side of an image.

    Args:
        length: length of the image's side, in pixels.
        side: side of a tile; a multiple of `multiple`.
        multiple: number that the results are multiples of, as `length` is.

    Returns:
        List of increasing numbers; [0] if `length` is at most `side`.
        Neighbouring tiles overlap by at least `OVERLAP` pixels, or by half of
        `side` if that is less.
    """
    if length <= side:
        return [0]
    step = max(side - min(OVERLAP, side // 2), multiple) // multiple * multiple
    return [*range(0, length - side, step), length - side]


def _joined(parts, begins, length, axis, seams):
    """Joins overlapping parts of an image along an axis.

    Args:
        parts: iterable of uint8 `[h, w, 3]`.
        begins: list of the positions of the parts along the axis.
        length: length of the result along the axis.
        axis: 0 or 1.
        seams: list to which the mean absolute difference of each two
            neighbouring parts is appended, in levels of 255. The difference is
            measured where both parts are used.

    Returns:
        uint8 `[H, W, 3]`.
    """
    whole, end = np.empty(0, np.uint8), 0
    for part, begin in zip(parts, begins, strict=True):
        part = np.moveaxis(np.asarray(part), axis, 0)
        if not end:
            whole = np.empty((length, *part.shape[1:]), np.uint8)
            whole[: len(part)] = part
        else:
            unused = min(UNUSED, (end - begin) // 4)
            first, last = begin + unused, end - unused
            new, old = part[unused : last - begin], whole[first:last]
            share = np.linspace(0, 1, last - first, dtype=np.float32)
            seams.append(float(np.abs(new - old.astype(np.float32)).mean()))
            blend = old + share[:, None, None] * (new.astype(np.float32) - old)
            whole[first:last] = np.rint(blend)
            whole[last : begin + len(part)] = part[last - begin :]
        end = begin + len(part)
    return np.moveaxis(whole, 0, axis)
