"""Generator and critics of the light U-GAT-IT (arXiv:1907.10830, appendix C).

`width` is a factor on the published channel counts.
"""

import keras
import tensorflow as tf

from tf_i2i.layers import AdaptiveNormalization
from tf_i2i.layers import LayerInstanceNormalization
from tf_i2i.layers import SpectralConv2D
from tf_i2i.layers import image_mean
from tf_i2i.layers import reflect_pad
from tf_i2i.layers import upsample
from tf_i2i.networks.base import Network
from tf_i2i.networks.blocks import AdaptiveBlock
from tf_i2i.networks.blocks import normal_kernels
from tf_i2i.networks.blocks import widen
from tf_i2i.networks.munit import BLOCKS
from tf_i2i.networks.munit import ContentEncoder
from tf_i2i.networks.munit import PaddedConv2D


class ClassActivation(Network):
    """Weights the channels of a feature map by an auxiliary classifier.

    The classifier computes two logits: a weighted sum of the channels' means
    over the pixel positions, and a weighted sum of the channels' maxima. The
    channels of the feature map are multiplied by the weights of the means, and
    separately by the weights of the maxima. (The sum of such products over the
    channels would be the class activation map of Zhou et al. 2016,
    arXiv:1512.04150.) Both products are concatenated. A 1x1 convolution and an
    activation follow.

    Args:
        activation: activation function, which takes and returns a tensor.
        width: factor on the published channel counts; see `normal_kernels`.
        spectral: whether the weights of each logit are divided by their norm.
            This is the spectral normalization of a layer with one output.
    """

    def __init__(self, activation, width=1.0, spectral=False, name=None):
        super().__init__(name)
        self.activation = activation
        self.kernels = normal_kernels(width)
        self.spectral = spectral

    def build(self, shape):
        super().build(shape)
        channels = shape[-1]
        self.importance = self.add_weight(
            (2, channels), self.kernels, dtype="float32", name="importance"
        )
        self.mix = PaddedConv2D(channels, 1, kernels=self.kernels, name="mix")

    def call(self, x):
        """Returns the weighted map, the logits, and the attention map.

        Args:
            x: `[N, H, W, C]`.

        Returns:
            A map of the shape of `x`; logits by the means and by the maxima,
            float32 `[N, 2]`; the sum over the channels of the first map,
            float32 `[N, H, W]`.
        """
        weights = tf.convert_to_tensor(self.importance)
        if self.spectral:
            weights = tf.math.l2_normalize(weights, axis=1)
        pooled = [tf.reduce_mean(x, [1, 2]), tf.reduce_max(x, [1, 2])]
        pooled = tf.cast(tf.stack(pooled, 1), tf.float32)
        logits = tf.reduce_sum(pooled * weights, 2)
        weighed = [x * tf.cast(w, x.dtype) for w in tf.unstack(weights)]
        y = self.activation(self.mix(tf.concat(weighed, 3)))
        return y, logits, tf.reduce_sum(tf.cast(y, tf.float32), 3)


class AdaLINBlock(AdaptiveBlock):
    """A residual block with AdaLIN, whose rho has the initial value .9."""

    def normalization(self, name):
        return AdaptiveNormalization(instance_share=0.9, name=name)


