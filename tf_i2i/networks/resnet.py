"""The ResNet generator of CycleGAN (arXiv:1703.10593, appendix 7.2).

In the paper's notation, the generator is: c7s1-64, d128, d256, R256 x 6 or 9,
u128, u64, c7s1-3.
"""

import tensorflow as tf

from tf_i2i.layers import Conv2D
from tf_i2i.layers import InstanceNormalization
from tf_i2i.layers import blur_downsample
from tf_i2i.layers import equal_in_block
from tf_i2i.layers import pixel_shuffle
from tf_i2i.layers import pixel_unshuffle
from tf_i2i.layers import reflect_pad
from tf_i2i.networks.base import Network
from tf_i2i.networks.blocks import BilinearConvolution
from tf_i2i.networks.blocks import ResidualBlock
from tf_i2i.networks.blocks import doubling_layer
from tf_i2i.networks.blocks import norm_relu
from tf_i2i.networks.blocks import normal_kernels
from tf_i2i.networks.blocks import widen

# The sides of the first convolution's input must be multiples of this number
# of pixels.
STRIDE = 4


def _unchanged(x):
    return x


def downsample_stem(network, x, training, after=_unchanged):
    """Returns a feature map of images, the input of residual blocks.

    The map is computed by a 7x7 convolution and convolutions of stride 2, each
    followed by a normalization and ReLU.

    Args:
        network: a network with four attributes. `first` is a convolution, and
            `unshuffle` is the side of the blocks of pixels that it processes
            as one pixel. `downs` is a list of convolutions of stride 2.
            `norms` is a list of one normalization for `first` and one for each
            of `downs`, or an empty list.
        x: images `[N, H, W, 3]` in [-1, 1].
        training: see `InstanceNormalization`.
        after: function that is applied to each ReLU's output.

    Returns:
        Feature map `[N, h, w, C]` without values below 0.
    """
    return stem_maps(network, x, training, after)[-1]


def stem_maps(network, x, training, after=_unchanged, shrink=_unchanged):
    """Returns several feature maps that `downsample_stem` computes.

    Args:
        network, x, training, after: see `downsample_stem`.
        shrink: function that is applied to the ReLU's output of each of the
            network's `downs`.

    Returns:
        List of feature maps: the input of `first` before padding, the output
        of each of the `downs` before its normalization, and the output of
        `downsample_stem`.
    """
    x = pixel_unshuffle(x, network.unshuffle)
    maps = [x]
    x = network.first(reflect_pad(x, 3, training))
    x = after(norm_relu(network.norms, 0, x, training))
    for i, down in enumerate(network.downs, 1):
        maps.append(down(x))
        x = after(norm_relu(network.norms, i, maps[-1], training))
        x = shrink(x)
    return [*maps, x]


class ResnetGenerator(Network):
    """Translates images by residual blocks, at a quarter of the images' side.

    Before the blocks, each of two convolutions halves the side. After the
    blocks, each of two layers doubles the side (see `doubling_layer`). With
    `unshuffle`, all layers process blocks of pixels as one pixel.

    Args:
        blocks: number of residual blocks.
        width: factor on the channel counts.
        outer_norm: whether the layers outside the residual blocks are
            normalized too, as in the paper. This normalization removes the
            overall colour and contrast of an image.
        make_block: function that takes an index, a number of channels and a
            name, and returns the residual block with that index. None for
            blocks of the class `ResidualBlock`.
        unshuffle: side of the blocks of pixels that are processed as one pixel;
            see `pixel_unshuffle`.
    """

    def __init__(
        self,
        blocks=9,
        width=1.0,
        outer_norm=True,
        name=None,
        make_block=None,
        unshuffle=1,
    ):
        super().__init__(name)
        self.unshuffle = unshuffle
        few, some, many = (widen(n, width) for n in (64, 128, 256))
        kernels = {"kernel_initializer": normal_kernels(width)}
        self.first = Conv2D(few, 7, **kernels, name="first")
        self.downs = [
            self.halving_layer(n, width, f"down_{n}") for n in (some, many)
        ]

        def plain(index, channels, name):
            return ResidualBlock(channels, width=width, reflect=True, name=name)

        make_block = make_block or plain
        self.blocks = [make_block(i, many, f"block_{i}") for i in range(blocks)]
        self.ups = [
            self.doubling_layer(n, width, f"up_{n}") for n in (some, few)
        ]
        self.last = Conv2D(
            3 * unshuffle**2,
            7,
            kernel_initializer=equal_in_block(normal_kernels(width), unshuffle),
            name="last",
        )
        self.norms = [
            InstanceNormalization(name=f"norm_{i}")
            for i in range(5 if outer_norm else 0)
        ]

    # Stride of the convolutions of `downs`.
    halving_stride = 2

    def halving_layer(self, filters, width, name):
        """Returns a convolution that halves the size, for the list `downs`."""
        return Conv2D(
            filters,
            3,
            strides=self.halving_stride,
            padding="same",
            kernel_initializer=normal_kernels(width),
            name=name,
        )

    def shrink(self, x):
        """Returns `x`, which a convolution of stride 2 has downsampled.

        Subclasses whose convolutions have stride 1 downsample `x` here.
        """
        return x

    def doubling_layer(self, filters, width, name):
        """Returns a layer that doubles the size, for the list `ups`."""
        return doubling_layer(filters, width, self.unshuffle, name)

    def call(self, x, training=False):
        """Returns translations.

        Args:
            x: images `[N, H, W, 3]` in [-1, 1]; H and W are multiples of
                `STRIDE * unshuffle`.
            training: see `InstanceNormalization`.

        Returns:
            float32, shape of `x`, in [-1, 1].
        """
        code, _ = self.encode(x, training)
        return self.decode(code, training)

    def encode(self, x, training=False):
        """Returns the output of the residual blocks, and earlier feature maps.

        Args:
            x, training: see `call`.

        Returns:
            The input of `decode`, and a list of feature maps `[N, h, w, C]`,
            which CUT compares: the pixels, the outputs of the two convolutions
            of stride 2, and those of the first and the fifth residual block.
            If there are fewer than five blocks, the last one takes the place
            of the fifth.
        """
        *maps, x = stem_maps(self, x, training, shrink=self.shrink)
        compared = {0, min(4, len(self.blocks) - 1)}
        for i, block in enumerate(self.blocks):
            x = block(x, training=training)
            if i in compared:
                maps.append(x)
        return x, maps

    def decode(self, x, training, prepare=_unchanged, after=_unchanged):
        """Returns images, decoded from the output of the residual blocks.

        Args:
            x: feature map `[N, h, w, C]`; see `encode`.
            training: see `InstanceNormalization`.
            prepare: function that is applied to the input of each layer.
            after: function that is applied to each ReLU's output.
        """
        for i, up in enumerate(self.ups, 3):
            x = after(norm_relu(self.norms, i, up(prepare(x)), training))
        x = self.last(reflect_pad(prepare(x), 3, training))
        x = tf.tanh(tf.cast(x, tf.float32))
        return pixel_shuffle(x, self.unshuffle)


