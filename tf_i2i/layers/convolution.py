"""Keras' convolution, computed by operations that are faster on CPUs."""

import keras
import numpy as np
import tensorflow as tf

from tf_i2i.layers.portable import is_portable

# `convolve_by_rows` is faster for at most this many channels on one side and
# kernels of at least this side.
_FEW, _LARGE = 4, 5
# `convolve` is faster for at least this many channels and pixels of a side.
_MANY, _WIDE = 128, 24


class Conv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D`, faster on CPUs; values differ by rounding.

    Large kernels between few channels, such as RGB, and many are computed by
    `convolve_by_rows`. In bfloat16, between many channels, the gradient with
    respect to the kernel is computed by matrix products, which are faster in
    oneDNN (`convolve`).

    Accelerators, TFLite and ONNX get the plain operation. A SavedModel
    contains the operations of the machine that wrote it.
    """

    def convolution_op(self, inputs, kernel):
        """Convolves `[N, H, W, C]`."""
        side, _, channels, filters = kernel.shape
        if self._plain():
            return super().convolution_op(inputs, kernel)
        kernel = tf.convert_to_tensor(kernel)
        fewer = min(channels, filters)
        if side >= _LARGE and fewer <= _FEW and self.padding == "valid":
            return convolve_by_rows(inputs, kernel)
        wide = None not in inputs.shape[1:] and min(inputs.shape[1:3]) >= _WIDE
        if fewer >= _MANY and wide and side > 1 and inputs.dtype == tf.bfloat16:
            return convolve(inputs, kernel, self.padding)
        return super().convolution_op(inputs, kernel)

    def _plain(self):
        accelerated = tf.config.list_physical_devices("GPU")
        dense = self.strides == self.dilation_rate == (1, 1)
        return is_portable() or accelerated or not dense


def convolve_by_rows(x, kernel):
    """Returns a "valid" convolution of stride 1, computed in two.

    One has a kernel one pixel high, with the kernel's rows stacked as
    channels; the other has fixed weights of 0 and 1: it shifts the rows and
    adds them.

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
    """Returns the kernel `[side, 1, C, side * C]` that stacks rows."""
    kernel = np.eye(side * channels, dtype=np.float32)
    return kernel.reshape(side, 1, channels, side * channels)


def convolve(x, kernel, padding="valid"):
    """Returns a convolution whose kernel gradient is made of matrix products.

    Args:
        x: `[N, H, W, C]`, H and W static.
        kernel: `[height, width, C, D]`.
        padding: "valid" or "same".

    Returns:
        The result of `tf.nn.conv2d`.
    """
    kernel = tf.cast(kernel, x.dtype)
    if padding == "same":
        borders = [[(n - 1) // 2, n // 2] for n in kernel.shape[:2]]
        x = tf.pad(x, [[0, 0], *borders, [0, 0]])

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


def _by_kernel(x, upstream, shape):
    """Returns the gradient with respect to a kernel of that shape.

    For each pixel of the kernel it is the product of the inputs that the
    pixel meets and the upstream gradient. With the upstream gradient padded
    to the width of the input, these inputs are one contiguous range of all
    pixels in a row, so that nothing is copied.
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
