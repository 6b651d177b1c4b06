"""Vectors of patches: features at sampled positions of several layers."""

import keras
import tensorflow as tf

from tf_i2i.networks.base import Network


class PatchHeads(Network):
    """The network H of CUT (arXiv:2007.15651, section 3.2).

    H has one perceptron with one hidden layer for each feature map of the
    encoder. The perceptron computes a vector from the features at one position.

    Args:
        layers: number of feature maps.
        size: number of elements of the vectors, and number of units of the
            hidden layers.
    """

    def __init__(self, layers=5, size=256, name=None):
        super().__init__(name)
        kind = {"dtype": "float32"}
        self.hidden = [
            keras.layers.Dense(size, "relu", name=f"hidden_{i}", **kind)
            for i in range(layers)
        ]
        self.outputs = [
            keras.layers.Dense(size, name=f"output_{i}", **kind)
            for i in range(layers)
        ]

    def call(self, maps, positions):
        """Returns the vectors of patches, scaled to length 1.

        Args:
            maps: list of feature maps `[N, H, W, C]`.
            positions: list of one int tensor `[P]` for each feature map, the
                indices of the positions; see `sample_positions`.

        Returns:
            List of float32 tensors `[N, P, size]`.
        """
        vectors = []
        for i, (x, chosen) in enumerate(zip(maps, positions, strict=True)):
            _, height, width, channels = x.shape
            x = tf.reshape(x, [-1, height * width, channels])
            x = tf.cast(tf.gather(x, chosen, axis=1), tf.float32)
            x = self.outputs[i](self.hidden[i](x))
            vectors.append(tf.math.l2_normalize(x, axis=2, epsilon=1e-7))
        return vectors


def sample_positions(order, count):
    """Returns positions of a feature map without repetition.

    Args:
        order: uniform random numbers, one for each position, `[H * W]`.
        count: number of positions. If the map has fewer, all are returned.

    Returns:
        int32 `[min(count, H * W)]`, indices of positions. The index of the
        pixel in row y and column x is `y * W + x`.
    """
    return tf.math.top_k(order, min(count, order.shape[0])).indices
