"""Progressively grown encoder, generator and critic (TwinGAN, Table 4).

Every network is built for all sizes at once; `size` says which path a call
takes and `fade` (a scalar in [0, 1], or None) blends in the newest block.
A block at size s has `channels(s, width)` channels:

    size      4    8    16   32   64   128  256
    channels  256  256  256  128  64   32   16     (width = 1)
"""

import keras
import tensorflow as tf

from tf_i2i.layers import Conv2D
from tf_i2i.layers import DomainBatchRenormalization
from tf_i2i.layers import downsample
from tf_i2i.layers import leaky_pixel_norm
from tf_i2i.layers import leaky_relu
from tf_i2i.layers import minibatch_deviation
from tf_i2i.layers import upsample
from tf_i2i.layers import upsample_convolve
from tf_i2i.networks.base import Network

SMALLEST = 4


def channels(size, width):
    """Returns channels at `size` pixels: `min(4096 / size, 256) * width`."""
    return max(4, round(min(4096 / size, 256) * width))


def blend(new, old, fade):
    """Returns `fade * new + (1 - fade) * old`; `new` if `fade` is None."""
    if fade is None:
        return new
    fade = tf.cast(fade, new.dtype)
    return fade * new + (1 - fade) * old


def _between(smallest, largest):
    """Returns the doublings of `smallest` up to `largest`."""
    sizes = []
    while smallest < largest:
        smallest *= 2
        sizes.append(smallest)
    return sizes


def _block(blocks, size):
    """Returns the convolutions at a size, in order.

    Blocks are a flat dictionary: Keras silently does not save layers in a
    list inside a dictionary.
    """
    return [blocks[f"{size}_{i}"] for i in range(2) if f"{size}_{i}" in blocks]


