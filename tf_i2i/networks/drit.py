"""Attribute encoder, decoders and content critic of DRIT (arXiv:1808.00948).

The networks are built as in the authors' code. DRIT's content encoders and its
critics of images have the classes of MUNIT (`networks.munit`,
`networks.multiscale`). `width` is a factor on the published channel counts.
"""

import itertools

import keras
import tensorflow as tf

from tf_i2i.layers import Conv2D
from tf_i2i.layers import downsample
from tf_i2i.layers import reflect_pad
from tf_i2i.networks.asymgan import concat_style
from tf_i2i.networks.base import Network
from tf_i2i.networks.blocks import ResidualBlock
from tf_i2i.networks.blocks import doubling_layer
from tf_i2i.networks.blocks import normal_kernels
from tf_i2i.networks.blocks import widen
from tf_i2i.networks.munit import HIDDEN
from tf_i2i.networks.munit import PaddedConv2D
from tf_i2i.networks.recompute import Recomputable

# The ways in which a decoder takes an attribute code. With "concat", the code
# is concatenated with feature maps. With "transform", a perceptron computes a
# vector from the code for each residual block, and 1x1 convolutions combine
# this vector with the block's feature maps.
STYLE_PATHS = ("concat", "transform")
# The number of 7x7 convolutions of the content critic for content codes of
# 54x54 positions, which the published critic takes.
CRITIC_LAYERS = 3


def _leaky(x):
    return tf.nn.leaky_relu(x, 0.2)


class HalvingBlock(Recomputable):
    """A residual block that halves the side by the mean over 2x2 pixels.

    Args:
        channels: number of input channels.
        filters: number of output channels.
    """

    def __init__(self, channels, filters, name=None):
        super().__init__(name)
        self.convolutions = [
            PaddedConv2D(n, 3, name=f"conv_{i}")
            for i, n in enumerate((channels, filters))
        ]
        self.shortcut = Conv2D(filters, 1, name="shortcut")

    def call(self, x, training=False):
        """Returns `[N, H/2, W/2, filters]` for `[N, H, W, channels]`."""
        y = x
        for convolution in self.convolutions:
            y = convolution(_leaky(y), training=training)
        return downsample(y) + self.shortcut(downsample(x))


class AttributeEncoder(Network):
    """Computes the distribution of the attribute code of an image.

    The network has a 4x4 convolution of stride 2, three blocks that halve the
    side, the mean over pixel positions and two dense layers. There is no
    normalization.

    Args:
        channels: number of elements of a code.
        width: factor on the channel counts, which are 64, 128, 192 and 256.
    """

    def __init__(self, channels=8, width=1.0, name=None):
        super().__init__(name)
        counts = [widen(64 * i, width) for i in range(1, 5)]
        self.first = PaddedConv2D(counts[0], 4, 2, name="first")
        self.blocks = [
            HalvingBlock(n, m, name=f"block_{i}")
            for i, (n, m) in enumerate(itertools.pairwise(counts))
        ]
        self.mean, self.log_variance = (
            keras.layers.Dense(channels, dtype="float32", name=name)
            for name in ("mean", "log_variance")
        )

    def call(self, x, training=False):
        """Returns means and log variances, each float32 `[N, channels]`.

        Args:
            x: images `[N, H, W, 3]` in [-1, 1]; H and W are at least 16.
            training: see `reflect_pad`.
        """
        x = self.first(x, training=training)
        for block in self.blocks:
            x = block(x, training=training)
        x = tf.reduce_mean(tf.cast(_leaky(x), tf.float32), [1, 2])
        return self.mean(x), self.log_variance(x)


class TransformBlock(ResidualBlock):
    """A residual block that combines each normalized map with a vector.

    The vector is concatenated with the map at each position. Two 1x1
    convolutions follow, the first of which doubles the number of channels.

    Args:
        filters: number of channels, and length of the vector.
        width: factor on the published channel counts.
    """

    def __init__(self, filters, width=1.0, name=None):
        super().__init__(filters, width=width, reflect=True, name=name)
        self.mixers = [
            [
                Conv2D(
                    n,
                    1,
                    kernel_initializer="he_normal",
                    activation="relu",
                    name=f"mix_{i}_{j}",
                )
                for j, n in enumerate((2 * filters, filters))
            ]
            for i in range(2)
        ]

    def call(self, x, style, training=False):  # type: ignore[override]
        """Returns a tensor of the shape of `x`.

        Args:
            x: `[N, H, W, filters]`.
            style: `[N, filters]`.
            training: see `InstanceNormalization`.
        """
        y = x
        for i, mixers in enumerate(self.mixers):
            y = concat_style(self._convolve(i, y, training), style)
            for mixer in mixers:
                y = mixer(y)
        return tf.cast(x, y.dtype) + y


