"""Networks of AsymGAN (Li et al. 2019): F, E and D_Z, section IV-A.

G and the critics of images are CycleGAN's (`networks.resnet`,
`networks.patch`). Here are the generator F, which takes an auxiliary variable
z as well as an image, in one of three ways (section IV-E b), the encoder E of
z, and critics of z.
"""

import keras
import tensorflow as tf

from tf_i2i.layers import Conv2D
from tf_i2i.layers import InstanceNormalization
from tf_i2i.layers import modulate
from tf_i2i.networks.base import Network
from tf_i2i.networks.blocks import ResidualBlock
from tf_i2i.networks.blocks import normal_kernels
from tf_i2i.networks.blocks import widen
from tf_i2i.networks.resnet import ResnetGenerator
from tf_i2i.networks.resnet import downsample_stem

# How F takes z: a map, concatenated with the middle feature map; one vector,
# concatenated with every feature map from there on; or one vector, which
# gives the scales and offsets of the middle blocks' normalizations.
STYLE_PATHS = ("map", "concat", "norm")
STYLE_PATH_ALIASES = {"beside": "concat"}  # Words of earlier versions.


class ConcatBlock(ResidualBlock):
    """A residual block whose first convolution takes a vector, too."""

    def call(self, x, style, training=False):  # type: ignore[override]
        y = self._convolve(0, concat_style(x, style), training)
        y = self._convolve(1, self.activation(y), training)
        return tf.cast(x, y.dtype) + y


class ConditionedBlock(ResidualBlock):
    """A residual block with conditional instance normalization.

    Dumoulin et al. 2017 (arXiv:1610.07629): after both normalizations follow
    a scale, 1 + W z + w, and an offset, V z + v, of a vector z.
    """

    def __init__(self, filters, width=1.0, name=None):
        super().__init__(filters, width=width, reflect=True, name=name)
        self.scales, self.offsets = (
            [
                keras.layers.Dense(filters, dtype="float32", name=f"{kind}_{i}")
                for i in range(2)
            ]
            for kind in ("scale", "offset")
        )

    def call(self, x, style, training=False):  # type: ignore[override]
        y = self._modulate(0, self._convolve(0, x, training), style)
        y = self.activation(y)
        y = self._modulate(1, self._convolve(1, y, training), style)
        return tf.cast(x, y.dtype) + y

    def _modulate(self, i, y, style):
        return modulate(y, self.scales[i](style), self.offsets[i](style))


