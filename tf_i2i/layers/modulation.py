"""Scaling and shifting of feature maps that depends on a style (AdaIN)."""

import tensorflow as tf


def modulate(x, scale, offset):
    """Returns `x * (1 + scale) + offset` for each image and channel.

    This is the affine part of conditional instance normalization (Dumoulin et
    al. 2017, arXiv:1610.07629) and of AdaIN (Huang and Belongie 2017,
    arXiv:1703.06868). `x` must already be normalized.

    Args:
        x: `[N, H, W, C]`, normalized feature maps.
        scale, offset: float32 `[N, C]`.

    Returns:
        A tensor of the shape and dtype of `x`.
    """
    scale = tf.cast(1.0 + scale[:, None, None], x.dtype)
    return x * scale + tf.cast(offset[:, None, None], x.dtype)
