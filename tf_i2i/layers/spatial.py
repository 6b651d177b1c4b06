"""Resampling by two, and the minibatch deviation."""

import tensorflow as tf

from tf_i2i.layers.replicas import across_replicas


def upsample(x):
    """Nearest-neighbour upsampling: `[N, H, W, C]` -> `[N, 2H, 2W, C]`."""
    x = tf.concat([x, x], axis=3)  # Columns: each pixel beside its twin.
    shape = tf.shape(x)
    channels = x.shape[3] // 2
    x = tf.reshape(x, [shape[0], shape[1], 1, 2 * shape[2] * channels])
    x = tf.concat([x, x], axis=2)  # Rows.
    return tf.reshape(x, [shape[0], 2 * shape[1], 2 * shape[2], channels])


def downsample(x):
    """2x2 average pooling: `[N, H, W, C]` -> `[N, H/2, W/2, C]`."""
    return tf.nn.avg_pool2d(x, 2, 2, "VALID")


def minibatch_deviation(x, groups, epsilon=1e-8):
    """Appends the batch's mean deviation as one more channel.

    Karras et al. 2018 (arXiv:1710.10196), section 3: the standard deviation
    of each position and channel over the batch, averaged to one number. A
    batch must hold one kind of image: reals beside fakes would tell the
    critic nothing, so each group is taken by itself.

    Args:
        x: `[groups * N, H, W, C]`, float; group after group.
        groups: number of kinds of images in `x`.
        epsilon: added to the variance.

    Returns:
        `[groups * N, H, W, C + 1]`.
    """
    _, height, width, channels = x.shape
    y = tf.reshape(
        tf.cast(x, tf.float32), [groups, -1, height, width, channels]
    )
    # Two passes: a difference of large squares would round to below zero.
    (mean,) = across_replicas([tf.reduce_mean(y, 1, keepdims=True)])
    squares = tf.reduce_mean(tf.square(y - mean), 1, keepdims=True)
    (variance,) = across_replicas([squares])
    deviation = tf.reduce_mean(
        tf.sqrt(variance + epsilon), axis=[2, 3, 4], keepdims=True
    )
    deviation = tf.broadcast_to(deviation, tf.concat([tf.shape(y)[:4], [1]], 0))
    y = tf.concat([y, deviation], axis=4)
    return tf.cast(tf.reshape(y, [-1, height, width, channels + 1]), x.dtype)
