"""Gradient reversal, which trains two adversarial networks in one step."""

import tensorflow as tf


def reverse_gradient(x, strength=1.0):
    """Returns `x`; its gradient has the reversed sign.

    The layers after this operation minimize a loss, while the layers before it
    maximize the same loss (Ganin et al. 2016, arXiv:1505.07818, section 3.2).

    Args:
        x: float tensor of any shape.
        strength: factor by which the gradient is multiplied too, a number or a
            tensor of shape ().

    Returns:
        A tensor equal to `x`.
    """

    @tf.custom_gradient
    def reverse(x):
        return tf.identity(x), lambda upstream: -strength * upstream

    return reverse(x)
