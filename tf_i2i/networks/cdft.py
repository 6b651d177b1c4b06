"""Networks of the cascade in feature space (CDFT, arXiv:1906.01526).

Sections 3, 4 and 6.1. Maps are normalized features, `[N, h, w, C]` in [-1, 1].
`width` is a factor on the channels inside a network: those of its input and
output are the backbone's.
"""

import math

import keras
import tensorflow as tf

from tf_i2i.layers import Conv2D
from tf_i2i.layers import DomainBatchRenormalization
from tf_i2i.layers import InstanceNormalization
from tf_i2i.layers import across_replicas
from tf_i2i.layers import modulate
from tf_i2i.networks.base import Network
from tf_i2i.networks.blocks import widen

SLOPE = 0.2  # Slope of leaky ReLUs.
GROUPS = 32  # Groups of group normalization; not printed.
NARROWEST, WIDEST = 64, 512  # Channels of critics of features.
HIDDEN = 1000  # Units of the hidden dense layer in Table S2.
LEAST_SIDE = 4  # Strided convolutions end at maps of this side.
# Smallest standard deviation of a channel, as a share of the mean of all.
_LEAST_DEVIATION = 0.01


def leaky(x):
    """Returns the leaky ReLU of slope .2."""
    return tf.nn.leaky_relu(x, SLOPE)


