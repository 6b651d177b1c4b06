"""python -m tf_i2i.export: writes a run as SavedModel, TFLite, ONNX or Core ML.

    python -m tf_i2i.export --run_dir=runs/mine --output=export/
    python -m tf_i2i.export --run_dir=runs/mine --output=face.tflite \
        --direction=b_to_a --precision=int8
    python -m tf_i2i.export --run_dir=runs/mine --output=both.tflite \
        --direction=both

An exported model takes and returns uint8 images, unless `--float_io` is given.
The outputs of the exported model on real images are compared with the outputs
of the run. If the outputs differ too much, the export is not moved to
`--output`, but kept with `.rejected` appended to its name.
"""

import json
from pathlib import Path

from tf_i2i import cli
from tf_i2i import messages
from tf_i2i import models
from tf_i2i import process
from tf_i2i.disk import format_bytes
from tf_i2i.disk import size_on_disk
from tf_i2i.disk import writing
from tf_i2i.domains import DIRECTIONS
from tf_i2i.domains import find_direction
from tf_i2i.domains import named
from tf_i2i.errors import UserError
from tf_i2i.errors import printable
from tf_i2i.exporting import card
from tf_i2i.exporting import formats
from tf_i2i.exporting import placement
from tf_i2i.exporting.parity import violations
from tf_i2i.exporting.real_images import GivenImages
from tf_i2i.exporting.real_images import OwnImages
from tf_i2i.exporting.real_images import RealImages
from tf_i2i.sizes import height_width
from tf_i2i.sizes import size_text
from tf_i2i.training import settings

# Value of `--direction` for a file that translates in both directions.
_BOTH = "both"


@process.unchanged()
def main(argv, names=None):
    """Runs the command.

    Args:
        argv: command line, without the program.
        names: keys of `formats.FORMATS` that may be exported; None for all.

    Raises:
        UserError: wrong flags, no trained run, or an export whose images differ
            too much from the images of the run.
    """
    flags = _parser().parse_args(argv)
    cli.check_run_dir(flags.run_dir)
    domains = settings.domain_names(flags.run_dir)
    directions = _directions(flags.direction, domains)
    output = Path(flags.output)
    format = formats.find_format(flags.output, names)
    precisions = formats.tried_precisions(format, flags.precision)
    for precision in precisions:
        _check(flags, format, precision)
        format.check_installed(precision)
    placement.make_room(output, format.suffix, format.marker)
    cli.import_tensorflow()
    from tf_i2i.runs import load_translator

    run = load_translator(flags.run_dir, flags.trust_config)
    run.check_trained()
    model = run.model
    for direction in directions:
        model.check_direction(direction)
    images = RealImages(
        model,
        GivenImages(flags.images, model.size)
        if flags.images
        else OwnImages(run),
        flags.size,
    )
    part = output.with_name(f".{output.name}.part")
    placement.remove(part)
    facts = card.facts(
        model,
        directions,
        [named(way, domains) for way in directions],
        flags.run_dir,
        flags.float_io,
    )
    job = formats.Job(
        model,
        part,
        directions,
        flags.size,
        "",
        images.calibration,
        flags.float_io,
    )
    try:
        with writing(output):
            precision, report, facts = _write(
                format, job, precisions, images, facts
            )
            placement.accept_or_reject(
                part,
                output,
                report,
                format.precisions[precision],
                format.sidecars(part)
                | images.style_sidecars(directions)
                | _documents(facts, flags.run_dir),
            )
    finally:
        placement.remove(part)
    _print_result(output, {named(way, domains): r for way, r in report.items()})


def _directions(text, domains):
    """Returns the directions that `--direction` means, as a tuple."""
    if text == _BOTH:
        return DIRECTIONS
    return (find_direction(text, domains),)


def _write(format, job, precisions, images, facts):
    """Exports in the first precision that is accurate enough, or in the last.

    If there are several precisions, a line for each tried one is printed.

    Args:
        format: `formats.Format`.
        job: `formats.Job`, whose precision is replaced.
        precisions: names of the precisions to try, in order.
        images: `RealImages`.
        facts: texts by name, from `card.facts`.

    Returns:
        `(precision, report, facts)`: the name of the precision, a dictionary
        from each direction to its result of `parity`, and the facts, with the
        sizes of images that the export takes.
    """
    only = len(precisions) == 1
    for precision in precisions:
        if only and (warning := format.warn(job.model, precision)):
            messages.warning(warning)
        format.write(job._replace(precision=precision))
        tolerance = format.precisions[precision].tolerance
        facts = facts | {"sizes": _sizes(format, job, images, tolerance)}
        format.describe(job.path, facts)
        report = {
            way: images.parity(way, function)
            for way, function in format.load(job.path, job.directions).items()
        }
        wrong = [
            fault
            for result in report.values()
            for fault in violations(result, tolerance)
        ]
        if not only:
            size = format_bytes(size_on_disk(job.path))
            verdict = f"too inaccurate ({', '.join(wrong)})"
            print(
                f"{precision:8} {size:>9}  {verdict if wrong else 'accepted'}"
            )
        if not wrong:
            break
    return precision, report, facts


