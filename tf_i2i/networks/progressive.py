"""Progressively grown encoder, generator and critic (TwinGAN, Table 4).

Every network has the layers for all image sizes. In a call, `size` selects
the layers for images of that size. `fade` (a scalar in [0, 1], or None for 1)
is the weight of the block at `size` when its output is blended with the output
without this block. With `unshuffle`, the layers process blocks of pixels as one
pixel, and their sizes are those of the images divided by `unshuffle`. A block
at size s has `channels(s, width)` channels:

    size      4    8    16   32   64   128  256
    channels  256  256  256  128  64   32   16     (width = 1)
"""

import keras
import tensorflow as tf

from tf_i2i.layers import Conv2D
from tf_i2i.layers import DomainBatchRenormalization
from tf_i2i.layers import downsample
from tf_i2i.layers import equal_in_block
from tf_i2i.layers import leaky_pixel_norm
from tf_i2i.layers import leaky_relu
from tf_i2i.layers import minibatch_deviation
from tf_i2i.layers import pixel_shuffle
from tf_i2i.layers import pixel_unshuffle
from tf_i2i.layers import upsample
from tf_i2i.layers import upsample_convolve
from tf_i2i.networks.base import Network

SMALLEST = 4


def channels(size, width):
    """Returns the number of channels of blocks at `size` pixels.

    The number is `min(4096 / size, 256) * width`, rounded, and at least 4.
    """
    return max(4, round(min(4096 / size, 256) * width))


def blend(new, old, fade):
    """Returns `fade * new + (1 - fade) * old`, or `new` if `fade` is None."""
    if fade is None:
        return new
    fade = tf.cast(fade, new.dtype)
    return fade * new + (1 - fade) * old


def _between(smallest, largest):
    """Returns a list of 2, 4, 8 ... times `smallest`, up to `largest`."""
    sizes = []
    while smallest < largest:
        smallest *= 2
        sizes.append(smallest)
    return sizes


def _block(blocks, size):
    """Returns the list of convolutions at a size.

    The blocks are not stored as a dictionary of lists, because Keras would
    not save layers in such lists. It would raise no error.

    Args:
        blocks: dictionary of convolutions; the keys are "SIZE_INDEX".
        size: size of the block.
    """
    return [blocks[f"{size}_{i}"] for i in range(2) if f"{size}_{i}" in blocks]


class ConvolutionBase(Network):
    """A convolution, batch renormalization, leaky ReLU and pixel normalization.

    The leaky ReLU has the factor 0.2 below 0.

    Args:
        filters: number of output channels.
        kernel_size: side of the kernel in pixels.
        norm: dictionary of arguments of `DomainBatchRenormalization`. A further
            entry "pixel_norm" says whether pixel normalization is applied.
            If `norm` is None, as in critics, there is a bias and no
            normalization.
        linear: whether to leave out the leaky ReLU and the pixel
            normalization.
        padding: "same" or "valid".
        kernel_initializer: initializer of the convolution's kernel.
    """

    def __init__(
        self,
        filters,
        kernel_size,
        norm=None,
        linear=False,
        padding="same",
        kernel_initializer="he_normal",
        name=None,
    ):
        super().__init__(name)
        self.linear = linear
        self.convolution = Conv2D(
            filters,
            kernel_size,
            padding=padding,
            use_bias=norm is None,
            kernel_initializer=kernel_initializer,
            name="convolution",
        )
        self.norm = None
        self.per_image = False
        if norm:
            norm = dict(norm)
            # An export in int8 prints a warning if `per_image` is True, because
            # int8 is too inaccurate for the statistics of single images.
            self.per_image = norm.pop("pixel_norm", True) and not linear
            self.norm = DomainBatchRenormalization(**norm, name="norm")

    def activate(self, x, routing):
        """Returns the normalized and activated output of the convolution."""
        if self.norm is None:
            return x if self.linear else leaky_relu(x)
        x = self.norm(x, routing=routing)
        if self.linear:
            return x
        if not self.per_image:
            return leaky_relu(x)
        return leaky_pixel_norm(x, training=routing.limits is not None)


class Convolution(ConvolutionBase):
    """A `ConvolutionBase` whose input is one feature map."""

    def call(self, x, routing=None, shared=False):
        """Returns the convolved, normalized and activated map.

        Args:
            x: `[N, H, W, C]`.
            routing: `NormRouting` for the normalization; None if there is no
                normalization.
            shared: whether `x` contains each source only once, although
                several routes start from it. If so, the output of the
                convolution is repeated for each route of a source.
        """
        x = self.convolution(x)
        return self.activate(
            routing.repeat_per_route(x) if shared else x, routing
        )


