"""Export to ONNX with Keras' exporter; needs the extra `onnx`."""

import warnings

import numpy as np

from tf_i2i import cli
from tf_i2i.exporting.pictures import one_size
from tf_i2i.extras import optional
from tf_i2i.extras import require


def check_installed(precision):
    """Raises an error if the extra `onnx` is not installed.

    Args:
        precision: not used, because all precisions need the same packages.
    """
    require("onnx", "tf2onnx", "onnxruntime")


def export_onnx(model, path, direction="a_to_b", size=None):
    """Writes an ONNX model.

    The model takes `images`, uint8 `[N, size, size, 3]`, and for a direction
    with styles `style`, float32 `[N, *style_shape]`. It returns uint8 images
    of the shape of `images`.

    Args:
        model: `UnpairedTranslator`.
        path: file to write.
        direction: "a_to_b" or "b_to_a".
        size: side of the images in pixels; None for the model's own size.

    Raises:
        UserError: `size` is not a size that the model takes, or the packages
            of the extra `onnx` are not installed.
    """
    import keras

    require("onnx", "tf2onnx")
    function, inputs = one_size(model, direction, size, batch=None)

    class Translation(keras.Model):
        def __init__(self):
            super().__init__()
            self.translator = model
            self.built = True

        def call(self, inputs):
            if isinstance(inputs, list | tuple):
                return function(*inputs)
            return function(inputs)

    with warnings.catch_warnings(), cli.silent_stderr():
        # With NumPy 2, tf2onnx gives warnings.
        warnings.simplefilter("ignore")
        Translation().export(
            str(path),
            format="onnx",
            verbose=False,
            input_signature=inputs if len(inputs) == 1 else [inputs],
        )


def load_onnx(path, threads=None):
    """Returns a function `(images, style=None)` that runs an ONNX file.

    Args:
        path: path of the ONNX file.
        threads: number of threads that ONNX Runtime may use; None for its
            default.

    Raises:
        UserError: the packages of the extra `onnx` are not installed.
    """
    runtime = optional("onnxruntime", "onnx")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    if threads:
        options.intra_op_num_threads = threads
    session = runtime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"]
    )
    names = [node.name for node in session.get_inputs()]

    def translate(images, style=None):
        given = [images] if style is None else [images, np.float32(style)]
        return session.run(None, dict(zip(names, given, strict=True)))[0]

    return translate
