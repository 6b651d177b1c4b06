"""Encoders, generators and critics of UNIT (arXiv:1703.00848, Table 3)."""

import tensorflow as tf

from tf_i2i.layers import Conv2D
from tf_i2i.layers import equal_in_block
from tf_i2i.layers import pixel_shuffle
from tf_i2i.layers import pixel_unshuffle
from tf_i2i.networks.base import Network
from tf_i2i.networks.blocks import ResidualBlock
from tf_i2i.networks.blocks import doubling_layer
from tf_i2i.networks.blocks import normal_kernels
from tf_i2i.networks.blocks import widen

# The number of residual blocks in each encoder and in each generator.
BLOCKS = 4


def leaky_relu(x):
    """Returns the leaky ReLU of `x` with the factor .01 below 0.

    The factor is taken from the authors' code.
    """
    return tf.nn.leaky_relu(x, 0.01)


def residual_blocks(
    count, channels=512, kernel_size=3, width=1.0, name="block"
):
    """Returns a list of residual blocks, which several networks may share.

    Args:
        count: number of blocks.
        channels: number of channels at width 1.
        kernel_size: side of the kernels in pixels. The "basic residual blocks"
            that the paper mentions have 3. Table 3 prints 1, but with 1 a code
            would have a receptive field of only 19 pixels.
        width: factor on the channels.
        name: name of the blocks, to which a number is added.

    Returns:
        List of `ResidualBlock`.
    """
    return [
        ResidualBlock(
            widen(channels, width),
            kernel_size,
            leaky_relu,
            width,
            name=f"{name}_{i}",
        )
        for i in range(count)
    ]


class UnitEncoder(Network):
    """Computes means of codes by three convolutions and residual blocks.

    Args:
        blocks: list of `ResidualBlock`; some may be shared with another
            encoder.
        halvings: number of convolutions of stride 2; either 3 or 2. If it is
            2, the first convolution has stride 1.
        width: factor on the channel counts.
        unshuffle: side of the blocks of pixels that are processed as one pixel;
            see `pixel_unshuffle`.
    """

    def __init__(self, blocks, halvings=3, width=1.0, name=None, unshuffle=1):
        super().__init__(name)
        self.unshuffle = unshuffle
        strides = [2, 2, 2] if halvings == 3 else [1, 2, 2]
        self.convolutions = [
            Conv2D(
                widen(filters, width),
                kernel_size,
                stride,
                padding="same",
                kernel_initializer=normal_kernels(width),
                name=f"convolution_{filters}",
            )
            for filters, kernel_size, stride in zip(
                (64, 128, 256), (7, 3, 3), strides, strict=True
            )
        ]
        self.blocks = blocks

    def call(self, x, training=False):
        """Returns the means of the codes of images.

        Args:
            x: images `[N, H, W, 3]`; H and W are multiples of
                `unshuffle * 2 ** halvings`.
            training: see `InstanceNormalization`.

        Returns:
            float32 `[N, h, w, channels]`; h and w are H and W divided by
            `unshuffle * 2 ** halvings`.
        """
        x = pixel_unshuffle(x, self.unshuffle)
        for convolution in self.convolutions:
            x = leaky_relu(convolution(x))
        for block in self.blocks:
            x = block(x, training=training)
        return tf.cast(x, tf.float32)


class UnitGenerator(Network):
    """Generates images from codes.

    The network has residual blocks, layers that double the side (see
    `doubling_layer`) and a 1x1 convolution to RGB.

    Args:
        blocks: list of `ResidualBlock`; some may be shared with another
            generator.
        halvings: number of layers that double the side. The number must equal
            `halvings` of the encoder.
        width: factor on the channel counts.
        unshuffle: the value of `unshuffle` of the encoder.
    """

    def __init__(self, blocks, halvings=3, width=1.0, name=None, unshuffle=1):
        super().__init__(name)
        self.unshuffle = unshuffle
        self.blocks = blocks
        self.doublings = [
            doubling_layer(
                widen(filters, width), width, unshuffle, f"doubling_{filters}"
            )
            for filters in (256, 128, 64)[3 - halvings :]
        ]
        self.last = Conv2D(
            3 * unshuffle**2,
            1,
            kernel_initializer=equal_in_block(normal_kernels(width), unshuffle),
            name="last",
        )

    def call(self, code, training=False):
        """Returns the images that are generated from codes.

        Args:
            code: codes `[N, h, w, channels]`.
            training: see `InstanceNormalization`.

        Returns:
            float32 `[N, H, W, 3]` in [-1, 1]; H and W are h and w times
            `unshuffle * 2 ** halvings`.
        """
        x = code
        for block in self.blocks:
            x = block(x, training=training)
        for doubling in self.doublings:
            x = leaky_relu(doubling(x))
        x = tf.tanh(tf.cast(self.last(x), tf.float32))
        return pixel_shuffle(x, self.unshuffle)


class UnitCritic(Network):
    """Computes a map of logits by convolutions of stride 2.

    There is no normalization.

    Args:
        layers: number of convolutions, 1 to 5; they have 64, 128, ... 1024
            channels.
        width: factor on the channel counts.
    """

    def __init__(self, layers=5, width=1.0, name=None):
        super().__init__(name)
        self.convolutions = [
            Conv2D(
                widen(64 * 2**i, width),
                3,
                2,
                padding="same",
                kernel_initializer=normal_kernels(width),
                name=f"convolution_{i}",
            )
            for i in range(layers)
        ]
        self.head = Conv2D(
            1, 2, kernel_initializer=normal_kernels(width), name="head"
        )

    def call(self, x):
        """Returns logits `[N, h, w, 1]` of images `[N, H, W, 3]`.

        For images of 256x256 pixels and 5 convolutions, h and w are 7.
        """
        for convolution in self.convolutions:
            x = leaky_relu(convolution(x))
        return self.head(x)
