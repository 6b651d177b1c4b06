"""Normalization whose scale and offset are inputs (AdaIN and AdaLIN)."""

import keras
import tensorflow as tf

from tf_i2i.layers.image_means import shares_means
from tf_i2i.layers.instance import InstanceNormalization
from tf_i2i.layers.instance import centred


def modulate(x, scale, offset):
    """Returns `x * (1 + scale) + offset` for each image and channel.

    This is the affine part of conditional instance normalization (Dumoulin et
    al. 2017, arXiv:1610.07629) and of AdaIN (Huang and Belongie 2017,
    arXiv:1703.06868). `x` must already be normalized.

    Args:
        x: `[N, H, W, C]`, normalized feature maps.
        scale, offset: float32 `[N, C]`.

    Returns:
        A tensor of the shape and dtype of `x`.
    """
    scale = tf.cast(1.0 + scale[:, None, None], x.dtype)
    return x * scale + tf.cast(offset[:, None, None], x.dtype)


class AdaptiveNormalization(InstanceNormalization):
    """Normalizes each image, then applies a scale and an offset (`modulate`).

    Without `instance_share` the layer is adaptive instance normalization
    (AdaIN, Huang and Belongie 2017, arXiv:1703.06868) and has no weights.

    With `instance_share` the layer is AdaLIN (Kim et al. 2020,
    arXiv:1907.10830, eq. 1). Then the normalized image is rho times the image
    normalized for each channel, plus (1 - rho) times the image normalized over
    all channels. Each channel learns its rho, which the optimizer clips to
    [0, 1] after each update.

    Args:
        instance_share: initial value of rho, or None.
        epsilon: small number that is added to the variances.
    """

    def __init__(self, instance_share=None, epsilon=1e-5, name=None):
        super().__init__(epsilon, name=name)
        self.instance_share = instance_share

    def build(self, input_shape):
        super().build(input_shape)
        if self.instance_share is not None:
            self.rho = self.add_weight(
                input_shape[-1:],
                keras.initializers.Constant(self.instance_share),
                constraint=_unit_interval,
                name="rho",
            )

    def call(self, x, scale, offset, training=False):  # type: ignore[override]
        """Returns the normalized maps, scaled and shifted.

        Args:
            x: `[N, H, W, C]`, float.
            scale, offset: float32 `[N, C]`; see `modulate`.
            training: see `InstanceNormalization`.

        Returns:
            A tensor of the shape and dtype of `x`.
        """
        y = super().call(x, training=training)
        if self.instance_share is not None:
            share = tf.cast(tf.convert_to_tensor(self.rho), y.dtype)
            y = share * y + (1.0 - share) * self._over_channels(x)
        return modulate(y, scale, offset)

    def _over_channels(self, x):
        """Returns `x`, each image normalized over pixels and channels."""
        y, factor = centred(x, [1, 2, 3], self.epsilon)
        return tf.cast(y * factor, x.dtype)


class LayerInstanceNormalization(AdaptiveNormalization):
    """AdaLIN with learned scale and offset, "LIN" in arXiv:1907.10830.

    At initialization the scale is 1 and the offset is 0.

    Args:
        instance_share: initial value of rho.
        epsilon: small number that is added to the variances.
    """

    def __init__(self, instance_share=0.0, epsilon=1e-5, name=None):
        super().__init__(instance_share, epsilon, name)

    def build(self, input_shape):
        super().build(input_shape)
        shape = (1, input_shape[-1])
        self.scale = self.add_weight(shape, "zeros", name="scale")
        self.offset = self.add_weight(shape, "zeros", name="offset")

    def call(self, x, training=False):  # type: ignore[override]
        """Returns the normalized maps, scaled by `1 + scale` and shifted."""
        scale, offset = map(tf.convert_to_tensor, (self.scale, self.offset))
        return super().call(x, scale, offset, training=training)


class LayerNormalization(keras.layers.GroupNormalization):
    """Layer normalization of images (Ba et al. 2016, arXiv:1607.06450).

    Each image is normalized over its pixels and channels. Then each channel has
    a learned scale and offset. This is group normalization with one group.
    """

    def __init__(self, epsilon=1e-5, name=None):
        super().__init__(1, epsilon=epsilon, dtype="float32", name=name)

    def call(self, x):
        """Returns the normalized maps, float32, of the shape of `x`."""
        if not shares_means():
            return super().call(x)
        y, factor = centred(x, [1, 2, 3], self.epsilon)
        gamma, beta = map(tf.convert_to_tensor, (self.gamma, self.beta))
        return y * factor * gamma + beta


def _unit_interval(x):
    """Returns `x`, clipped to [0, 1]."""
    return tf.clip_by_value(x, 0.0, 1.0)
