"""Resampling by two, padding, and the minibatch deviation."""

import numpy as np
import tensorflow as tf

from tf_i2i.layers.portable import is_portable
from tf_i2i.layers.replicas import across_replicas

# Rows and columns of a 4x4 kernel as sums of a 3x3 one's, which transposed
# convolutions lay out the other way round.
_SUM = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]])
_SUMS = np.kron(_SUM, _SUM)


def upsample(x):
    """Nearest-neighbour upsampling: `[N, H, W, C]` -> `[N, 2H, 2W, C]`."""
    x = tf.concat([x, x], axis=3)  # Columns: each pixel beside its twin.
    shape = tf.shape(x)
    channels = x.shape[3] // 2
    x = tf.reshape(x, [shape[0], shape[1], 1, 2 * shape[2] * channels])
    x = tf.concat([x, x], axis=2)  # Rows.
    return tf.reshape(x, [shape[0], 2 * shape[1], 2 * shape[2], channels])


def upsample_convolve(x, kernel):
    """3x3 "same" convolution of `upsample(x)`, without making it.

    Where twins meet one kernel, its weights can be added beforehand: what is
    left is a transposed 4x4 convolution of stride 2.

    Args:
        x: `[N, H, W, C]`, float.
        kernel: `[3, 3, C, D]`, float.

    Returns:
        `[N, 2H, 2W, D]`, of the dtype of `x`.
    """
    channels, filters = kernel.shape[2:]
    # A transposed convolution wants filters before channels.
    kernel = tf.transpose(kernel, [0, 1, 3, 2])
    kernel = tf.reshape(kernel, [9, filters * channels])
    kernel = tf.matmul(tf.constant(_SUMS, kernel.dtype), kernel)
    kernel = tf.reshape(kernel, [4, 4, filters, channels])
    shape = tf.shape(x)
    return tf.nn.conv2d_transpose(
        x,
        tf.cast(kernel, x.dtype),
        [shape[0], 2 * shape[1], 2 * shape[2], filters],
        strides=2,
    )


def downsample(x):
    """2x2 average pooling: `[N, H, W, C]` -> `[N, H/2, W/2, C]`."""
    return tf.nn.avg_pool2d(x, 2, 2, "VALID")


def reflect_pad(x, pixels, training=False):
    """Continues each image by its reflection, on all four sides.

    Args:
        x: `[N, H, W, C]`; H, W and C static where `training`, or within
            `portable`.
        pixels: how far, below H and W.
        training: whether to take pixels one by one, which is three times as
            fast to differentiate; the values are the same.

    Returns:
        `[N, H + 2 * pixels, W + 2 * pixels, C]`.
    """
    if is_portable() and pixels < min(x.shape[1:3]):
        return _reflected(_reflected(x, pixels, 1), pixels, 2)
    # Below that size the reflections of opposite edges meet.
    if not training or min(x.shape[1:3]) < 2 * pixels + 2:
        sides = [pixels, pixels]
        return tf.pad(x, [[0, 0], sides, sides, [0, 0]], "REFLECT")
    height, width, channels = x.shape[1:]
    rows, columns = (
        np.pad(np.arange(side), pixels, "reflect") for side in (height, width)
    )
    sources = (rows[:, None] * width + columns).ravel()

    @tf.custom_gradient
    def forward(x):
        flat = tf.reshape(x, [-1, height * width, channels])
        y = tf.gather(flat, sources, axis=1)
        y = tf.reshape(y, [-1, len(rows), len(columns), channels])

        def backward(upstream):
            return _folded(_folded(upstream, pixels, 1), pixels, 2)

        return y, backward

    return forward(x)


def _part(x, axis, start, stop):
    at = [slice(None)] * 4
    at[axis] = slice(start, stop)
    return x[tuple(at)]


def _reflected(x, pixels, axis):
    """Continues an axis line by line, which TFLite does much faster than by
    its operation for it.
    """
    last = x.shape[axis] - 1
    beyond = range(1, pixels + 1)
    before = [_part(x, axis, i, i + 1) for i in reversed(beyond)]
    after = [_part(x, axis, last - i, last - i + 1) for i in beyond]
    return tf.concat([*before, x, *after], axis)


def _folded(x, pixels, axis):
    """Adds what lies beyond the edges of an axis to what it reflects."""
    last = x.shape[axis] - pixels - 1  # The edge itself has one image only.

    def part(start, stop):
        return _part(x, axis, start, stop)

    def mirrored(start, stop):
        return tf.reverse(part(start, stop), [axis])

    edges = part(pixels, pixels + 1), part(last, last + 1)
    near = part(pixels + 1, 2 * pixels + 1) + mirrored(0, pixels)
    far = part(last - pixels, last) + mirrored(last + 1, last + pixels + 1)
    middle = part(2 * pixels + 1, last - pixels)
    return tf.concat([edges[0], near, middle, far, edges[1]], axis)


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
