"""Aligned square crops of faces, made with affine maps.

Coordinates are x to the right and y down, in pixels from the photo's upper left
corner; pixel i covers [i, i + 1). The *face square* is a square around the
face, from hairline to chin, which is tilted like the face. In its own
coordinates, the face square is the unit square. A crop shows the face square
upright, with a margin on every side. The margin is given as a fraction of the
face square's side.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image
from PIL import ImageFilter

from tf_i2i.errors import UserError

# Default margin. With this margin the distance between the eyes is about a
# quarter of the crop's side.
MARGIN = 0.15
MARGINS = (-0.25, 2.0)  # Smallest and largest allowed margin.

# Positions in the face square of the left eye, the right eye, and the left and
# the right corner of the mouth, where left and right are as seen in the image.
# The distance from the eyes to the mouth is 1.09 times the distance between the
# eyes, and the width of the mouth is 0.87 times that distance. The numbers are
# averages over 118 photos.
EYES_AND_MOUTH = np.array(
    [(1 / 3, 0.38), (2 / 3, 0.38), (0.355, 0.743), (0.645, 0.743)]
)
CORNERS = np.array([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])

# Where a crop reaches beyond the photo, it shows the photo's mirror image,
# which becomes more blurred with the distance from the photo. `_FADE` is the
# distance at which the blur is complete. `_BLUR` is the standard deviation of
# the complete blur. Distance and standard deviation are fractions of the crop's
# side.
_FADE = 0.08
_BLUR = 0.06


class Face(NamedTuple):
    """A face in a photo.

    Attributes:
        points: `[K, 2]`, landmarks in pixels of the photo; K is at least 2.
        places: `[K, 2]`, positions of these landmarks in the face square.
    """

    points: np.ndarray
    places: np.ndarray

    @property
    def side(self):
        """Side of the face square in pixels of the photo."""
        return 1 / _scale(similarity(self.points, self.places))


def in_box(left, top, side):
    """Returns the `Face` whose face square is an upright square of a photo.

    Args:
        left, top: upper left corner in pixels of the photo.
        side: side in pixels.
    """
    return Face(CORNERS * side + (left, top), CORNERS)


def central(shape):
    """Returns the `Face` whose face square is the central square of a photo.

    Args:
        shape: shape of the photo, (height, width, ...).
    """
    height, width = shape[:2]
    side = min(height, width)
    return in_box((width - side) / 2, (height - side) / 2, side)


def check_margin(margin, name="--margin"):
    """Returns a margin that a user gave, or the default for None.

    Args:
        margin: the margin or None.
        name: name of the flag or setting, for the error message.

    Raises:
        UserError: the margin is not within `MARGINS`.
    """
    if margin is None:
        return MARGIN
    low, high = MARGINS
    if not low <= margin <= high:
        raise UserError(
            f"`{name}` must be between {low} and {high}. Received: {margin}"
        )
    return margin


def similarity(points, targets):
    """Returns the rotation, scale and shift that map points best to targets.

    The map is the least squares solution in closed form. If points and targets
    are complex numbers whose means have been subtracted, the map is `target = a
    * point` with `a = <point, target> / <point, point>`.

    Args:
        points: `[K, 2]`, at least two of them different.
        targets: `[K, 2]`.

    Returns:
        Matrix, float64 `[2, 3]`, such that `target = matrix[:, :2] @ point +
        matrix[:, 2]`.
    """
    z, w = (np.asarray(p, np.float64) @ (1, 1j) for p in (points, targets))
    centred = z - z.mean()
    a = np.vdot(centred, w) / np.vdot(centred, centred).real
    b = w.mean() - a * z.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def crop_matrix(face, size, margin):
    """Returns the affine map `[2, 3]` from a photo's pixels to a crop's.

    Args:
        face: a `Face` in the photo.
        size: side of the crop in pixels.
        margin: margin of the crop, as a fraction of the face square's side.
    """
    unit = similarity(face.points, face.places)
    unit[:, 2] += margin
    return unit * (size / (1 + 2 * margin))


def crop(photo, face, size, margin=MARGIN):
    """Returns an upright square crop of a face in a photo.

    Beyond the borders of the photo the crop shows the photo's mirror image. The
    blur of the mirror image grows with the distance from the border, so that no
    second mouth appears beside the face.

    Args:
        photo: uint8 `[height, width, 3]`.
        face: a `Face` in the photo.
        size: side of the crop in pixels.
        margin: margin around the face square, as a fraction of its side.

    Returns:
        uint8 `[size, size, 3]`.
    """
    matrix = crop_matrix(face, size, margin)
    picture = warp(photo, matrix, (size, size))
    far = _beyond(matrix, size, photo.shape)
    if not far.any():
        return picture
    return blend(blur(picture), picture, smooth(far / _FADE))


def outside(face, shape, margin):
    """Returns the share of a crop that lies beyond the photo's borders.

    Args:
        face: a `Face` in the photo.
        shape: shape of the photo, (height, width, ...).
        margin: margin of the crop, as a fraction of the face square's side.

    Returns:
        Float in [0, 1].
    """
    return np.mean(_beyond(crop_matrix(face, 32, margin), 32, shape) > 0)


def _beyond(matrix, size, shape):
    """Returns distances `[size, size]` of a crop's pixels from the photo.

    The distances are shares of the crop's side, and 0 for pixels inside the
    photo.
    """
    x, y = grid(invert(matrix), (size, size))
    far = np.maximum.reduce([-x, -y, x - shape[1], y - shape[0]])
    return np.maximum(0, far) * _scale(matrix) / size


def blur(picture):
    """Returns a crop, blurred until only its colours can be recognized."""
    gaussian = ImageFilter.GaussianBlur(_BLUR * len(picture))
    return np.array(Image.fromarray(picture).filter(gaussian))


def blend(over, under, mask):
    """Blends two images.

    Args:
        over: uint8 `[height, width, 3]`, shown where the mask is 1.
        under: uint8, same shape, shown where the mask is 0.
        mask: floats in [0, 1], `[height, width]`.

    Returns:
        uint8 `[height, width, 3]`.
    """
    result = under + mask[..., None] * (over.astype(np.float64) - under)
    return np.rint(result).astype(np.uint8)


def smooth(t):
    """Returns the smooth step `t^2 (3 - 2 t)` of `t`, clipped to [0, 1]."""
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)


def invert(matrix):
    """Returns the inverse of an affine map `[2, 3]`."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])


