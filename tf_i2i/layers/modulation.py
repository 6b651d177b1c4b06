"""Modulation of feature maps by a style, as in AdaIN."""

import tensorflow as tf


def modulate(x, scale, offset):
    """Returns `x * (1 + scale) + offset`, with one scale for each channel.

    The affine part of conditional instance normalization (Dumoulin et al.
    2017, arXiv:1610.07629) and of AdaIN (Huang and Belongie 2017,
    arXiv:1703.06868), after the normalization itself.

    Args:
        x: `[N, H, W, C]`, normalized.
        scale, offset: float32 `[N, C]`.

    Returns:
        Shape and dtype of `x`.
    """
    scale = tf.cast(1.0 + scale[:, None, None], x.dtype)
    return x * scale + tf.cast(offset[:, None, None], x.dtype)
