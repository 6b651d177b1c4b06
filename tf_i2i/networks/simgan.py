"""The refiner and the critic of SimGAN (arXiv:1612.07828, appendix).

No layer is normalized. The paper has two sets of networks, for images of eyes
(35 x 55 px) and for depth images of hands (224 x 224 px).
"""

from typing import NamedTuple

import tensorflow as tf

from tf_i2i.layers import Conv2D
from tf_i2i.networks.base import Network
from tf_i2i.networks.blocks import ResidualBlock
from tf_i2i.networks.blocks import widen


class Sizes(NamedTuple):
    """The sizes of the layers of a refiner and its critic, in pixels.

    Attributes:
        kernel: side of the first kernel of the refiner.
        blocks: number of residual blocks of the refiner.
        first, second, third: side of the kernel and stride of the first three
            convolutions of the critic.
        pool: stride of the max pooling before the critic's third convolution.
    """

    kernel: int
    blocks: int
    first: tuple[int, int]
    second: tuple[int, int]
    third: tuple[int, int]
    pool: int


SIZES = {
    "eyes": Sizes(3, 4, (3, 2), (3, 2), (3, 1), 1),
    "hands": Sizes(7, 10, (7, 4), (5, 2), (3, 2), 2),
}


class Refiner(Network):
    """Changes images by residual blocks at the full resolution.

    The layers are a convolution with 64 channels, residual blocks, and a 1x1
    convolution. A ReLU follows each convolution except the last, and each sum
    of a residual block.

    Args:
        sizes: `Sizes` of the layers.
        width: factor on the channel counts.
    """

    def __init__(self, sizes, width=1.0, name=None):
        super().__init__(name)
        channels = widen(64, width)
        self.first = Conv2D(
            channels, sizes.kernel, padding="same", name="first"
        )
        self.blocks = [
            ResidualBlock(
                channels, width=width, normalized=False, name=f"block_{i}"
            )
            for i in range(sizes.blocks)
        ]
        self.last = Conv2D(3, 1, name="last")

    def call(self, x, training=False):
        """Returns refined images.

        Args:
            x: images `[N, H, W, 3]` in [-1, 1].
            training: whether the blocks may recompute their feature maps; see
                `Recomputable`.

        Returns:
            float32, shape of `x`, in [-1, 1].
        """
        x = tf.nn.relu(self.first(x))
        for block in self.blocks:
            x = tf.nn.relu(block(x, training=training))
        return tf.tanh(tf.cast(self.last(x), tf.float32))


class RefinerCritic(Network):
    """Scores overlapping patches of images.

    Args:
        sizes: `Sizes` of the layers.
        width: factor on the channel counts.
    """

    def __init__(self, sizes, width=1.0, name=None):
        super().__init__(name)
        layers = (
            *((96, *sizes.first), (64, *sizes.second)),
            *((32, *sizes.third), (32, 1, 1)),
        )
        self.convolutions = [
            Conv2D(
                widen(filters, width),
                side,
                stride,
                "same",
                name=f"convolution_{i}",
            )
            for i, (filters, side, stride) in enumerate(layers)
        ]
        self.pool_stride = sizes.pool
        self.last = Conv2D(1, 1, name="last")

    def call(self, x, training=False):
        """Returns logits of patches, `[N, h, w, 1]`.

        Args:
            x: images `[N, H, W, 3]` in [-1, 1].
            training: ignored; all critics are called with this argument.
        """
        for i, convolution in enumerate(self.convolutions):
            if i == 2:
                x = tf.nn.max_pool2d(x, 3, self.pool_stride, "SAME")
            x = tf.nn.relu(convolution(x))
        return self.last(x)