def strided_sides(side):
    """Returns the sides of the maps after each stride of 2, down to 4 or less.

    For example `[28, 14, 7, 4]` for 28.
    """
    sides = [side]
    while sides[-1] > LEAST_SIDE:
        sides.append(-(-sides[-1] // 2))
    return sides


def _convolution(filters, kernel=3, stride=1, slope=SLOPE, name=None):
    """A convolution initialized to keep the mean square (He et al. 2015)."""
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
    """Mean and standard deviation of each channel of one tap in a domain.

    `measure` updates them batch by batch; afterwards they stay fixed.
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
        """Returns raw features with mean 0 and standard deviation 1."""
        deviation = tf.convert_to_tensor(self.deviation)
        # A channel that is always zero would otherwise show rounding errors.
        least = _LEAST_DEVIATION * tf.reduce_mean(deviation)
        deviation = tf.maximum(deviation, tf.maximum(least, 1e-6))
        return (
            tf.cast(x, tf.float32) - tf.convert_to_tensor(self.mean)
        ) / deviation

    def measure(self, x, share):
        """Adds a batch to the statistics (Chan et al. 1979).

        Args:
            x: `[N, h, w, C]`, raw features; this replica's.
            share: share of the images before this batch in all images up to
                and with this batch: 0 for the first batch.
        """
        x = tf.cast(x, tf.float32)
        (mean,) = across_replicas([tf.reduce_mean(x, [0, 1, 2])])
        squares = tf.reduce_mean(tf.square(x - mean), [0, 1, 2])
        (variance,) = across_replicas([squares])
        old = tf.convert_to_tensor(self.mean)
        apart = mean - old
        variance = (
            share * tf.square(tf.convert_to_tensor(self.deviation))
            + (1.0 - share) * variance
            + share * (1.0 - share) * tf.square(apart)
        )
        self.mean.assign(_finite(old + (1.0 - share) * apart, old))
        self.deviation.assign(
            _finite(tf.sqrt(variance), tf.convert_to_tensor(self.deviation))
        )


def _finite(new, old):
    """Returns `new` if all of it is finite, else `old`."""
    return tf.where(tf.reduce_all(tf.math.is_finite(new)), new, old)


class DeepTranslator(Network):
    """Translates the deepest map of one domain to the other (Table S1).

    Channels C, C/2, C, C/2, C/2, C, C at `width` 1; two strided convolutions
    and as many transposed ones, back to the sides before.

    Args:
        channels: C, channels of the map.
        width: factor on the channels of all layers but the last.
    """

    def __init__(self, channels, width=1.0, name=None):
        super().__init__(name)
        wide, half = (
            widen(channels, width),
            widen(channels // 2, width),
        )
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
        # From 14 to 7 to 4: plain doubling would give 8 and 16.
        self.doublings = [
            _transposed(n, 3, 1 - side % 2, name=f"transposed_{i}")
            for i, (n, side) in enumerate(
                zip(self.filters, sides[::-1], strict=True)
            )
        ]

    def call(self, x):
        """Returns float32 in [-1, 1], of the shape of `x`, `[N, h, w, C]`."""
        x = self.first(x)
        steps = [*self.halvings, *self.doublings, self.wide]
        for step, norm in zip(steps, self.norms, strict=True):
            x = tf.nn.relu(norm(step(x)))
        return tf.tanh(tf.cast(self.last(x), tf.float32))


class StyleOfLayer(Network):
    """Parameters of AdaIN from the source's own layer (Table S2).

    Args:
        parameters: their number.
        width: factor on the 512 channels and the 1000 hidden units.
    """

    def __init__(self, parameters, width=1.0, name=None):
        super().__init__(name)
        self.channels = widen(WIDEST, width)
        self.hidden = keras.layers.Dense(
            widen(HIDDEN, width),
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
        """Returns float32 `[N, parameters]` of `[N, h, w, C]`."""
        for convolution in self.convolutions:
            x = leaky(convolution(x))
        x = tf.reshape(x, [-1, math.prod(x.shape[1:])])
        return tf.cast(self.last(leaky(self.hidden(x))), tf.float32)


class LayerTranslator(Network):
    """Makes a layer from the translated deeper one (Table S3).

    As printed, the last two convolutions have half of the deeper layer's
    channels, 256 for a conv_4_1 of 512: here they have as many as the layer.

    Args:
        deeper_channels: channels of the translated deeper layer.
        channels: channels of this layer.
        width: factor on the channels of all layers but the last.
        style_width: factor on the channels of the style network.
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
        deep = widen(deeper_channels, width)
        fine = widen(channels, width)
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
        """Returns the other domain's layer.

        Args:
            deeper: `[N, h, w, D]`, translated: the content.
            layer: `[N, 2h, 2w, C]`, the source's own: the style.

        Returns:
            `[N, 2h, 2w, C]`, float32 in [-1, 1].
        """
        sizes = [n for n in self.channels for _ in range(2)]
        style = tf.split(self.style(layer), sizes, axis=1)
        x = deeper
        for i, (step, norm) in enumerate(
            zip(self.steps, self.norms, strict=True)
        ):
            x = norm(step(x))
            scale, offset = style[2 * i :][:2]
            x = leaky(modulate(x, scale, offset))
        return tf.tanh(tf.cast(self.last(x), tf.float32))


class Inverter(Network):
    """Makes an image from a layer's features (section 6.1.2).

    Three convolutions, transposed ones that double the side and halve the
    channels up to the image's size, a last convolution and tanh.

    Args:
        channels: channels of the first three convolutions.
        doublings: number of transposed convolutions.
        width: factor on the channels.
    """

    def __init__(self, channels, doublings, width=1.0, name=None):
        super().__init__(name)
        self.steps = [
            _convolution(widen(channels, width), name=f"conv_{i}")
            for i in range(3)
        ]
        self.steps += [
            _transposed(
                widen(channels / 2 ** (i + 1), width),
                name=f"transposed_{i}",
            )
            for i in range(doublings)
        ]
        self.last = _convolution(3, slope=1.0, name="last")

    def call(self, x):
        """Returns float32 `[N, S, S, 3]` in [-1, 1] of `[N, h, w, C]`."""
        for step in self.steps:
            x = leaky(step(x))
        return tf.tanh(tf.cast(self.last(x), tf.float32))


class InversionCritic(Network):
    """A PatchGAN: four strided 4x4 convolutions and a score for each patch.

    Batch normalization follows all but the first and the last (section
    6.1.2).

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
                [*(widen(64 * 2**i, width) for i in range(4)), 1]
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
    """Scores a layer's features; not specified in the paper.

    Strided 3x3 convolutions, each twice as wide as the one before, 128 to 512
    channels, down to 4x4 or less, then a dense layer; no normalization, as
    WGAN-GP requires.

    Args:
        channels: channels of the features.
        width: factor on the channels.
    """

    def __init__(self, channels, width=1.0, name=None):
        super().__init__(name)
        self.channels, self.width = max(NARROWEST, channels), width
        # A bias would cancel between real and fake scores.
        self.last = keras.layers.Dense(1, use_bias=False, name="dense")

    def build(self, shape):
        super().build(shape)
        count = max(1, len(strided_sides(shape[1])) - 1)
        self.convolutions = [
            _convolution(
                widen(min(WIDEST, self.channels * 2 ** (i + 1)), self.width),
                stride=2,
                name=f"conv_{i}",
            )
            for i in range(count)
        ]

    def call(self, x):
        """Returns scores `[N, 1]` of `[N, h, w, C]`, without activation."""
        for convolution in self.convolutions:
            x = leaky(convolution(x))
        return self.last(tf.reshape(x, [-1, math.prod(x.shape[1:])]))
