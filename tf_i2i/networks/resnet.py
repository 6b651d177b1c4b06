"""The ResNet generator of CycleGAN (arXiv:1703.10593, appendix 7.2).

In its notation: c7s1-64, d128, d256, R256 x 6 or 9, u128, u64, c7s1-3.
"""

import keras
import tensorflow as tf

from tf_i2i.layers import InstanceNormalization
from tf_i2i.layers import reflect_pad
from tf_i2i.networks.base import Network
from tf_i2i.networks.blocks import ResidualBlock
from tf_i2i.networks.blocks import normal_kernels
from tf_i2i.networks.blocks import scaled

STRIDE = 4  # Sides of images are multiples of this.


class ResnetGenerator(Network):
    """Two halvings, residual blocks, two doublings.

    Args:
        blocks: number of residual blocks.
        width: factor on the channel counts.
        outer_norm: normalization around the residual blocks too, as
            published. It takes an image's overall colour and contrast away.
    """

    def __init__(self, blocks=9, width=1.0, outer_norm=True, name=None):
        super().__init__(name)
        few, some, many = (scaled(n, width) for n in (64, 128, 256))
        kernels = {"kernel_initializer": normal_kernels(width)}
        half = {"strides": 2, "padding": "same", **kernels}
        self.first = keras.layers.Conv2D(few, 7, **kernels, name="first")
        self.downs = [
            keras.layers.Conv2D(n, 3, **half, name=f"down_{n}")
            for n in (some, many)
        ]
        self.blocks = [
            ResidualBlock(many, width=width, reflect=True, name=f"block_{i}")
            for i in range(blocks)
        ]
        self.ups = [
            keras.layers.Conv2DTranspose(n, 3, **half, name=f"up_{n}")
            for n in (some, few)
        ]
        self.last = keras.layers.Conv2D(3, 7, **kernels, name="last")
        self.norms = [
            InstanceNormalization(name=f"norm_{i}") if outer_norm else _as_it_is
            for i in range(5)
        ]

    def call(self, x, training=False):
        """Translates images.

        Args:
            x: `[N, H, W, 3]` in [-1, 1], sides multiples of `STRIDE`.
            training: see `InstanceNormalization`.

        Returns:
            float32, shape of `x`, in [-1, 1].
        """
        norms = iter(self.norms)

        def bent(y):
            return tf.nn.relu(next(norms)(y, training=training))

        x = bent(self.first(reflect_pad(x, 3, training)))
        for down in self.downs:
            x = bent(down(x))
        for block in self.blocks:
            x = block(x, training=training)
        for up in self.ups:
            x = bent(up(x))
        x = self.last(reflect_pad(x, 3, training))
        return tf.tanh(tf.cast(x, tf.float32))


def _as_it_is(x, training):
    return x
