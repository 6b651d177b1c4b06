"""python -m tf_i2i.translate: pictures through a trained run.

    python -m tf_i2i.translate --run_dir=runs/mine --input=me.jpg \
        --output=translated/
    python -m tf_i2i.translate --run_dir=runs/mine --input='photos/*.jpg' \
        --output=translated/ --direction=b_to_a --size=input
"""

import functools
import sys
from pathlib import Path

from tf_i2i import cli
from tf_i2i import styles
from tf_i2i.domains import find_direction
from tf_i2i.domains import named
from tf_i2i.errors import UserError
from tf_i2i.errors import printable
from tf_i2i.exporting.pictures import compile_translation
from tf_i2i.faces import align
from tf_i2i.faces import detect
from tf_i2i.file_translation import translate_faces
from tf_i2i.file_translation import translate_files
from tf_i2i.file_translation import translate_to_grid
from tf_i2i.files import WRITABLE_SUFFIXES
from tf_i2i.files import check_outputs
from tf_i2i.files import find_inputs
from tf_i2i.files import name_outputs
from tf_i2i.geometry import Filters
from tf_i2i.geometry import InputSize
from tf_i2i.training import settings


def main(argv):
    """Runs the verb.

    Args:
        argv: command line, without the program.

    Raises:
        UserError: wrong flags, no trained run, or nothing translated.
    """
    flags = _parser().parse_args(argv)
    outputs = _plan(flags)
    cli.import_tensorflow()
    from tf_i2i.runs import load_translator

    # Before the run sets its precision, which is for its own networks.
    find = detect.detector(flags.faces) if flags.faces else None
    run = load_translator(flags.run_dir, flags.allow_imports)
    model = run.model
    given, references = [None], []
    if flags.style:
        given, references = styles.styles_for(
            model, flags.direction, flags.style, flags.styles, flags.seed
        )
    styled_fn = compile_translation(model, flags.direction)
    filters = Filters.of(run.config.label_maps, flags.direction)
    if _as_grid(flags):
        skipped = translate_to_grid(
            styled_fn, outputs, model.size, given, references, filters
        )
    elif find:
        skipped = _translate_faces(
            flags, outputs, model, styled_fn, given, find
        )
    else:
        skipped = _translate_each(
            flags, outputs, model, styled_fn, given, filters
        )
    _print_result(flags, len(outputs), skipped)


def _translate_faces(flags, outputs, model, styled_fn, given, find):
    """Translates the faces in all files; returns the `BadImage`s."""
    skipped, faceless = translate_faces(
        functools.partial(styled_fn, styles=given),
        outputs,
        model.size,
        find,
        flags.margin,
        flags.batch_size,
    )
    for path in faceless:
        print(
            f"no face found in {printable(path)}: its centre is translated",
            file=sys.stderr,
        )
    return skipped


def _translate_each(flags, outputs, model, styled_fn, given, filters):
    """Translates all files in each style; returns the `BadImage`s."""
    for i in range(len(given)):
        skipped = translate_files(
            functools.partial(styled_fn, styles=given[i : i + 1]),
            {
                path: _numbered(target, i, len(given))
                for path, target in outputs.items()
            },
            InputSize.of(model),
            flags.batch_size,
            restore=flags.size == "input",
            filters=filters,
        )
    return skipped


def _print_result(flags, count, skipped):
    for error in skipped:
        print(error.left_out, file=sys.stderr)
    if len(skipped) == count:
        raise UserError(
            "`--input` must hold an image that can be translated. "
            f"Received: {' '.join(flags.input)}, {count} left out"
        )
    way = named(flags.direction, settings.domain_names(flags.run_dir))
    print(
        f"Translated {count - len(skipped)} of {count} images ({way}) "
        f"into {printable(flags.output)}"
        + (f", in {flags.styles} styles" if flags.styles > 1 else "")
    )


