"""A translator network for phones, whose layers suit int8 quantization.

The network consists of depthwise 3x3 and pointwise convolutions (Howard et al.
2017, arXiv:1704.04861), batch normalization, which converters fold into the
convolutions, and ReLU6, whose fixed range suits int8. Only the input of the
first convolution and the output of the network have full resolution.
"""

import keras
import tensorflow as tf

from tf_i2i.layers import BATCH_NORM
from tf_i2i.layers import Conv2D
from tf_i2i.layers import DomainBatchRenormalization
from tf_i2i.layers import NormRouting
from tf_i2i.layers import equal_in_block
from tf_i2i.layers import pixel_shuffle
from tf_i2i.layers import pixel_unshuffle
from tf_i2i.layers import upsample
from tf_i2i.networks.base import Network
from tf_i2i.networks.blocks import widen

# The sides of the first convolution's input must be multiples of this number
# of pixels.
STRIDE = 8
_ROUTE = "images"


class _NormalizedConvolution(Network):
    """A convolution, batch normalization and, if not `linear`, ReLU6."""

    def __init__(self, convolution, linear=False, name=None):
        super().__init__(name)
        self.convolution = convolution
        self.norm = DomainBatchRenormalization({_ROUTE: 0}, name="norm")
        self.linear = linear

    def call(self, x, routing):
        x = self.norm(self.convolution(x), routing=routing)
        return x if self.linear else tf.nn.relu6(x)


class _Separable(Network):
    """A depthwise 3x3 convolution followed by a pointwise convolution."""

    def __init__(self, filters, strides=1, linear=False, name=None):
        super().__init__(name)
        shared = {"use_bias": False, "name": "convolution"}
        self.depthwise = _NormalizedConvolution(
            keras.layers.DepthwiseConv2D(
                3,
                strides,
                "same",
                depthwise_initializer="he_normal",
                **shared,
                data_format="channels_last",
            ),
            name="depthwise",
        )
        self.pointwise = _NormalizedConvolution(
            Conv2D(filters, 1, kernel_initializer="he_normal", **shared),
            linear,
            name="pointwise",
        )

    def call(self, x, routing):
        return self.pointwise(
            self.depthwise(x, routing=routing), routing=routing
        )


class MobileGenerator(Network):
    """Translates images by a small U-Net whose skip connections are added.

    Three convolutions halve the side of the images. Residual blocks follow.
    Then the side is doubled three times.

    Args:
        width: factor on the channel counts, which are 32, 64 and 128.
        blocks: number of residual blocks, at an eighth of the images' side.
        unshuffle: side of the blocks of pixels that all layers process as one
            pixel; see `pixel_unshuffle`.
    """

    def __init__(self, width=1.0, blocks=4, name=None, unshuffle=1):
        super().__init__(name)
        self.unshuffle = unshuffle
        few, some, many = (widen(n, width) for n in (32, 64, 128))
        self.first = _NormalizedConvolution(
            Conv2D(
                few,
                3,
                2,
                "same",
                use_bias=False,
                kernel_initializer="he_normal",
                name="convolution",
            ),
            name="first",
        )
        self.downs = [_Separable(n, 2, name=f"down_{n}") for n in (some, many)]
        self.blocks = [
            _Separable(many, linear=i % 2, name=f"block_{i // 2}_{i % 2}")
            for i in range(2 * blocks)
        ]
        self.ups = [_Separable(n, name=f"up_{n}") for n in (some, few)]
        # The channels of the last convolution are the colours of 2x2 pixels,
        # or of more pixels with `unshuffle`.
        self.block = 2 * unshuffle
        self.last = Conv2D(
            3 * self.block**2,
            3,
            padding="same",
            kernel_initializer=equal_in_block(
                "glorot_uniform", self.block if unshuffle > 1 else 1
            ),
            name="last",
        )

    def call(self, x, training=False):
        """Returns translations.

        Args:
            x: images `[N, H, W, 3]` in [-1, 1]; H and W are multiples of
                `STRIDE * unshuffle`.
            training: whether to normalize by the statistics of the batch.

        Returns:
            float32, shape of `x`. The values are approximately in [-1, 1], and
            are not clipped.
        """
        routing = NormRouting((_ROUTE,), BATCH_NORM if training else None)
        x = self.first(pixel_unshuffle(x, self.unshuffle), routing=routing)
        skips = [x]
        for down in self.downs:
            x = down(x, routing=routing)
            skips.append(x)
        for first, linear in zip(
            self.blocks[::2], self.blocks[1::2], strict=True
        ):
            x = x + linear(first(x, routing=routing), routing=routing)
        for up, skip in zip(self.ups, skips[-2::-1], strict=True):
            x = up(upsample(x), routing=routing) + skip
        return pixel_shuffle(tf.cast(self.last(x), tf.float32), self.block)
