"""A table of the formats that a trained model can be exported in.

To add a format, write a function that exports and one that loads, and add a
`Format` with these functions to `FORMATS`. The command `export` takes its help
texts, its error messages and the functions to call from this table.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tf_i2i import cli
from tf_i2i.errors import UserError
from tf_i2i.exporting import coreml
from tf_i2i.exporting import flatbuffer
from tf_i2i.exporting import litert
from tf_i2i.exporting import onnx
from tf_i2i.exporting import placement
from tf_i2i.exporting import saved_model
from tf_i2i.sizes import Size

# With this value of `--precision`, the precisions of a format are tried, from
# the smallest to the largest file, until the images are close enough to those
# of the run.
AUTO = "auto"
_FROM_SMALL_TO_LARGE = ("int8", "mixed", "dynamic", "float16", "float32")


class Precision(NamedTuple):
    """A number format for the weights and the arithmetic of an export.

    Attributes:
        tolerance: limits on the difference between the images of the exported
            model and those of the run, a dictionary. The keys are among those
            of the dictionary that `parity` returns. The value of "ssim" is the
            smallest allowed similarity; all other values are the largest
            allowed differences, in levels of 0 to 255.
        help: description of the precision, for the help text.
        instead: advice in the error message on what to choose if an export
            exceeds the tolerance; "" if only a bug can make an export exceed
            it.
    """

    tolerance: dict[str, float]
    help: str = ""
    instead: str = ""


class Job(NamedTuple):
    """The arguments of one export.

    Attributes:
        model: the `UnpairedTranslator` to export.
        path: file or folder to write, a `Path`.
        directions: tuple of the directions to export, "a_to_b" or "b_to_a" or
            both; only one if the format can contain only one. If the format
            always contains all directions, the first is the default direction.
        size: size of the images; None for the model's own size.
        precision: key of `Format.precisions`.
        calibration: function that takes a direction and returns the
            calibration examples for `litert.export_tflite`.
        float_io: whether the images are float32 in [0, 1] instead of uint8.
    """

    model: object
    path: Path
    directions: tuple[str, ...]
    size: Size | None
    precision: str
    calibration: Callable
    float_io: bool = False


class Format(NamedTuple):
    """A format that models can be exported in.

    Attributes:
        name: key of the format in `FORMATS`, such as "tflite".
        form: description of a valid value of `--output`, such as "a name that
            ends in .tflite".
        suffix: suffix of the export's name; "" for a SavedModel.
        marker: a file that every export of this format contains, if exports
            are folders; None if they are files.
        write: function that takes a `Job` and exports its model.
        load: function that takes a path and the directions of the `Job`, and
            returns the exported functions, a dictionary from each direction to
            a function `(images, style=None)`.
        describe: function that takes the path of an export and facts, texts by
            name, and writes the facts into the export.
        precisions: dictionary from the name of each precision to its
            `Precision`; the first is the default.
        takes_both: whether `--direction=both` can be given.
        takes_float_io: whether `--float_io` can be given.
        takes_size: whether the size of the images is fixed at export, so that
            `--size` can choose it.
        resizes: whether a program that runs the file can change the size of
            the images, if the operations of the file allow that.
        sidecars: function that takes the path of an export and returns the
            texts of files to write next to the export, a dictionary whose keys
            are names of `placement.SIDECARS`. The function may also print.
        warn: function that takes the model and the name of a precision and
            returns a warning to print before the export, or None.
        check_installed: function that takes the name of a precision and raises
            a `UserError` if a package that the export needs is missing.
    """

    name: str
    form: str
    suffix: str
    write: Callable[[Job], None]
    load: Callable
    precisions: dict[str, Precision]
    marker: str | None = None
    describe: Callable = lambda path, facts: None
    takes_both: bool = False
    takes_float_io: bool = False
    takes_size: bool = True
    resizes: bool = False
    sidecars: Callable = lambda path: {}
    warn: Callable = lambda model, precision: None
    check_installed: Callable = lambda precision: None


def _write_saved_model(job):
    with cli.silent_stderr():
        saved_model.export_saved_model(job.model, job.path, job.directions[0])


def _write_tflite(job):
    calibrated = job.precision in litert.CALIBRATED
    contents = {
        way: litert.convert(
            job.model,
            way,
            job.size,
            job.precision,
            job.calibration(way) if calibrated else None,
            job.float_io,
        )
        for way in job.directions
    }
    if len(contents) > 1:
        job.path.write_bytes(flatbuffer.join(contents))
    else:
        job.path.write_bytes(contents[job.directions[0]])


def _load_tflite(path, directions):
    if len(directions) == 1:
        return {directions[0]: litert.load_tflite(path)}
    return {way: litert.load_tflite(path, signature=way) for way in directions}


def _describe_tflite(path, facts):
    path.write_bytes(flatbuffer.describe(path.read_bytes(), facts))


def _write_onnx(job):
    (direction,) = job.directions
    onnx.export_onnx(job.model, job.path, direction, job.size)


def _load_onnx(path, directions):
    (direction,) = directions
    return {direction: onnx.load_onnx(path)}


def _write_coreml(job):
    (direction,) = job.directions
    coreml.export_coreml(
        job.model, job.path, direction, job.size, job.precision
    )


def _load_coreml(path, directions):
    (direction,) = directions
    return {direction: coreml.load_coreml(path)}


def _describe_layers(path):
    rows = litert.layers(path)
    for name in dict.fromkeys(row["signature"] for row in rows):
        own = [row for row in rows if row["signature"] == name]
        print(f"{name}: {litert.summary(own)}")
    return {placement.LAYERS: litert.table(rows)}


SAVED_MODEL = Format(
    name="saved_model",
    form="a folder (SavedModel)",
    suffix="",
    write=_write_saved_model,
    load=lambda path, directions: saved_model.load_saved_model(path),
    precisions={"float32": Precision({"max": 1})},
    marker=placement.SAVED_MODEL,
    takes_size=False,
)
TFLITE = Format(
    name="tflite",
    form="a name that ends in .tflite",
    suffix=".tflite",
    write=_write_tflite,
    load=_load_tflite,
    precisions={
        "float32": Precision({"max": 1}),
        "float16": Precision({"max": 2}, "weights in float16", AUTO),
        "dynamic": Precision(
            {"mean": 1},
            "weights in int8, ranges of the activations measured at inference",
            AUTO,
        ),
        "int8": Precision(
            {"mean": 3, "ssim": 0.95},
            "all arithmetic in int8",
            f"{AUTO}, or train a small network to imitate the run (python -m "
            "tf_i2i.distill --help)",
        ),
        "mixed": Precision(
            {"mean": 3, "ssim": 0.95},
            "convolutions and dense layers in int8",
            AUTO,
        ),
    },
    describe=_describe_tflite,
    takes_both=True,
    takes_float_io=True,
    resizes=True,
    sidecars=_describe_layers,
    warn=litert.warning_of_int8,
    check_installed=litert.check_installed,
)
ONNX = Format(
    name="onnx",
    form="a name that ends in .onnx",
    suffix=".onnx",
    write=_write_onnx,
    load=_load_onnx,
    precisions={"float32": Precision({"max": 1})},
    describe=onnx.describe,
    check_installed=onnx.check_installed,
)
COREML = Format(
    name="coreml",
    form="a name that ends in .mlpackage",
    suffix=".mlpackage",
    write=_write_coreml,
    load=_load_coreml,
    precisions={
        "float32": Precision({"max": 1}),
        "float16": Precision({"max": 2}, instead=AUTO),
    },
    marker=coreml.MANIFEST,
    describe=coreml.describe,
    check_installed=coreml.check_installed,
)
FORMATS = {
    format.name: format for format in (SAVED_MODEL, TFLITE, ONNX, COREML)
}


def find_format(output, names=None):
    """Returns the `Format` that the suffix of `--output` stands for.

    Args:
        output: value of `--output`, a string.
        names: keys of `FORMATS` that are allowed; None for all.

    Raises:
        UserError: the suffix belongs to no allowed format.
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
    """Returns whether `--output` is the name of a folder.

    A name without a suffix is the name of a folder. A name that ends in a
    separator, or that of an existing folder, may also have a suffix, if the
    suffix belongs to no format.
    """
    known = any(suffix == format.suffix for format in FORMATS.values())
    return not suffix or (is_folder and not known)


def precision_names():
    """Returns the values that `--precision` may have for some format."""
    every = (name for format in FORMATS.values() for name in format.precisions)
    return [*dict.fromkeys(every), AUTO]


def tried_precisions(format, precision):
    """Returns the precisions to try, in order, for a value of `--precision`.

    Args:
        format: `Format`.
        precision: name of a precision, `AUTO`, or None for the default.
    """
    if precision is None:
        return [next(iter(format.precisions))]
    if precision != AUTO:
        return [precision]
    return [name for name in _FROM_SMALL_TO_LARGE if name in format.precisions]


def precision_help():
    """Returns a description of each precision for the help of `--precision`."""
    lines = {
        name: precision.help
        for format in FORMATS.values()
        for name, precision in format.precisions.items()
        if precision.help
    }
    lines[AUTO] = "the one with the smallest file that is accurate enough"
    return "; ".join(f"{name}: {line}" for name, line in lines.items())
