"""Instance normalization: each image is normalized by its own statistics."""

import keras
import numpy as np
import tensorflow as tf

from tf_i2i.layers.image_means import image_mean
from tf_i2i.layers.image_means import shares_means
from tf_i2i.layers.portable import is_portable


def centred(x, axes, epsilon):
    """Returns `x` minus its mean for each image, and the factor to scale it by.

    The product of the two has mean 0 and variance 1.

    Args:
        x: `[N, H, W, C]`, float.
        axes: list of axes as in `image_mean`.
        epsilon: small number that is added to the variance.

    Returns:
        `(y, factor)`, float32: a tensor of the shape of `x`, and the factor
        for each image, or for each image and channel.
    """
    y = tf.cast(x, tf.float32)
    y -= image_mean(y, axes)
    return y, tf.math.rsqrt(image_mean(tf.square(y), axes) + epsilon)


class InstanceNormalization(keras.layers.Layer):
    """Instance normalization (Ulyanov et al. 2016, arXiv:1607.08022).

    `keras.layers.GroupNormalization(groups=-1)` computes the same values. In
    training with small batches, `InstanceNormalization` takes at most half as
    much time (measured by benchmarks/compare_addons.py).

    Args:
        epsilon: small number that is added to the variance.
        affine: whether the layer has a learned scale and offset for each
            channel. The networks of CycleGAN and UNIT have none.
    """

    # `export` prints a warning if `per_image` is True, because int8 is too
    # inaccurate for the statistics of single images.
    per_image = True

    def __init__(self, epsilon=1e-5, affine=False, name=None):
        super().__init__(name=name, dtype="float32", autocast=False)
        self.epsilon = epsilon
        self.affine = affine

    def build(self, input_shape):
        shape = (input_shape[-1],)
        self.gamma = np.ones(shape, np.float32)
        self.beta = np.zeros(shape, np.float32)
        if self.affine:
            self.gamma = self.add_weight(shape, "ones", name="gamma")
            self.beta = self.add_weight(shape, "zeros", name="beta")

    def call(self, x, training=False):
        """Returns `x`, each channel of each image normalized over its pixels.

        Args:
            x: `[N, H, W, C]`, float; N must be static if `training`.
            training: whether to normalize each image by TensorFlow's fused
                batch normalization, whose gradient is faster. The fused
                operation is also used for a batch of one image. The fused
                operation is used neither within `portable` nor for tiles (see
                `image_means`). The outputs are the same either way.

        Returns:
            A tensor of the shape and dtype of `x`, computed in float32.
        """
        scale = tf.convert_to_tensor(self.gamma)
        offset = tf.convert_to_tensor(self.beta)
        fused = not is_portable() and not shares_means()
        if fused and (training or x.shape[0] == 1):
            images = tf.split(x, x.shape[0])
            images = [self._fused(image, scale, offset) for image in images]
            return tf.concat(images, 0)
        y, factor = centred(x, [1, 2], self.epsilon)
        y *= factor * scale
        return tf.cast(y + offset if self.affine else y, x.dtype)

    def _fused(self, image, scale, offset):
        """Returns one image, normalized by fused batch normalization."""
        return tf.raw_ops.FusedBatchNormV3(
            x=image,
            scale=scale,
            offset=offset,
            mean=[],
            variance=[],
            epsilon=self.epsilon,
            is_training=True,
        ).y
