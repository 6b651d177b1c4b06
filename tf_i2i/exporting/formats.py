"""The formats that a trained model can be exported in, in one table.

To add a format, write a function that exports and one that loads, and
describe them by a `Format` in `FORMATS`. The `export` verb takes its help
texts, its errors and what it calls from there.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tf_i2i import cli
from tf_i2i.errors import UserError
from tf_i2i.exporting import litert
from tf_i2i.exporting import onnx
from tf_i2i.exporting import saved_model


class Precision(NamedTuple):
    """In which numbers an exported model holds its weights and calculates.

    Attributes:
        tolerance: how far the exported model's images may be from those of
            the run, in levels of 255: a dictionary of names in a result of
            `parity` to the largest value, of "ssim" to the smallest.
        help: what it is, for the help text.
        instead: what to choose where the tolerance is missed; "" where a
            miss is a fault of the software.
    """

    tolerance: dict[str, float]
    help: str = ""
    instead: str = ""


class Job(NamedTuple):
    """One model to be exported.

    Attributes:
        model: `UnpairedTranslator`.
        path: file or folder to write, a `Path`.
        direction: "a_to_b" or "b_to_a".
        size: side of the images in pixels; None for the model's.
        precision: key of `Format.precisions`.
        calibration: function of the direction to what
            `litert.export_tflite` is calibrated on.
    """

    model: object
    path: Path
    direction: str
    size: int | None
    precision: str
    calibration: Callable


class Format(NamedTuple):
    """One format.

    Attributes:
        name: as a key, such as "tflite".
        form: what `--output` must be, such as "a name that ends in .tflite".
        suffix: of the file; "" for a folder.
        write: function of a `Job` that exports.
        load: function of path and direction to the exported functions, a
            dictionary of directions to `(images, style=None)`.
        precisions: name -> `Precision`, the default first.
        takes_size: whether the images' size is chosen at export.
        sidecars: function of the path of an export to a dictionary: end of a
            name, such as "layers.csv" -> text of a file to be put beside it.
            It may print.
        warn: function of model and precision to a line that is printed before
            an export, or None.
    """

    name: str
    form: str
    suffix: str
    write: Callable[[Job], None]
    load: Callable
    precisions: dict[str, Precision]
    takes_size: bool = True
    sidecars: Callable = lambda path: {}
    warn: Callable = lambda model, precision: None


def _write_saved_model(job):
    with cli.silent_stderr():
        saved_model.export_saved_model(job.model, job.path, job.direction)


def _write_tflite(job):
    calibration = None
    if job.precision in litert.CALIBRATED:
        calibration = job.calibration(job.direction)
    litert.export_tflite(
        job.model,
        job.path,
        job.direction,
        job.size,
        job.precision,
        calibration,
    )


def _write_onnx(job):
    onnx.export_onnx(job.model, job.path, job.direction, job.size)


def _describe_layers(path):
    rows = litert.layers(path)
    print(litert.summary(rows))
    return {"layers.csv": litert.table(rows)}


SAVED_MODEL = Format(
    name="saved_model",
    form="a folder (SavedModel)",
    suffix="",
    write=_write_saved_model,
    load=lambda path, direction: saved_model.load_saved_model(path),
    precisions={"float32": Precision({"max": 1})},
    takes_size=False,
)
TFLITE = Format(
    name="tflite",
    form="a name that ends in .tflite",
    suffix=".tflite",
    write=_write_tflite,
    load=lambda path, direction: {direction: litert.load_tflite(path)},
    precisions={
        "float32": Precision({"max": 1}),
        "float16": Precision({"max": 2}, "weights in float16", "float32"),
        "dynamic": Precision(
            {"mean": 1},
            "weights in int8, ranges of the activations found at inference",
            "mixed, or else to float16",
        ),
        "int8": Precision(
            {"mean": 3, "ssim": 0.95},
            "all arithmetic in int8",
            "dynamic or mixed, or distill the run into a student "
            "(python -m tf_i2i.distill --help)",
        ),
        "mixed": Precision(
            {"mean": 3, "ssim": 0.95},
            "convolutions and dense layers in int8",
            "dynamic or float16",
        ),
    },
    sidecars=_describe_layers,
    warn=litert.warning_of_int8,
)
ONNX = Format(
    name="onnx",
    form="a name that ends in .onnx",
    suffix=".onnx",
    write=_write_onnx,
    load=lambda path, direction: {direction: onnx.load_onnx(path)},
    precisions={"float32": Precision({"max": 1})},
)
FORMATS = {format.name: format for format in (SAVED_MODEL, TFLITE, ONNX)}


def find_format(output, names=None):
    """The `Format` that `--output` asks for by its suffix.

    Args:
        output: a string.
        names: keys of `FORMATS` that are allowed; None for all.

    Raises:
        UserError: it is the name of none of them.
    """
    allowed = [FORMATS[name] for name in names or FORMATS]
    suffix = Path(output).suffix.lower()
    is_folder = output.endswith(("/", os.sep)) or Path(output).is_dir()
    if Path(output).name not in ("", ".."):
        for format in allowed:
            if format.suffix and suffix == format.suffix:
                return format
        for format in allowed:
            if not format.suffix and _means_folder(suffix, is_folder):
                return format
    forms = " or ".join(format.form for format in allowed)
    raise UserError(f"`--output` must be {forms}. Received: {output}")


def _means_folder(suffix, is_folder):
    """Whether a name is a folder's: no suffix, or one that no format has."""
    known = any(suffix == format.suffix for format in FORMATS.values())
    return not suffix or (is_folder and not known)


def precision_names():
    """Names of the precisions of all formats."""
    return list(
        dict.fromkeys(
            name for format in FORMATS.values() for name in format.precisions
        )
    )


def precision_help():
    """What each precision is, for the help text of `--precision`."""
    lines = {
        name: precision.help
        for format in FORMATS.values()
        for name, precision in format.precisions.items()
        if precision.help
    }
    return "; ".join(f"{name}: {line}" for name, line in lines.items())
