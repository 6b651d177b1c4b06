"""A convolution layer like that of Keras, but faster on CPUs."""

import keras
import numpy as np
import tensorflow as tf

from tf_i2i.layers.portable import is_portable
from tf_i2i.layers.winograd import convolve_3x3

# `convolve_by_rows` is faster if the input or the output has at most `_FEW`
# channels and the kernel's side is at least `_LARGE` pixels.
_FEW, _LARGE = 4, 5
# `convolve` is faster if input and output have at least `_MANY` channels and
# the feature map's shorter side is at least `_WIDE` pixels.
_MANY, _WIDE = 128, 24
# `convolve_3x3` is faster if input and output have at least `_MANY` channels
# and the feature map's shorter side is at least `_TILED` pixels.
_TILED = 16


class Conv2D(keras.layers.Conv2D):
    """A `keras.layers.Conv2D` that is faster on CPUs.

    The outputs differ from those of Keras by rounding only.

    If the kernel is large, and the input or the output has few channels (such
    as RGB images), the convolution is computed by `convolve_by_rows`. If the
    input and the output are bfloat16 with many channels, it is computed by
    `convolve`. That function computes the gradient with respect to the kernel
    by matrix products, which are faster in oneDNN.

    If the kernel is a constant of the graph (see `methods.frozen`), a float32
    3x3 convolution with many channels is computed by Winograd's algorithm.

    On GPUs, in TFLite and in ONNX the operation of Keras is used. A SavedModel
    contains the operations that are fastest on the machine that wrote it.

    Images are `[N, H, W, C]`, even if Keras is configured otherwise.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{"data_format": "channels_last"} | kwargs)

    def convolution_op(self, inputs, kernel):
        """Returns the convolution of `[N, H, W, C]`, without the bias."""
        side, _, channels, filters = kernel.shape
        if self._plain():
            return super().convolution_op(inputs, kernel)
        kernel = tf.convert_to_tensor(kernel)
        fewer = min(channels, filters)
        if self._suits_winograd(inputs, kernel):
            return convolve_3x3(
                _padded(inputs, kernel, self.padding),
                tf.get_static_value(kernel),
            )
        if side >= _LARGE and fewer <= _FEW and self.padding == "valid":
            return convolve_by_rows(inputs, kernel)
        wide = None not in inputs.shape[1:] and min(inputs.shape[1:3]) >= _WIDE
        if fewer >= _MANY and wide and side > 1 and inputs.dtype == tf.bfloat16:
            return convolve(inputs, kernel, self.padding)
        return super().convolution_op(inputs, kernel)

    def _suits_winograd(self, inputs, kernel):
        """Returns whether `convolve_3x3` can be used and is faster."""
        sides = [side or _TILED for side in inputs.shape[1:3]]
        return (
            kernel.shape[:2] == (3, 3)
            and min(kernel.shape[2:]) >= _MANY
            and min(sides) >= _TILED
            and inputs.dtype == tf.float32
            and not tf.executing_eagerly()
            and tf.get_static_value(kernel) is not None
        )

    def _plain(self):
        accelerated = tf.config.list_physical_devices("GPU")
        dense = self.strides == self.dilation_rate == (1, 1)
        return is_portable() or accelerated or not dense


def convolve_by_rows(x, kernel):
    """Returns a "valid" convolution of stride 1, computed as two convolutions.

    In one of the two convolutions, the kernel is one pixel high, and its
    channels are the stacked rows of the given kernel. The other convolution has
    a kernel of 0 and 1, and shifts and adds the rows.

    Args:
        x: `[N, H, W, C]`.
        kernel: `[height, width, C, D]`.

    Returns:
        `[N, H - height + 1, W - width + 1, D]`.
    """
    side, width, channels, filters = kernel.shape
    if filters < channels:
        rows = tf.transpose(kernel, [1, 2, 0, 3])
        rows = tf.reshape(rows, [1, width, channels, side * filters])
        added = np.transpose(_row_kernel(side, filters), [0, 1, 3, 2])
        return _valid(_valid(x, rows), added)
    rows = tf.transpose(kernel, [1, 0, 2, 3])
    rows = tf.reshape(rows, [1, width, side * channels, filters])
    return _valid(_valid(x, _row_kernel(side, channels)), rows)


def _valid(x, kernel):
    return tf.nn.conv2d(x, tf.cast(kernel, x.dtype), 1, "VALID")


def _row_kernel(side, channels):
    """Returns a kernel of 0 and 1 that stacks `side` rows as channels.

    The shape of the kernel is `[side, 1, C, side * C]`.
    """
    kernel = np.eye(side * channels, dtype=np.float32)
    return kernel.reshape(side, 1, channels, side * channels)


def convolve(x, kernel, padding="valid"):
    """Returns a convolution whose kernel gradient consists of matrix products.

    Args:
        x: `[N, H, W, C]`; H and W must be static.
        kernel: `[height, width, C, D]`.
        padding: "valid" or "same".

    Returns:
        The same values as `tf.nn.conv2d` with stride 1.
    """
    kernel = tf.cast(kernel, x.dtype)
    x = _padded(x, kernel, padding)

    @tf.custom_gradient
    def forward(x, kernel):
        def backward(upstream):
            by_x = tf.raw_ops.Conv2DBackpropInput(
                input_sizes=tf.shape(x),
                filter=kernel,
                out_backprop=upstream,
                strides=[1, 1, 1, 1],
                padding="VALID",
            )
            return by_x, _by_kernel(x, upstream, kernel.shape)

        return _valid(x, kernel), backward

    return forward(x, kernel)


def _padded(x, kernel, padding):
    """Returns `x`, padded with zeros if the padding is "same"."""
    if padding == "valid":
        return x
    borders = [[(n - 1) // 2, n // 2] for n in kernel.shape[:2]]
    return tf.pad(x, [[0, 0], *borders, [0, 0]])


def _by_kernel(x, upstream, shape):
    """Returns the gradient with respect to a kernel of shape `shape`.

    The gradient with respect to one pixel of the kernel is a matrix product of
    the upstream gradient and the input pixels with which the kernel pixel is
    multiplied. The upstream gradient is first padded to the size of the input.
    With this padding, the input pixels are one contiguous range of the
    flattened input, so that they need not be copied.
    """
    height, width, channels, filters = shape
    line = x.shape[2]
    borders = [[0, 0], [0, height - 1], [0, width - 1], [0, 0]]
    x = tf.reshape(x, [-1, channels])
    upstream = tf.reshape(tf.pad(upstream, borders), [-1, filters])
    count = tf.shape(x)[0] - (height - 1) * line - width + 1
    products = [
        tf.matmul(x[start : start + count], upstream[:count], transpose_a=True)
        for i in range(height)
        for start in range(i * line, i * line + width)
    ]
    return tf.reshape(tf.stack(products), shape)
