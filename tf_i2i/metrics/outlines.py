"""Do two images have their outlines in the same places?

What a translation does to shapes: one that only paints has the outlines of
its input, whatever its colours.
"""

import numpy as np

from tf_i2i.extras import optional
from tf_i2i.metrics.arrays import check_pairs

_SHARE = 0.1  # Of the pixels: those where brightness changes most.
_SIGMA = 1.0  # Pixels at a side of 64: what is finer is texture.
_SIDE = 64


def outline_overlap(x, y, per_image=False):
    """How far the outlines of pairs lie in the same places.

    Outlines are the tenth of an image's pixels with the steepest brightness,
    after a Gaussian of sigma 1 at 64 pixels; the score is the F-measure of
    boundaries (Martin, Fowlkes and Malik 2004), which counts an outline as
    found within 1 pixel (at 64). Both grow with larger images and stay 1
    pixel in smaller ones, which score higher: compare at one size. Signs,
    colours and contrast do not matter.

    Args:
        x: uint8 `[N, H, W, 3]`.
        y: uint8, same shape.
        per_image: whether to return all `[N]` values.

    Returns:
        Float in [0, 1], 0 where an image has no outlines: 1 for a copy, and
        for images of other things what chance gives, which is more than 0
        where faces all stand in one place; or float64 `[N]`.

    Raises:
        UserError: not uint8 images, or the shapes differ.
    """
    check_pairs(x=x, y=y)
    ndimage = optional("scipy.ndimage", "eval")
    scores = np.array(
        [_overlap(*pair, ndimage) for pair in zip(x, y, strict=True)]
    )
    return scores if per_image else float(scores.mean())


def _overlap(x, y, ndimage):
    """The F-measure of one pair."""
    scale = min(x.shape[:2]) / _SIDE
    near = np.ones([1 + 2 * max(1, round(scale))] * 2)
    a, b = (
        _outlines(image, ndimage, _SIGMA * max(1, scale)) for image in (x, y)
    )
    if not (a.any() and b.any()):
        return 0.0
    found = ndimage.binary_dilation(b, near)[a].mean()
    right = ndimage.binary_dilation(a, near)[b].mean()
    return 2 * found * right / max(found + right, 1e-12)


def _outlines(image, ndimage, sigma):
    """Boolean `[H, W]`: where brightness changes most."""
    grey = image.astype(np.float64).mean(-1)
    steep = ndimage.gaussian_gradient_magnitude(grey, sigma, mode="nearest")
    # Rounding leaves a little of it in flat images.
    return (steep > 1e-6) & (steep >= np.quantile(steep, 1 - _SHARE))
