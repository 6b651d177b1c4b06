"""python -m tf_i2i.export: a trained run -> SavedModel, TFLite or ONNX.

    python -m tf_i2i.export --run_dir=runs/mine --output=export/
    python -m tf_i2i.export --run_dir=runs/mine --output=face.tflite \
        --direction=b_to_a --precision=int8

An exported model takes and returns uint8 images. Before it is put in place,
its outputs on real images are compared with those of the run; an export that
differs too much is kept as `.rejected`.
"""

import sys
from pathlib import Path

from tf_i2i import cli
from tf_i2i.disk import format_bytes
from tf_i2i.disk import size_on_disk
from tf_i2i.domains import find_direction
from tf_i2i.domains import named
from tf_i2i.errors import UserError
from tf_i2i.exporting import formats
from tf_i2i.exporting import placement
from tf_i2i.exporting.real_images import RealImages
from tf_i2i.training import settings


def main(argv, names=None):
    """Runs the verb.

    Args:
        argv: command line, without the program.
        names: keys of `formats.FORMATS` that `--output` may ask for; None for
            all.

    Raises:
        UserError: wrong flags, no trained run, or an export that gives other
            images than its run.
    """
    flags = _parser().parse_args(argv)
    cli.check_run_dir(flags.run_dir)
    domains = settings.domain_names(flags.run_dir)
    direction = find_direction(flags.direction, domains)
    output = Path(flags.output)
    format = formats.find_format(flags.output, names)
    precision = flags.precision or next(iter(format.precisions))
    _check(flags, format, precision)
    placement.make_room(output, format.suffix)
    cli.import_tensorflow()
    from tf_i2i.runs import load_translator

    run = load_translator(flags.run_dir, flags.allow_imports)
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
        help=" or ".join(f.form for f in formats.FORMATS.values()),
    )
    cli.add_direction_flag(
        add,
        "the direction of a .tflite or .onnx, and of a SavedModel's "
        "serving_default",
    )
    add(
        "--precision",
        choices=formats.precision_names(),
        help=f"default: float32; {formats.precision_help()}",
    )
    add("--size", type=int, help="side of its images (default: the run's)")
    return parser


def _check(flags, format, precision):
    """Refuses flags that the format has no use for."""
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
            f"{format.form} takes all sizes that the run does. "
            f"Received: --size={flags.size}"
        )


def _forms(wanted):
    return " or ".join(f.form for f in filter(wanted, formats.FORMATS.values()))


def _print_result(output, report):
    differences = "; ".join(
        f"{direction} max {result['max']}, mean {result['mean']}, "
        f"SSIM {result['ssim']}"
        for direction, result in report.items()
    )
    count = next(iter(report.values()))["images"]
    print(
        f"Exported {output} ({format_bytes(size_on_disk(output))}). "
        "Differences from the run's own images in levels of 255, on "
        f"{count} test images: {differences}."
    )


if __name__ == "__main__":
    cli.run(main)