class ConvolutionBase(Network):
    """A convolution, and normalization, leaky ReLU 0.2, pixel normalization.

    Args:
        filters: output channels.
        kernel_size: side of the kernel in pixels.
        norm: dictionary of arguments of `DomainBatchRenormalization`, and
            `pixel_norm`: whether pixels are normalized too; or None for a
            bias and no normalization of any kind (the critic).
        linear: True leaves out the leaky ReLU and the pixel normalization.
        padding: "same" or "valid".
        kernel_initializer: of the convolution.
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
            # Statistics of each image: int8 represents them badly.
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
    """A convolution of one map; arguments as in `ConvolutionBase`."""

    def call(self, x, routing=None, shared=False):
        """Returns the convolved, normalized and activated map.

        Args:
            x: `[N, H, W, C]`.
            routing: `NormRouting` through the normalization.
            shared: whether `x` holds each source once, to be repeated for
                the routes that start from it.
        """
        x = self.convolution(x)
        return self.activate(
            routing.repeat_per_route(x) if shared else x, routing
        )


class UpConvolution(ConvolutionBase):
    """A normalized 3x3 convolution of an upsampled map and a skip connection.

    It is computed as the sum of two convolutions, which is equal: that of the
    upsampled map is a transposed one (the fused upscaling of Karras et al.
    2018), with 4 multiplications in place of 9, and that of the skip
    connection is computed once for all routes that share it.
    """

    def call(self, x, skip, routing):
        """Returns the convolution of `x`, upsampled, concatenated with `skip`.

        Args:
            x: `[routes * N, H, W, C]`.
            skip: `[sources * N, 2H, 2W, D]`, or None.
            routing: as in `Convolution`.
        """
        beside = 0 if skip is None else skip.shape[3]
        if not self.convolution.built:
            self.convolution.build((None, None, None, x.shape[3] + beside))
        above, aside = tf.split(
            self.convolution.kernel, [x.shape[3], beside], axis=2
        )
        y = upsample_convolve(x, above)
        if skip is not None:
            aside = tf.cast(aside, skip.dtype)
            y += routing.repeat_per_route(tf.nn.conv2d(skip, aside, 1, "SAME"))
        return self.activate(y, routing)


class ProgressiveEncoder(Network):
    """Encodes images to a 4x4 map, and to the features before each pooling.

    Args:
        sizes: resolutions that are trained, ascending, e.g. `(8, 16, 32)`.
        width: factor on all channel counts.
        norm: as in `Convolution`; None for the trunk of a critic.
        convs_at_8: convolutions at 8 px, 1 (Table 4) or 2 (official code).
        kernel_initializer: of every convolution.
    """

    def __init__(
        self,
        sizes,
        width,
        norm=None,
        convs_at_8=1,
        kernel_initializer="he_normal",
        name=None,
    ):
        super().__init__(name)

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
        """Encodes images.

        Args:
            images: `[N, k*size, l*size, 3]`, float in [-1, 1]; k = l = 1 in
                training.
            size: one of `sizes`.
            fade: weight of the block at `size`; None for 1.
            routing: `NormRouting` through the normalizations, if there are any.

        Returns:
            `(content, skips)`: the 4x4 map and a dictionary, size -> features
            at that size right before pooling.
        """
        x = self.from_rgb[str(size)](images, routing=routing)
        skips = {}
        for at in reversed(_between(SMALLEST, size)):
            for convolution in _block(self.blocks, at):
                x = convolution(x, routing=routing)
            skips[at] = x
            x = downsample(x)
            if at == size and fade is not None:
                old = self.from_rgb[str(at // 2)](
                    downsample(images), routing=routing
                )
                x = blend(x, old, fade)
        return x, skips


class ProgressiveGenerator(Network):
    """Generates images from a 4x4 map and skip connections.

    Args:
        sizes, width, norm, kernel_initializer: as in `ProgressiveEncoder`.
        skips: whether features of the encoder are concatenated (U-Net).
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
    ):
        super().__init__(name)
        self.skips = skips

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
                3,
                1,
                norm=norm if output_norm else None,
                linear=True,
                # Near grey: contrast is faster to learn than to unlearn.
                kernel_initializer=keras.initializers.RandomNormal(stddev=0.02),
                name=f"to_rgb_{size}",
            )
            for size in sizes
        }

    def call(self, content, skips, size, fade=None, routing=None):
        """Generates images.

        Args:
            content: `[sources * N, 4k, 4l, C]`, from the encoder.
            skips: dictionary, size -> features of the source images.
            size, fade: as in `ProgressiveEncoder`.
            routing: `NormRouting` through the normalizations, with
                `routes_per_source` routes for each source.

        Returns:
            `[routes * N, k*size, l*size, 3]`, float32, unbounded.
        """
        x = self.stem(content, routing=routing, shared=True)
        old = None
        for at in _between(SMALLEST, size):
            if at == size and fade is not None:
                old = upsample(self.to_rgb[str(at // 2)](x, routing=routing))
            first, second = _block(self.blocks, at)
            skip = skips[at] if self.skips else None
            x = first(x, skip=skip, routing=routing)
            x = second(x, routing=routing)
        images = self.to_rgb[str(size)](x, routing=routing)
        return tf.cast(blend(images, old, fade), tf.float32)


class CriticTail(Network):
    """Convolutions of 3x3 and 4x4 and a dense layer: `[N, outputs]`."""

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
        # At the size of training the mean is over one position.
        return self.dense(tf.reduce_mean(x, axis=[1, 2]))


class ProgressiveCritic(Network):
    """One logit for each image; the structure of the encoder.

    Args:
        sizes, width, convs_at_8, kernel_initializer: as in
            `ProgressiveEncoder`.
    """

    def __init__(
        self,
        sizes,
        width,
        convs_at_8=1,
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
        """Scores images.

        Args:
            images: `[groups * N, size, size, 3]`, float, one kind of image
                after the other.
            size, fade: as in `ProgressiveEncoder`.
            groups: number of kinds; the minibatch standard deviation is
                taken within each.

        Returns:
            `[groups * N, 1]`, float32 logits.
        """
        x, _ = self.trunk(images, size=size, fade=fade)
        return self.tail(minibatch_deviation(x, groups))


class StyleEncoder(Network):
    """Encodes images to style vectors, `[N, style_size]`, float32.

    Args:
        sizes, width, norm, convs_at_8, kernel_initializer: as in
            `ProgressiveEncoder`.
        style_size: length of the vector.
    """

    def __init__(
        self,
        sizes,
        width,
        norm,
        style_size,
        convs_at_8=1,
        kernel_initializer="he_normal",
        name=None,
    ):
        super().__init__(name)
        self.trunk = ProgressiveEncoder(
            sizes,
            width,
            norm=norm,
            convs_at_8=convs_at_8,
            kernel_initializer=kernel_initializer,
            name="trunk",
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
