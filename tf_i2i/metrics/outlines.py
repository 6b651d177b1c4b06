"""A measure of whether two images have outlines at the same pixel positions.

The measure shows whether a translation changes shapes. A translation that
changes only colours and texture keeps the outlines of its input.
"""

import numpy as np

from tf_i2i.extras import optional
from tf_i2i.metrics.arrays import check_pairs

# Share of the pixels that count as outlines, those with the largest gradient.
_SHARE = 0.1
# Standard deviation of the blur in pixels, for images of 64 pixels. The blur
# removes texture, which is finer than outlines.
_SIGMA = 1.0
_SIDE = 64


def outline_overlap(x, y, per_image=False):
    """Returns how well the outlines of the two images of a pair coincide.

    Each image is first blurred by a Gaussian filter whose standard deviation is
    1 pixel in images of 64 pixels. The outlines are the 10 % of the pixels at
    which the brightness of the blurred image changes most. The score is the
    F-measure of boundaries (Martin, Fowlkes and Malik 2004): an outline pixel
    counts as found if the other image has an outline pixel at a distance of at
    most 1 pixel in images of 64 pixels. In larger images, the blur and this
    distance grow in proportion. In smaller images both stay 1 pixel, so that
    smaller images have higher scores. Therefore compare only scores of images
    of one size. Colours, contrast and the sign of a change of brightness do not
    matter.

    Args:
        x: uint8 `[N, H, W, 3]`.
        y: uint8, same shape.
        per_image: whether to return one value per image, not the mean.

    Returns:
        Float in [0, 1], the mean over pairs; float64 `[N]` if `per_image`. A
        copy has the score 1. A pair has the score 0 if one of its images has no
        outlines. Two unrelated images have a score above 0 by chance, above all
        if all images show a face at the same position.

    Raises:
        UserError: an array is not uint8 images, or shapes differ.
    """
    check_pairs(x=x, y=y)
    ndimage = optional("scipy.ndimage", "eval")
    scores = np.array(
        [_overlap(*pair, ndimage) for pair in zip(x, y, strict=True)]
    )
    return scores if per_image else float(scores.mean())


def _overlap(x, y, ndimage):
    """Returns the F-measure of the outlines of one pair of images."""
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
    """Returns the mask `[H, W]` of pixels where brightness changes most."""
    grey = image.astype(np.float64).mean(-1)
    steep = ndimage.gaussian_gradient_magnitude(grey, sigma, mode="nearest")
    # The limit is above 0, because rounding errors keep the gradient of a flat
    # image from being exactly 0.
    return (steep > 1e-6) & (steep >= np.quantile(steep, 1 - _SHARE))