def _documents(facts, run_dir):
    """Returns the texts of the files that accompany an export of any format.

    The files are the model card, the licence if there is one, and for a model
    of cropped faces the margin of the crops.
    """
    texts = {placement.CARD: card.card(facts, run_dir)}
    margin = settings.face_margin(run_dir)
    if margin is not None:
        texts[placement.FACE] = json.dumps({"margin": margin}) + "\n"
    if licence := models.licence(run_dir):
        texts[placement.LICENCE] = licence
    return texts


def _sizes(format, job, images, tolerance):
    """Returns the text that says which sizes of images an export takes.

    A file does not say whether its operations allow another size, and a runtime
    may return wrong images instead of an error. Therefore the file and the run
    translate images of another size, and the results are compared.
    """
    model = job.model
    size = model.size if job.size is None else job.size
    if not format.takes_size:
        return card.sizes(model, None, None)
    if model.fixed_size or not format.resizes:
        return card.sizes(model, size, None)
    step = model.size_multiple
    # Each side is about one and a half times as long, and a multiple of the
    # number that the model needs.
    other = tuple(
        side + step * max(1, side // step // 2) for side in height_width(size)
    )
    resized = images.resized(other)
    try:
        wrong = [
            fault
            for way, function in format.load(job.path, job.directions).items()
            for fault in violations(resized.parity(way, function, 4), tolerance)
        ]
    except (RuntimeError, ValueError):  # The runtime refuses the size.
        wrong = [other]
    return card.sizes(model, size, None if wrong else other)


def _parser():
    parser = cli.parser(
        "export",
        "Exports a trained run as SavedModel (both directions), TFLite (one "
        "direction or both), ONNX or Core ML (one direction), and compares the "
        "exported model with the run on real images.",
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
        type=cli.write_path,
        required=True,
        help="path to write, which chooses the format: "
        + " or ".join(f.form for f in formats.FORMATS.values()),
    )
    cli.add_direction_flag(
        add,
        "direction of a .tflite, .onnx or .mlpackage file, and of the "
        "signature serving_default of a SavedModel (default: a_to_b); both "
        "writes a .tflite file with the signatures a_to_b and b_to_a",
    )
    add(
        "--precision",
        choices=formats.precision_names(),
        help="number format of the export (default: float32). "
        f"{formats.precision_help()}",
    )
    add(
        "--images",
        type=cli.read_path,
        metavar="FOLDER",
        help="folder of real images, with subfolders a and b if the directions "
        "need both domains; or the word sample. They are used to compare the "
        "export with the run, to find the value ranges of int8, and as sources "
        "of styles (default: training and test images of the run)",
    )
    add(
        "--size",
        type=cli.image_size,
        help="side in pixels, or HEIGHTxWIDTH, of the images that a .tflite, "
        ".onnx or .mlpackage file takes (default: the size that the run was "
        "trained on)",
    )
    add(
        "--float_io",
        action="store_true",
        help="let a .tflite file take and return float32 images in [0, 1] "
        "instead of uint8 images in [0, 255], for apps that pass on buffers of "
        "a GPU",
    )
    return parser


def _check(flags, format, precision):
    """Raises an error if a flag does not apply to the format."""
    if precision not in format.precisions:
        forms = _forms(lambda other: precision in other.precisions)
        raise UserError(
            f"`--precision` must be {' or '.join(format.precisions)} unless "
            f"--output is {forms}. Received: --precision={precision}, "
            f"{flags.output}"
        )
    if flags.direction == _BOTH and not format.takes_both:
        forms = _forms(lambda other: other.takes_both)
        raise UserError(
            f"`--direction` must be one direction unless --output is {forms}. "
            f"Received: --direction={_BOTH}, {flags.output}"
        )
    if flags.float_io and not format.takes_float_io:
        forms = _forms(lambda other: other.takes_float_io)
        raise UserError(
            f"`--float_io` must be left out unless --output is {forms}. "
            f"Received: --float_io, {flags.output}"
        )
    if flags.size is not None and not format.takes_size:
        forms = _forms(lambda other: other.takes_size)
        raise UserError(
            f"`--size` must be left out unless --output is {forms}; "
            f"{format.form} takes images of all sizes that the run takes. "
            f"Received: --size={size_text(flags.size)}"
        )


def _forms(is_wanted):
    """Returns the valid forms of `--output` for formats that pass a test."""
    wanted = filter(is_wanted, formats.FORMATS.values())
    return " or ".join(format.form for format in wanted)


def _print_result(output, report):
    differences = "; ".join(
        f"{direction} max {result['max']}, mean {result['mean']}, "
        f"SSIM {result['ssim']}"
        for direction, result in report.items()
    )
    count = next(iter(report.values()))["images"]
    print(
        f"Exported {printable(output)} ({format_bytes(size_on_disk(output))}). "
        "Differences from the run's translations in levels of 255, on "
        f"{count} real images: {differences}."
    )


if __name__ == "__main__":
    cli.run(main)
