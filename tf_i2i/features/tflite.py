"""Networks in .tflite files; gradients do not flow through them."""

import hashlib
import warnings
from pathlib import Path

import numpy as np

from tf_i2i import consent
from tf_i2i.errors import UserError
from tf_i2i.features.base import LEVELS
from tf_i2i.features.base import Features
from tf_i2i.paths import user_path


def tflite(path):
    """Loads a network from a .tflite file.

    Args:
        path: path of the file. The model must take square RGB images in
            [0, 255], `[n, H, W, 3]`, float32 or uint8, and have one output
            of two or four dimensions. Images are resized to H and W, and are
            processed n at a time.

    Returns:
        A `Features` with one feature map, `embedding`, the model's output. If
        the model takes floats of another range, see `load_features`.

    Raises:
        UserError: the file is missing or damaged, or the model has other
            inputs or outputs.
    """
    import tensorflow as tf

    path = Path(user_path(path, "tflite:"))
    if not path.is_file():
        raise UserError(
            f"`tflite:` must be followed by a .tflite file. Received: {path}"
        )
    consent.check_file(f"tflite:{path}", path)
    content = path.read_bytes()
    interpreter = _interpreter(path, content)
    inputs, outputs = (
        interpreter.get_input_details(),
        interpreter.get_output_details(),
    )
    shape = list(inputs[0]["shape"])
    floats = inputs[0]["dtype"] in (np.float32, np.uint8)
    image = len(inputs) == 1 and len(shape) == 4 and shape[1] == shape[2]
    if not (image and floats and shape[3] == 3) or len(outputs) != 1:
        raise UserError(
            f"`{path}` must take one batch of square images, float32 or uint8 "
            "[n, H, W, 3], and give one output. Received: "
            f"{[list(i['shape']) for i in inputs]} of "
            f"{inputs[0]['dtype'].__name__}, {len(outputs)} outputs"
        )
    interpreter.allocate_tensors()
    given, wanted = inputs[0]["index"], outputs[0]["index"]

    def run(levels):
        rows = []
        for i in range(0, len(levels), shape[0]):
            part = levels[i : i + shape[0]]
            # The last batch is filled up with repeated images, whose results
            # are dropped below.
            part = np.resize(part, shape) if len(part) < shape[0] else part
            interpreter.set_tensor(given, part.astype(inputs[0]["dtype"]))
            interpreter.invoke()
            rows.append(interpreter.get_tensor(wanted).astype(np.float32))
        return np.concatenate(rows)[: len(levels)]

    def forward(images):
        levels = (images + 1) * 127.5
        if inputs[0]["dtype"] == np.uint8:
            levels = tf.round(levels)
        vectors = tf.numpy_function(run, [levels], tf.float32)
        return {
            "embedding": tf.ensure_shape(
                vectors, [images.shape[0], *outputs[0]["shape"][1:]]
            )
        }

    return Features(
        name=f"tflite:{path.name}",
        forward=forward,
        tap_names=("embedding",),
        weights_sha256=hashlib.sha256(content).hexdigest(),
        embedding=("embedding",),
        input_size=int(shape[1]),
        value_range=None if inputs[0]["dtype"] == np.uint8 else LEVELS,
    )


def _interpreter(path, content):
    try:
        from ai_edge_litert import interpreter as litert
    except ImportError:
        from tensorflow import lite as litert
    try:
        with warnings.catch_warnings():
            # TensorFlow's own interpreter warns that it is deprecated.
            warnings.simplefilter("ignore")
            return litert.Interpreter(model_content=content)
    except ValueError as error:
        raise UserError(
            f"`tflite:` must be followed by a .tflite file. Received: {path} "
            f"({str(error).partition(chr(10))[0][:200]})"
        ) from error
