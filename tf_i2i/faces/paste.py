"""Replacing the background of a face, and pasting a face into its photo.

Replacing and pasting use an oval mask with a soft edge. The oval has the shape
of an average head and a fixed position in the face square. No network is used
to segment hair and background. Pictures with an alpha channel, such as drawings
whose plain background was removed, are pasted along their own outline.
"""

import numpy as np

from tf_i2i.faces import align

BACKGROUNDS = ("keep", "white", "blur")

# Centre and half axes of the oval in the face square. The oval reaches from
# above the hairline to below the chin.
_CENTRE = (0.5, 0.45)
_AXES = (0.52, 0.64)
_FEATHER = 0.15  # Width of the soft edge, as a share of the face square's side.


def head_mask(x, y):
    """Returns the oval mask at given positions.

    Args:
        x, y: arrays of one shape, coordinates in the face square.

    Returns:
        Float array of that shape in [0, 1]: 1 inside the oval, 0 outside, and
        between 0 and 1 in its soft edge.
    """
    radius = np.hypot((x - _CENTRE[0]) / _AXES[0], (y - _CENTRE[1]) / _AXES[1])
    return align.smooth((1 - radius) * min(_AXES) / _FEATHER)


def replace_background(picture, background, margin=align.MARGIN):
    """Replaces the part of a crop that lies outside the oval of the head.

    Args:
        picture: uint8 `[size, size, 3]`, a crop from `align.crop`.
        background: "keep" (no change), "white", or "blur" for the crop's own
            background, blurred.
        margin: margin of the crop, as a fraction of the face square's side.

    Returns:
        uint8 `[size, size, 3]`.
    """
    if background == "keep":
        return picture
    size = len(picture)
    if background == "white":
        behind = np.full_like(picture, 255)
    else:
        behind = align.blur(picture)
    step = (1 + 2 * margin) / size
    to_face = np.array([[step, 0, -margin], [0, step, -margin]])
    mask = head_mask(*align.grid(to_face, (size, size)))
    return align.blend(picture, behind, mask)


def paste(photo, picture, face, margin=align.MARGIN):
    """Pastes a face into a photo, at the position where it was cropped.

    Args:
        photo: uint8 `[height, width, 3]`; changed in place.
        picture: uint8 `[size, size, 3]`, the (translated) crop in any size.
            With an alpha channel, `[size, size, 4]`, alpha is used as the mask
            instead of the oval.
        face: the `Face` that was cropped.
        margin: margin of the crop, as a fraction of the face square's side. If
            the crop does not contain the whole oval or outline, the mask fades
            out at the crop's borders.
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
    warped = align.warp(picture[..., :3], to_photo, shape)
    to_face = align.similarity(face.points, face.places)
    to_face[:, 2] += to_face[:, :2] @ low
    x, y = align.grid(to_face, shape)
    rim = np.minimum.reduce([x, y, 1 - x, 1 - y]) + margin
    if picture.shape[-1] == 4:
        alpha = np.repeat(picture[..., 3:], 3, -1)
        mask = align.warp(alpha, to_photo, shape)[..., 0] / 255
    else:
        mask = head_mask(x, y)
    mask = mask * align.smooth(rim / _FEATHER)
    part = photo[low[1] : high[1], low[0] : high[0]]
    part[...] = align.blend(warped, part, mask)
