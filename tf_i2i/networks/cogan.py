"""The generators of CoGAN for digits (arXiv:1606.07536, appendix A)."""

import keras
import tensorflow as tf

from tf_i2i.errors import UserError
from tf_i2i.layers import BATCH_NORM
from tf_i2i.layers import Conv2D
from tf_i2i.layers import DomainBatchRenormalization
from tf_i2i.layers import NormRouting
from tf_i2i.networks.base import Network
from tf_i2i.networks.blocks import widen

# Number of elements of the noise of one pair of images.
NOISE = 100
SIZE = 28  # Side of the images in pixels.
_ROUTE = "all"


class CoupledGenerators(Network):
    """Generates an image of each domain from the same noise.

    Four transposed convolutions are shared, with 1024, 512, 256 and 128
    channels. Each of them is followed by batch normalization and a PReLU. Only
    the last layer, a transposed convolution, exists once for each domain. The
    sides of the feature maps are 4, 7, 13, 25 and 28 pixels.

    Args:
        image_size: side of the images in pixels, 28.
        width: factor on the channel counts.

    Raises:
        UserError: `image_size` is not 28.
    """

    def __init__(self, image_size=SIZE, width=1.0, name=None):
        super().__init__(name)
        if image_size != SIZE:
            raise UserError(
                f"`image_size` must be {SIZE} for the networks of CoGAN. "
                f"Received: {image_size}"
            )
        layers = (
            *((1024, 4, 1, "valid"), (512, 3, 2, "same")),
            *((256, 3, 2, "same"), (128, 3, 2, "same")),
        )
        # With the stride 2 and an `output_padding` of 0, a layer enlarges a
        # side of n pixels to 2 n - 1 pixels.
        self.shared = [
            keras.layers.Conv2DTranspose(
                widen(filters, width),
                side,
                stride,
                padding,
                output_padding=0 if padding == "same" else None,
                use_bias=False,
                data_format="channels_last",
                **_options(f"shared_{filters}"),
            )
            for filters, side, stride, padding in layers
        ]
        self.norms = [
            DomainBatchRenormalization({_ROUTE: 0}, name=f"norm_{i}")
            for i in range(len(layers))
        ]
        self.activations = [
            PReLU(name=f"prelu_{i}") for i in range(len(layers))
        ]
        # A transposed convolution of stride 1 equals a convolution of padded
        # maps.
        self.last = {d: Conv2D(3, 6, **_options(f"last_{d}")) for d in "ab"}

    def call(self, noise, domains, training=False):
        """Returns images of the given domains, generated from noise.

        Args:
            noise: `[N, NOISE]`.
            domains: domains of the images, "a", "b" or "ab".
            training: whether to normalize by the statistics of the batch.

        Returns:
            float32 `[len(domains) * N, 28, 28, 3]` in [-1, 1], one domain after
            the other.
        """
        routing = NormRouting((_ROUTE,), BATCH_NORM if training else None)
        x = tf.reshape(noise, [-1, 1, 1, NOISE])
        for i, layer in enumerate(self.shared):
            x = self.norms[i](layer(x), routing=routing)
            x = self.activations[i](x)
        x = tf.pad(x, [[0, 0], [4, 4], [4, 4], [0, 0]])
        made = [self.last[d](x) for d in domains]
        return tf.tanh(tf.cast(tf.concat(made, 0), tf.float32))


def search_noise(generate, images, steps):
    """Returns noise from which images similar to `images` are generated.

    Each step reduces the mean squared difference of pixels by Adam. The search
    begins with zeros, and keeps the noise in [-1, 1].

    Args:
        generate: function that takes noise `[N, NOISE]` and returns images. An
            image must not depend on the noise of other images.
        images: `[N, H, W, 3]`, float in [-1, 1].
        steps: number of steps.

    Returns:
        float32 `[N, NOISE]`.
    """
    rate, beta_1, beta_2 = 0.1, 0.5, 0.999
    images = tf.cast(images, tf.float32)
    zeros = tf.zeros((tf.shape(images)[0], NOISE))

    def step(i, noise, mean, square):
        with tf.GradientTape() as tape:
            tape.watch(noise)
            # The sum over images gives each image its own gradient.
            errors = tf.reduce_mean(
                tf.square(generate(noise) - images), [1, 2, 3]
            )
            error = tf.reduce_sum(errors)
        gradient = tape.gradient(error, noise)
        mean = beta_1 * mean + (1.0 - beta_1) * gradient
        square = beta_2 * square + (1.0 - beta_2) * gradient * gradient
        at = tf.cast(i + 1, tf.float32)
        size = rate * tf.sqrt(1.0 - beta_2**at) / (1.0 - beta_1**at)
        noise -= size * mean / (tf.sqrt(square) + 1e-8)
        return i + 1, tf.clip_by_value(noise, -1.0, 1.0), mean, square

    start = tf.constant(0), zeros, zeros, zeros
    return tf.while_loop(lambda i, *_: i < steps, step, start)[1]


class PReLU(keras.layers.Layer):
    """A ReLU that multiplies values below 0 by a trained factor.

    Each channel has its own factor, with the initial value .25 (He et al. 2015,
    arXiv:1502.01852). Unlike the gradient of Keras' layer, the gradient of this
    layer consists of operations that TFLite has.
    """

    def build(self, shape):
        self.slopes = self.add_weight(
            (shape[-1],),
            keras.initializers.Constant(0.25),
            name="slopes",
        )

    def call(self, x):
        """Returns a tensor of the shape of `x`, `[N, H, W, C]`."""
        slopes = tf.cast(tf.convert_to_tensor(self.slopes), x.dtype)
        return tf.where(x > 0, x, slopes * x)


def _options(name):
    """Returns the keyword arguments `kernel_initializer` and `name` of a layer.

    The kernels are initialized by Glorot's uniform initializer with a gain of
    sqrt(2), as in the authors' code.
    """
    initializer = keras.initializers.VarianceScaling(
        2.0, mode="fan_avg", distribution="uniform"
    )
    return {"kernel_initializer": initializer, "name": name}
