"""Plain backgrounds of drawings: finding them and making them transparent.

A drawing has a plain background if its left, upper and right edges have one
colour. The lower edge does not count, because a bust is usually cut off there.
"""

import itertools

import numpy as np
from PIL import Image
from PIL import ImageFilter

# Pixels count as background if no channel differs from the background's colour
# by more than this number of levels.
TOLERANCE = 12
# Smallest share of the pixels of the three edges that must have the
# background's colour. The other pixels may be hair or shoulders.
_SHARE = 0.75
# Largest and smallest width of a figure's soft edge, in pixels. The `_RIM`
# pixels next to the background always count as soft edge.
_SOFT = 5
_RIM = 3
# The figure's colour is looked for up to this number of pixels away.
_REACH = _SOFT + 2
# A pixel that differs by more than this number of levels from every mixture of
# background and figure is a part of the figure.
_MISFIT = 32
# Penalties in squared levels that are added to the misfit of a colour:
# `_FARTHER` for each pixel of distance, and `_IN_EDGE` if the colour is that of
# a pixel in a soft edge.
_FARTHER = 4
_IN_EDGE = 400


def plain_ground(image):
    """Returns the colour of a drawing's plain background, or None.

    Args:
        image: uint8 `[height, width, 3]`.

    Returns:
        uint8 `[3]`, the median of the left, upper and right edges. None if less
        than three quarters of these pixels have this colour, within `TOLERANCE`
        levels.
    """
    edges = np.concatenate([image[0], image[:, 0], image[:, -1]])
    colour = np.rint(np.median(edges, axis=0)).astype(np.uint8)
    same = _difference(edges, colour) <= TOLERANCE
    return colour if same.mean() >= _SHARE else None


def clear_ground(image, colour):
    """Makes the plain background of a drawing transparent.

    The background consists of the pixels that have its colour and are connected
    with the left, the upper or the right edge of the image. Other areas of that
    colour, such as a white shirt, are not changed. A pixel in a soft edge of
    the figure is assumed to be a mixture, `alpha * figure + (1 - alpha) *
    background`, where the figure's colour is the colour of a pixel nearby. The
    pixel gets the figure's colour and this alpha. Therefore the figure has no
    rim of the old background's colour if it is placed on another background.

    The alpha of a figure that differs from the background by less than about 50
    levels is inexact, because mixtures with a small share of the figure cannot
    be distinguished from the background.

    Args:
        image: uint8 `[height, width, 3]`.
        colour: the background's colour, from `plain_ground`.

    Returns:
        uint8 `[height, width, 4]`: RGB, not multiplied by alpha, and alpha.
    """
    difference = _difference(image, colour)
    ground = _connected(difference <= TOLERANCE)
    edge = _soft_edges(ground, difference)
    penalty = np.where(ground | edge, np.inf, 0.0)
    # Thin lines consist of soft edges only. Therefore, in each neighbourhood,
    # the pixel that differs most from the background is also allowed as the
    # source of the figure's colour.
    peak = difference == _filter(ImageFilter.MaxFilter, difference, _SOFT)
    penalty[edge & peak & (difference > 2 * TOLERANCE)] = _IN_EDGE
    alpha = np.where(ground, 0.0, 1.0)
    alpha[edge] = _estimate_alpha(image, colour, penalty, np.nonzero(edge))
    levels = np.dstack([_unmix(image, colour, alpha), 255 * alpha])
    return np.rint(levels).astype(np.uint8)


def _difference(image, colour):
    """Returns each pixel's largest difference from a colour, in levels."""
    return np.abs(image.astype(int) - colour).max(-1)


def _connected(mask):
    """Returns the part of a mask that is connected with three of its edges.

    Args:
        mask: bool `[height, width]`.

    Returns:
        bool of the same shape: the pixels of `mask` that are connected, by
        horizontal and vertical steps inside `mask`, with the left, the upper
        or the right edge.
    """
    reached = np.zeros_like(mask)
    reached[0] = mask[0]
    reached[:, [0, -1]] = mask[:, [0, -1]]
    count = -1
    while count != (count := int(reached.sum())):
        reached = _fill_runs(reached, mask)
        reached = _fill_runs(reached.T, mask.T).T
    return reached


