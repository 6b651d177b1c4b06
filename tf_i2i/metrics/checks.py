"""Three numbers that reveal failures of training that the losses do not show.

Each function takes some dozens of translations and their inputs, uint8 images
`[N, H, W, 3]`, and returns one number. `verdict` turns the numbers into
sentences that say what to try. The numbers are alarms and not scores, because a
normal value does not prove that a translation is good.
"""

import numpy as np

from tf_i2i.metrics.arrays import blocks
from tf_i2i.metrics.arrays import check_pairs

# The translator counts as collapsed if the outputs' diversity is below this
# share of the inputs' diversity. The diversities of two domains differ, but
# seldom by a factor of five.
COLLAPSED_BELOW = 0.2
# Mean change of a pixel, in levels (0 to 255), below which a translation counts
# as a copy. Rounding, blur and a slight tint change pixels about as much.
IDENTITY_BELOW = 4.0
# In a good translation the luminance correlates positively with that of the
# input, or not at all. A clearly negative correlation means that the
# translation is a negative of the input. Training can reach this solution, too.
INVERTED_BELOW = -0.3

_LUMINANCE = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601


def collapsed(outputs, inputs):
    """Returns the diversity of the outputs divided by that of the inputs.

    Diversity is the root mean square distance of the images to their mean.

    Args:
        outputs: uint8 `[N, H, W, 3]`, translations.
        inputs: uint8, same shape.

    Returns:
        Float: 0 if all outputs are the same image, 1 if they vary as much as
        the inputs. If all inputs are the same image, the result is 1 and has no
        meaning.

    Raises:
        UserError: an array is not uint8 images, or shapes differ.
    """
    check_pairs(outputs=outputs, inputs=inputs)
    base = _spread(inputs)
    return _spread(outputs) / base if base else 1.0


def identity(outputs, inputs):
    """Returns the mean absolute change of the pixel values.

    Args:
        outputs: uint8 `[N, H, W, 3]`, translations.
        inputs: uint8, same shape.

    Returns:
        Float, in levels (0 to 255).

    Raises:
        UserError: an array is not uint8 images, or shapes differ.
    """
    check_pairs(outputs=outputs, inputs=inputs)
    gaps = [
        np.abs(o.astype(np.int32) - i).mean()
        for o, i in zip(outputs, inputs, strict=True)
    ]
    return float(np.mean(gaps))


def inverted(outputs, inputs):
    """Returns the correlation of the outputs' luminance with the inputs'.

    Args:
        outputs: uint8 `[N, H, W, 3]`, translations.
        inputs: uint8, same shape.

    Returns:
        Float in [-1, 1], the mean over images of the correlation within each
        image: -1 for a negative of the input. The correlation of a pair counts
        as 0 if its input or its output is flat.

    Raises:
        UserError: an array is not uint8 images, or shapes differ.
    """
    check_pairs(outputs=outputs, inputs=inputs)
    values = [_correlation(o, i) for o, i in zip(outputs, inputs, strict=True)]
    return float(np.mean(values))


def verdict(outputs, inputs):
    """Returns sentences that say what looks wrong, and what to try.

    Args:
        outputs: uint8 `[N, H, W, 3]`, translations.
        inputs: uint8, same shape.

    Returns:
        List of strings; empty if nothing looks wrong.

    Raises:
        UserError: an array is not uint8 images, or shapes differ.
    """
    share = collapsed(outputs, inputs)
    change = identity(outputs, inputs)
    correlation = inverted(outputs, inputs)
    sentences = []
    if share < COLLAPSED_BELOW:
        sentences.append(
            f"The outputs are nearly all alike ({share:.0%} of the inputs' "
            "diversity). Either the critic has become too strong, or the "
            "translator has collapsed to one image. Lower the learning rate, "
            "raise the weight of the gradient penalty or of the cycle loss, "
            "or train longer if training has only begun."
        )
    if change < IDENTITY_BELOW:
        sentences.append(
            "The outputs are nearly equal to the inputs (mean change of "
            f"{change:.1f} levels), because the translator copies its input. "
            "Lower the weights of the cycle, identity and reconstruction "
            "losses or raise the weight of the adversarial loss, and remove "
            "connections that skip the bottleneck."
        )
    if correlation < INVERTED_BELOW:
        sentences.append(
            f"Light and dark are exchanged (correlation {correlation:.2f}). "
            "If the translations are not meant to be negatives of the inputs, "
            "try another seed, or use an identity loss in the first part of "
            "training."
        )
    return sentences


def _spread(images):
    """Returns the root mean square distance of images to their mean image.

    The distance is in levels (0 to 255).
    """
    mean = images.mean(axis=0, dtype=np.float64)
    squares = [
        ((images[part] - mean) ** 2).sum() for part in blocks(len(images), 32)
    ]
    return float(np.sqrt(sum(squares) / images.size))


def _correlation(x, y):
    x, y = (image.astype(np.float64) @ _LUMINANCE for image in (x, y))
    x, y = x - x.mean(), y - y.mean()
    scale = np.sqrt((x**2).sum() * (y**2).sum())
    # The limit is above 0, because rounding errors keep `scale` from being
    # exactly 0 for a flat image.
    return float((x * y).sum() / scale) if scale > 1e-6 else 0.0
