"""Gradient reversal, by which two sides of one loss train in one step."""

import tensorflow as tf


@tf.custom_gradient
def reverse_gradient(x):
    """Gives `x` as it is and its gradient with the other sign.

    Ganin et al. 2016 (arXiv:1505.07818), section 3.2: what lies behind it
    minimizes the loss, what lies before it maximizes the same loss.

    Args:
        x: float tensor of any shape.

    Returns:
        The same.
    """
    return tf.identity(x), tf.negative
