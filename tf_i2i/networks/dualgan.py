"""The generator of DualGAN (arXiv:1704.02510, section 3.3).

The critics are the same as in CycleGAN (`networks.patch`): PatchGANs of 70x70
pixels, as the paper says.
"""

import keras
import tensorflow as tf

from tf_i2i.layers import Conv2D
from tf_i2i.layers import InstanceNormalization
from tf_i2i.networks.base import Network
from tf_i2i.networks.blocks import normal_kernels
from tf_i2i.networks.blocks import widen


class UNet(Network):
    """Translates images by a U-Net (Ronneberger et al. 2015, arXiv:1505.04597).

    Each convolution halves the side, and each transposed convolution doubles
    it. Each map of the first half is concatenated with the map of the same side
    in the second half. Kernels are 5x5 in the first and in the last layer, and
    3x3 in the others. All layers are normalized except the first layer, the
    last layer, and the layer with the smallest output.

    Args:
        layers: number of convolutions in each half; 8 for images of 256
            pixels.
        width: factor on the channel counts, which are 64, 128, 256, 512, 512,
            ... in the first half.
    """

    def __init__(self, layers=8, width=1.0, name=None):
        super().__init__(name)
        counts = [widen(64 * min(2**i, 8), width) for i in range(layers)]
        kernels = {"kernel_initializer": normal_kernels(width)}
        self.downs = [
            Conv2D(n, 3 if i else 5, 2, "same", **kernels, name=f"down_{i}")
            for i, n in enumerate(counts)
        ]
        self.down_norms = [
            InstanceNormalization(affine=True, name=f"down_norm_{i}")
            for i in range(1, layers - 1)
        ]
        # `ups[i]` restores the side of the input of `downs[i]`.
        self.ups = [
            keras.layers.Conv2DTranspose(
                n,
                3 if i else 5,
                2,
                "same",
                data_format="channels_last",
                **kernels,
                name=f"up_{i}",
            )
            for i, n in enumerate([3, *counts[:-1]])
        ]
        self.up_norms = [
            InstanceNormalization(affine=True, name=f"up_norm_{i}")
            for i in range(1, layers)
        ]

    def call(self, x, training=False):
        """Returns translations.

        Args:
            x: images `[N, H, W, 3]` in [-1, 1]; H and W are multiples of
                `2 ** layers`.
            training: see `InstanceNormalization`.

        Returns:
            float32, shape of `x`, in [-1, 1].
        """
        first, *downs = self.downs
        maps = [first(x)]
        for down, norm in zip(downs, [*self.down_norms, None], strict=True):
            x = down(tf.nn.leaky_relu(maps[-1], 0.2))
            maps.append(norm(x, training=training) if norm else x)
        x = maps.pop()
        last, *ups = self.ups
        for up, norm in zip(ups[::-1], self.up_norms[::-1], strict=True):
            x = norm(up(tf.nn.relu(x)), training=training)
            x = tf.concat([x, maps.pop()], 3)
        x = last(tf.nn.relu(x))
        return tf.tanh(tf.cast(x, tf.float32))
