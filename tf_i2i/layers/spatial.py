"""Upsampling, downsampling, padding, and the minibatch standard deviation."""

import numpy as np
import tensorflow as tf

from tf_i2i.layers.portable import is_portable
from tf_i2i.layers.replicas import across_replicas

# The matrix `_SUM` computes each row of a 4x4 kernel as a sum of rows of a 3x3
# kernel. The rows are in reversed order, because transposed convolutions flip
# their kernel. `_SUMS` computes the sums over rows and columns at once.
_SUM = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]])
_SUMS = np.kron(_SUM, _SUM)


def upsample(x):
    """Returns `x` upsampled to twice its size by nearest neighbour.

    Args:
        x: `[N, H, W, C]`.

    Returns:
        `[N, 2H, 2W, C]`.
    """
    # Each pixel is repeated within its row.
    x = tf.concat([x, x], axis=3)
    shape = tf.shape(x)
    channels = x.shape[3] // 2
    x = tf.reshape(x, [shape[0], shape[1], 1, 2 * shape[2] * channels])
    # Each row is repeated.
    x = tf.concat([x, x], axis=2)
    return tf.reshape(x, [shape[0], 2 * shape[1], 2 * shape[2], channels])


def upsample_convolve(x, kernel):
    """Returns the 3x3 "same" convolution of `upsample(x)`, without upsampling.

    Where the kernel covers several copies of the same pixel, the weights for
    these copies are added. The result is a transposed 4x4 convolution of stride
    2.

    Args:
        x: `[N, H, W, C]`, float.
        kernel: `[3, 3, C, D]`, float.

    Returns:
        `[N, 2H, 2W, D]`, of the dtype of `x`.
    """
    channels, filters = kernel.shape[2:]
    # In kernels of transposed convolutions, the axis of output channels comes
    # before the axis of input channels.
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
    """Returns the means of 2x2 pixels of `x`, `[N, H/2, W/2, C]`."""
    return tf.nn.avg_pool2d(x, 2, 2, "VALID")


