"""A convolutional network with fixed random weights, which needs no file.

Random networks rank generative models similarly to trained networks (Lee, Kim,
Lee 2022, arXiv 2208.09218; Naeem et al. 2020 use one too). The features of
random networks depend little on sharpness and style. Use `random-conv` if
nothing can be downloaded, or in addition to a trained network.
"""

import numpy as np

from tf_i2i.features.base import Features
from tf_i2i.features.base import weights_hash

WIDTHS = (32, 64, 128, 256)
SLOPE = 0.2
LEAST_SIZE = 16


def random_conv(seed=0):
    """Builds the network: two 3x3 convolutions at each of four resolutions.

    The network has leaky ReLUs and no biases. The kernels come from NumPy's
    random number generator, so that they are the same on every machine. The
    kernels are scaled as in He et al. (2015), so that the mean square of the
    activations is the same in all layers.

    Args:
        seed: seed of the weights, which becomes part of the network's name.

    Returns:
        A `Features` with the feature maps `conv1` (full size, 32 channels) to
        `conv4` (1/8 of the size, 256 channels) and an embedding of 480
        numbers.
    """
    kernels = _kernels(seed)
    names = tuple(f"conv{i + 1}" for i in range(len(WIDTHS)))
    return Features(
        name=f"random-conv-{seed}",
        forward=_forward(kernels, names),
        tap_names=names,
        embedding=names,
        weights_sha256=weights_hash("random-conv", kernels),
        least_size=LEAST_SIZE,
    )


def _kernels(seed):
    """Returns the kernels, float32 `[3, 3, in, out]`, two per resolution."""
    rng = np.random.default_rng(seed)
    kernels = []
    below = 3
    for width in WIDTHS:
        for fan in (below, width):
            scale = np.sqrt(2 / ((1 + SLOPE**2) * 9 * fan))
            kernel = scale * rng.standard_normal((3, 3, fan, width))
            kernels.append(kernel.astype(np.float32))
        below = width
    return kernels


def _forward(kernels, names):
    import tensorflow as tf

    weights = [tf.constant(kernel) for kernel in kernels]

    def forward(images):
        taps = {}
        x = images
        for i, name in enumerate(names):
            if i:
                x = tf.nn.avg_pool2d(x, 2, 2, "VALID")
            for kernel in weights[2 * i : 2 * i + 2]:
                x = tf.nn.conv2d(x, kernel, 1, "SAME")
                x = tf.nn.leaky_relu(x, SLOPE)
            taps[name] = x
        return taps

    return forward
