"""Where a face lies in a photo, and the square picture cut from there.

Coordinates are x to the right and y down, in pixels from the photo's upper
left corner, so that pixel i covers [i, i + 1). The *face square* is the unit
square from hairline to chin, upright in the face's own sense; a crop shows it
with a margin on every side, as a fraction of its side.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image
from PIL import ImageFilter

from tf_i2i.errors import UserError

MARGIN = 0.15  # The eyes are a quarter of the crop's side apart.
MARGINS = (-0.25, 2.0)

# Left eye, right eye, left and right corner of the mouth, as seen in the
# picture. From the eyes to the mouth it is 1.09, and across the mouth 0.87
# times the distance of the eyes: means of 118 photos.
EYES_AND_MOUTH = np.array(
    [(1 / 3, 0.38), (2 / 3, 0.38), (0.355, 0.743), (0.645, 0.743)]
)
CORNERS = np.array([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])

# Of a crop's side: where mirror images fade, and how much they are blurred.
_FADE = 0.08
_BLUR = 0.06  # Standard deviation.


class Face(NamedTuple):
    """A face in a photo.

    Attributes:
        points: `[K, 2]`, pixels of the photo; K is at least 2.
        places: `[K, 2]`, where these points belong in the face square.
    """

    points: np.ndarray
    places: np.ndarray

    @property
    def side(self):
        """Of the face square, in pixels of the photo."""
        return 1 / _scale(similarity(self.points, self.places))


def in_box(left, top, side):
    """The `Face` of which no more is known than an upright square."""
    return Face(CORNERS * side + (left, top), CORNERS)


def central(shape):
    """The central square of a photo of `shape` (height, width, ...)."""
    height, width = shape[:2]
    side = min(height, width)
    return in_box((width - side) / 2, (height - side) / 2, side)


def checked_margin(margin):
    """`--margin`, or its default for None.

    Raises:
        UserError: it is not within `MARGINS`.
    """
    if margin is None:
        return MARGIN
    low, high = MARGINS
    if not low <= margin <= high:
        raise UserError(
            f"`--margin` must be between {low} and {high}. Received: {margin}"
        )
    return margin


def similarity(points, targets):
    """Rotation, one scale and shift that lead points to targets best.

    Least squares, in closed form: as complex numbers without their means,
    `target = a * point`, so that `a = <point, target> / <point, point>`.

    Args:
        points, targets: `[K, 2]`; the points are not all one.

    Returns:
        float64 `[2, 3]`: `target = matrix[:, :2] @ point + matrix[:, 2]`.
    """
    z, w = (np.asarray(p, np.float64) @ (1, 1j) for p in (points, targets))
    centred = z - z.mean()
    a = np.vdot(centred, w) / np.vdot(centred, centred).real
    b = w.mean() - a * z.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def crop_matrix(face, size, margin):
    """From a photo's pixels to those of the crop: `[2, 3]`."""
    unit = similarity(face.points, face.places)
    unit[:, 2] += margin
    return unit * (size / (1 + 2 * margin))


def crop(photo, face, size, margin=MARGIN):
    """Cuts a face out, upright.

    Args:
        photo: uint8 `[height, width, 3]`; beyond its borders it is continued
            by its mirror image, ever more blurred: no face shall have a
            second mouth.
        face: a `Face` in it.
        size: side of the result in pixels.
        margin: around the face square, as a fraction of its side.

    Returns:
        uint8 `[size, size, 3]`.
    """
    matrix = crop_matrix(face, size, margin)
    picture = warp(photo, matrix, (size, size))
    far = _beyond(matrix, size, photo.shape)
    if not far.any():
        return picture
    return mixed(blurred(picture), picture, smooth(far / _FADE))


def outside(face, shape, margin):
    """How much of a crop lies beyond the photo's borders, in [0, 1]."""
    return np.mean(_beyond(crop_matrix(face, 32, margin), 32, shape) > 0)


def _beyond(matrix, size, shape):
    """How far pixels of a crop are from the photo, as a share of `size`."""
    x, y = grid(invert(matrix), (size, size))
    far = np.maximum.reduce([-x, -y, x - shape[1], y - shape[0]])
    return np.maximum(0, far) * _scale(matrix) / size


def blurred(picture):
    """A crop of which the colours are left."""
    blur = ImageFilter.GaussianBlur(_BLUR * len(picture))
    return np.array(Image.fromarray(picture).filter(blur))


def mixed(over, under, mask):
    """Lays one picture on another, with weights `[height, width]`."""
    result = under + mask[..., None] * (over.astype(np.float64) - under)
    return np.rint(result).astype(np.uint8)


def smooth(t):
    """A step from 0 to 1 between 0 and 1, without corners."""
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)


def invert(matrix):
    """The inverse of a `[2, 3]` affine map."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])


def apply(matrix, points):
    """An affine map `[2, 3]` of points `[..., 2]`."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def grid(matrix, shape):
    """Where an affine map takes the centres of pixels: x and y of `shape`."""
    y, x = np.indices(shape) + 0.5
    return np.moveaxis(apply(matrix, np.stack([x, y], -1)), -1, 0)


def warp(image, matrix, shape):
    """Resamples an image, antialiased, with mirror images around it.

    Args:
        image: uint8 `[height, width, 3]`.
        matrix: similarity `[2, 3]` from its pixels to those of the result.
        shape: (height, width) of the result.

    Returns:
        uint8 `[*shape, 3]`.
    """
    inverse = invert(matrix)
    scale = _scale(matrix)
    # Only what is needed, and a few pixels more for the filters.
    seen = apply(inverse, CORNERS * shape[::-1])
    slack = 3 / min(1, scale)
    low = np.floor(seen.min(0) - slack).astype(int)
    high = np.ceil(seen.max(0) + slack).astype(int)
    region = Image.fromarray(_mirrored(image, low, high))
    # Pillow's transform does not filter where it shrinks: its resize does.
    sides = np.maximum(1, np.rint(scale * (high - low))).astype(int)
    region = region.resize(tuple(sides), Image.Resampling.BICUBIC)
    inverse[:, 2] -= low
    inverse *= (sides / (high - low))[:, None]
    # And it rounds bytes down, which floats are spared.
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


def _mirrored(image, low, high):
    """Pixels from `low` to `high` (x, y) of the plane of mirror images."""
    columns, rows = (
        _reflect(np.arange(first, last), length)
        for first, last, length in zip(
            low, high, image.shape[1::-1], strict=True
        )
    )
    return image[rows[:, None], columns]


def _reflect(index, length):
    index = index % (2 * length)
    return np.where(index < length, index, 2 * length - 1 - index)


def _scale(matrix):
    return np.hypot(matrix[0, 0], matrix[1, 0])
