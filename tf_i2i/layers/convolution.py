"""Keras' convolution, by operations that suit processors better."""

import keras
import numpy as np
import tensorflow as tf

from tf_i2i.layers.portable import is_portable

_FEW = 4  # Channels of images, which leave most of a vector empty,
_LARGE = 5  # and the side of kernels from which rows pay for it.
_MANY = 128  # Channels from which matrix products pay.
_WIDE = 24  # Pixels of a side, likewise.


class Conv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D`, faster on processors; values differ by rounding.

    With large kernels between many channels and a few, such as RGB, the
    kernel's rows become channels: one convolution is a single pixel high and
    has so many times the channels, another of fixed ones and zeros brings the
    rows together. In bfloat16 between many channels, gradients by the kernel
    are matrix products, at which oneDNN is better (`convolve`).

    Accelerators, TFLite and ONNX get the plain operation; a SavedModel has
    what suits the machine that wrote it.
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
    """Convolution, "valid" and of stride 1, in two: along rows, and of rows.

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
        added = np.transpose(_laid(side, filters), [0, 1, 3, 2])
        return _valid(_valid(x, rows), added)
    rows = tf.transpose(kernel, [1, 0, 2, 3])
    rows = tf.reshape(rows, [1, width, side * channels, filters])
    return _valid(_valid(x, _laid(side, channels)), rows)


def _valid(x, kernel):
    return tf.nn.conv2d(x, tf.cast(kernel, x.dtype), 1, "VALID")


def _laid(side, channels):
    """Lays rows of pixels beside each other: `[side, 1, C, side * C]`."""
    kernel = np.eye(side * channels, dtype=np.float32)
    return kernel.reshape(side, 1, channels, side * channels)


def convolve(x, kernel, padding="valid"):
    """Convolution whose gradient by the kernel is made of matrix products.

    Args:
        x: `[N, H, W, C]`, H and W static.
        kernel: `[height, width, C, D]`.
        padding: "valid" or "same".

    Returns:
        What `tf.nn.conv2d` gives.
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
    """Gradient by a kernel of that shape: for each of its pixels, what it saw
    times what came of it.

    In a list of all pixels, what one pixel of the kernel sees is all in a
    row, once what came of it is as wide as the images: nothing is copied.
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
