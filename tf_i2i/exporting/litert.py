"""TFLite (LiteRT): one size, one direction, built-in operations only."""

import csv
import io
import re
import warnings
from pathlib import Path

import numpy as np

from tf_i2i import cli
from tf_i2i.disk import format_bytes
from tf_i2i.errors import UserError
from tf_i2i.exporting.pictures import one_size
from tf_i2i.extras import optional

# What of the operations that LiteRT's quantizer knows goes into int8.
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


def export_tflite(
    model,
    path,
    direction="a_to_b",
    size=None,
    precision="float32",
    calibration=None,
):
    """Writes a TFLite model of built-in operations.

    Its signature takes `images`, uint8 `[1, size, size, 3]` (and `style`,
    float32 `[1, *style_shape]`, where the model has one) and returns uint8 of
    the same shape.

    Args:
        model: `UnpairedTranslator`.
        path: file to write.
        direction: "a_to_b" or "b_to_a".
        size: side of the images in pixels; None for the model's.
        precision: a key of `formats.TFLITE.precisions`.
        calibration: for "int8" and "mixed": the model's inputs by name, as
            `examples` makes them, whose values say what is to be held.

    Raises:
        UserError: `size` is no multiple of `size_multiple`, or an
            operation is not among TFLite's built-ins, or the extra `export`
            is missing for "int8" or "mixed".
    """
    import tensorflow as tf
    from tensorflow.lite.python.convert import ConverterError
    from tensorflow.python.framework import convert_to_constants

    function, _ = one_size(model, direction, size)
    # Left to the converter, the weights become variables without values.
    frozen = convert_to_constants.convert_variables_to_constants_v2(
        function.get_concrete_function()
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [frozen], tf.Module()
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
            "`.tflite`: every operation of `translate` must be a built-in of "
            f"TFLite. Received: {_culprit(str(error))}"
        ) from error
    if precision in CALIBRATED:
        content = _quantized(content, precision, calibration)
    Path(path).write_bytes(content)


def _quantized(content, precision, calibration):
    """The model with its operations in int8.

    By LiteRT's quantizer: TensorFlow's takes wrong ranges where an operation
    writes over its own input, the other's and its own together.
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
        warnings.simplefilter("ignore")  # Of what it keeps in memory.
        # All that was seen; its own choice is an average, which cuts.
        seen = calibrator.Calibrator(
            content, num_threads=2, qsv_update_func=ranges.min_max_update
        )
        seen.calibrate({"serving_default": calibration}, recipe)
        tool = quantizer.Quantizer(content, recipe.get_quantization_recipe())
        made = tool.quantize(
            seen.get_model_qsvs(), enable_progress_report=False
        )
    return bytes(made.quantized_model)


def examples(images, style=None):
    """What a model is calibrated on: each image, each with its style.

    Args:
        images: uint8 `[N, size, size, 3]`.
        style: float32 `[N, *style_shape]`, or None.
    """
    # By name: the converter may have turned the order round.
    if style is None:
        return [{"images": image[None]} for image in images]
    return [
        {"images": image[None], "style": np.asarray(one, np.float32)[None]}
        for image, one in zip(images, style, strict=True)
    ]


def _culprit(message):
    """The operations that a converter's message blames, else its start."""
    named = re.search(r"^(?:TF Select|Custom) ops: (.*)$", message, re.M)
    return named[1] if named else " ".join(message.split())[:300]


def count_per_image_norms(model):
    """Returns how many layers of the translators normalize by the image.

    They use statistics of each image, or of each of its pixels, which int8,
    whose ranges are fixed, represents badly. Such layers have an attribute
    `per_image`.
    """
    networks = [getattr(model, name) for name in model.translators]
    return sum(
        getattr(layer, "per_image", False)
        for network in networks
        for layer in network._flatten_layers()
    )


def warning_of_int8(model, precision):
    """The line that says what int8 does to some normalizations, or None."""
    norms = count_per_image_norms(model) if precision == "int8" else 0
    if not norms:
        return None
    return (
        f"The {type(model).__name__} of this run has {norms} layers that "
        "normalize each image, or each pixel, by itself. int8 represents them "
        "badly, and slowly: --precision=mixed, whose matrix products alone "
        "are in int8, or a student (python -m tf_i2i.distill --help) will be "
        "faster and nearer to the run."
    )


def load_tflite(path, threads=None):
    """Function `(images, style=None)` of a .tflite, run image by image.

    Args:
        path: of the file.
        threads: that the interpreter may use; None for its own choice.
    """
    with cli.silent_stderr():
        interpreter = interpreter_of(Path(path).read_bytes(), threads)
        interpreter.allocate_tensors()
    run = interpreter.get_signature_runner()

    def translate(images, style=None):
        outputs = []
        for i, image in enumerate(images):
            arguments = {"images": image[None]}
            if style is not None:
                arguments["style"] = np.asarray(style[i : i + 1])
            (output,) = run(**arguments).values()
            outputs.append(output)
        return np.concatenate(outputs)

    return translate


def interpreter_of(model, threads=None):
    """LiteRT's interpreter of a flatbuffer, or TensorFlow's without it."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        import tensorflow as tf

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Deprecated, and sufficient.
            return tf.lite.Interpreter(model_content=model, num_threads=threads)
    return Interpreter(model_content=model, num_threads=threads)


def layers(path):
    """What a .tflite computes, operation by operation.

    Args:
        path: of the file.

    Returns:
        List of dictionaries: `operation`, `output` (its name), `shape` and
        `type` of that, `weights` (bytes of constants that it reads), and
        `multiplications` (of a convolution, else 0).
    """
    return _layers(Path(path).read_bytes())


def _layers(content):
    with cli.silent_stderr():
        interpreter = interpreter_of(content)
    tensors = {t["index"]: t for t in interpreter.get_tensor_details()}
    computed = {t["index"] for t in interpreter.get_input_details()}
    rows = []
    for operation in interpreter._get_ops_details():
        given = [tensors[i] for i in operation["inputs"] if i in tensors]
        made = tensors[operation["outputs"][0]]
        constants = [t for t in given if t["index"] not in computed]
        computed |= set(operation["outputs"])
        rows.append(
            {
                "operation": operation["op_name"],
                "output": made["name"],
                "shape": "x".join(map(str, made["shape"])),
                "type": np.dtype(made["dtype"]).name,
                "weights": sum(map(_tensor_bytes, constants)),
                "multiplications": _multiplications(operation, given, made),
            }
        )
    return rows


def _tensor_bytes(tensor):
    return int(np.prod(tensor["shape"])) * np.dtype(tensor["dtype"]).itemsize


def _multiplications(operation, given, made):
    kind = operation["op_name"]
    if kind not in _CONVOLUTIONS:
        return 0
    kernel = given[1]["shape"]  # [out, height, width, in]
    if kind == "TRANSPOSE_CONV":
        # Given: the output's shape, the kernel, the map.
        return int(np.prod(kernel) * np.prod(given[2]["shape"][1:3]))
    positions = np.prod(made["shape"][1:3])
    return int(np.prod(kernel) * positions)


def table(rows):
    """`layers` as CSV text."""
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def summary(rows):
    """`layers` in a line."""
    work = sum(row["multiplications"] for row in rows)
    whole = sum(r["multiplications"] for r in rows if r["type"] == "int8")
    weights = format_bytes(sum(row["weights"] for row in rows))
    return (
        f"{len(rows)} operations, {work / 1e6:.1f} million multiplications a "
        f"picture, {100 * whole / max(work, 1):.0f} % of them in int8; "
        f"{weights} of weights"
    )
