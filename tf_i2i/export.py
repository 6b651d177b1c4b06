"""python -m tf_i2i.export: writes a run as SavedModel, TFLite or ONNX.

    python -m tf_i2i.export --run_dir=runs/mine --output=export/
    python -m tf_i2i.export --run_dir=runs/mine --output=face.tflite \
        --direction=b_to_a --precision=int8

An exported model takes and returns uint8 images. Its outputs on real images
are compared with those of the run. If they differ too much, the export is not
moved to `--output`, but kept with `.rejected` appended to its name.
"""

import sys
from pathlib import Path

from tf_i2i import cli
from tf_i2i import process
from tf_i2i.disk import format_bytes
from tf_i2i.disk import size_on_disk
from tf_i2i.domains import find_direction
from tf_i2i.domains import named
from tf_i2i.errors import UserError
from tf_i2i.errors import printable
from tf_i2i.exporting import formats
from tf_i2i.exporting import placement
from tf_i2i.exporting.real_images import RealImages
from tf_i2i.training import settings


@process.unchanged()
def main(argv, names=None):
    """Runs the command.

    Args:
        argv: command line, without the program.
        names: keys of `formats.FORMATS` that may be exported; None for all.

    Raises:
        UserError: wrong flags, no trained run, or an export whose images
            differ too much from those of the run.
    """
    flags = _parser().parse_args(argv)
    cli.check_run_dir(flags.run_dir)
    domains = settings.domain_names(flags.run_dir)
    direction = find_direction(flags.direction, domains)
    output = Path(flags.output)
    format = formats.find_format(flags.output, names)
    precision = flags.precision or next(iter(format.precisions))
    _check(flags, format, precision)
    format.check_installed(precision)
    placement.make_room(output, format.suffix)
    cli.import_tensorflow()
    from tf_i2i.runs import load_translator

    run = load_translator(flags.run_dir, flags.trust_config)
    model = run.model
    model.check_direction(direction)
    if warning := format.warn(model, precision):
        print(warning, file=sys.stderr)
    images = RealImages(model, run, flags.size)
    part = output.with_name(f".{output.name}.part")
    placement.remove(part)
    try:
        format.write(
            formats.Job(
                model,
                part,
                direction,
                flags.size,
                precision,
                images.calibration,
            )
        )
        report = {
            way: images.parity(way, function)
            for way, function in format.load(part, direction).items()
        }
        placement.accept_or_reject(
            part,
            output,
            report,
            format.precisions[precision],
            format.sidecars(part) | images.style_sidecar(direction),
        )
    finally:
        placement.remove(part)
    _print_result(output, {named(way, domains): r for way, r in report.items()})


def _parser():
    parser = cli.parser(
        "export",
        "Exports a trained run as SavedModel (both directions), TFLite or "
        "ONNX (one direction), and compares the exported model with the run "
        "on real images.",
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
        "direction of a .tflite or .onnx file, and of the signature "
        "serving_default of a SavedModel (default: a_to_b)",
    )
    add(
        "--precision",
        choices=formats.precision_names(),
        help="number format of the export (default: float32). "
        f"{formats.precision_help()}",
    )
    add(
        "--size",
        type=int,
        help="side in pixels of the images that a .tflite or .onnx file takes "
        "(default: the size that the run was trained on)",
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
    if flags.size is not None and not format.takes_size:
        forms = _forms(lambda other: other.takes_size)
        raise UserError(
            f"`--size` must be left out unless --output is {forms}; "
            f"{format.form} takes images of all sizes that the run takes. "
            f"Received: --size={flags.size}"
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
        "Differences from the run's own images in levels of 255, on "
        f"{count} test images: {differences}."
    )


if __name__ == "__main__":
    cli.run(main)
