"""Gradient reversal, which trains two adversarial networks in one step."""

import tensorflow as tf


def reverse_gradient(x, strength=1.0):
    """Returns `x`; the gradient is multiplied by `-strength`.

    The layers after this operation minimize a loss, while the layers before it
    maximize the same loss (Ganin et al. 2016, arXiv:1505.07818, section 3.2).

    Args:
        x: float tensor of any shape.
        strength: positive number or tensor of shape ().

    Returns:
        A tensor equal to `x`.
    """

    @tf.custom_gradient
    def reverse(x):
        return tf.identity(x), lambda upstream: -strength * upstream

    return reverse(x)
