"""Three ways in which training goes wrong without a word, as numbers.

Each takes translations and their inputs as uint8 images `[N, H, W, 3]`, a
few dozen, and returns one number; `verdict` turns them into sentences that
say what to try. They are alarms, not scores: a good number proves nothing.
"""

import numpy as np

from tf_i2i.metrics.arrays import blocks
from tf_i2i.metrics.arrays import check_pairs

# Below this share of the inputs' diversity the outputs are all alike. Domains
# differ in diversity, but seldom by a factor of five.
COLLAPSED_BELOW = 0.2
# Mean levels of change that are no more than what rounding, blur and a slight
# tint bring about.
IDENTITY_BELOW = 4.0
# Translations keep or lose the luminance; a clearly negative correlation is a
# bistable start of training that went the wrong way.
INVERTED_BELOW = -0.3

_LUMINANCE = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601


def collapsed(outputs, inputs):
    """Diversity of the outputs as a share of that of the inputs.

    Diversity is the root mean square distance of the images to their mean.

    Returns:
        Float: 0 where all outputs are one image, 1 where they vary as the
        inputs do. 1 where the inputs do not vary, which says nothing.

    Raises:
        UserError: not uint8 images, or the shapes differ.
    """
    check_pairs(outputs=outputs, inputs=inputs)
    base = _spread(inputs)
    return _spread(outputs) / base if base else 1.0


def identity(outputs, inputs):
    """Mean absolute change of a pixel, in levels: 0 for a copy.

    Raises:
        UserError: not uint8 images, or the shapes differ.
    """
    check_pairs(outputs=outputs, inputs=inputs)
    gaps = [
        np.abs(o.astype(np.int32) - i).mean()
        for o, i in zip(outputs, inputs, strict=True)
    ]
    return float(np.mean(gaps))


def inverted(outputs, inputs):
    """Correlation of the outputs' luminance with the inputs', per image.

    Returns:
        Float in [-1, 1], mean over images: -1 for a negative, 0 where one
        of the two is flat.

    Raises:
        UserError: not uint8 images, or the shapes differ.
    """
    check_pairs(outputs=outputs, inputs=inputs)
    values = [_correlation(o, i) for o, i in zip(outputs, inputs, strict=True)]
    return float(np.mean(values))


def verdict(outputs, inputs):
    """What looks wrong with a translator, and what to try.

    Args:
        outputs: uint8 `[N, H, W, 3]`.
        inputs: uint8, same shape.

    Returns:
        List of sentences, empty where none of the three alarms rings.

    Raises:
        UserError: not uint8 images, or the shapes differ.
    """
    share = collapsed(outputs, inputs)
    change = identity(outputs, inputs)
    correlation = inverted(outputs, inputs)
    sentences = []
    if share < COLLAPSED_BELOW:
        sentences.append(
            f"The outputs are nearly all alike ({share:.0%} of the inputs' "
            "diversity): the critic has won or the translator has collapsed. "
            "Lower the learning rate, raise the gradient penalty or the "
            "cycle weight, or train longer if this is the beginning."
        )
    if change < IDENTITY_BELOW:
        sentences.append(
            f"The outputs are nearly the inputs ({change:.1f} levels of "
            "change): the translator copies. Lower the weights of the cycle, "
            "identity and reconstruction losses or raise the adversarial "
            "one, and take away connections that skip the bottleneck."
        )
    if correlation < INVERTED_BELOW:
        sentences.append(
            f"Light and dark are exchanged (correlation {correlation:.2f}): "
            "unless the task is a negative, training started the wrong way. "
            "Try another seed, or an identity loss for the first part."
        )
    return sentences


def _spread(images):
    """Root mean square distance per value to the mean image, in levels."""
    mean = images.mean(axis=0, dtype=np.float64)
    squares = [
        ((images[part] - mean) ** 2).sum() for part in blocks(len(images), 32)
    ]
    return float(np.sqrt(sum(squares) / images.size))


def _correlation(x, y):
    x, y = (image.astype(np.float64) @ _LUMINANCE for image in (x, y))
    x, y = x - x.mean(), y - y.mean()
    scale = np.sqrt((x**2).sum() * (y**2).sum())
    # A flat image leaves a rest of rounding, far below one level.
    return float((x * y).sum() / scale) if scale > 1e-6 else 0.0
