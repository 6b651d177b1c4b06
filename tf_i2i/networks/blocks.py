"""Blocks and initializers that several networks use."""

import keras
import tensorflow as tf

from tf_i2i.layers import AdaptiveNormalization
from tf_i2i.layers import Conv2D
from tf_i2i.layers import InstanceNormalization
from tf_i2i.layers import blur_upsample
from tf_i2i.layers import reflect_pad
from tf_i2i.layers import upsample_convolve
from tf_i2i.networks.base import normal
from tf_i2i.networks.recompute import Recomputable


def widen(channels, width):
    """Returns `channels * width`, rounded to an integer of at least 4."""
    return max(4, round(channels * width))


def normal_kernels(width=1.0):
    """Returns the normal initializer of most published networks, N(0, .02).

    Narrower networks get a larger standard deviation, so that the outputs of
    their layers have the same variance as those of the published networks.
    With a smaller variance, the contrast of the first generated images would
    be too low for training.

    Args:
        width: factor on the published channel counts.
    """
    return normal(0.02 / width**0.5)


def norm_relu(norms, i, x, training):
    """Returns the ReLU of `x`.

    If the list `norms` is not empty, `norms[i]` normalizes `x` first.
    """
    if norms:
        x = norms[i](x, training=training)
    return tf.nn.relu(x)


def doubling_layer(filters, width, unshuffle, name):
    """Returns a layer that doubles the side of feature maps.

    The layer is the transposed 3x3 convolution of the published networks. If
    `unshuffle` is above 1, it is an `UpsampleConvolution`, because a transposed
    convolution adds a periodic pattern to its outputs (Odena et al. 2016,
    doi:10.23915/distill.00003), which `pixel_shuffle` would enlarge.

    Args:
        filters: number of output channels.
        width: factor on the published channel counts; see `normal_kernels`.
        unshuffle: side of the blocks of pixels; see `layers.pixel_unshuffle`.
        name: name of the layer.
    """
    kernels = {"kernel_initializer": normal_kernels(width), "name": name}
    if unshuffle > 1:
        return UpsampleConvolution(filters, 3, padding="same", **kernels)
    return keras.layers.Conv2DTranspose(
        filters, 3, 2, "same", data_format="channels_last", **kernels
    )


class UpsampleConvolution(Conv2D):
    """A 3x3 convolution of a map that is upsampled by nearest neighbour."""

    def convolution_op(self, inputs, kernel):
        """Returns `[N, 2H, 2W, D]` for `[N, H, W, C]`, without the bias."""
        return upsample_convolve(inputs, tf.convert_to_tensor(kernel))

    def compute_output_shape(self, input_shape):
        count, height, width, _ = input_shape
        doubled = (n and 2 * n for n in (height, width))
        return (count, *doubled, self.filters)


class BilinearConvolution(Conv2D):
    """A convolution of a map that is upsampled by bilinear interpolation."""

    def call(self, x):
        """Returns `[N, 2H, 2W, D]` for `[N, H, W, C]`."""
        return super().call(blur_upsample(x))

    def compute_output_shape(self, input_shape):
        count, height, width, _ = input_shape
        doubled = (n and 2 * n for n in (height, width))
        return (count, *doubled, self.filters)


class ResidualBlock(Recomputable):
    """A basic residual block: `x + norm(conv(activation(norm(conv(x)))))`.

    This is the block of He et al. 2016 (arXiv:1512.03385) without an activation
    after the sum. The normalization is instance normalization without scale and
    offset. If `x` has another number of channels than `filters`, a 1x1
    convolution of `x` is added instead of `x`.

    Args:
        filters: number of output channels.
        kernel_size: side of both kernels in pixels, odd.
        activation: activation function, which takes and returns a tensor.
        width: factor on the published channel counts; see `normal_kernels`.
        reflect: whether feature maps are padded by reflection; otherwise
            they are padded with zeros.
        normalized: whether a normalization follows each convolution.
    """

    def __init__(
        self,
        filters,
        kernel_size=3,
        activation=tf.nn.relu,
        width=1.0,
        reflect=False,
        normalized=True,
        name=None,
    ):
        super().__init__(name)
        self.activation = activation
        self.border = kernel_size // 2 if reflect else 0
        kernels = {"kernel_initializer": normal_kernels(width)}
        self.convolutions = [
            Conv2D(
                filters,
                kernel_size,
                padding="valid" if reflect else "same",
                **kernels,
                name=f"convolution_{i}",
            )
            for i in range(2)
        ]
        self.norms = [
            self.normalization(f"norm_{i}") for i in range(2 * normalized)
        ]
        self.filters, self.kernels = filters, kernels
        self.projection = None

    def normalization(self, name):
        """Returns the normalization layer that follows a convolution."""
        return InstanceNormalization(name=name)

    def build(self, shape):
        super().build(shape)
        if shape[-1] != self.filters:
            self.projection = Conv2D(
                self.filters, 1, **self.kernels, name="projection"
            )

    def call(self, x, training=False):
        y = self._convolve(0, x, training)
        y = self._convolve(1, self.activation(y), training)
        if self.projection:
            x = self.projection(x)
        return tf.cast(x, y.dtype) + y

    def _convolve(self, i, x, training, *affine):
        if self.border:
            x = reflect_pad(x, self.border, training)
        x = self.convolutions[i](x)
        if not self.norms:
            return x
        return self.norms[i](x, *affine, training=training)


class AdaptiveBlock(ResidualBlock):
    """A residual block with AdaIN: scales and offsets are inputs.

    The block has the arguments of `ResidualBlock`.
    """

    def normalization(self, name):
        return AdaptiveNormalization(name=name)

    def call(self, x, affine, training=False):  # type: ignore[override]
        """Returns the output of the block.

        Args:
            x: `[N, H, W, filters]`.
            affine: for each of the two normalizations, a pair of its scale and
                offset, float32 `[N, filters]`; see `layers.modulate`.
            training: see `InstanceNormalization`.

        Returns:
            A tensor of the shape of `x`.
        """
        first, second = affine
        y = self.activation(self._convolve(0, x, training, *first))
        y = self._convolve(1, y, training, *second)
        return tf.cast(x, y.dtype) + y
