"""Encoders, decoder and critics of MUNIT (arXiv:1804.04732, appendix B.2).

All convolutions pad by reflection. `width` is a factor on the published channel
counts.
"""

import keras
import tensorflow as tf

from tf_i2i.errors import UserError
from tf_i2i.layers import Conv2D
from tf_i2i.layers import InstanceNormalization
from tf_i2i.layers import LayerNormalization
from tf_i2i.layers import reflect_pad
from tf_i2i.layers import upsample
from tf_i2i.networks.base import Network
from tf_i2i.networks.blocks import AdaptiveBlock
from tf_i2i.networks.blocks import ResidualBlock
from tf_i2i.networks.blocks import norm_relu
from tf_i2i.networks.blocks import widen
from tf_i2i.networks.multiscale import MultiScaleCritic
from tf_i2i.sizes import short_side

# The factor by which the content code is smaller than the image.
STRIDE = 4
# The number of residual blocks in a content encoder and in a decoder.
BLOCKS = 4
# The number of units of a hidden layer of the decoder's MLP.
HIDDEN = 256


class PaddedConv2D(Conv2D):
    """A convolution of feature maps that are padded by reflection.

    Args:
        filters, kernel_size, strides: see `Conv2D`. With stride 1, the output
            has the size of the input. With stride 2, even sizes are halved.
        kernels: initializer of the kernel.
        name: name of the layer.
    """

    def __init__(
        self, filters, kernel_size, strides=1, kernels="he_normal", name=None
    ):
        super().__init__(
            filters,
            kernel_size,
            strides,
            kernel_initializer=kernels,
            name=name,
        )
        self.border = (kernel_size - 1) // 2

    def call(self, x, training=False):
        return super().call(reflect_pad(x, self.border, training))

    def compute_output_shape(self, input_shape):
        count, *sides, channels = input_shape
        sides = (n and n + 2 * self.border for n in sides)
        return super().compute_output_shape((count, *sides, channels))


class ContentEncoder(Network):
    """Computes the content code of an image: its structure, without its style.

    The network has a 7x7 convolution, two convolutions of stride 2 and residual
    blocks. Instance normalization removes the mean and the standard deviation
    of every feature map, which contain much of the style.

    Args:
        blocks: number of residual blocks.
        width: factor on the channel counts, which are 64, 128 and 256.
        halving_kernel: side of the kernels of the convolutions of stride 2;
            4 in MUNIT, and 3 in DRIT and U-GAT-IT.
        first_norm: whether the 7x7 convolution is normalized, as in MUNIT and
            U-GAT-IT. In DRIT it is not.
        shared: list of further residual blocks, which may belong to several
            encoders. In DRIT the encoders of both domains share one block.
    """

    def __init__(
        self,
        blocks=BLOCKS,
        width=1.0,
        halving_kernel=4,
        name=None,
        first_norm=True,
        shared=(),
    ):
        super().__init__(name)
        self.first_norm = first_norm
        counts = [widen(64 * 2**i, width) for i in range(3)]
        self.convolutions = [
            PaddedConv2D(
                n, halving_kernel if i else 7, 2 if i else 1, name=f"conv_{i}"
            )
            for i, n in enumerate(counts)
        ]
        self.norms = [InstanceNormalization(name=f"norm_{i}") for i in range(3)]
        self.blocks = [
            ResidualBlock(
                counts[-1], width=width, reflect=True, name=f"block_{i}"
            )
            for i in range(blocks)
        ] + list(shared)

    def call(self, x, training=False):
        """Returns content codes, float32 `[N, H / 4, W / 4, C]`.

        Args:
            x: images `[N, H, W, 3]` in [-1, 1].
            training: see `InstanceNormalization`.
        """
        for i, convolution in enumerate(self.convolutions):
            x = convolution(x, training=training)
            norms = self.norms if i or self.first_norm else []
            x = norm_relu(norms, i, x, training)
        for block in self.blocks:
            x = block(x, training=training)
        return tf.cast(x, tf.float32)


class StyleEncoder(Network):
    """Computes the style code of an image.

    The network has a 7x7 convolution, 4x4 convolutions of stride 2, the mean
    over pixel positions and a 1x1 convolution. There is no normalization,
    because it would remove the means and standard deviations that describe the
    style.

    Args:
        channels: number of elements of a style code.
        halvings: number of convolutions of stride 2.
        width: factor on the channel counts, which are 64, 128 and then 256.
    """

    def __init__(self, channels=8, halvings=4, width=1.0, name=None):
        super().__init__(name)
        self.convolutions = [
            PaddedConv2D(
                widen(64 * 2 ** min(i, 2), width),
                4 if i else 7,
                2 if i else 1,
                name=f"conv_{i}",
            )
            for i in range(halvings + 1)
        ]
        self.last = keras.layers.Dense(channels, dtype="float32", name="last")

    def call(self, x, training=False):
        """Returns style codes, float32 `[N, channels]`.

        Args:
            x: images `[N, H, W, 3]` in [-1, 1].
            training: see `reflect_pad`.
        """
        for convolution in self.convolutions:
            x = tf.nn.relu(convolution(x, training=training))
        return self.last(tf.reduce_mean(tf.cast(x, tf.float32), [1, 2]))


