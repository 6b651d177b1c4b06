"""Convolutions between many channels and a few, such as RGB."""

import keras
import numpy as np
import tensorflow as tf

from tf_i2i.layers.portable import is_portable


class ThinConvolution(keras.layers.Conv2D):
    """`Conv2D` of stride 1, "valid", whose input or output has few channels.

    Processors take 16 channels at a time, of which three leave most empty.
    Here the rows of the kernel become channels: one convolution is a single
    pixel high and has so many times the channels, another of fixed ones and
    zeros brings the rows together. Of a 7x7 kernel from 64 channels to RGB
    that takes half the time or less, in training as well.

    Arguments are those of `keras.layers.Conv2D`, kernels square.
    """

    def convolution_op(self, inputs, kernel):
        """Convolves: `[N, H, W, C]` -> `[N, H - side + 1, W - side + 1, D]`."""
        if is_portable():
            return super().convolution_op(inputs, kernel)
        side, _, channels, filters = kernel.shape
        if filters < channels:
            rows = tf.transpose(kernel, [1, 2, 0, 3])
            rows = tf.reshape(rows, [1, side, channels, side * filters])
            added = np.transpose(_laid(side, filters), [0, 1, 3, 2])
            return _convolved(_convolved(inputs, rows), added)
        rows = tf.transpose(kernel, [1, 0, 2, 3])
        rows = tf.reshape(rows, [1, side, side * channels, filters])
        return _convolved(_convolved(inputs, _laid(side, channels)), rows)


def _convolved(x, kernel):
    return tf.nn.conv2d(x, tf.cast(kernel, x.dtype), 1, "VALID")


def _laid(side, channels):
    """Lays rows of pixels beside each other: `[side, 1, C, side * C]`."""
    kernel = np.eye(side * channels, dtype=np.float32)
    return kernel.reshape(side, 1, channels, side * channels)
