"""python -m tf_i2i.export: a trained run -> SavedModel or TFLite.

    python -m tf_i2i.export --run_dir=runs/mine --output=export/
    python -m tf_i2i.export --run_dir=runs/mine --output=face.tflite \
        --direction=b_to_a

Bytes in, bytes out: what is exported takes and gives uint8 pictures. Every
export is run beside its source on real images before it is put in place; one
that gives other pictures is set aside as `.rejected`.
"""

import functools
import json
import os
import re
import shutil
import warnings
from pathlib import Path

import numpy as np

from tf_i2i import cli
from tf_i2i.domains import DIRECTIONS
from tf_i2i.domains import find_direction
from tf_i2i.errors import UserError
from tf_i2i.images import to_float
from tf_i2i.images import to_uint8
from tf_i2i.training import settings

FORMATS = {
    "saved_model": "be a folder (SavedModel)",
    "tflite": "end in .tflite (TFLite, float32)",
}
PRECISIONS = ("float32",)
# Largest allowed differences from the source, in levels of 255.
TOLERANCES = {"saved_model": {"max": 1}, "float32": {"max": 1}}
PARITY_IMAGES = 16


def photo_to_photo(model, direction):
    """A model's translation from bytes to bytes.

    Args:
        model: `UnpairedTranslator`.
        direction: "a_to_b" or "b_to_a".

    Returns:
        Function `(images, style=None)` of uint8 `[N, height, width, 3]`,
        sides multiples of the model's stride, to uint8 of the same shape.
    """

    def translate(images, style=None):
        return to_uint8(model.translate(to_float(images), direction, style))

    return translate


def export_saved_model(model, path, direction="a_to_b"):
    """Writes a SavedModel that needs TensorFlow, and no tf_i2i, to load.

    Signatures `a_to_b` and `b_to_a` (uint8 [0, 255]), `a_to_b_float` and
    `b_to_a_float` ([-1, 1]) take `images`, `[N, height, width, 3]` with sides
    that are multiples of the model's stride, and return `images`.
    `serving_default` is the uint8 one of `direction`. Where a direction has
    a style, its own take `style`, `[N, *style_shape]`, too, and
    `encode_style_a_to_b` and `encode_style_b_to_a` return `style` of uint8
    `images` in the domain that the direction leads to. Where both domains
    share an encoder, `encode_a` and `encode_b` return `embedding`, float32
    `[N, D]`, of uint8 `images` of the model's own size.

    Args:
        model: `UnpairedTranslator`.
        path: folder to write.
        direction: of `serving_default`.
    """
    import tensorflow as tf

    calls = {}
    for way in model.directions:
        style_shape = model.style_for(way)
        calls[way] = _signature(
            model, tf.uint8, photo_to_photo(model, way), style_shape
        )
        calls[f"{way}_float"] = _signature(
            model,
            tf.float32,
            functools.partial(_translate_float, model, way),
            style_shape,
        )
        if style_shape:
            calls[f"encode_style_{way}"] = _signature(
                model,
                tf.uint8,
                functools.partial(_style_of_photo, model, way),
                output="style",
            )
    for domain in "ab" if model.embeds else "":
        calls[f"encode_{domain}"] = _signature(
            model,
            tf.uint8,
            functools.partial(_code_of_photo, model, domain),
            output="embedding",
            side=model.size,
        )
    calls["serving_default"] = calls[direction]
    module = tf.Module()
    # Only what is called goes along: no critics, averages or optimizers.
    module.translators = list(
        {
            id(variable): variable
            for call in calls.values()
            for variable in call.graph.variables
        }.values()
    )
    tf.saved_model.save(module, str(path), signatures=calls)


def _translate_float(model, direction, images, style=None):
    return model.translate(images, direction, style)


def _style_of_photo(model, direction, images):
    return model.encode_style(to_float(images), direction)


def _code_of_photo(model, domain, images):
    return model.embed(to_float(images), domain)


def _signature(
    model, dtype, function, style_shape=None, output="images", side=None
):
    import tensorflow as tf

    def call(images, *style):
        rest = tf.shape(images)[1:3] % model.stride
        aligned = tf.debugging.assert_equal(
            rest,
            tf.zeros_like(rest),
            f"Height and width must be multiples of {model.stride}.",
        )
        with tf.control_dependencies([aligned]):
            return {output: function(tf.identity(images), *style)}

    specs = _specs(dtype, (None, side, side, 3), style_shape)
    traced = tf.function(call, input_signature=specs, autograph=False)
    return traced.get_concrete_function()


def _specs(dtype, shape, style_shape):
    import tensorflow as tf

    specs = [tf.TensorSpec(shape, dtype, "images")]
    if style_shape:
        style = (shape[0], *style_shape)
        specs.append(tf.TensorSpec(style, tf.float32, "style"))
    return specs


