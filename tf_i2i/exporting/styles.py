"""What a program that runs a model must know about its styles."""

import json

import numpy as np

from tf_i2i.images import to_float
from tf_i2i.methods.capabilities import style_shape

_DRAWS, _SAMPLES = 1000, 10


def describe_styles(model, direction, images):
    """JSON text for those who give a `style` to an exported model.

    Args:
        model: `UnpairedTranslator`.
        direction: one that takes a style.
        images: uint8 `[N, size, size, 3]` of the domain that it leads to.

    Returns:
        An object: `shape` of one style; `distribution`, the mean, standard
        deviation and Euclidean length (mean over draws) of styles that
        `sample_style` draws; `samples`, the styles of ten of the images.
    """
    drawn = np.asarray(model.sample_style(_DRAWS, 0)).reshape(_DRAWS, -1)
    samples = model.encode_style(to_float(images[:_SAMPLES]), direction)
    about = {
        "shape": list(style_shape(model, direction)),
        "distribution": {
            "mean": _rounded(drawn.mean()),
            "deviation": _rounded(drawn.std()),
            "length": _rounded(np.linalg.norm(drawn, axis=1).mean()),
        },
        "samples": [
            np.round(np.float64(sample), 5).tolist()
            for sample in np.asarray(samples)
        ],
    }
    return json.dumps(about, indent=2) + "\n"


def _rounded(value):
    return round(float(value), 4)