class AttentiveGenerator(Network):
    """Translates images, with attention to the regions that must change.

    The encoder is that of MUNIT with 3x3 convolutions of stride 2. The
    attention follows (`ClassActivation`). A multilayer perceptron computes the
    scales and offsets of the decoder's residual blocks from the means of the
    attended map. (In the full version of U-GAT-IT, the perceptron takes all
    pixels of the map instead of its means.) After the residual blocks, the side
    is doubled twice, each time by upsampling, a 3x3 convolution and a
    `LayerInstanceNormalization`. The last convolution is 7x7.

    Args:
        blocks: number of residual blocks of the encoder, and of the decoder.
        width: factor on the channel counts, which are 64, 128 and 256.
    """

    def __init__(self, blocks=BLOCKS, width=1.0, name=None):
        super().__init__(name)
        wide, *counts = [widen(64 * 2**i, width) for i in (2, 1, 0)]
        kernels = normal_kernels(width)
        self.encoder = ContentEncoder(blocks, width, 3, "encoder")
        self.attention = ClassActivation(tf.nn.relu, width, name="attention")
        dense = {"kernel_initializer": "he_normal", "dtype": "float32"}
        self.mlp = [
            keras.layers.Dense(wide, "relu", name=f"dense_{i}", **dense)
            for i in range(2)
        ]
        self.affine = keras.layers.Dense(
            2 * wide, dtype="float32", name="affine"
        )
        self.blocks = [
            AdaLINBlock(wide, width=width, reflect=True, name=f"block_{i}")
            for i in range(blocks)
        ]
        self.convolutions = [
            PaddedConv2D(n, 3, kernels=kernels, name=f"up_{i}")
            for i, n in enumerate(counts)
        ]
        self.norms = [
            LayerInstanceNormalization(name=f"norm_{i}") for i in range(2)
        ]
        self.last = PaddedConv2D(3, 7, kernels=kernels, name="last")

    def call(self, x, training=False):
        """Returns translations, logits of the domain, and attention maps.

        Args:
            x: images `[N, H, W, 3]` in [-1, 1]; H and W are multiples of 4.
            training: see `InstanceNormalization`.

        Returns:
            Translations, float32 `[N, H, W, 3]` in [-1, 1]; logits, float32
            `[N, 2]`, which are above 0 if the classifier takes the inputs for
            images of the source domain; attention maps, float32
            `[N, H / 4, W / 4]`, at least 0.
        """
        x, logits, attention = self.attention(
            self.encoder(x, training=training)
        )
        style = image_mean(tf.cast(x, tf.float32), [1, 2])[:, 0, 0]
        for dense in self.mlp:
            style = dense(style)
        affine = tf.split(self.affine(style), 2, axis=1)
        for block in self.blocks:
            x = block(x, (affine, affine), training=training)
        for convolution, norm in zip(
            self.convolutions, self.norms, strict=True
        ):
            x = convolution(upsample(x), training=training)
            x = tf.nn.relu(norm(x, training=training))
        x = self.last(x, training=training)
        return tf.tanh(tf.cast(x, tf.float32)), logits, attention


class AttentiveCritic(Network):
    """Scores patches, with attention to regions that reveal translations.

    The network has 4x4 convolutions of stride 2, one of stride 1, the attention
    (`ClassActivation`) and a last 4x4 convolution. All convolutions except the
    1x1 convolution of the attention have spectral normalization. The leaky
    ReLU has the factor .2 below 0.

    Args:
        layers: number of convolutions of stride 2: 5 in the global critics, and
            3 in the local critics.
        width: factor on the channel counts, which are 64, 128, ...
    """

    def __init__(self, layers=5, width=1.0, name=None):
        super().__init__(name)
        kernels = {"kernel_initializer": normal_kernels(width)}
        self.convolutions = [
            SpectralConv2D(
                widen(64 * 2**i, width),
                4,
                2 if i < layers else 1,
                name=f"conv_{i}",
                **kernels,
            )
            for i in range(layers + 1)
        ]
        self.attention = ClassActivation(
            _leaky, width, spectral=True, name="attention"
        )
        self.last = SpectralConv2D(1, 4, use_bias=False, name="last", **kernels)

    def call(self, x, training=False):
        """Returns scores of patches, and logits of the attention.

        Args:
            x: images `[N, H, W, 3]` in [-1, 1].
            training: see `SpectralConv2D`.

        Returns:
            `[N, h, w, 1]`, and float32 `[N, 2]`.
        """
        for convolution in self.convolutions:
            x = reflect_pad(x, 1, training)
            x = _leaky(convolution(x, training=training))
        x, logits, _ = self.attention(x)
        return self.last(reflect_pad(x, 1, training), training=training), logits


def _leaky(x):
    return tf.nn.leaky_relu(x, 0.2)
