"""python -m tf_i2i.export: a trained run -> SavedModel, TFLite or ONNX.

    python -m tf_i2i.export --run_dir=runs/mine --output=export/
    python -m tf_i2i.export --run_dir=runs/mine --output=face.tflite \
        --direction=b_to_a --precision=int8

Bytes in, bytes out: what is exported takes and gives uint8 pictures. Every
export is run beside its source on real images before it is put in place; one
that gives other pictures is set aside as `.rejected`.
"""

import functools
import os
import shutil
import sys
from pathlib import Path

import numpy as np

from tf_i2i import cli
from tf_i2i.domains import find_direction
from tf_i2i.domains import named
from tf_i2i.errors import UserError
from tf_i2i.exporting import PRECISIONS
from tf_i2i.exporting import export_onnx
from tf_i2i.exporting import export_saved_model
from tf_i2i.exporting import export_tflite
from tf_i2i.exporting import litert
from tf_i2i.exporting import load_onnx
from tf_i2i.exporting import load_saved_model
from tf_i2i.exporting import load_tflite
from tf_i2i.exporting import parity
from tf_i2i.exporting import photo_to_photo
from tf_i2i.exporting import settle
from tf_i2i.exporting.pictures import bytes_of
from tf_i2i.exporting.styles import describe_styles
from tf_i2i.images import to_float
from tf_i2i.methods.capabilities import style_shape
from tf_i2i.training import settings

FORMATS = {
    "saved_model": "be a folder (SavedModel)",
    "tflite": "end in .tflite",
    "onnx": "end in .onnx",
}
PARITY_IMAGES = 16
CALIBRATION_IMAGES = 100


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
    domains = settings.domain_names(flags.run_dir)
    flags.direction = find_direction(flags.direction, domains)
    output = Path(flags.output)
    kind = _format(flags.output, formats)
    _check(flags, kind)
    _make_room(output, kind)
    cli.import_tensorflow()
    from tf_i2i.training.run import load_translator

    model, run = load_translator(flags.run_dir, flags.allow_imports)
    model.check_direction(flags.direction)
    _warn_of_int8(model, flags.precision)
    pictures = Pictures(model, run, flags.size)
    part = output.with_name(f".{output.name}.part")
    _remove(part)
    try:
        exported = _write(model, pictures, part, kind, flags)
        report = {
            direction: pictures.parity(direction, function)
            for direction, function in exported.items()
        }
        beside = _beside(model, pictures, part, kind, flags.direction)
        tolerance = flags.precision if kind == "tflite" else kind
        settle(part, output, report, tolerance, beside)
    finally:
        _remove(part)
    _say(output, {named(way, domains): r for way, r in report.items()})


def _parser():
    parser = cli.parser(
        "export",
        "Exports a trained run as SavedModel (both directions), TFLite or "
        "ONNX, and checks it against the run on real images.",
        [
            "python -m tf_i2i.export --run_dir=runs/mine --output=export/",
            "python -m tf_i2i.export --run_dir=runs/mine "
            "--output=face.tflite --direction=b_to_a --precision=int8",
        ],
    )
    add = parser.add_argument
    cli.add_run_flags(add)
    add(
        "--output",
        required=True,
        help="a folder for a SavedModel, or a name that ends in .tflite or "
        ".onnx",
    )
    cli.add_direction_flag(
        add,
        "what a .tflite or .onnx does, and a SavedModel's serving_default",
    )
    add(
        "--precision",
        choices=PRECISIONS,
        default="float32",
        help="of a .tflite: weights in float16, or in int8 with (dynamic) "
        "ranges of the values found as it runs, (int8) all arithmetic in "
        "int8, (mixed) convolutions and dense layers alone",
    )
    add("--size", type=int, help="side of its pictures (default: the run's)")
    return parser


def _format(output, formats):
    suffix = Path(output).suffix.lower()
    kinds = {".tflite": "tflite", ".onnx": "onnx"}
    kind = kinds.get(suffix, "saved_model")
    is_folder = output.endswith(("/", os.sep)) or Path(output).is_dir()
    unknown = kind == "saved_model" and suffix and not is_folder
    unknown = unknown or Path(output).name in ("", "..")
    if kind not in formats or unknown:
        allowed = " or ".join(FORMATS[name] for name in formats)
        raise UserError(f"`--output` must {allowed}. Received: {output}")
    return kind