class _Decoder(Network):
    """The layers that follow the residual blocks in both kinds of decoders.

    Each of two transposed 3x3 convolutions doubles the side and halves the
    channels. Each of them is followed by layer normalization and ReLU. The last
    convolution is 1x1.

    Args:
        channels: number of channels of the residual blocks.
        added: number of channels that are concatenated with the input of each
            of these layers.
        width: factor on the published channel counts.
    """

    def __init__(self, channels, added, width, name):
        super().__init__(name)
        counts = []
        for _ in range(2):
            channels = (channels + added) // 2
            counts.append(channels)
        self.ups = [
            doubling_layer(n, width, 1, f"up_{i}") for i, n in enumerate(counts)
        ]
        # With one group, this is layer normalization with a scale and an offset
        # for each channel.
        self.norms = [
            keras.layers.GroupNormalization(
                1, epsilon=1e-5, dtype="float32", name=f"norm_{i}"
            )
            for i in range(2)
        ]
        self.last = Conv2D(
            3, 1, kernel_initializer=normal_kernels(width), name="last"
        )

    def enlarge(self, x, prepare):
        """Returns images, float32 `[N, 4h, 4w, 3]` in [-1, 1].

        Args:
            x: `[N, h, w, channels]`.
            prepare: function that is applied to the input of each layer.
        """
        for up, norm in zip(self.ups, self.norms, strict=True):
            x = tf.nn.relu(norm(up(prepare(x))))
        return tf.tanh(tf.cast(self.last(prepare(x)), tf.float32))


class ConcatDecoder(_Decoder):
    """Generates images from content codes and concatenated attribute codes.

    Args:
        shared: residual block, which the decoders of both domains share.
        blocks: number of residual blocks that follow `shared`.
        width: factor on the 256 channels of the content code. With width 1 and
            codes of 8 elements, the layers have 256, 264, 136, 72 and 3
            channels.
        style_channels: number of elements of an attribute code.
    """

    def __init__(
        self, shared, blocks=3, width=1.0, style_channels=8, name=None
    ):
        channels = widen(256, width) + style_channels
        super().__init__(channels, style_channels, width, name)
        self.shared = shared
        self.blocks = [
            ResidualBlock(
                channels, width=width, reflect=True, name=f"block_{i}"
            )
            for i in range(blocks)
        ]

    def call(self, content, style, training=False):
        """Returns images, float32 `[N, 4h, 4w, 3]` in [-1, 1].

        Args:
            content: content codes `[N, h, w, C]`.
            style: attribute codes `[N, style_channels]`.
            training: see `InstanceNormalization`.
        """
        x = concat_style(self.shared(content, training=training), style)
        for block in self.blocks:
            x = block(x, training=training)
        return self.enlarge(x, lambda x: concat_style(x, style))


class TransformDecoder(_Decoder):
    """Generates images from content codes and transformed attribute codes.

    Args:
        blocks: number of `TransformBlock`.
        width: factor on the channel counts, which are 256, 128 and 64, and on
            the hidden units of the perceptron. The images have 3 channels.
    """

    def __init__(self, blocks=4, width=1.0, name=None):
        channels = widen(256, width)
        super().__init__(channels, 0, width, name)
        hidden = widen(HIDDEN, width)
        self.mlp = [
            keras.layers.Dense(
                n, activation=activation, dtype="float32", name=f"dense_{i}"
            )
            for i, (n, activation) in enumerate(
                [(hidden, "relu"), (hidden, "relu"), (blocks * channels, None)]
            )
        ]
        self.blocks = [
            TransformBlock(channels, width, name=f"block_{i}")
            for i in range(blocks)
        ]

    def call(self, content, style, training=False):
        """Returns images; see `ConcatDecoder.call`."""
        for dense in self.mlp:
            style = dense(style)
        x = content
        styles = tf.split(style, len(self.blocks), axis=1)
        for block, vector in zip(self.blocks, styles, strict=True):
            x = block(x, vector, training=training)
        return self.enlarge(x, lambda x: x)


class ContentCritic(Network):
    """Computes scores that tell from which domain content codes come.

    The network has three 7x7 convolutions of stride 2 (fewer if the codes are
    small), a 4x4 convolution without padding and a 1x1 convolution. There is no
    normalization.

    Args:
        width: factor on the channel count, which is 256.
    """

    def __init__(self, width=1.0, name=None):
        super().__init__(name)
        self.channels = widen(256, width)

    def build(self, shape):
        super().build(shape)
        side = min(shape[1:3])
        self.halvings: list[Conv2D] = []
        while side >= 5 and len(self.halvings) < CRITIC_LAYERS:
            self.halvings.append(
                Conv2D(
                    self.channels,
                    7,
                    2,
                    kernel_initializer="he_normal",
                    name=f"conv_{len(self.halvings)}",
                )
            )
            side = (side - 5) // 2 + 1
        self.joining = Conv2D(
            self.channels,
            min(4, side),
            kernel_initializer="he_normal",
            name="joining",
        )
        self.last = Conv2D(1, 1, kernel_initializer="he_normal", name="last")

    def call(self, x, training=False):
        """Returns scores `[N, h', w', 1]` of codes `[N, h, w, C]`.

        Args:
            x: content codes.
            training: see `reflect_pad`.
        """
        for convolution in self.halvings:
            x = _leaky(convolution(reflect_pad(x, 1, training)))
        return self.last(_leaky(self.joining(x)))
