"""Networks of the cascade in feature space (CDFT, arXiv:1906.01526).

Sections 3, 4 and 6.1. Maps are normalized features, `[N, h, w, C]` in [-1, 1].
`width` is a factor on what is inside a network: the channels of its input and
output are the backbone's.
"""

import math

import keras
import tensorflow as tf

from tf_i2i.layers import Conv2D
from tf_i2i.layers import DomainBatchRenormalization
from tf_i2i.layers import InstanceNormalization
from tf_i2i.layers import across_replicas
from tf_i2i.networks.base import Network
from tf_i2i.networks.blocks import scaled

SLOPE = 0.2  # Of leaky rectifiers.
GROUPS = 32  # Of group normalization; not printed.
NARROWEST, WIDEST = 64, 512  # Of critics of features.
HIDDEN = 1000  # Of the dense layer in Table S2.
LEAST_SIDE = 4  # Where strided convolutions end.
_LEAST_DEVIATION = 0.01  # Of a channel, to the mean over all channels.


def leaky(x):
    """Leaky rectifier of slope .2."""
    return tf.nn.leaky_relu(x, SLOPE)


def strided_sides(side):
    """Sides of the maps after each stride of 2, down to 4 or less.

    `[28, 14, 7, 4]` for 28.
    """
    sides = [side]
    while sides[-1] > LEAST_SIDE:
        sides.append(-(-sides[-1] // 2))
    return sides


def _convolution(filters, kernel=3, stride=1, slope=SLOPE, name=None):
    """A convolution that leaves the mean square what it is (He et al.)."""
    scale = 2.0 / (1.0 + slope**2)
    initializer = keras.initializers.VarianceScaling(scale, "fan_in")
    return Conv2D(
        filters,
        kernel,
        stride,
        "same",
        kernel_initializer=initializer,
        name=name,
    )


def _transposed(filters, kernel=4, output_padding=None, name=None):
    return keras.layers.Conv2DTranspose(
        filters,
        kernel,
        2,
        "same",
        output_padding=output_padding,
        kernel_initializer=keras.initializers.VarianceScaling(2.0, "fan_in"),
        name=name,
    )


class FeatureStatistics(Network):
    """Mean and deviation of each channel of one tap over a domain.

    They are measured, batch by batch, and then stay.
    """

    def __init__(self, name=None):
        super().__init__(name, dtype="float32")

    def build(self, shape):
        super().build(shape)
        kept = {"shape": shape[-1:], "trainable": False}
        self.mean = self.add_weight(initializer="zeros", name="mean", **kept)
        self.deviation = self.add_weight(
            initializer="ones", name="deviation", **kept
        )

    def call(self, x):
        """Raw features in units of their domain: mean 0, deviation 1."""
        deviation = tf.convert_to_tensor(self.deviation)
        # A channel that never answers would be blown up from rounding.
        least = _LEAST_DEVIATION * tf.reduce_mean(deviation)
        deviation = tf.maximum(deviation, tf.maximum(least, 1e-6))
        return (
            tf.cast(x, tf.float32) - tf.convert_to_tensor(self.mean)
        ) / deviation

    def measure(self, x, seen):
        """Adds a batch to what was measured (Chan et al. 1979).

        Args:
            x: `[N, h, w, C]`, raw features; this replica's.
            seen: share of all images so far, this batch's among them, that
                were measured before: 0 for the first batch.
        """
        x = tf.cast(x, tf.float32)
        (mean,) = across_replicas([tf.reduce_mean(x, [0, 1, 2])])
        squares = tf.reduce_mean(tf.square(x - mean), [0, 1, 2])
        (variance,) = across_replicas([squares])
        old = tf.convert_to_tensor(self.mean)
        apart = mean - old
        variance = (
            seen * tf.square(tf.convert_to_tensor(self.deviation))
            + (1.0 - seen) * variance
            + seen * (1.0 - seen) * tf.square(apart)
        )
        self.mean.assign(_finite(old + (1.0 - seen) * apart, old))
        self.deviation.assign(
            _finite(tf.sqrt(variance), tf.convert_to_tensor(self.deviation))
        )


def _finite(new, old):
    """`new` where all of it is finite, else `old`."""
    return tf.where(tf.reduce_all(tf.math.is_finite(new)), new, old)


class DeepTranslator(Network):
    """The deepest map of one domain -> that of the other (Table S1).

    Channels C, C/2, C, C/2, C/2, C, C at `width` 1; two halvings and as many
    doublings, back to the encoder's own sides.

    Args:
        channels: C, of the map.
        width: factor on all but the last.
    """

    def __init__(self, channels, width=1.0, name=None):
        super().__init__(name)
        wide, half = scaled(channels, width), scaled(channels // 2, width)
        self.first = _convolution(wide, slope=1.0, name="conv_0")
        self.halvings = [
            _convolution(half, stride=2, slope=0.0, name="conv_1"),
            _convolution(wide, stride=2, slope=0.0, name="conv_2"),
        ]
        self.filters = [half, half]
        self.wide = _convolution(wide, slope=0.0, name="conv_3")
        self.last = _convolution(channels, slope=1.0, name="conv_4")
        self.norms = [
            keras.layers.GroupNormalization(
                math.gcd(GROUPS, n), epsilon=1e-5, dtype="float32", name=name
            )
            for n, name in (
                (half, "norm_1"),
                (wide, "norm_2"),
                (half, "norm_3"),
                (half, "norm_4"),
                (wide, "norm_5"),
            )
        ]

    def build(self, shape):
        super().build(shape)
        sides = [shape[1], -(-shape[1] // 2)]
        # 14 -> 7 -> 4: doubled, that would be 8 and 16.
        self.doublings = [
            _transposed(n, 3, 1 - side % 2, name=f"transposed_{i}")
            for i, (n, side) in enumerate(
                zip(self.filters, sides[::-1], strict=True)
            )
        ]

    def call(self, x):
        """`[N, h, w, C]` -> the same shape, float32 in [-1, 1]."""
        x = self.first(x)
        steps = [*self.halvings, *self.doublings, self.wide]
        for step, norm in zip(steps, self.norms, strict=True):
            x = tf.nn.relu(norm(step(x)))
        return tf.tanh(tf.cast(self.last(x), tf.float32))


class StyleOfLayer(Network):
    """The current layer of the source -> parameters of AdaIN (Table S2).

    Args:
        parameters: how many.
        width: factor on the 512 channels and the 1000 hidden numbers.
    """

    def __init__(self, parameters, width=1.0, name=None):
        super().__init__(name)
        self.channels = scaled(WIDEST, width)
        self.hidden = keras.layers.Dense(
            scaled(HIDDEN, width),
            kernel_initializer="he_normal",
            name="hidden",
        )
        self.last = keras.layers.Dense(parameters, name="last")

    def build(self, shape):
        super().build(shape)
        self.convolutions = [
            _convolution(self.channels, stride=2, name=f"conv_{i}")
            for i in range(len(strided_sides(shape[1])) - 1)
        ]

    def call(self, x):
        """`[N, h, w, C]` -> `[N, parameters]`, float32."""
        for convolution in self.convolutions:
            x = leaky(convolution(x))
        x = tf.reshape(x, [-1, math.prod(x.shape[1:])])
        return tf.cast(self.last(leaky(self.hidden(x))), tf.float32)


class LayerTranslator(Network):
    """Coarse to fine: a layer from the translated deeper one (Table S3).

    As printed the last two convolutions would give half of the deeper
    layer's channels, 256 for a conv_4_1 of 512: here they give as many as
    the layer has.

    Args:
        deeper_channels: of the translated layer below.
        channels: of this layer.
        width: factor on all but the last.
        style_width: on those of the style's network.
    """

    def __init__(
        self,
        deeper_channels,
        channels,
        width=1.0,
        style_width=1.0,
        name=None,
    ):
        super().__init__(name)
        deep = scaled(deeper_channels, width)
        fine = scaled(channels, width)
        self.channels = (deep, deep, fine)
        self.steps = [
            _convolution(deep, name="conv_0"),
            _convolution(deep, name="conv_1"),
            _transposed(fine, name="transposed"),
        ]
        self.norms = [InstanceNormalization(name=f"norm_{i}") for i in range(3)]
        self.last = _convolution(channels, slope=1.0, name="last")
        self.style = StyleOfLayer(
            2 * sum(self.channels), style_width, name="style"
        )

    def call(self, deeper, layer):
        """Makes the other domain's layer.

        Args:
            deeper: `[N, h, w, D]`, translated: the content.
            layer: `[N, 2h, 2w, C]`, the source's own: the style.

        Returns:
            `[N, 2h, 2w, C]`, float32 in [-1, 1].
        """
        sizes = [n for n in self.channels for _ in range(2)]
        style = tf.split(self.style(layer)[:, None, None], sizes, axis=3)
        x = deeper
        for i, (step, norm) in enumerate(
            zip(self.steps, self.norms, strict=True)
        ):
            x = norm(step(x))
            scale, offset = (tf.cast(s, x.dtype) for s in style[2 * i :][:2])
            x = leaky(x * (1.0 + scale) + offset)
        return tf.tanh(tf.cast(self.last(x), tf.float32))


class Inverter(Network):
    """A layer's features -> the image (section 6.1.2).

    Three convolutions, transposed ones that double the side and halve the
    channels up to the image's, a last convolution and tanh.

    Args:
        channels: of the first three.
        doublings: how many.
        width: factor on the channels.
    """

    def __init__(self, channels, doublings, width=1.0, name=None):
        super().__init__(name)
        self.steps = [
            _convolution(scaled(channels, width), name=f"conv_{i}")
            for i in range(3)
        ]
        self.steps += [
            _transposed(
                scaled(channels / 2 ** (i + 1), width), name=f"transposed_{i}"
            )
            for i in range(doublings)
        ]
        self.last = _convolution(3, slope=1.0, name="last")

    def call(self, x):
        """`[N, h, w, C]` -> float32 `[N, S, S, 3]` in [-1, 1]."""
        for step in self.steps:
            x = leaky(step(x))
        return tf.tanh(tf.cast(self.last(x), tf.float32))


class InversionCritic(Network):
    """A PatchGAN: four strided 4x4 convolutions and a score of each patch.

    Batch normalization in all but the first (section 6.1.2).

    Args:
        width: factor on the channels 64, 128, 256, 512.
    """

    def __init__(self, width=1.0, name=None):
        super().__init__(name)
        self.pad = keras.layers.ZeroPadding2D(1)
        self.convolutions = [
            Conv2D(
                filters,
                4,
                1 if filters == 1 else 2,
                kernel_initializer=keras.initializers.VarianceScaling(
                    2.0, "fan_in"
                ),
                name=f"conv_{i}",
            )
            for i, filters in enumerate(
                [*(scaled(64 * 2**i, width) for i in range(4)), 1]
            )
        ]
        self.norms = [
            DomainBatchRenormalization({"real": 0, "fake": 0}, name=f"norm_{i}")
            for i in (1, 2, 3)
        ]

    def call(self, images, routing):
        """`[len(routing.routes) * N, S, S, 3]` -> `[., s, s, 1]`."""
        first, *middle, last = self.convolutions
        x = leaky(first(self.pad(images)))
        for convolution, norm in zip(middle, self.norms, strict=True):
            x = leaky(norm(convolution(self.pad(x)), routing=routing))
        return last(self.pad(x))


class FeatureCritic(Network):
    """A layer's features -> one score; not specified in the paper.

    Strided 3x3 convolutions, twice as wide each, 128 to 512 channels, down to
    4x4 or less, then a dense layer; no normalization, as WGAN-GP wants.

    Args:
        channels: of the features.
        width: factor on the channels.
    """

    def __init__(self, channels, width=1.0, name=None):
        super().__init__(name)
        self.channels, self.width = max(NARROWEST, channels), width
        # A bias would cancel between reals and fakes.
        self.last = keras.layers.Dense(1, use_bias=False, name="dense")

    def build(self, shape):
        super().build(shape)
        count = max(1, len(strided_sides(shape[1])) - 1)
        self.convolutions = [
            _convolution(
                scaled(min(WIDEST, self.channels * 2 ** (i + 1)), self.width),
                stride=2,
                name=f"conv_{i}",
            )
            for i in range(count)
        ]

    def call(self, x):
        """`[N, h, w, C]` -> `[N, 1]`, without activation."""
        for convolution in self.convolutions:
            x = leaky(convolution(x))
        return self.last(tf.reshape(x, [-1, math.prod(x.shape[1:])]))