class UpConvolution(ConvolutionBase):
    """A normalized 3x3 convolution of an upsampled map and a skip connection.

    The convolution of the concatenated maps is computed as the sum of two
    convolutions, one of each map. The convolution of the upsampled map is a
    transposed convolution (the fused upscaling of Karras et al. 2018), which
    needs 4 instead of 9 multiplications for each output value and input
    channel. If several images are generated from the same encoded image, the
    convolution of the skip connection is computed once for all of them.
    """

    def call(self, x, skip, routing):
        """Returns the convolution of `concat(upsample(x), skip)`.

        Args:
            x: `[routes * N, H, W, C]`.
            skip: `[sources * N, 2H, 2W, D]`, or None for no skip connection.
            routing: `NormRouting` for the normalization.
        """
        skip_channels = 0 if skip is None else skip.shape[3]
        input_channels = x.shape[3] + skip_channels
        if not self.convolution.built:
            self.convolution.build((None, None, None, input_channels))
        kernel, skip_kernel = tf.split(
            self.convolution.kernel, [x.shape[3], skip_channels], axis=2
        )
        y = upsample_convolve(x, kernel)
        if skip is not None:
            skip_kernel = tf.cast(skip_kernel, skip.dtype)
            convolved = tf.nn.conv2d(skip, skip_kernel, 1, "SAME")
            y += routing.repeat_per_route(convolved)
        return self.activate(y, routing)


