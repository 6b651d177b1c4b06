"""Networks of the cascade in feature space (CDFT, arXiv:1906.01526).

The networks follow sections 3, 4 and 6.1 of the paper. Most of them take
normalized feature maps of a backbone network, `[N, h, w, C]` in [-1, 1].
`FeatureStatistics` takes feature maps that are not normalized, and
`InversionCritic` takes images. `width` is a factor on the channel counts inside
a network. The channel counts of inputs and outputs are those of the backbone's
feature maps, whatever `width` is.
"""

import math

import keras
import tensorflow as tf

from tf_i2i.layers import AdaptiveNormalization
from tf_i2i.layers import Conv2D
from tf_i2i.layers import DomainBatchRenormalization
from tf_i2i.layers import across_replicas
from tf_i2i.networks.base import Network
from tf_i2i.networks.blocks import widen

# The factor with which leaky ReLUs multiply values below 0.
SLOPE = 0.2
# The number of groups of group normalization, which the paper does not give.
GROUPS = 32
# The smallest and the largest number of channels in feature critics.
NARROWEST, WIDEST = 64, 512
# The number of units of the hidden dense layer in Table S2.
HIDDEN = 1000
# Strided convolutions reduce a feature map until its side has at most this
# number of positions.
LEAST_SIDE = 4
# The smallest standard deviation of a channel by which features are divided,
# as a fraction of the mean standard deviation over all channels.
_LEAST_DEVIATION = 0.01


def leaky(x):
    """Returns the leaky ReLU of `x`, with the factor .2 below 0."""
    return tf.nn.leaky_relu(x, SLOPE)


