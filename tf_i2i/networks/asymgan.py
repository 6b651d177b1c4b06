"""The networks F, E and D_Z of AsymGAN (Li et al. 2019, section IV-A).

AsymGAN's generator G and its critics of images are the same as in CycleGAN
(`networks.resnet`, `networks.patch`). This module has the other networks: the
generator F, which takes an image and an auxiliary variable z (in one of three
ways, section IV-E b), the encoder E that computes z, and critics of z.
"""

import keras
import tensorflow as tf

from tf_i2i.layers import Conv2D
from tf_i2i.layers import InstanceNormalization
from tf_i2i.networks.base import Network
from tf_i2i.networks.blocks import AdaptiveBlock
from tf_i2i.networks.blocks import ResidualBlock
from tf_i2i.networks.blocks import normal_kernels
from tf_i2i.networks.blocks import widen
from tf_i2i.networks.resnet import ResnetGenerator
from tf_i2i.networks.resnet import downsample_stem

# The ways in which F takes z. With "map", z is a feature map, which is
# concatenated with the middle feature map of F. With "concat", z is a vector,
# which is concatenated with every feature map from the middle on. With "norm",
# z is a vector from which the scales and offsets of the middle blocks'
# normalizations are computed.
STYLE_PATHS = ("map", "concat", "norm")
# Earlier names of these ways, which are still accepted.
STYLE_PATH_ALIASES = {"beside": "concat"}


class ConcatBlock(ResidualBlock):
    """A residual block whose first convolution also takes a style vector."""

    def call(self, x, style, training=False):  # type: ignore[override]
        y = self._convolve(0, concat_style(x, style), training)
        y = self._convolve(1, self.activation(y), training)
        return tf.cast(x, y.dtype) + y


class ConditionedBlock(AdaptiveBlock):
    """A residual block with conditional instance normalization.

    The output of each of the two normalizations is multiplied by a scale,
    1 + W z + w, and an offset, V z + v, is added. Both are computed from a
    vector z (Dumoulin et al. 2017, arXiv:1610.07629).
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
        affine = [
            (scale(style), offset(style))
            for scale, offset in zip(self.scales, self.offsets, strict=True)
        ]
        return super().call(x, affine, training)


class StyledGenerator(ResnetGenerator):
    """The generator F: CycleGAN's generator with z as a second input.

    Args:
        blocks: number of residual blocks. z enters after the first half of the
            blocks or, if `style_path` is "norm", in the three middle blocks.
        width: factor on the channel counts.
        outer_norm: whether the layers outside the residual blocks are
            normalized; see `ResnetGenerator`.
        style_path: how z enters, one of `STYLE_PATHS`.
        style_channels: number of channels of z.
        unshuffle: see `ResnetGenerator`.
    """

    def __init__(
        self,
        blocks=6,
        width=1.0,
        outer_norm=True,
        style_path="map",
        style_channels=8,
        name=None,
        unshuffle=1,
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

        super().__init__(blocks, width, outer_norm, name, make_block, unshuffle)
        self.style_path = style_path
        self.middle = middle
        self.styled = tuple(styled)

    def call(self, x, style, training=False):  # type: ignore[override]
        """Returns translations.

        Args:
            x: images `[N, H, W, 3]` in [-1, 1]; H and W are multiples of
                `STRIDE * unshuffle`.
            style: z. If `style_path` is "map", its shape is `[N, h, w, C]`,
                and it is resized to the size of the middle feature map.
                Otherwise its shape is `[N, C]`.
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
            return self.decode(x, training)
        return self.decode(x, training, lambda x: concat_style(x, style))


def concat_style(x, style):
    """Returns a feature map with z as additional channels.

    Args:
        x: feature map `[N, H, W, C]`.
        style: z. `[N, h, w, D]` is resized to H x W by nearest neighbour;
            `[N, D]` is repeated at all pixel positions.

    Returns:
        `[N, H, W, C + D]`, of the dtype of `x`.
    """
    style = tf.cast(style, x.dtype)
    sides = list(zip(x.shape[1:3], style.shape[1:3], strict=False))
    if style.shape.rank == 2:
        shape = tf.concat([tf.shape(x)[:3], [style.shape[1]]], 0)
        style = tf.broadcast_to(style[:, None, None], shape)
    elif all(side and side % own == 0 for side, own in sides):
        # `tf.image.resize` would give the same values, but XLA does not
        # support its gradient.
        for axis, (side, own) in enumerate(sides, 1):
            style = tf.repeat(style, side // own, axis)
    else:
        style = tf.image.resize(style, tf.shape(x)[1:3], "nearest")
    return tf.concat([x, style], 3)


class AuxEncoder(Network):
    """The encoder E, which computes z from an image.

    The network has strided convolutions, three residual blocks and a 1x1
    convolution. All of them except the last have instance normalization, as in
    G. If z is pooled, there is no normalization, as in the style encoder of
    MUNIT (Huang et al. 2018, arXiv:1804.04732). Pooling computes the means of
    channels. The means contain information about colours, which a normalization
    would remove.

    Args:
        halvings: number of strided convolutions, each of which doubles the
            channels; 3 in the paper.
        width: factor on the channel counts, which are 64 to 512.
        channels: number of channels of z.
        pooled: whether the map z is averaged to one vector.
        unshuffle: see `ResnetGenerator`.
    """

    def __init__(
        self,
        halvings=3,
        width=1.0,
        channels=8,
        pooled=False,
        name=None,
        unshuffle=1,
    ):
        super().__init__(name)
        self.unshuffle = unshuffle
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
        """Returns the auxiliary variables z of images.

        Args:
            x: images `[N, H, W, 3]` in [-1, 1].
            training: see `InstanceNormalization`.

        Returns:
            float32 `[N, h, w, C]`; h and w are H and W divided by
            `unshuffle * 2 ** halvings`. If `pooled`, the mean over pixel
            positions, `[N, C]`.
        """
        x = downsample_stem(self, x, training)
        for block in self.blocks:
            x = block(x, training=training)
        z = tf.cast(self.last(x), tf.float32)
        return tf.reduce_mean(z, [1, 2]) if self.pooled else z


class MapCritic(Network):
    """The critic D_Z if z is a map.

    Each score has a receptive field of 20x20 positions of z, as in the paper.
    This receptive field cannot be obtained with 4x4 convolutions only.
    Therefore there are three 4x4 convolutions, the first of which has stride 2,
    followed by a 3x3 convolution. There is no normalization, because the critic
    needs the mean and standard deviation of z to distinguish z from N(0, I).
    All convolutions use "same" padding, so that the output for a small map is
    not empty.

    Args:
        width: factor on the channel counts, which are 64, 128 and 256.
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
        """Returns scores `[N, h / 2, w / 2, 1]` of maps `[N, h, w, C]`."""
        for convolution in self.convolutions:
            z = tf.nn.leaky_relu(convolution(z), 0.2)
        return self.last(z)


class VectorCritic(Network):
    """The critic D_Z if z is a vector: dense layers of 64, 64, 64 and 1 units.

    This is the critic of Augmented CycleGAN (Almahairi et al. 2018,
    arXiv:1802.10151) without batch normalization, which would remove all
    information from z at batch size 1.
    """

    def __init__(self, name=None):
        super().__init__(name)
        self.inner = [
            keras.layers.Dense(64, name=f"dense_{i}") for i in range(3)
        ]
        self.last = keras.layers.Dense(1, name="last")

    def call(self, z):
        """Returns scores `[N, 1]` of vectors `[N, C]`."""
        for dense in self.inner:
            z = tf.nn.leaky_relu(dense(z), 0.2)
        return self.last(z)
