"""LPIPS with AlexNet, from feature maps, or as distances of vectors.

Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a
Perceptual Metric", arXiv:1801.03924. The distance of two images is a weighted
sum of squared differences of feature maps, in which the features of each
position have length 1. Therefore it is the squared distance of two vectors,
each of which is computed here from one image alone.

The weights of the sum, version 0.1, are in the package `lpips`. The package is
not imported, because it imports PyTorch. The weights of AlexNet are those of
torchvision, which no package contains. The user gives the path of their file.
"""

import importlib.util
from pathlib import Path

import numpy as np

from tf_i2i import consent
from tf_i2i.errors import UserError
from tf_i2i.features.base import Features
from tf_i2i.features.base import weights_hash
from tf_i2i.features.torch_file import read_tensors
from tf_i2i.paths import user_path

# Mean and standard deviation by which LPIPS normalizes images in [-1, 1].
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
# For each convolution: its number in the file, its stride, its padding, and
# whether a 3 x 3 pooling layer of stride 2 precedes it.
_LAYERS = (
    (0, 4, 2, False),
    (3, 1, 2, True),
    (6, 1, 1, True),
    (8, 1, 1, False),
    (10, 1, 1, False),
)
TAPS = tuple(f"relu{i + 1}" for i in range(len(_LAYERS)))
# Number that is added to the norm of a position's features before they are
# divided by the norm, as in the authors' code.
_EPSILON = 1e-10


def lpips_alexnet(path):
    """Loads AlexNet from a file, and the weights of LPIPS from their package.

    Args:
        path: path of a file of torchvision with the weights of AlexNet, such as
            alexnet-owt-7be5be79.pth.

    Returns:
        A `Features` with the feature maps `relu1` to `relu5`. With its
        `tap_weights`, `perceptual_distance` is LPIPS. `embed` returns one
        vector for each image. The squared distance of the vectors of two images
        of equal size is LPIPS, too. The vectors are long: 31,872 numbers for
        images of 64 x 64 pixels.

    Raises:
        UserError: the package `lpips` is not installed, or the file does not
            hold the weights of AlexNet.
    """
    path = Path(user_path(path, "lpips:"))
    if not path.is_file():
        raise UserError(
            "`lpips:` must be followed by the path of torchvision's weights of "
            f"AlexNet. Received: {path}"
        )
    consent.check_file(f"lpips:{path}", path)
    linear = read_tensors(_linear_file())
    trunk = read_tensors(path)
    try:
        layers = [
            (
                trunk[f"features.{number}.weight"].transpose(2, 3, 1, 0),
                trunk[f"features.{number}.bias"],
                linear[f"lin{i}.model.1.weight"].reshape(-1),
            )
            for i, (number, *_) in enumerate(_LAYERS)
        ]
    except (KeyError, ValueError) as error:
        raise UserError(
            "`lpips:` must be followed by the path of torchvision's weights of "
            f"AlexNet. Received: {path}, whose layers differ: {error}"
        ) from error
    arrays = (array for layer in layers for array in layer)
    return Features(
        name="lpips",
        forward=_forward(layers),
        tap_names=TAPS,
        embedding=("lpips",),
        tap_weights={
            name: weights
            for name, (*_, weights) in zip(TAPS, layers, strict=True)
        },
        weights_sha256=weights_hash("lpips", arrays),
        least_size=31,
    )


def _linear_file():
    """Returns the path of the weights in the package `lpips`."""
    package = importlib.util.find_spec("lpips")
    if package is None or package.origin is None:
        raise UserError(
            "`lpips` must be installed by pip install --no-deps lpips. Its "
            "other packages, such as PyTorch, are not needed. Received: no "
            "package of this name"
        )
    return Path(package.origin).parent / "weights/v0.1/alex.pth"


def _forward(layers):
    """Returns a function from images in [-1, 1] to their vectors.

    Args:
        layers: list of kernel `[k, k, in, out]`, bias `[out]` and weights of
            LPIPS `[out]`, for each convolution.
    """
    import tensorflow as tf

    def forward(images):
        x = (images - tf.constant(_SHIFT)) / tf.constant(_SCALE)
        taps, vectors = {}, []
        for tap, (kernel, bias, weights), (_, stride, padding, pools) in zip(
            TAPS, layers, _LAYERS, strict=True
        ):
            if pools:
                x = tf.nn.max_pool2d(x, 3, 2, "VALID")
            x = tf.pad(x, [[0, 0], *[[padding, padding]] * 2, [0, 0]])
            x = tf.nn.relu(tf.nn.conv2d(x, kernel, stride, "VALID") + bias)
            taps[tap] = x
            norm = tf.norm(x, axis=-1, keepdims=True)
            _, height, width, _ = x.shape
            scale = np.sqrt(weights / (height * width))
            vectors.append(x / (norm + _EPSILON) * scale.astype(np.float32))
        flat = [tf.reshape(v, [-1, np.prod(v.shape[1:])]) for v in vectors]
        return {**taps, "lpips": tf.concat(flat, 1)}

    return forward