def _parser():
    parser = cli.parser(
        "translate",
        "Translates pictures of any size with a trained run.",
        [
            "python -m tf_i2i.translate --run_dir=runs/mine --input=me.jpg "
            "--output=translated/",
            "python -m tf_i2i.translate --run_dir=runs/mine "
            "--input='photos/*.jpg' --output=translated/ "
            "--direction=b_to_a --size=input",
            "python -m tf_i2i.translate --run_dir=runs/mine "
            "--input=party.jpg --output=translated/ --faces",
            "python -m tf_i2i.translate --run_dir=runs/asymgan "
            "--input=maps/ --output=grid.png --direction=b_to_a "
            "--style=sample --samples=6",
        ],
    )
    add = parser.add_argument
    cli.add_run_flags(add)
    add(
        "--input",
        required=True,
        nargs="+",
        help="images, folders of images, or quoted patterns",
    )
    add(
        "--output",
        required=True,
        help="a folder (originals' names, .png), or a file for one image",
    )
    cli.add_direction_flag(add)
    add(
        "--size",
        choices=("model", "input"),
        default="model",
        help="of the results: short side as in training, or both sides as "
        "in the input; a model of one fixed size is given the whole "
        "picture, fitted into its square",
    )
    add(
        "--faces",
        nargs="?",
        const="people",
        choices=detect.KINDS,
        help="translate every face of a photo, aligned as by prepare_faces, "
        "and put it back within an oval; without a face, the centre; results "
        "have the size of the input",
    )
    add(
        "--margin",
        type=float,
        help=f"of --faces, as given to prepare_faces ({align.MARGIN})",
    )
    add("--batch_size", type=int, default=8, help="images at a time")
    add(
        "--overwrite",
        action="store_true",
        help="replace earlier results; never an image that is read",
    )
    add(
        "--style",
        metavar="IMAGE",
        help="an image in the style to be given, several with commas between "
        "them, or: sample",
    )
    add("--seed", type=int, default=0, help="of --style=sample")
    add("--samples", type=int, help="styles to draw for each input (1)")
    add(
        "--interpolate",
        type=int,
        help="styles from the first image of --style=IMAGE1,IMAGE2 to the "
        "second; of several styles, --output=FILE.png is a grid, a row for "
        "each input, and a folder gets ME-1.png, ME-2.png, ...",
    )
    return parser


def _plan(flags):
    """Checks the flags; input path -> output path."""
    cli.check_run_dir(flags.run_dir)
    names = settings.domain_names(flags.run_dir)
    flags.direction = find_direction(flags.direction, names)
    if flags.batch_size < 1:
        raise UserError(
            f"`--batch_size` must be at least 1. Received: {flags.batch_size}"
        )
    _check_faces(flags)
    flags.styles = styles.count_styles(
        flags.style, flags.samples, flags.interpolate
    )
    if flags.styles > 1 and flags.faces:
        raise UserError(
            "`--faces` must come with one style. "
            f"Received: --style={flags.style}, of which there are "
            f"{flags.styles}"
        )
    inputs = find_inputs(flags.input, flags.output)
    kept = [*styles.images_of(flags.style), *inputs]
    if _as_grid(flags):
        outputs = dict.fromkeys(inputs, Path(flags.output))
        targets = [Path(flags.output)]
    else:
        outputs = name_outputs(inputs, flags.output)
        targets = [
            _numbered(target, i, flags.styles)
            for target in outputs.values()
            for i in range(flags.styles)
        ]
    check_outputs(targets, kept, flags.overwrite)
    return outputs


def _as_grid(flags):
    """Whether all goes into one picture."""
    return (
        flags.styles > 1
        and Path(flags.output).suffix.lower() in WRITABLE_SUFFIXES
    )


def _numbered(path, i, count):
    """Where the translation in style i goes."""
    return path if count == 1 else path.with_stem(f"{path.stem}-{i + 1}")


def _check_faces(flags):
    if flags.faces:
        detect.check_installed(flags.faces)
    elif flags.margin is not None:
        raise UserError(
            "`--margin` must come with --faces. "
            f"Received: --margin={flags.margin} alone"
        )
    flags.margin = align.check_margin(flags.margin)


if __name__ == "__main__":
    cli.run(main)
