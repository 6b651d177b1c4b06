"""Description of a model's styles for programs that run an export."""

import json

import numpy as np

from tf_i2i.images import to_float
from tf_i2i.methods.capabilities import encodes_styles
from tf_i2i.methods.capabilities import style_shape

_SAMPLED, _EXAMPLES = 1000, 10


def describe_styles(model, direction, images):
    """Returns JSON text that describes the styles of a direction.

    Args:
        model: `UnpairedTranslator`.
        direction: "a_to_b" or "b_to_a"; it must have styles.
        images: uint8 `[N, size, size, 3]` of the target domain.

    Returns:
        Text of a JSON object: `shape` of one style; `order`, how to make a
        flat list of a style's numbers; `distribution`, with `mean` and
        `deviation` (standard deviation) of the elements and mean Euclidean
        `length` of 1000 styles from `sample_style`; and `samples`, the styles
        of the first ten images. If the model cannot compute the styles of
        images, `samples` has ten sampled styles.
    """
    sampled = np.asarray(model.sample_style(_SAMPLED, 0))
    sampled = sampled.reshape(_SAMPLED, -1)
    examples = model.sample_style(_EXAMPLES, 0)
    if encodes_styles(model, direction):
        examples = model.encode_style(to_float(images[:_EXAMPLES]), direction)
    about = {
        "shape": list(style_shape(model, direction)),
        "order": "row-major: flatten the nested lists of a style in the order "
        "in which the numbers stand here",
        "distribution": {
            "mean": _round(sampled.mean()),
            "deviation": _round(sampled.std()),
            "length": _round(np.linalg.norm(sampled, axis=1).mean()),
        },
        "samples": [
            np.round(np.float64(style), 5).tolist()
            for style in np.asarray(examples)
        ],
    }
    return json.dumps(about, indent=2) + "\n"


def _round(value):
    return round(float(value), 4)
