"""Export to TFLite (LiteRT).

An exported model takes images of one size, translates in one direction and
uses TFLite's built-in operations only.
"""

import csv
import io
import re
import warnings
from pathlib import Path

import numpy as np

from tf_i2i import cli
from tf_i2i.disk import format_bytes
from tf_i2i.errors import UserError
from tf_i2i.exporting import flatbuffer
from tf_i2i.exporting.pictures import IMAGE
from tf_i2i.exporting.pictures import STYLE
from tf_i2i.exporting.pictures import TRANSLATE
from tf_i2i.exporting.pictures import freeze
from tf_i2i.exporting.pictures import one_size
from tf_i2i.exporting.pictures import photo_to_photo
from tf_i2i.exporting.pictures import unit_to_unit
from tf_i2i.extras import optional
from tf_i2i.extras import require

# Operations that each precision quantizes to int8, by their names in LiteRT.
_QUANTIZED = {
    "int8": ("ALL_SUPPORTED",),
    "mixed": (
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "CONV_2D_TRANSPOSE",
        "FULLY_CONNECTED",
    ),
}
CALIBRATED = tuple(_QUANTIZED)
_CONVOLUTIONS = {"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"}


def check_installed(precision):
    """Raises an error if a package that a precision needs is not installed.

    Args:
        precision: name of a precision of `formats.TFLITE`.

    Raises:
        UserError: the extra `export` is not installed.
    """
    if precision in CALIBRATED:
        require("export", "ai_edge_quantizer")


def export_tflite(
    model,
    path,
    direction="a_to_b",
    size=None,
    precision="float32",
    calibration=None,
    float_io=False,
):
    """Writes a TFLite model that uses built-in operations only.

    The signature `translate` takes `image`, uint8 `[1, height, width, 3]`, and
    for a direction with styles `style`, float32 `[1, *style_shape]`, in this
    order. The signature returns `image`, uint8 of the same shape.

    Args:
        model: `UnpairedTranslator`.
        path: file to write.
        direction, size, precision, calibration, float_io: see `convert`.

    Raises:
        UserError: see `convert`.
    """
    Path(path).write_bytes(
        convert(model, direction, size, precision, calibration, float_io)
    )


def convert(
    model,
    direction,
    size=None,
    precision="float32",
    calibration=None,
    float_io=False,
):
    """Returns the bytes of the file that `export_tflite` writes.

    Args:
        model: `UnpairedTranslator`.
        direction: "a_to_b" or "b_to_a".
        size: size of the images; None for the model's own size.
        precision: a key of `formats.TFLITE.precisions`.
        calibration: inputs of the model, as returned by `examples`. The
            activations for these inputs determine the ranges of the int8
            values. Needed for "int8" and "mixed" only.
        float_io: whether the images are float32 in [0, 1] instead of uint8.

    Raises:
        UserError: `size` is not a size that the model takes; an operation is
            not among TFLite's built-ins; or `precision` is "int8" or "mixed"
            and the packages of the extra `export` are not installed.
    """
    import tensorflow as tf
    from tensorflow.lite.python.convert import ConverterError

    made_by = unit_to_unit if float_io else photo_to_photo
    function, _ = one_size(model, direction, size, made_by=made_by)
    # The weights are frozen first, because the converter would otherwise turn
    # them into variables without values.
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [freeze(function)], tf.Module()
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if precision in ("float16", "dynamic"):
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    try:
        with cli.silent_stderr():
            content = converter.convert()
    except ConverterError as error:
        raise UserError(
            "`.tflite`: every operation of `translate` must be a built-in "
            f"operation of TFLite. Received: {_culprit(str(error))}"
        ) from error
    content = flatbuffer.tidy(content)
    if precision in CALIBRATED:
        if float_io:
            calibration = [
                example | {IMAGE: _to_unit(example[IMAGE])}
                for example in calibration
            ]
        content = _quantize(content, precision, calibration)
    return content


