"""Pixel-unshuffle and pixel-shuffle, which let a network process fewer pixels.

Pixel-unshuffle moves each block of pixels into the channels of one pixel, and
pixel-shuffle moves them back (Shi et al. 2016, arXiv:1609.05158). The layers
between the two operations process smaller feature maps. No value is lost.
TFLite has both operations, as SPACE_TO_DEPTH and DEPTH_TO_SPACE.
"""

from typing import Annotated

import keras
import tensorflow as tf

from tf_i2i.values import OneOf

# The side of a block in pixels.
Block = Annotated[int, OneOf((1, 2, 4, 8))]


def pixel_unshuffle(x, block):
    """Returns `x` with each block of pixels as the channels of one pixel.

    Args:
        x: `[N, H, W, C]`; H and W are multiples of `block`.
        block: side of a block in pixels; with 1, `x` is returned.

    Returns:
        `[N, H / block, W / block, block**2 * C]`. The channels of one pixel of
        `x` stay next to each other.
    """
    return tf.nn.space_to_depth(x, block) if block > 1 else x


def pixel_shuffle(x, block):
    """Returns the inverse of `pixel_unshuffle`.

    Args:
        x: `[N, h, w, block**2 * C]`.
        block: side of a block in pixels; with 1, `x` is returned.

    Returns:
        `[N, h * block, w * block, C]`.
    """
    return tf.nn.depth_to_space(x, block) if block > 1 else x


def equal_in_block(initializer, block):
    """Returns an initializer for the last convolution before `pixel_shuffle`.

    All pixels of a block get the same kernel. Therefore the first generated
    images look as if they were upsampled by nearest neighbour, without a
    checkerboard pattern. This is the initialization ICNR of Aitken et al. 2017,
    arXiv:1707.02937.

    Args:
        initializer: initializer of the kernel of one pixel, a function of
            shape and dtype or the name of a Keras initializer.
        block: side of a block in pixels; with 1, `initializer` is returned.

    Returns:
        Function of shape and dtype. The shape is `[height, width, channels,
        block**2 * C]`.
    """
    if block == 1:
        return initializer

    def initialize(shape, dtype=None):
        *rest, filters = shape
        of_one = keras.initializers.get(initializer)
        kernel = of_one((*rest, filters // block**2), dtype)
        return tf.tile(kernel, [1, 1, 1, block**2])

    return initialize
