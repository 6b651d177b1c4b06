"""Gradient reversal, which trains two adversarial networks in one step."""

import tensorflow as tf


@tf.custom_gradient
def reverse_gradient(x):
    """Returns `x`; its gradient has the reversed sign.

    The layers after this operation minimize a loss, while the layers before it
    maximize the same loss (Ganin et al. 2016, arXiv:1505.07818, section 3.2).

    Args:
        x: float tensor of any shape.

    Returns:
        A tensor equal to `x`.
    """
    return tf.identity(x), tf.negative