def _quantize(content, precision, calibration):
    """Returns a float32 flatbuffer with its operations quantized to int8.

    LiteRT's quantizer is used because TensorFlow's quantizer finds wrong
    ranges if an operation overwrites its input in memory: it measures one range
    for the input and the output together.
    """
    quantizer, calibrator, manager, ranges, types = (
        optional(f"ai_edge_quantizer.{name}", "export")
        for name in (
            "quantizer",
            "calibrator",
            "recipe_manager",
            "utils.qsv_utils",
            "qtyping",
        )
    )
    recipe = manager.RecipeManager()
    for kind in _QUANTIZED[precision]:
        recipe.add_static_config(".*", types.TFLOperationName[kind], 8, 8)
    for kind in ("INPUT", "OUTPUT"):
        recipe.add_quantization_config(
            ".*", types.TFLOperationName[kind], algorithm_key="no_quantize"
        )
    with cli.silent_stderr(), warnings.catch_warnings():
        # The calibrator warns about the memory that it needs.
        warnings.simplefilter("ignore")
        # With this function, a range includes every value that occurs during
        # the calibration. The calibrator's default, a moving average of minimum
        # and maximum, would clip some values.
        ranges_seen = calibrator.Calibrator(
            content, num_threads=2, qsv_update_func=ranges.min_max_update
        )
        ranges_seen.calibrate({TRANSLATE: calibration}, recipe)
        tool = quantizer.Quantizer(content, recipe.get_quantization_recipe())
        result = tool.quantize(
            ranges_seen.get_model_qsvs(), enable_progress_report=False
        )
    return bytes(result.quantized_model)


def examples(images, style=None):
    """Returns the calibration examples of a model, one for each image.

    Args:
        images: uint8 `[N, height, width, 3]`.
        style: styles of the images, float32 `[N, *style_shape]`, or None.

    Returns:
        List of N dictionaries. Each dictionary maps the name of a model input
        to an array with a batch dimension of 1.
    """
    # Inputs are passed by name because the converter may change their order.
    if style is None:
        return [{IMAGE: image[None]} for image in images]
    return [
        {IMAGE: image[None], STYLE: np.asarray(one, np.float32)[None]}
        for image, one in zip(images, style, strict=True)
    ]


def _to_unit(images):
    """Converts uint8 in [0, 255] to float32 in [0, 1]."""
    return np.float32(images) / np.float32(255)


def _culprit(message):
    """Returns the names of the operations that the converter cannot convert.

    If the converter's message names no operation, the first 300 characters of
    the message are returned.
    """
    named = re.search(r"^(?:TF Select|Custom) ops: (.*)$", message, re.M)
    return named[1] if named else " ".join(message.split())[:300]


def count_per_image_norms(model):
    """Returns the number of translator layers that normalize each image alone.

    These layers have an attribute `per_image` that is true. They divide by
    statistics of each image or of each pixel. The quotients are inaccurate in
    int8, because one range of int8 values is used for all images.
    """
    networks = [getattr(model, name) for name in model.translators]
    return sum(
        getattr(layer, "per_image", False)
        for network in networks
        for layer in network._flatten_layers()
    )


def warning_of_int8(model, precision):
    """Returns a warning for int8 if the model normalizes images one by one.

    Args:
        model: `UnpairedTranslator`.
        precision: a key of `formats.TFLITE.precisions`.

    Returns:
        The text of the warning, or None if no warning is needed.
    """
    norms = count_per_image_norms(model) if precision == "int8" else 0
    if not norms:
        return None
    return (
        f"The {type(model).__name__} of this run has {norms} layers that "
        "normalize each image, or each pixel, by itself. In int8 such layers "
        "are inaccurate and slow. --precision=mixed, which has only "
        "convolutions and dense layers in int8, or a student, which is a "
        "small network trained to imitate the run (python -m tf_i2i.distill "
        "--help), will be faster and closer to the run."
    )


def load_tflite(path, threads=None, signature=None):
    """Returns the function that `translator` makes of a .tflite file.

    Args:
        path: path of the .tflite file.
        threads, signature: see `translator`.
    """
    return translator(Path(path).read_bytes(), threads, signature)