class AdaINDecoder(Network):
    """Generates images from a content code and a style code.

    A multilayer perceptron computes the scales and offsets of the residual
    blocks' normalizations (AdaIN) from the style code. Then the side is doubled
    twice, each time by upsampling, a 5x5 convolution and layer normalization,
    which keeps the differences between the means of the channels. The last
    convolution is 7x7.

    Args:
        blocks: number of residual blocks.
        width: factor on the channel counts, which are 256, 128 and 64, and on
            the hidden units of the perceptron. The images have 3 channels.
    """

    def __init__(self, blocks=BLOCKS, width=1.0, name=None):
        super().__init__(name)
        wide, *counts = [widen(64 * 2**i, width) for i in (2, 1, 0)]
        self.mlp = [
            keras.layers.Dense(
                widen(HIDDEN, width),
                kernel_initializer="he_normal",
                activation="relu",
                dtype="float32",
                name=f"dense_{i}",
            )
            for i in range(2)
        ]
        self.affine = keras.layers.Dense(
            4 * blocks * wide, dtype="float32", name="affine"
        )
        self.blocks = [
            AdaptiveBlock(wide, width=width, reflect=True, name=f"block_{i}")
            for i in range(blocks)
        ]
        self.convolutions = [
            PaddedConv2D(n, 5, name=f"conv_{i}") for i, n in enumerate(counts)
        ]
        self.norms = [LayerNormalization(name=f"norm_{i}") for i in range(2)]
        self.last = PaddedConv2D(3, 7, name="last")

    def call(self, content, style, training=False):
        """Returns images, float32 `[N, 4h, 4w, 3]` in [-1, 1].

        Args:
            content: content codes `[N, h, w, C]`.
            style: style codes `[N, channels]`.
            training: see `InstanceNormalization`.
        """
        for dense in self.mlp:
            style = dense(style)
        affine = tf.split(self.affine(style), 4 * len(self.blocks), axis=1)
        x = content
        for i, block in enumerate(self.blocks):
            first, second = affine[4 * i :][:2], affine[4 * i + 2 :][:2]
            x = block(x, (first, second), training=training)
        for convolution, norm in zip(
            self.convolutions, self.norms, strict=True
        ):
            x = convolution(upsample(x), training=training)
            x = tf.nn.relu(norm(x))
        x = self.last(x, training=training)
        return tf.tanh(tf.cast(x, tf.float32))


class StridedCritic(Network):
    """Scores patches by 4x4 convolutions of stride 2 and a 1x1 convolution.

    There is no normalization. The leaky ReLU has the factor .2 below 0. The
    kernels are initialized as in He et al. 2015 (arXiv:1502.01852), so that the
    outputs of each layer have the scale of its inputs.

    Args:
        layers: number of convolutions of stride 2; they have 64, 128, ...
            channels.
        width: factor on the channel counts.
    """

    def __init__(self, layers=4, width=1.0, name=None):
        super().__init__(name)
        self.convolutions = [
            PaddedConv2D(widen(64 * 2**i, width), 4, 2, name=f"conv_{i}")
            for i in range(layers)
        ]
        self.last = Conv2D(1, 1, kernel_initializer="he_normal", name="last")

    def call(self, x, training=False):
        """Returns scores `[N, h, w, 1]` of images `[N, H, W, 3]`."""
        for convolution in self.convolutions:
            x = tf.nn.leaky_relu(convolution(x, training=training), 0.2)
        return self.last(x)


def strided_critics(layers, scales, width):
    """Returns a `MultiScaleCritic` of critics with the same structure.

    Args:
        layers, width: see `StridedCritic`.
        scales: number of image sizes.
    """
    return MultiScaleCritic(
        [StridedCritic(layers, width) for _ in range(scales)]
    )


def check_critics_fit(image_size, layers, scales):
    """Raises an error if images are too small for `strided_critics`.

    Raises:
        UserError: the smallest image would have less than one pixel after the
            last convolution, or images have fewer than 16 pixels.
    """
    least = max(16, 2 ** (layers + scales - 1))
    if short_side(image_size) < least:
        raise UserError(
            f"`image_size` must be at least {least} for "
            f"critic_layers={layers} and critic_scales={scales}. "
            f"Received: {image_size}"
        )
