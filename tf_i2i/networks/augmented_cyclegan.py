"""Generators and encoder of Augmented CycleGAN (arXiv:1802.10151).

The networks are built as in the authors' code for images of 64 pixels. The
critics of images are the same as in CycleGAN (`networks.patch`), and the
critics of codes are the same as in AsymGAN (`networks.asymgan.VectorCritic`).
All convolutions pad by reflection. `width` is a factor on the published channel
counts.
"""

import keras
import tensorflow as tf

from tf_i2i.layers import AdaptiveNormalization
from tf_i2i.layers import Conv2D
from tf_i2i.layers import InstanceNormalization
from tf_i2i.networks.base import Network
from tf_i2i.networks.blocks import doubling_layer
from tf_i2i.networks.blocks import normal_kernels
from tf_i2i.networks.blocks import widen
from tf_i2i.networks.munit import PaddedConv2D
from tf_i2i.networks.recompute import Recomputable


class CodeNormalization(AdaptiveNormalization):
    """Conditional instance normalization: a code gives scale and offset.

    The scale is 1 + W z + w, and the offset V z + v (Dumoulin et al. 2017,
    arXiv:1610.07629).
    """

    def build(self, input_shape):
        super().build(input_shape)
        self.scale, self.offset = (
            keras.layers.Dense(
                input_shape[-1],
                kernel_initializer=normal_kernels(),
                dtype="float32",
                name=name,
            )
            for name in ("scale", "offset")
        )

    def call(self, x, code, training=False):  # type: ignore[override]
        """Returns `x` normalized; `code` is float32 `[N, D]`."""
        scale, offset = self.scale(code), self.offset(code)
        return super().call(x, scale, offset, training=training)


def _normalization(coded, name):
    """Returns a normalization layer.

    If `coded`, the scale and the offset are computed from a code. Otherwise
    they are learned.
    """
    if coded:
        return CodeNormalization(name=name)
    return InstanceNormalization(affine=True, name=name)


def _normalize(norm, x, code, training):
    if code is None:
        return norm(x, training=training)
    return norm(x, code, training=training)


class CodeBlock(Recomputable):
    """A residual block with ReLU after the sum.

    Args:
        filters: number of channels.
        width: factor on the published channel counts; see `normal_kernels`.
        coded: whether the first convolution is followed by instance
            normalization whose scale and offset are computed from the code.
            If not, the first convolution has no normalization.
    """

    def __init__(self, filters, width=1.0, coded=False, name=None):
        super().__init__(name)
        self.first, self.second = (
            PaddedConv2D(filters, 3, kernels=normal_kernels(width), name=name)
            for name in ("first", "second")
        )
        self.inner = CodeNormalization(name="inner") if coded else None
        self.outer = InstanceNormalization(affine=True, name="outer")

    def call(self, x, code=None, training=False):
        y = self.first(x, training=training)
        if self.inner:
            y = self.inner(y, code, training=training)
        y = self.second(tf.nn.relu(y), training=training)
        y = self.outer(y, training=training)
        return tf.nn.relu(tf.cast(x, y.dtype) + y)


class CodeGenerator(Network):
    """Translates images, with or without a code as a second input.

    The network has a 7x7 and a 3x3 convolution, a 3x3 convolution of stride 2,
    residual blocks, a transposed convolution, a 3x3 and a 7x7 convolution.

    Args:
        blocks: number of residual blocks.
        width: factor on the channel counts, which are 32, 64 and 128.
        coded: whether a code is the second input. The scales and offsets of the
            normalizations are then computed from the code.
    """

    def __init__(self, blocks=3, width=1.0, coded=False, name=None):
        super().__init__(name)
        few, some, many = (widen(n, width) for n in (32, 64, 128))
        kernels = normal_kernels(width)
        self.downs = [
            PaddedConv2D(n, side, stride, kernels, name=f"down_{i}")
            for i, (n, side, stride) in enumerate(
                [(few, 7, 1), (some, 3, 1), (many, 3, 2)]
            )
        ]
        self.blocks = [
            CodeBlock(many, width, coded, name=f"block_{i}")
            for i in range(blocks)
        ]
        self.up = doubling_layer(some, width, 1, "up")
        self.narrow = PaddedConv2D(few, 3, kernels=kernels, name="narrow")
        self.last = PaddedConv2D(3, 7, kernels=kernels, name="last")
        self.norms = [_normalization(coded, f"norm_{i}") for i in range(5)]

    def call(self, x, code=None, training=False):
        """Returns translations, float32 in [-1, 1], of the shape of `x`.

        Args:
            x: images `[N, H, W, 3]` in [-1, 1]; H and W are even.
            code: float32 `[N, D]`; None for a generator without codes.
            training: see `InstanceNormalization`.
        """
        *norms, after_up, after_narrow = self.norms
        for down, norm in zip(self.downs, norms, strict=True):
            x = down(x, training=training)
            x = tf.nn.relu(_normalize(norm, x, code, training))
        for block in self.blocks:
            x = block(x, code, training=training)
        x = tf.nn.relu(_normalize(after_up, self.up(x), code, training))
        x = self.narrow(x, training=training)
        x = tf.nn.relu(_normalize(after_narrow, x, code, training))
        x = self.last(x, training=training)
        return tf.tanh(tf.cast(x, tf.float32))


class PairEncoder(Network):
    """Computes the code of an image from the image and its translation.

    The network has four 3x3 convolutions of stride 2, a 4x4 convolution without
    padding and a dense layer. If the input of the 4x4 convolution has fewer
    than 4 positions on a side, the kernel is smaller. If its output has more
    than one position, the mean over the positions is taken.

    Args:
        channels: number of elements of a code.
        width: factor on the channel counts, which are 32, 64, 128, 256 and 256.
    """

    def __init__(self, channels=16, width=1.0, name=None):
        super().__init__(name)
        self.counts = [widen(32 * 2**i, width) for i in range(4)]
        self.halvings = [
            PaddedConv2D(n, 3, 2, name=f"conv_{i}")
            for i, n in enumerate(self.counts)
        ]
        self.last = keras.layers.Dense(channels, dtype="float32", name="last")

    def build(self, images_shape, translations_shape):
        super().build(images_shape)
        side = min(images_shape[1:3])
        self.joining = Conv2D(
            self.counts[-1],
            min(4, -(-side // 16)),
            kernel_initializer="he_normal",
            name="joining",
        )

    def call(self, images, translations, training=False):
        """Returns codes, float32 `[N, channels]`.

        Args:
            images: `[N, H, W, 3]` in [-1, 1].
            translations: images of the other domain, of the same shape.
            training: see `reflect_pad`.
        """
        x = tf.concat([images, translations], 3)
        for convolution in self.halvings:
            x = tf.nn.relu(convolution(x, training=training))
        x = tf.nn.relu(self.joining(x))
        return self.last(tf.reduce_mean(tf.cast(x, tf.float32), [1, 2]))