class AntialiasedGenerator(ResnetGenerator):
    """A `ResnetGenerator` that resizes by interpolation, not by strides.

    This is the generator of the authors' code of CUT (arXiv:2007.15651). Each
    convolution of stride 2 is replaced by a convolution of stride 1 and
    `blur_downsample`. Each transposed convolution is replaced by bilinear
    upsampling and a convolution. Therefore translations have no checkerboard
    pattern (Odena et al. 2016, doi:10.23915/distill.00003).

    The number of parameters is the same as in `ResnetGenerator`. The feature
    maps of the two convolutions, which `encode` returns, have twice the side
    that they have in `ResnetGenerator`.
    """

    halving_stride = 1

    def shrink(self, x):
        return blur_downsample(x)

    def doubling_layer(self, filters, width, name):
        return BilinearConvolution(
            filters,
            3,
            padding="same",
            kernel_initializer=normal_kernels(width),
            name=name,
        )


class DropoutBlock(ResidualBlock):
    """A residual block that scales channels after each convolution."""

    def call(self, x, factors, training=False):  # type: ignore[override]
        """Returns the output of the block.

        Args:
            x: `[N, H, W, filters]`.
            factors: for each of the two convolutions, a tensor
                `[N, 1, 1, filters]` by which its channels are multiplied.
            training: see `InstanceNormalization`.

        Returns:
            A tensor of the shape of `x`.
        """
        first, second = factors
        y = self.activation(self._convolve(0, x, training))
        y = self._convolve(1, y * tf.cast(first, y.dtype), training)
        return tf.cast(x, y.dtype) + y * tf.cast(second, y.dtype)


class DropoutGenerator(ResnetGenerator):
    """A `ResnetGenerator` with dropout after all convolutions but the last.

    Whole channels are dropped, each with probability 1/2. A style, which is a
    random vector with one number for each channel, determines which channels
    are dropped. A channel is dropped if its number is negative, multiplied by 2
    if the number is positive, and unchanged if the number is 0.

    Args:
        blocks, width, outer_norm, name, unshuffle: see `ResnetGenerator`.
    """

    def __init__(
        self, blocks=9, width=1.0, outer_norm=True, name=None, unshuffle=1
    ):
        def make_block(index, channels, name):
            return DropoutBlock(channels, width=width, reflect=True, name=name)

        super().__init__(blocks, width, outer_norm, name, make_block, unshuffle)
        outer = [self.first, *self.downs, *self.ups]
        # Length of a style.
        self.style_size = sum(layer.filters for layer in outer) + sum(
            2 * block.filters for block in self.blocks
        )

    def call(self, x, style, training=False):  # type: ignore[override]
        """Returns translations.

        Args:
            x: images `[N, H, W, 3]` in [-1, 1]; H and W are multiples of
                `STRIDE * unshuffle`.
            style: `[N, style_size]`.
            training: see `InstanceNormalization`.

        Returns:
            float32, shape of `x`, in [-1, 1].
        """
        drop = _Dropout(style)
        x = downsample_stem(self, x, training, drop)
        for block in self.blocks:
            factors = [drop.take(block.filters) for _ in range(2)]
            x = block(x, factors, training=training)
        return self.decode(x, training, after=drop)


class _Dropout:
    """A function that drops channels of the feature maps of a generator.

    It is called with one feature map after the other.

    Args:
        style: `[N, K]`; see `DropoutGenerator`. Each feature map uses the
            numbers that follow those of the previous one.
    """

    def __init__(self, style):
        self.factors = 1.0 + tf.sign(style)
        self.used = 0

    def __call__(self, x):
        return x * tf.cast(self.take(x.shape[-1]), x.dtype)

    def take(self, channels):
        """Returns the factors `[N, 1, 1, channels]` of the next map."""
        first, self.used = self.used, self.used + channels
        return self.factors[:, None, None, first : self.used]
