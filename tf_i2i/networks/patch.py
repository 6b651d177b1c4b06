"""PatchGAN, a critic of overlapping patches (Isola et al. 2017)."""

import keras
import tensorflow as tf

from tf_i2i.layers import Conv2D
from tf_i2i.layers import InstanceNormalization
from tf_i2i.layers import blur_downsample
from tf_i2i.networks.base import Network
from tf_i2i.networks.blocks import normal_kernels
from tf_i2i.networks.blocks import widen


class PatchCritic(Network):
    """Scores overlapping patches: C64-C128-C256-C512 and a last convolution.

    The structure is that of CycleGAN's critic (arXiv:1703.10593, appendix
    7.2). All convolutions are 4x4. The first `layers` of them have stride 2.
    All except the first and the last are normalized. The leaky ReLU has the
    factor .2 below 0. The receptive field of a score is 70x70 pixels if
    `layers` is 3, 34x34 if it is 2, and 16x16 if it is 1.

    Args:
        layers: number of convolutions of stride 2.
        width: factor on the channel counts.
    """

    def __init__(self, layers=3, width=1.0, name=None):
        super().__init__(name)
        channels = [widen(64 * min(2**i, 8), width) for i in range(layers + 1)]
        self.pad = keras.layers.ZeroPadding2D(1, data_format="channels_last")
        self.convolutions = [
            Conv2D(
                filters,
                4,
                strides=self.halving_stride if i < layers else 1,
                kernel_initializer=normal_kernels(width),
                name=f"convolution_{i}",
            )
            for i, filters in enumerate([*channels, 1])
        ]
        self.norms = [
            InstanceNormalization(name=f"norm_{i}") for i in range(layers)
        ]

    # Stride of the convolutions that halve the side.
    halving_stride = 2

    def shrink(self, x):
        """Returns `x`, which a convolution of stride 2 has downsampled.

        Subclasses whose convolutions have stride 1 downsample `x` here.
        """
        return x

    def call(self, x, training=False):
        """Returns scores of patches.

        Args:
            x: images `[N, H, W, 3]`.
            training: see `InstanceNormalization`.

        Returns:
            `[N, h, w, 1]`, without activation; h = w = 30 for images of
            256x256 pixels and 3 layers of stride 2.
        """
        first, *middle, last = self.convolutions
        x = tf.nn.leaky_relu(first(self.pad(x)), 0.2)
        for convolution, norm in zip(middle, self.norms, strict=True):
            x = norm(convolution(self.pad(self.shrink(x))), training=training)
            x = tf.nn.leaky_relu(x, 0.2)
        return last(self.pad(x))


class AntialiasedCritic(PatchCritic):
    """A `PatchCritic` that downsamples feature maps by a blur, not by strides.

    This is the critic of the authors' code of CUT (arXiv:2007.15651). Each
    convolution of stride 2 is replaced by a convolution of stride 1 and
    `blur_downsample`. Therefore the gradient that the generator receives has
    no checkerboard pattern.

    The number of parameters and the shape of the scores are the same as in
    `PatchCritic`. The receptive field of a score is 84x84 pixels if `layers` is
    3, 40x40 if it is 2, and 18x18 if it is 1.
    """

    halving_stride = 1

    def shrink(self, x):
        return blur_downsample(x)
