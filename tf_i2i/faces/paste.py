"""Ovals with soft rims: behind a face, and around a face put back.

No network tells hair from wall here. The oval is that of a head of usual
shape around the place where eyes and mouth have been brought.
"""

import numpy as np

from tf_i2i.faces import align

BACKGROUNDS = ("keep", "white", "blur")

# Of the head in the face square: from over the hairline to under the chin.
_CENTRE = (0.5, 0.45)
_AXES = (0.52, 0.64)
_FEATHER = 0.15  # Width of the soft rim, of the face square's side.


def head_mask(x, y):
    """How much a place belongs to the head.

    Args:
        x, y: arrays, coordinates in the face square.

    Returns:
        float array in [0, 1]: 1 within the oval, 0 outside, smooth in its
        rim.
    """
    radius = np.hypot((x - _CENTRE[0]) / _AXES[0], (y - _CENTRE[1]) / _AXES[1])
    return align.smooth((1 - radius) * min(_AXES) / _FEATHER)


def replace_background(picture, background, margin=align.MARGIN):
    """Replaces what lies outside the oval of the head in a crop.

    Args:
        picture: uint8 `[size, size, 3]` from `align.crop`.
        background: "keep", "white" or "blur", the crop's own, blurred.
        margin: of the crop.

    Returns:
        uint8 `[size, size, 3]`.
    """
    if background == "keep":
        return picture
    size = len(picture)
    if background == "white":
        behind = np.full_like(picture, 255)
    else:
        behind = align.blurred(picture)
    step = (1 + 2 * margin) / size
    to_face = np.array([[step, 0, -margin], [0, step, -margin]])
    mask = head_mask(*align.grid(to_face, (size, size)))
    return align.mixed(picture, behind, mask)


def paste(photo, picture, face, margin=align.MARGIN):
    """Puts a picture of a face where its crop came from.

    Args:
        photo: uint8 `[height, width, 3]`; changed in place.
        picture: uint8 `[size, size, 3]`, any size.
        face: the `Face` that was cut out.
        margin: of the crop. The oval ends at its borders in any case.
    """
    to_photo = align.invert(align.crop_matrix(face, len(picture), margin))
    corners = align.apply(to_photo, align.CORNERS * len(picture))
    limits = photo.shape[1::-1]
    low = np.clip(np.floor(corners.min(0)), 0, limits).astype(int)
    high = np.clip(np.ceil(corners.max(0)), 0, limits).astype(int)
    if (high <= low).any():
        return
    shape = tuple(high - low)[::-1]
    to_photo[:, 2] -= low
    warped = align.warp(picture, to_photo, shape)
    to_face = align.similarity(face.points, face.places)
    to_face[:, 2] += to_face[:, :2] @ low
    x, y = align.grid(to_face, shape)
    rim = np.minimum.reduce([x, y, 1 - x, 1 - y]) + margin
    mask = head_mask(x, y) * align.smooth(rim / _FEATHER)
    part = photo[low[1] : high[1], low[0] : high[0]]
    part[...] = align.mixed(warped, part, mask)
