"""Gradient reversal: two opponents of one loss train in one step."""

import tensorflow as tf


@tf.custom_gradient
def reverse_gradient(x):
    """Returns `x`; its gradient gets the opposite sign.

    Ganin et al. 2016 (arXiv:1505.07818), section 3.2: layers after it
    minimize a loss, layers before it maximize the same loss.

    Args:
        x: float tensor of any shape.

    Returns:
        A tensor equal to `x`.
    """
    return tf.identity(x), tf.negative