class ProgressiveEncoder(Network):
    """Computes a 4x4 content map of images, and the features at each size.

    Args:
        sizes: sizes of the images in training, ascending, for example
            `(8, 16, 32)`.
        width: factor on all channel counts.
        norm: arguments of the normalization (see `ConvolutionBase`); None in
            a critic.
        convs_at_8: number of convolutions at 8 px, 2 as in Table 4, or 1 as
            in earlier versions of this package.
        kernel_initializer: initializer of the kernels of all convolutions.
        unshuffle: side of the blocks of pixels that are processed as one pixel;
            see `pixel_unshuffle`.
    """

    def __init__(
        self,
        sizes,
        width,
        norm=None,
        convs_at_8=2,
        kernel_initializer="he_normal",
        name=None,
        unshuffle=1,
    ):
        super().__init__(name)
        self.unshuffle = unshuffle
        sizes = [size // unshuffle for size in sizes]

        def convolution(filters, kernel_size, name):
            return Convolution(
                filters,
                kernel_size,
                norm=norm,
                kernel_initializer=kernel_initializer,
                name=name,
            )

        self.from_rgb = {
            str(size): convolution(channels(size, width), 1, f"from_rgb_{size}")
            for size in sizes
        }
        self.blocks = {}
        for size in _between(SMALLEST, sizes[-1]):
            count = convs_at_8 if size == 8 else 2
            filters = [channels(size, width)] * (count - 1)
            filters.append(channels(size // 2, width))
            for i, f in enumerate(filters):
                self.blocks[f"{size}_{i}"] = convolution(
                    f, 3, f"block_{size}_{i}"
                )

    def call(self, images, size, fade=None, routing=None):
        """Returns the features of images.

        Args:
            images: `[N, k*size, l*size, 3]`, float in [-1, 1]; k and l are
                multiples of 1/4, and 1 in training.
            size: one of `sizes`.
            fade: weight of the block at `size`, in [0, 1]; None for 1.
            routing: `NormRouting` for the normalizations; None if there are
                no normalizations.

        Returns:
            Pair `(content, skips)`. `content` is a map `[N, 4*k, 4*l, C]`.
            `skips` is a dictionary that holds the features before pooling for
            each size.
        """

        def from_rgb(images, size):
            x = pixel_unshuffle(images, self.unshuffle)
            return self.from_rgb[str(size)](x, routing=routing)

        size //= self.unshuffle
        x = from_rgb(images, size)
        skips = {}
        for at in reversed(_between(SMALLEST, size)):
            for convolution in _block(self.blocks, at):
                x = convolution(x, routing=routing)
            skips[at] = x
            x = downsample(x)
            if at == size and fade is not None:
                old = from_rgb(downsample(images), at // 2)
                x = blend(x, old, fade)
        return x, skips


class ProgressiveGenerator(Network):
    """Generates images from a 4x4 map and skip connections.

    Args:
        sizes, width, norm, kernel_initializer, unshuffle: see
            `ProgressiveEncoder`.
        skips: whether features of the encoder are concatenated with those of
            the generator, as in a U-Net.
        output_norm: whether the 1x1 convolution to RGB is normalized too.
    """

    def __init__(
        self,
        sizes,
        width,
        norm,
        skips=True,
        output_norm=True,
        kernel_initializer="he_normal",
        name=None,
        unshuffle=1,
    ):
        super().__init__(name)
        self.skips = skips
        self.unshuffle = unshuffle
        sizes = [size // unshuffle for size in sizes]

        def convolution(kind, filters, name):
            return kind(
                filters,
                3,
                norm=norm,
                kernel_initializer=kernel_initializer,
                name=name,
            )

        self.stem = convolution(Convolution, channels(SMALLEST, width), "stem")
        self.blocks = {
            f"{size}_{i}": convolution(
                kind, channels(size, width), f"block_{size}_{i}"
            )
            for size in _between(SMALLEST, sizes[-1])
            for i, kind in enumerate((UpConvolution, Convolution))
        }
        self.to_rgb = {
            str(size): Convolution(
                3 * unshuffle**2,
                1,
                norm=norm if output_norm else None,
                linear=True,
                # The standard deviation is small, so that the first outputs
                # are almost grey. If the contrast is too low at first, training
                # corrects it faster than if it is too high.
                kernel_initializer=equal_in_block(
                    keras.initializers.RandomNormal(stddev=0.02), unshuffle
                ),
                name=f"to_rgb_{size}",
            )
            for size in sizes
        }

    def call(self, content, skips, size, fade=None, routing=None):
        """Returns generated images.

        Args:
            content: output of the encoder, `[sources * N, 4*k, 4*l, C]`.
            skips: dictionary of features of the source images, for each size.
            size, fade: see `ProgressiveEncoder.call`.
            routing: `NormRouting` for the normalizations, with
                `routes_per_source` routes for each source.

        Returns:
            `[routes * N, k*size, l*size, 3]`, float32, not clipped.
        """

        def to_rgb(x, size):
            x = self.to_rgb[str(size)](x, routing=routing)
            return pixel_shuffle(x, self.unshuffle)

        size //= self.unshuffle
        x = self.stem(content, routing=routing, shared=True)
        old = None
        for at in _between(SMALLEST, size):
            if at == size and fade is not None:
                old = upsample(to_rgb(x, at // 2))
            first, second = _block(self.blocks, at)
            skip = skips[at] if self.skips else None
            x = first(x, skip=skip, routing=routing)
            x = second(x, routing=routing)
        return tf.cast(blend(to_rgb(x, size), old, fade), tf.float32)


class CriticTail(Network):
    """Computes a vector from the 4x4 map of a `ProgressiveEncoder`.

    The network has a 3x3 convolution, a 4x4 convolution and a dense layer.

    Args:
        width: factor on the channel counts.
        outputs: number of outputs for each image.
        kernel_initializer: initializer of all kernels.
    """

    def __init__(
        self, width, outputs, kernel_initializer="he_normal", name=None
    ):
        super().__init__(name)
        filters = channels(SMALLEST, width)
        self.same = Convolution(
            filters, 3, kernel_initializer=kernel_initializer, name="same"
        )
        self.valid = Convolution(
            filters,
            SMALLEST,
            padding="valid",
            kernel_initializer=kernel_initializer,
            name="valid",
        )
        self.dense = keras.layers.Dense(
            outputs,
            kernel_initializer=kernel_initializer,
            dtype="float32",
            name="dense",
        )

    def call(self, x):
        x = self.valid(self.same(x))
        # The feature map has one pixel position if the images have the
        # training size. Larger images have several positions, whose mean is
        # taken.
        return self.dense(tf.reduce_mean(x, axis=[1, 2]))


class ProgressiveCritic(Network):
    """A critic: an encoder without normalization, then a `CriticTail`.

    Args:
        sizes, width, convs_at_8, kernel_initializer: see
            `ProgressiveEncoder`.
    """

    def __init__(
        self,
        sizes,
        width,
        convs_at_8=2,
        kernel_initializer="he_normal",
        name=None,
    ):
        super().__init__(name)
        self.trunk = ProgressiveEncoder(
            sizes,
            width,
            convs_at_8=convs_at_8,
            kernel_initializer=kernel_initializer,
            name="trunk",
        )
        self.tail = CriticTail(
            width, 1, kernel_initializer=kernel_initializer, name="tail"
        )

    def call(self, images, size, fade=None, groups=1):
        """Returns a logit for each image.

        Args:
            images: `[groups * N, size, size, 3]`, float, one group after the
                other. A group is, for example, all real images.
            size, fade: see `ProgressiveEncoder.call`.
            groups: number of groups. The minibatch standard deviation is
                computed separately for each group.

        Returns:
            `[groups * N, 1]`, float32 logits.
        """
        x, _ = self.trunk(images, size=size, fade=fade)
        return self.tail(minibatch_deviation(x, groups))


class StyleEncoder(Network):
    """Computes style vectors of images, `[N, style_size]`, float32.

    Args:
        sizes, width, norm, convs_at_8, kernel_initializer, unshuffle: see
            `ProgressiveEncoder`.
        style_size: length of the vectors.
    """

    def __init__(
        self,
        sizes,
        width,
        norm,
        style_size,
        convs_at_8=2,
        kernel_initializer="he_normal",
        name=None,
        unshuffle=1,
    ):
        super().__init__(name)
        self.trunk = ProgressiveEncoder(
            sizes,
            width,
            norm=norm,
            convs_at_8=convs_at_8,
            kernel_initializer=kernel_initializer,
            name="trunk",
            unshuffle=unshuffle,
        )
        self.tail = CriticTail(
            width,
            style_size,
            kernel_initializer=kernel_initializer,
            name="tail",
        )

    def call(self, images, size, fade=None, routing=None):
        x, _ = self.trunk(images, size=size, fade=fade, routing=routing)
        return self.tail(x)