def translator(content, threads=None, signature=None):
    """Returns a function `(images, style=None)` that runs a flatbuffer.

    The flatbuffer is run once for each image of the batch. The function takes
    and returns uint8 images, also if those of the flatbuffer are float32 in
    [0, 1].

    Args:
        content: content of a .tflite file, bytes.
        threads: number of threads that the interpreter may use; None for the
            interpreter's default.
        signature: name of the signature to run; None if there is only one.
    """
    with cli.silent_stderr():
        interpreter = interpreter_of(content, threads)
        interpreter.allocate_tensors()
    run = interpreter.get_signature_runner(signature)
    float_io = run.get_input_details()[IMAGE]["dtype"] == np.float32

    def translate(images, style=None):
        outputs = []
        for i, image in enumerate(images):
            given = _to_unit(image) if float_io else image
            arguments = {IMAGE: given[None]}
            if style is not None:
                arguments[STYLE] = np.asarray(style[i : i + 1])
            (output,) = run(**arguments).values()
            if float_io:
                output = np.uint8(np.rint(255 * output))
            outputs.append(output)
        return np.concatenate(outputs)

    return translate


def interpreter_of(model, threads=None):
    """Returns an interpreter of a flatbuffer.

    LiteRT's interpreter is used if its package is installed, otherwise
    TensorFlow's.

    Args:
        model: content of a .tflite file, bytes.
        threads: number of threads that the interpreter may use; None for the
            interpreter's default.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        import tensorflow as tf

        with warnings.catch_warnings():
            # TensorFlow's interpreter is sufficient here. It warns that it is
            # deprecated.
            warnings.simplefilter("ignore")
            return tf.lite.Interpreter(model_content=model, num_threads=threads)
    return Interpreter(model_content=model, num_threads=threads)


def layers(path):
    """Returns a list of the operations of a .tflite file, with their costs.

    Args:
        path: path of the .tflite file.

    Returns:
        List of dictionaries, one for each operation: `signature` (name of the
        signature that it belongs to), `operation` (its kind), `output` (name
        of its output tensor), `shape` and `type` of that tensor, `weights`
        (size in bytes of the constants that the operation reads), and
        `multiplications` (number of multiplications of a convolution; 0 for
        other operations).
    """
    rows = []
    content = Path(path).read_bytes()
    for signature, kind, given, (made, *_) in flatbuffer.operations(content):
        constants = [tensor for tensor in given if tensor["constant"]]
        rows.append(
            {
                "signature": signature,
                "operation": kind,
                "output": made["name"],
                "shape": "x".join(map(str, made["shape"])),
                "type": made["type"],
                "weights": sum(map(_tensor_bytes, constants)),
                "multiplications": _multiplications(kind, given, made),
            }
        )
    return rows


def _tensor_bytes(tensor):
    return int(np.prod(tensor["shape"])) * np.dtype(tensor["type"]).itemsize


def _multiplications(kind, given, made):
    if kind not in _CONVOLUTIONS:
        return 0
    kernel = given[1]["shape"]  # Output, height, width, input.
    if kind == "TRANSPOSE_CONV":
        # The inputs of this operation are the shape of its output, the kernel
        # and the feature map.
        return int(np.prod(kernel) * np.prod(given[2]["shape"][1:3]))
    positions = np.prod(made["shape"][1:3])
    return int(np.prod(kernel) * positions)


def table(rows):
    """Returns the rows of `layers` as CSV text."""
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def summary(rows):
    """Returns the totals of the rows of `layers` as one line of text."""
    total = sum(row["multiplications"] for row in rows)
    in_int8 = sum(r["multiplications"] for r in rows if r["type"] == "int8")
    weights = format_bytes(sum(row["weights"] for row in rows))
    return (
        f"{len(rows)} operations, {total / 1e6:.1f} million multiplications "
        f"per image, {100 * in_int8 / max(total, 1):.0f} % of them in int8; "
        f"{weights} of weights"
    )