def export_tflite(model, path, direction="a_to_b", size=None):
    """Writes a float32 TFLite model of built-in operations.

    Its signature takes `images`, uint8 `[1, size, size, 3]` (and `style`,
    float32 `[1, *style_shape]`, where the model has one) and returns uint8 of
    the same shape.

    Args:
        model: `UnpairedTranslator`.
        path: file to write.
        direction: "a_to_b" or "b_to_a".
        size: side of the images in pixels; None for the model's.

    Raises:
        UserError: `size` is no multiple of the model's stride, or an
            operation is not among TFLite's built-ins.
    """
    import tensorflow as tf

    size = size or model.size
    if size % model.stride:
        raise UserError(
            f"`size` must be a multiple of {model.stride}. "
            f"Received: size={size}"
        )
    specs = _specs(tf.uint8, (1, size, size, 3), model.style_for(direction))
    function = tf.function(
        photo_to_photo(model, direction),
        input_signature=specs,
        autograph=False,
    )
    Path(path).write_bytes(_convert(function.get_concrete_function()))


def _convert(function):
    """Concrete function -> TFLite flatbuffer of built-ins."""
    import tensorflow as tf
    from tensorflow.lite.python.convert import ConverterError
    from tensorflow.python.framework import convert_to_constants

    # Left to the converter, the weights become variables without values.
    frozen = convert_to_constants.convert_variables_to_constants_v2(function)
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [frozen], tf.Module()
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    try:
        with cli.silent_stderr():
            return converter.convert()
    except ConverterError as error:
        raise UserError(
            "`.tflite`: every operation of `translate` must be a built-in of "
            f"TFLite. Received: {_culprit(str(error))}"
        ) from error


def _culprit(message):
    """The operations that a converter's message blames, else its start."""
    named = re.search(r"^(?:TF Select|Custom) ops: (.*)$", message, re.M)
    return named[1] if named else " ".join(message.split())[:300]


