"""One score of style and content, which is low for every cheat.

A cheat is a baseline without a translator. A score of style alone rewards a
translator that returns training images of the target domain. A score of content
alone rewards a translator that copies the input. The harmonic mean of the two
scores is high only if both are high.
"""

import warnings

from tf_i2i.errors import UserError

# Copy rate above which the score is 0. Real test images have a copy rate of
# .05.
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
    """Returns a style score, a content score and their harmonic mean.

    Args:
        called_b: share of translations that a probe classifies as the target
            domain (`share_called_b`).
        called_b_copy: `called_b` of the inputs themselves.
        called_b_truth: `called_b` of the ground-truth images, which the
            translator never saw.
        recall: `retrieval(...)["r@5"]` of the translations.
        recall_copy: `recall` of the inputs themselves.
        recall_random: `recall` of random images of the target domain.
        copy_rate: `copy_rate` of the translations.

    Returns:
        Dictionary of floats in [0, 1]: `style`, which is 0 for the input and
        1 for the ground truth; `content`, which is 0 for a random image of
        the target domain and 1 for the input; `score`, their harmonic mean,
        or 0 if `copy_rate` is above .10.

    Raises:
        UserError: an argument is outside [0, 1].
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
    """Returns `value` rescaled so that `none` is 0 and `full` is 1, clipped."""
    if full <= none:
        warnings.warn(
            f"gate: {name} cannot be measured, because its worst value, "
            f"{none:.3f}, is not below its best, {full:.3f}",
            stacklevel=3,
        )
        return 0.0
    return float(min(max((value - none) / (full - none), 0.0), 1.0))