def blur_downsample(x):
    """Returns every second pixel of `x`, after a blur of 3x3 pixels.

    The blur has the weights 1/4, 1/2, 1/4 along each axis, and avoids the
    aliasing of a convolution of stride 2 (Zhang 2019, arXiv:1904.11486). Before
    the blur, the image is padded by reflection.

    Args:
        x: `[N, H, W, C]`.

    Returns:
        `[N, h, w, C]` with h = H/2 and w = W/2, rounded up. The centre of the
        first pixel is that of the first pixel of `x`.
    """
    for axis in (1, 2):
        count, *sides, channels = _shape(x)
        if sides[axis - 1] % 2:
            x = tf.concat([x, _part(x, axis, -2, -1)], axis)
            sides[axis - 1] += 1
        sides[axis - 1 : axis] = [sides[axis - 1] // 2, 2]
        pairs = tf.reshape(x, [count, *sides, channels])
        even, odd = tf.unstack(pairs, axis=axis + 1)
        before = tf.concat(
            [_part(odd, axis, 0, 1), _part(odd, axis, 0, -1)], axis
        )
        x = 0.5 * even + 0.25 * (before + odd)
    return x


def blur_upsample(x):
    """Returns `x` upsampled to twice its size by bilinear interpolation.

    Args:
        x: `[N, H, W, C]`.

    Returns:
        `[N, 2H, 2W, C]`. The outermost pixels are repeated beyond the borders.
    """
    for axis in (1, 2):
        count, *sides, channels = _shape(x)
        sides[axis - 1] *= 2
        before = tf.concat([_part(x, axis, 0, 1), _part(x, axis, 0, -1)], axis)
        after = tf.concat(
            [_part(x, axis, 1, None), _part(x, axis, -1, None)], axis
        )
        pairs = [0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after]
        x = tf.reshape(tf.stack(pairs, axis + 1), [count, *sides, channels])
    return x


def _shape(x):
    """Returns the shape of `x`, with integers for sizes that are static."""
    return [
        tf.shape(x)[i] if size is None else size
        for i, size in enumerate(x.shape)
    ]


def reflect_pad(x, pixels, training=False):
    """Returns images padded by their reflection, on all four sides.

    Args:
        x: `[N, H, W, C]`. H, W and C must be static if `training` is true, and
            inside the context `portable`.
        pixels: width of the padding in pixels, less than H and W.
        training: whether to use an implementation whose gradient is three
            times as fast. This implementation gathers the pixels by their
            indices. The outputs are the same.

    Returns:
        `[N, H + 2 * pixels, W + 2 * pixels, C]`.
    """
    if is_portable() and pixels < min(x.shape[1:3]):
        return _reflect(_reflect(x, pixels, 1), pixels, 2)
    # The fast gradient is not used for images with a side below
    # 2 * pixels + 2, because there the reflections at opposite edges overlap.
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
            return _fold(_fold(upstream, pixels, 1), pixels, 2)

        return y, backward

    return forward(x)


def _part(x, axis, start, stop):
    at = [slice(None)] * 4
    at[axis] = slice(start, stop)
    return x[tuple(at)]


def _reflect(x, pixels, axis):
    """Returns `x` padded by reflection along one axis, by concatenation.

    In TFLite, concatenation is much faster than the operation for reflection
    padding.
    """
    last = x.shape[axis] - 1
    beyond = range(1, pixels + 1)
    before = [_part(x, axis, i, i + 1) for i in reversed(beyond)]
    after = [_part(x, axis, last - i, last - i + 1) for i in beyond]
    return tf.concat([*before, x, *after], axis)


def _fold(x, pixels, axis):
    """Returns the gradient of reflection padding along one axis.

    The padding is removed. The gradient of each padded pixel is added to the
    gradient of the pixel from which it was copied.
    """
    # The index of the last pixel before the padding at the end. The first and
    # the last pixel of the original axis have no copies in the padding.
    last = x.shape[axis] - pixels - 1

    def part(start, stop):
        return _part(x, axis, start, stop)

    def flip(start, stop):
        return tf.reverse(part(start, stop), [axis])

    edges = part(pixels, pixels + 1), part(last, last + 1)
    near = part(pixels + 1, 2 * pixels + 1) + flip(0, pixels)
    far = part(last - pixels, last) + flip(last + 1, last + pixels + 1)
    middle = part(2 * pixels + 1, last - pixels)
    return tf.concat([edges[0], near, middle, far, edges[1]], axis)


def minibatch_deviation(x, groups, epsilon=1e-8):
    """Returns `x` with the minibatch standard deviation as one more channel.

    The standard deviation over the batch is computed for each pixel position
    and channel. The mean of these standard deviations is the value of the new
    channel (Karras et al. 2018, arXiv:1710.10196, section 3). The value is
    computed separately for each group, such as real and fake images, because a
    value that is equal for both groups would not help the critic to distinguish
    them.

    Args:
        x: `[groups * N, H, W, C]`, float, one group after the other.
        groups: number of groups in `x`.
        epsilon: small number that is added to the variance.

    Returns:
        `[groups * N, H, W, C + 1]`.
    """
    _, height, width, channels = x.shape
    y = tf.reshape(
        tf.cast(x, tf.float32), [groups, -1, height, width, channels]
    )
    # The mean is subtracted before squaring, because a difference of large
    # mean squares could be rounded to a negative variance.
    (mean,) = across_replicas([tf.reduce_mean(y, 1, keepdims=True)])
    squares = tf.reduce_mean(tf.square(y - mean), 1, keepdims=True)
    (variance,) = across_replicas([squares])
    deviation = tf.reduce_mean(
        tf.sqrt(variance + epsilon), axis=[2, 3, 4], keepdims=True
    )
    deviation = tf.broadcast_to(deviation, tf.concat([tf.shape(y)[:4], [1]], 0))
    y = tf.concat([y, deviation], axis=4)
    return tf.cast(tf.reshape(y, [-1, height, width, channels + 1]), x.dtype)