def load_saved_model(path):
    """Functions `(images, style=None)` of a SavedModel, by direction."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))

    def translation(direction):
        # The signature holds its model weakly.
        def translate(images, style=None):
            arguments = {"images": tf.constant(images)}
            if style is not None:
                arguments["style"] = style
            return loaded.signatures[direction](**arguments)["images"]

        return translate

    known = (way for way in DIRECTIONS if way in loaded.signatures)
    return {direction: translation(direction) for direction in known}


def load_tflite(path):
    """Function `(images, style=None)` of a .tflite, run image by image."""
    with cli.silent_stderr():
        interpreter = _interpreter(Path(path).read_bytes())
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


def _interpreter(model):
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        import tensorflow as tf

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Deprecated, and sufficient.
            return tf.lite.Interpreter(model_content=model)
    return Interpreter(model_content=model)


def parity(reference_fn, exported_fn, images):
    """How far an exported model's pictures are from its source's.

    Args:
        reference_fn, exported_fn: functions of uint8 images to uint8 images.
        images: uint8 `[N, height, width, 3]`.

    Returns:
        Dictionary: `images` (their number) and the `max`, `mean` and `p99`
        absolute difference in levels of 255.

    Raises:
        UserError: the two give pictures of different shapes or types.
    """
    wanted = np.asarray(reference_fn(images))
    given = np.asarray(exported_fn(images))
    if (given.shape, given.dtype) != (wanted.shape, wanted.dtype):
        raise UserError(
            "`exported_fn` must return what the source does, "
            f"{wanted.dtype} {list(wanted.shape)}. "
            f"Received: {given.dtype} {list(given.shape)}"
        )
    apart = np.abs(given.astype(int) - wanted.astype(int))
    return {
        "images": len(images),
        "max": int(apart.max()),
        "mean": round(float(apart.mean()), 4),
        "p99": float(np.percentile(apart, 99)),
    }


def settle(part, output, report, tolerance):
    """Puts a checked export in its place, with its `parity.json`.

    Args:
        part: path of the export.
        output: where it goes: replaced if it is there.
        report: dictionary, direction -> result of `parity`.
        tolerance: dictionary, name in that result -> largest allowed value.

    Raises:
        UserError: beyond the tolerance. The export is then at `output` with
            `.rejected` added, and what was at `output` still is.
    """
    beyond = [
        f"{direction} {name} {result[name]}"
        for direction, result in report.items()
        for name, allowed in tolerance.items()
        if result[name] > allowed
    ]
    place = output
    if beyond:
        place = output.with_name(f"{output.name}.rejected")
    _replace(part, place)
    where = place.with_suffix(".parity.json")
    if place.is_dir():
        where = place / "parity.json"
    text = {"tolerance": tolerance, "accepted": not beyond, **report}
    where.write_text(json.dumps(text, indent=2) + "\n")
    if beyond:
        allowed = ", ".join(f"{k} {v}" for k, v in tolerance.items())
        raise UserError(
            "`--output` must give the run's own pictures, in levels of 255 "
            f"within {allowed}. Received: {', '.join(beyond)}; kept as "
            f"{place}, not to be used. Update TensorFlow and ai-edge-litert "
            f"and export again; if it stays, report it with {where}"
        )


def _replace(part, place):
    """Moves a file or folder over one that may be there."""
    if not place.is_dir():
        os.replace(part, place)
        return
    old = part.with_name(f"{part.name}.old")
    os.replace(place, old)
    os.replace(part, place)
    shutil.rmtree(old)


# The verb.


def main(argv, formats=tuple(FORMATS)):
    """Runs the verb.

    Args:
        argv: command line, without the program.
        formats: names in `FORMATS` that `--output` may ask for.

    Raises:
        UserError: wrong flags, no trained run, or an export that gives other
            pictures than its source.
    """
    flags = _parser().parse_args(argv)
    cli.check_run_dir(flags.run_dir)
    flags.direction = find_direction(
        flags.direction, settings.domain_names(flags.run_dir)
    )
    output = Path(flags.output)
    kind = _format(flags.output, formats)
    _make_room(output, kind)
    cli.import_tensorflow()
    from tf_i2i.training.run import load_translator

    model, run = load_translator(flags.run_dir, flags.allow_imports)
    part = output.with_name(f".{output.name}.part")
    _remove(part)
    try:
        exported = _write(model, part, kind, flags.direction)
        report = {
            direction: _parity_of_run(model, run, direction, function)
            for direction, function in exported.items()
        }
        tolerance = "saved_model" if kind == "saved_model" else flags.precision
        settle(part, output, report, TOLERANCES[tolerance])
    finally:
        _remove(part)
    _say(output, report)


def _parser():
    parser = cli.parser(
        "export",
        "Exports a trained run as SavedModel (both directions) or TFLite, "
        "and checks it against the run on real images.",
        [
            "python -m tf_i2i.export --run_dir=runs/mine --output=export/",
            "python -m tf_i2i.export --run_dir=runs/mine "
            "--output=face.tflite --direction=b_to_a",
        ],
    )
    add = parser.add_argument
    cli.add_run_flags(add)
    add(
        "--output",
        required=True,
        help="a folder for a SavedModel, or a name that ends in .tflite",
    )
    cli.add_direction_flag(
        add, "what a .tflite does, and a SavedModel's serving_default"
    )
    add(
        "--precision",
        choices=PRECISIONS,
        default="float32",
        help="of a .tflite's weights and arithmetic",
    )
    return parser


def _format(output, formats):
    suffix = Path(output).suffix.lower()
    kind = "tflite" if suffix == ".tflite" else "saved_model"
    is_folder = output.endswith(("/", os.sep)) or Path(output).is_dir()
    unknown = kind == "saved_model" and suffix and not is_folder
    unknown = unknown or Path(output).name in ("", "..")
    if kind not in formats or unknown:
        allowed = " or ".join(FORMATS[name] for name in formats)
        raise UserError(f"`--output` must {allowed}. Received: {output}")
    return kind


def _make_room(output, kind):
    """Refuses to write over what is no export; makes the folder above."""
    ours = not output.exists()
    if output.is_file():
        ours = kind == "tflite"
    elif output.is_dir() and kind == "saved_model":
        ours = (output / "saved_model.pb").is_file() or not any(
            output.iterdir()
        )
    if not ours:
        raise UserError(
            "`--output` must be new, or an earlier export that is replaced. "
            f"Received: {output}, which holds something else"
        )
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            "`--output` must lie where it can be written. "
            f"Received: {output} ({error.strerror})"
        ) from error


def _write(model, part, kind, direction):
    """Exports to `part`; the exported functions by direction."""
    if kind == "saved_model":
        with cli.silent_stderr():
            export_saved_model(model, part, direction)
        return load_saved_model(part)
    export_tflite(model, part, direction)
    return {direction: load_tflite(part)}


def _parity_of_run(model, run, direction, function):
    """Parity on test images; with a style, that of one in the target."""
    reference = photo_to_photo(model, direction)
    source, target = direction.split("_to_")
    images = run.test_images(source, PARITY_IMAGES)
    if model.style_for(direction):
        of = to_float(run.test_images(target, 1))
        style = model.encode_style(of, direction).numpy()
        style = np.repeat(style, len(images), axis=0)
        reference = functools.partial(reference, style=style)
        function = functools.partial(function, style=style)
    return parity(reference, function, images)


def _remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def _say(output, report):
    files = [output]
    if output.is_dir():
        files = [path for path in output.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 1e6
    apart = "; ".join(
        f"{direction} max {result['max']}, mean {result['mean']}"
        for direction, result in report.items()
    )
    count = next(iter(report.values()))["images"]
    print(
        f"Exported {output} ({size:.1f} MB). Levels off the run's own "
        f"pictures, {count} test images: {apart}."
    )


if __name__ == "__main__":
    cli.run(main)