def apply(matrix, points):
    """Applies an affine map `[2, 3]` to points `[..., 2]`."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def grid(matrix, shape):
    """Applies an affine map to the centres of all pixels of an image.

    Args:
        matrix: affine map `[2, 3]`.
        shape: (height, width) of the image.

    Returns:
        Two arrays of that shape: the x and the y coordinates.
    """
    y, x = np.indices(shape) + 0.5
    return np.moveaxis(apply(matrix, np.stack([x, y], -1)), -1, 0)


def warp(image, matrix, shape):
    """Resamples an image by an affine map, antialiased.

    Beyond the image's borders its mirror images are used.

    Args:
        image: uint8 `[height, width, 3]`.
        matrix: affine map `[2, 3]` from the image's pixels to the pixels of the
            result. The map consists of a rotation, a scale and a shift.
        shape: (height, width) of the result.

    Returns:
        uint8 `[*shape, 3]`.
    """
    inverse = invert(matrix)
    scale = _scale(matrix)
    # Only the region that is needed is resampled, with a few more pixels on
    # each side for the filters.
    seen = apply(inverse, CORNERS * shape[::-1])
    slack = 3 / min(1, scale)
    low = np.floor(seen.min(0) - slack).astype(int)
    high = np.ceil(seen.max(0) + slack).astype(int)
    region = Image.fromarray(_mirror(image, low, high))
    # Pillow's `transform` causes aliasing when it shrinks an image, and
    # `resize` does not. Therefore the scale is changed by `resize` first.
    sides = np.maximum(1, np.rint(scale * (high - low))).astype(int)
    region = region.resize(tuple(sides), Image.Resampling.BICUBIC)
    inverse[:, 2] -= low
    inverse *= (sides / (high - low))[:, None]
    # `transform` rounds down if its input is uint8. Therefore its input is
    # converted to floats.
    planes = [
        np.asarray(
            Image.fromarray(plane).transform(
                shape[::-1],
                Image.Transform.AFFINE,
                tuple(inverse.ravel()),
                Image.Resampling.BICUBIC,
            )
        )
        for plane in np.moveaxis(np.asarray(region, np.float32), -1, 0)
    ]
    return np.rint(np.clip(np.stack(planes, -1), 0, 255)).astype(np.uint8)


def _mirror(image, low, high):
    """Returns the pixels from `low` to `high` (x, y), mirrored at borders."""
    columns, rows = (
        _reflect(np.arange(first, last), length)
        for first, last, length in zip(
            low, high, image.shape[1::-1], strict=True
        )
    )
    return image[rows[:, None], columns]


def _reflect(index, length):
    """Maps indices to `range(length)` by mirroring at both ends."""
    index = index % (2 * length)
    return np.where(index < length, index, 2 * length - 1 - index)


def _scale(matrix):
    """Returns the scale of a map of rotation, scale and shift."""
    return np.hypot(matrix[0, 0], matrix[1, 0])