def strided_sides(side):
    """Returns the sides of feature maps between strided convolutions.

    Each side is half of the previous side, rounded up. The last is at most 4.
    For example, `strided_sides(28)` is `[28, 14, 7, 4]`.

    Args:
        side: side of the first map.
    """
    sides = [side]
    while sides[-1] > LEAST_SIDE:
        sides.append(-(-sides[-1] // 2))
    return sides


def _convolution(filters, kernel=3, stride=1, slope=SLOPE, name=None):
    """Returns a convolution with the initializer of He et al. 2015.

    If a leaky ReLU with the factor `slope` below 0 follows, the mean square of
    its output equals that of the convolution's input.
    """
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
        data_format="channels_last",
    )


class FeatureStatistics(Network):
    """Normalizes features of one layer in one domain, channel by channel.

    `measure` computes the means and standard deviations from batches. The
    training of other networks does not change these statistics.
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
        """Returns the features `x`, normalized by the measured statistics."""
        deviation = tf.convert_to_tensor(self.deviation)
        # The standard deviation has a lower limit. Otherwise the rounding
        # errors of a channel that is always 0 would be scaled to a standard
        # deviation of 1.
        least = _LEAST_DEVIATION * tf.reduce_mean(deviation)
        deviation = tf.maximum(deviation, tf.maximum(least, 1e-6))
        return (
            tf.cast(x, tf.float32) - tf.convert_to_tensor(self.mean)
        ) / deviation

    def measure(self, x, share):
        """Updates the statistics with a batch, as in Chan et al. 1979.

        Args:
            x: features `[N, h, w, C]` on this replica, not normalized.
            share: number of images before this batch, divided by the number
                of images including this batch; 0 for the first batch.
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
    """Returns `new` if all of its elements are finite, otherwise `old`."""
    return tf.where(tf.reduce_all(tf.math.is_finite(new)), new, old)


class DeepTranslator(Network):
    """Translates the deepest feature map to the other domain (Table S1).

    The layers have C, C/2, C, C/2, C/2, C, C channels if `width` is 1. Two
    strided convolutions reduce the size of the map, and two transposed
    convolutions restore it.

    Args:
        channels: C, the number of channels of the map.
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
        # For example, the side of a map is reduced from 14 to 7 and then to
        # 4. The output padding below makes the transposed convolutions
        # enlarge it to 7 and 14 again, and not to 8 and 16.
        self.doublings = [
            _transposed(n, 3, 1 - side % 2, name=f"transposed_{i}")
            for i, (n, side) in enumerate(
                zip(self.filters, sides[::-1], strict=True)
            )
        ]

    def call(self, x):
        """Returns the translated map, float32 in [-1, 1].

        Args:
            x: `[N, h, w, C]`; the result has the same shape.
        """
        x = self.first(x)
        steps = [*self.halvings, *self.doublings, self.wide]
        for step, norm in zip(steps, self.norms, strict=True):
            x = tf.nn.relu(norm(step(x)))
        return tf.tanh(tf.cast(self.last(x), tf.float32))


class StyleOfLayer(Network):
    """Computes AdaIN's parameters from a feature map of the source (Table S2).

    Args:
        parameters: number of parameters to compute.
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
        """Returns parameters, float32 `[N, parameters]`.

        Args:
            x: feature maps `[N, h, w, C]`.
        """
        for convolution in self.convolutions:
            x = leaky(convolution(x))
        x = tf.reshape(x, [-1, math.prod(x.shape[1:])])
        return tf.cast(self.last(leaky(self.hidden(x))), tf.float32)


class LayerTranslator(Network):
    """Translates a layer's features, given the translated deeper layer.

    See Table S3. The deeper layer is the next deeper one of the taps.

    In the paper, the last two convolutions have half as many channels as the
    deeper layer, for example 256 although the layer conv_4_1 has 512. Here
    they have as many channels as the layer that is translated.

    Args:
        deeper_channels: number of channels of the deeper layer.
        channels: number of channels of this layer.
        width: factor on the channels of all convolutions but the last.
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
        self.norms = [AdaptiveNormalization(name=f"norm_{i}") for i in range(3)]
        self.last = _convolution(channels, slope=1.0, name="last")
        self.style = StyleOfLayer(
            2 * sum(self.channels), style_width, name="style"
        )

    def call(self, deeper, layer):
        """Returns the translation of a layer's feature map.

        Args:
            deeper: translation of the deeper layer, `[N, h, w, D]`. It
                determines the content.
            layer: feature map of this layer of the source image,
                `[N, 2h, 2w, C]`. It determines the style.

        Returns:
            `[N, 2h, 2w, C]`, float32 in [-1, 1].
        """
        sizes = [n for n in self.channels for _ in range(2)]
        style = tf.split(self.style(layer), sizes, axis=1)
        x = deeper
        for i, (step, norm) in enumerate(
            zip(self.steps, self.norms, strict=True)
        ):
            x = leaky(norm(step(x), *style[2 * i :][:2]))
        return tf.tanh(tf.cast(self.last(x), tf.float32))


class Inverter(Network):
    """Reconstructs images from a layer's features (section 6.1.2).

    The network has three convolutions, several transposed convolutions, a last
    convolution and tanh. Each transposed convolution doubles the side and
    halves the number of channels.

    Args:
        channels: number of channels of the first three convolutions.
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
        """Returns reconstructed images, float32 `[N, S, S, 3]` in [-1, 1].

        Args:
            x: feature maps `[N, h, w, C]`.
        """
        for step in self.steps:
            x = leaky(step(x))
        return tf.tanh(tf.cast(self.last(x), tf.float32))


class InversionCritic(Network):
    """A PatchGAN critic: four 4x4 convolutions of stride 2, one of stride 1.

    Batch normalization follows all convolutions but the first and the last
    (section 6.1.2).

    Args:
        width: factor on the channel counts, which are 64, 128, 256 and 512.
    """

    def __init__(self, width=1.0, name=None):
        super().__init__(name)
        self.pad = keras.layers.ZeroPadding2D(1, data_format="channels_last")
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
        """Returns maps of scores, `[len(routing.routes) * N, s, s, 1]`.

        Args:
            images: `[len(routing.routes) * N, S, S, 3]`, one route after the
                other.
            routing: a `NormRouting` with the routes "real" and "fake".
        """
        first, *middle, last = self.convolutions
        x = leaky(first(self.pad(images)))
        for convolution, norm in zip(middle, self.norms, strict=True):
            x = leaky(norm(convolution(self.pad(x)), routing=routing))
        return last(self.pad(x))


class FeatureCritic(Network):
    """Scores the features of a layer.

    The paper does not specify this network. Here, strided 3x3 convolutions
    of 128 to 512 channels, each with twice the channels of the previous
    convolution, reduce the map to 4x4 or less, and a dense layer follows. There
    is no normalization over the batch, which WGAN-GP does not allow.

    Args:
        channels: number of channels of the features.
        width: factor on the channels of the convolutions.
    """

    def __init__(self, channels, width=1.0, name=None):
        super().__init__(name)
        self.channels, self.width = max(NARROWEST, channels), width
        # There is no bias, because it would cancel in the loss, which is a
        # difference of scores.
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
        """Returns scores `[N, 1]`, without activation.

        Args:
            x: features `[N, h, w, C]`.
        """
        for convolution in self.convolutions:
            x = leaky(convolution(x))
        return self.last(tf.reshape(x, [-1, math.prod(x.shape[1:])]))