def _fill_runs(reached, mask):
    """Extends the reached pixels along the rows of a mask.

    Args:
        reached: bool `[height, width]`, some pixels of `mask`.
        mask: bool `[height, width]`.

    Returns:
        bool of the same shape: all pixels of the runs that contain a reached
        pixel. A run is a sequence of neighbouring pixels of a row that are all
        in `mask`.
    """
    # All pixels of a run have the same number of pixels outside the mask before
    # them. The column that is added keeps the runs of two rows apart.
    outside = np.pad(~mask, [(0, 0), (0, 1)], constant_values=True)
    run = np.cumsum(outside).reshape(outside.shape)[:, :-1]
    hit = np.zeros(run[-1, -1] + 1, bool)
    hit[run[reached]] = True
    return hit[run] & mask


def _soft_edges(ground, difference):
    """Returns a mask of the pixels in which figure and background may be mixed.

    From the background inwards, the pixels of a soft edge differ more and more
    from the background. The edge ends where the difference decreases, for
    example at a white collar behind a dark line.

    Args:
        ground: bool `[height, width]`.
        difference: integers `[height, width]`, the difference of each pixel
            from the background's colour, in levels.

    Returns:
        bool `[height, width]`, without the background.
    """
    reached = ground
    for width in range(_SOFT):
        lowest = _filter(
            ImageFilter.MinFilter, np.where(reached, difference, 255), 1
        )
        limit = 254 if width < _RIM else difference + TOLERANCE
        reached = reached | (lowest <= np.minimum(254, limit))
    return reached & ~ground


def _filter(kind, values, radius):
    """Applies a rank filter of Pillow to squares around all pixels.

    Args:
        kind: `ImageFilter.MinFilter` or `ImageFilter.MaxFilter`.
        values: integers in [0, 255], `[height, width]`.
        radius: half the side of the squares, in pixels.

    Returns:
        uint8 `[height, width]`.
    """
    picture = Image.fromarray(values.astype(np.uint8))
    return np.asarray(picture.filter(kind(2 * radius + 1)))


def _estimate_alpha(image, colour, penalty, pixels):
    """Returns the share of the figure in mixed pixels.

    The colours of the pixels nearby, except pixels with an infinite penalty,
    are tried as the colour of the figure. The colour whose mixture with the
    background fits best is used.

    Args:
        image: uint8 `[height, width, 3]`.
        colour: the background's colour, uint8 `[3]`.
        penalty: floats `[height, width]`, in squared levels of 255. The
            penalty of a nearby pixel is added to the misfit of its colour. The
            penalty is infinite if this colour must not be used.
        pixels: arrays of the rows and of the columns of the N mixed pixels.

    Returns:
        Floats `[N]` in [0, 1].
    """
    offsets = image - colour.astype(np.float32)
    mixed = offsets[pixels]
    least = np.full(len(mixed), np.inf)
    alpha = np.zeros(len(mixed))
    height, width = penalty.shape
    steps = range(-_REACH, _REACH + 1)
    for dy, dx in itertools.product(steps, steps):
        away = np.hypot(dy, dx)
        if away > _REACH:
            continue
        y = np.clip(pixels[0] + dy, 0, height - 1)
        x = np.clip(pixels[1] + dx, 0, width - 1)
        (tried,) = np.nonzero(np.isfinite(penalty[y, x]))
        y, x, target = y[tried], x[tried], mixed[tried]
        figure = offsets[y, x]
        square = np.maximum(1, (figure**2).sum(1))
        share = np.clip((target * figure).sum(1) / square, 0, 1)
        misfit = ((target - share[:, None] * figure) ** 2).sum(1)
        misfit += penalty[y, x] + _FARTHER * away
        better = misfit < least[tried]
        least[tried[better]] = misfit[better]
        alpha[tried[better]] = share[better]
    # A pixel that no mixture fits is a part of the figure. A pixel without a
    # figure nearby belongs to the background, and its alpha stays 0.
    alpha[np.isfinite(least) & (least > _MISFIT**2)] = 1
    return alpha


def _unmix(image, colour, alpha):
    """Returns the colours of the figure, without the background's share.

    Args:
        image: uint8 `[height, width, 3]`.
        colour: the background's colour, uint8 `[3]`.
        alpha: share of the figure, floats in [0, 1], `[height, width]`.

    Returns:
        Floats in [0, 255], `[height, width, 3]`. Only the colours of mixed
        pixels differ from those in `image`.
    """
    figure = image.astype(float)
    mixed = (alpha > 0) & (alpha < 1)
    share = alpha[mixed][:, None]
    figure[mixed] = (figure[mixed] - (1 - share) * colour) / share
    return np.clip(figure, 0, 255)
