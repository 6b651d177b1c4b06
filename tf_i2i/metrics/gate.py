"""One number that no cheat passes.

Numbers of style alone reward handing out training images, numbers of content
alone reward copying the input. The gate multiplies neither away.
"""

import warnings

from tf_i2i.errors import UserError

# Real images score .05.
MOST_COPIES = 0.10


def gate(
    *,
    called_b,
    called_b_copy,
    called_b_truth,
    recall,
    recall_copy,
    recall_random,
    copy_rate,
):
    """Style, content, and their harmonic mean.

    Args:
        called_b: share of translations that a probe takes for the target
            domain (`share_called_b`).
        called_b_copy: the same of the inputs themselves.
        called_b_truth: the same of the hidden true partners.
        recall: `retrieval(...)["r@5"]` of the translations.
        recall_copy: the same of the inputs themselves.
        recall_random: the same of random images of the target domain.
        copy_rate: share of translations nearer to the training set than 95 %
            of real test images are.

    Returns:
        Dictionary of floats in [0, 1]: `style`, 0 as the input and 1 as the
        truth; `content`, 0 as a random image and 1 as the input; `score`,
        their harmonic mean, or 0 where `copy_rate` is above .10.

    Raises:
        UserError: a number outside [0, 1].
    """
    for name, value in locals().copy().items():
        if not 0 <= value <= 1:
            raise UserError(f"`{name}` must be in [0, 1]. Received: {value}")
    style = _part("style", called_b, called_b_copy, called_b_truth)
    content = _part("content", recall, recall_random, recall_copy)
    score = 0.0
    if copy_rate <= MOST_COPIES and style + content > 0:
        score = 2 * style * content / (style + content)
    return {"style": style, "content": content, "score": score}


def _part(name, value, none, full):
    """Where `value` lies from `none` to `full`, within [0, 1]."""
    if full <= none:
        warnings.warn(
            f"gate: {name} cannot be measured, as its two ends are "
            f"{none:.3f} and {full:.3f}",
            stacklevel=3,
        )
        return 0.0
    return float(min(max((value - none) / (full - none), 0.0), 1.0))