def _check(flags, kind):
    """Refuses flags that the format has no use for."""
    if kind != "tflite" and flags.precision != "float32":
        raise UserError(
            "`--precision` must come with an `--output` that ends in .tflite. "
            f"Received: --precision={flags.precision}, {flags.output}"
        )
    if kind == "saved_model" and flags.size is not None:
        raise UserError(
            "`--size` must come with a .tflite or .onnx; a SavedModel takes "
            f"all sizes that the run does. Received: --size={flags.size}"
        )


def _make_room(output, kind):
    """Refuses to write over what is no export; makes the folder above."""
    ours = not output.exists()
    if output.is_file():
        ours = kind != "saved_model"
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


def _warn_of_int8(model, precision):
    """Says what int8 does to some normalizations, before a conversion."""
    if precision != "int8":
        return
    if norms := litert.norms_by_picture(model):
        print(
            f"The {type(model).__name__} of this run has {norms} layers that "
            "normalize each image, or each pixel, by itself. int8 holds them "
            "badly, and slowly: --precision=mixed, whose matrix products alone "
            "are in int8, or a student (python -m tf_i2i.distill --help) will "
            "be faster and nearer to the run.",
            file=sys.stderr,
        )


class Pictures:
    """Pictures of a run, and the styles that go with them.

    Args:
        model: `UnpairedTranslator`.
        run: its run.
        size: side in pixels; None for that of the run.
    """

    def __init__(self, model, run, size=None):
        self.model, self.run = model, run
        self.size = size or model.size

    def of(self, domain, split, count):
        """uint8 `[count or fewer, size, size, 3]`."""
        images = self.run.images(domain, split, count)
        if images.shape[1] == self.size:
            return images
        import tensorflow as tf

        scaled = tf.image.resize(images, [self.size] * 2, "bicubic")
        return np.uint8(np.clip(np.rint(scaled), 0, 255))

    def styles(self, direction, split, count):
        """Styles of pictures that a direction leads to; None without."""
        if not style_shape(self.model, direction):
            return None
        given = self.run.images(direction[-1], split, count)
        style = self.model.encode_style(to_float(given), direction)
        return np.resize(style, (count, *style.shape[1:]))

    def parity(self, direction, function):
        """`parity` on test images, each with the style of another."""
        reference = photo_to_photo(self.model, direction)
        images = self.of(direction[0], "test", PARITY_IMAGES)
        style = self.styles(direction, "test", len(images))
        if style is not None:
            reference = functools.partial(reference, style=style)
            function = functools.partial(function, style=style)
        return parity(reference, function, images)

    def calibration(self, direction):
        """What a .tflite is calibrated on: training images."""
        images = self.of(direction[0], "train", CALIBRATION_IMAGES)
        style = self.styles(direction, "train", len(images))
        return litert.examples(images, style)


def _write(model, pictures, part, kind, flags):
    """Exports to `part`; the exported functions by direction."""
    direction = flags.direction
    if kind == "saved_model":
        with cli.silent_stderr():
            export_saved_model(model, part, direction)
        return load_saved_model(part)
    if kind == "onnx":
        export_onnx(model, part, direction, flags.size)
        return {direction: load_onnx(part)}
    calibration = None
    if flags.precision in litert.CALIBRATED:
        calibration = pictures.calibration(direction)
    export_tflite(
        model, part, direction, flags.size, flags.precision, calibration
    )
    return {direction: load_tflite(part)}


def _beside(model, pictures, part, kind, direction):
    """Texts that go beside the export, by their names."""
    texts = {}
    if kind == "tflite":
        rows = litert.layers(part)
        texts["layers.csv"] = litert.table(rows)
        print(litert.summary(rows))
    if style_shape(model, direction):
        images = pictures.run.images(direction[-1], "train", 10)
        texts["style.json"] = describe_styles(model, direction, images)
    return texts


def _remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def _say(output, report):
    apart = "; ".join(
        f"{direction} max {result['max']}, mean {result['mean']}, "
        f"SSIM {result['ssim']}"
        for direction, result in report.items()
    )
    count = next(iter(report.values()))["images"]
    print(
        f"Exported {output} ({bytes_of(output) / 1e6:.1f} MB). Levels off the "
        f"run's own pictures, {count} test images: {apart}."
    )


if __name__ == "__main__":
    cli.run(main)