class StyledGenerator(ResnetGenerator):
    """F: CycleGAN's generator, which takes z, too.

    Args:
        blocks: number of residual blocks; z enters after the first half of
            them, or in the middle three.
        width: factor on the channel counts.
        outer_norm: as in `ResnetGenerator`.
        style_path: one of `STYLE_PATHS`.
        style_channels: channels of z.
    """

    def __init__(
        self,
        blocks=6,
        width=1.0,
        outer_norm=True,
        style_path="map",
        style_channels=8,
        name=None,
    ):
        middle = blocks // 2
        styled = range(middle, blocks)
        if style_path == "norm":
            first = max(0, (blocks - 2) // 2)
            styled = range(first, min(first + 3, blocks))

        def make_block(index, channels, name):
            more = {"width": width, "name": name}
            if index not in styled:
                return ResidualBlock(channels, reflect=True, **more)
            if style_path == "norm":
                return ConditionedBlock(channels, **more)
            if style_path == "concat":
                return ConcatBlock(channels, reflect=True, **more)
            channels += style_channels
            return ResidualBlock(channels, reflect=True, **more)

        super().__init__(blocks, width, outer_norm, name, make_block)
        self.style_path = style_path
        self.middle = middle
        self.styled = tuple(styled)

    def call(self, x, style, training=False):  # type: ignore[override]
        """Translates images.

        Args:
            x: `[N, H, W, 3]` in [-1, 1], sides multiples of `STRIDE`.
            style: z: `[N, h, w, C]` for a map, which is resized to the
                middle feature map; `[N, C]` otherwise.
            training: see `InstanceNormalization`.

        Returns:
            float32, shape of `x`, in [-1, 1].
        """
        x = downsample_stem(self, x, training)
        for i, block in enumerate(self.blocks):
            if self.style_path == "map":
                x = concat_style(x, style) if i == self.middle else x
                x = block(x, training=training)
            elif i in self.styled:
                x = block(x, style, training=training)
            else:
                x = block(x, training=training)
        if self.style_path != "concat":
            return self._decode(x, training)
        return self._decode(x, training, lambda x: concat_style(x, style))


def concat_style(x, style):
    """Returns a feature map with z as further channels.

    Args:
        x: `[N, H, W, C]`.
        style: `[N, h, w, D]`, resized by nearest neighbour, or `[N, D]`,
            repeated for all pixels.

    Returns:
        `[N, H, W, C + D]`, of the dtype of `x`.
    """
    style = tf.cast(style, x.dtype)
    sides = list(zip(x.shape[1:3], style.shape[1:3], strict=False))
    if style.shape.rank == 2:
        shape = tf.concat([tf.shape(x)[:3], [style.shape[1]]], 0)
        style = tf.broadcast_to(style[:, None, None], shape)
    elif all(side and side % own == 0 for side, own in sides):
        # Equal to resizing, which XLA cannot differentiate.
        for axis, (side, own) in enumerate(sides, 1):
            style = tf.repeat(style, side // own, axis)
    else:
        style = tf.image.resize(style, tf.shape(x)[1:3], "nearest")
    return tf.concat([x, style], 3)


class AuxEncoder(Network):
    """E: strided convolutions, three residual blocks, and 1x1 to z.

    Instance normalization as in G, but none where z is pooled: it would
    remove the means that pooling reads, and with them the colours (as in the
    style encoder of MUNIT, Huang et al. 2018, arXiv:1804.04732).

    Args:
        halvings: number of strided convolutions; each doubles the channels
            (3).
        width: factor on the channel counts, 64 to 512.
        channels: channels of z.
        pooled: whether the map of z is averaged to one vector.
    """

    def __init__(
        self, halvings=3, width=1.0, channels=8, pooled=False, name=None
    ):
        super().__init__(name)
        self.pooled = pooled
        counts = [widen(64 * 2**i, width) for i in range(halvings + 1)]
        start = "he_normal" if pooled else normal_kernels(width)
        kernels = {"kernel_initializer": start}
        self.first = Conv2D(counts[0], 7, **kernels, name="first")
        self.downs = [
            Conv2D(n, 3, strides=2, padding="same", **kernels, name=f"down_{i}")
            for i, n in enumerate(counts[1:])
        ]
        self.norms = [
            InstanceNormalization(name=f"norm_{i}")
            for i in range(0 if pooled else halvings + 1)
        ]
        self.blocks = [
            ResidualBlock(
                counts[-1],
                width=width,
                reflect=True,
                normalized=not pooled,
                name=f"block_{i}",
            )
            for i in range(3)
        ]
        self.last = Conv2D(channels, 1, name="last")

    def call(self, x, training=False):
        """Returns z.

        Args:
            x: `[N, H, W, 3]` in [-1, 1].
            training: see `InstanceNormalization`.

        Returns:
            float32 `[N, h, w, C]`, sides those of `x` over `2 ** halvings`,
            or the averages, `[N, C]`.
        """
        x = downsample_stem(self, x, training)
        for block in self.blocks:
            x = block(x, training=training)
        z = tf.cast(self.last(x), tf.float32)
        return tf.reduce_mean(z, [1, 2]) if self.pooled else z


class MapCritic(Network):
    """D_Z of maps: each score has a receptive field of 20x20 pixels of z.

    No stack of 4x4 kernels has exactly that; three of them, the first of
    stride 2, and a 3x3 one do. Nothing is normalized: mean and standard
    deviation distinguish codes from N(0, I). All pad as TensorFlow's "same"
    does, so that small maps keep some pixels.

    Args:
        width: factor on the channel counts, 64, 128, 256.
    """

    def __init__(self, width=1.0, name=None):
        super().__init__(name)
        kernels = {"kernel_initializer": normal_kernels(width)}
        self.convolutions = [
            Conv2D(
                widen(n, width),
                4,
                strides=1 if i else 2,
                padding="same",
                **kernels,
                name=f"convolution_{i}",
            )
            for i, n in enumerate((64, 128, 256))
        ]
        self.last = Conv2D(1, 3, padding="same", **kernels, name="last")

    def call(self, z):
        """Returns scores `[N, h / 2, w / 2, 1]` of `[N, h, w, C]`."""
        for convolution in self.convolutions:
            z = tf.nn.leaky_relu(convolution(z), 0.2)
        return self.last(z)


class VectorCritic(Network):
    """D_Z of vectors: dense layers of 64, 64, 64 and 1.

    As in Augmented CycleGAN (Almahairi et al. 2018, arXiv:1802.10151), but
    without batch normalization: at batch size 1 it would remove all of z.
    """

    def __init__(self, name=None):
        super().__init__(name)
        self.inner = [
            keras.layers.Dense(64, name=f"dense_{i}") for i in range(3)
        ]
        self.last = keras.layers.Dense(1, name="last")

    def call(self, z):
        """Returns scores `[N, 1]` of `[N, C]`."""
        for dense in self.inner:
            z = tf.nn.leaky_relu(dense(z), 0.2)
        return self.last(z)
