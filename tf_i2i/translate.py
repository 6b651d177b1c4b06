"""python -m tf_i2i.translate: translates image files with a trained run.

    python -m tf_i2i.translate --run_dir=runs/mine --input=me.jpg \
        --output=translated/
    python -m tf_i2i.translate --run_dir=runs/mine --input='photos/*.jpg' \
        --output=translated/ --direction=b_to_a --size=input
    python -m tf_i2i.translate --run_dir=runs/mine --input=party.jpg \
        --output=translated/ --faces --transparent
    python -m tf_i2i.translate --run_dir=runs/mine --input=clip.mp4 \
        --output=translated.mp4 --smooth
"""

import argparse
import dataclasses
import functools
from pathlib import Path

from tf_i2i import cli
from tf_i2i import clips
from tf_i2i import messages
from tf_i2i import process
from tf_i2i import styles
from tf_i2i import tiles
from tf_i2i.domains import find_direction
from tf_i2i.domains import named
from tf_i2i.engines import ENGINES
from tf_i2i.errors import UserError
from tf_i2i.errors import printable
from tf_i2i.extras import require
from tf_i2i.faces import align
from tf_i2i.faces import detect
from tf_i2i.file_translation import PASTE
from tf_i2i.file_translation import FaceOptions
from tf_i2i.file_translation import translate_clip
from tf_i2i.file_translation import translate_faces
from tf_i2i.file_translation import translate_files
from tf_i2i.file_translation import translate_to_grid
from tf_i2i.files import ALPHA_SUFFIXES
from tf_i2i.files import WRITABLE_SUFFIXES
from tf_i2i.files import FurtherOutputs
from tf_i2i.files import check_outputs
from tf_i2i.files import find_inputs
from tf_i2i.files import name_outputs
from tf_i2i.geometry import Filters
from tf_i2i.geometry import InputSize
from tf_i2i.sizes import size_text
from tf_i2i.smoothing import Smoother
from tf_i2i.training import settings

# The values of --size that are not numbers. With "model" and "input", images
# are scaled to the size of the training images before they are translated.
OF_TRAINING, FULL = ("model", "input"), "full"
SIZES = (*OF_TRAINING, FULL)
# The smallest number of --size. Smaller feature maps have too few positions for
# instance normalization.
LEAST = 16


@process.unchanged()
def main(argv):
    """Runs the command.

    Args:
        argv: command line, without the program.

    Raises:
        UserError: wrong flags, no trained run, or no image that could be
            translated.
    """
    flags = _parser().parse_args(argv)
    outputs, further = _plan(flags)
    cli.import_tensorflow()
    from tf_i2i.runs import load_translator

    # The detector is built before the run is loaded, so that an error about it
    # is raised early.
    find = detect.detector(flags.faces) if flags.faces else None
    run = load_translator(flags.run_dir, flags.trust_config)
    model = run.model
    if find and not isinstance(model.size, int):
        raise UserError(
            "`--faces` must be left out for a run that was trained on "
            "rectangles, because faces are cut out as squares. "
            f"Received: {flags.faces}, a run of {size_text(model.size)} pixels"
        )
    given, references = [None], []
    if flags.style:
        given, references = styles.styles_for(
            model,
            flags.direction,
            flags.style,
            flags.styles,
            flags.seed,
            interpolate=bool(flags.interpolate),
        )
    input_size = _input_size(flags, model)
    styled_fn = ENGINES[flags.engine](model, flags.direction, flags.tile)
    filters = Filters.of(run.config.label_maps, flags.direction)
    if flags.clip:
        _translate_clip(flags, outputs, input_size, styled_fn, given, filters)
        return
    if _as_grid(flags):
        report = translate_to_grid(
            styled_fn, outputs, model.size, given, references, filters
        )
    elif find:
        report = translate_faces(
            functools.partial(styled_fn, styles=given),
            outputs,
            model.size,
            find,
            further.names,
            _face_options(flags),
            flags.batch_size,
        )
    else:
        report = _translate_each(
            flags, outputs, input_size, styled_fn, given, filters
        )
        report.seam = styled_fn.seam
    _print_result(flags, len(outputs), report)


def _input_size(flags, model):
    """Returns the `InputSize` of images that are translated whole.

    Raises:
        UserError: `--size` selects another size than the size of the training
            images, and the model accepts only this size.
    """
    size = InputSize.of(model)
    if flags.size in OF_TRAINING:
        return size
    if model.fixed_size:
        raise UserError(
            f"`--size` must be {' or '.join(OF_TRAINING)}, because a "
            f"{type(model).__name__} translates images of its own size only. "
            f"Received: {flags.size}"
        )
    return size._replace(size=None if flags.size == FULL else flags.size)


def _face_options(flags):
    return FaceOptions(
        margin=flags.margin,
        paste=flags.paste,
        restore=flags.size == "input",
        transparent=flags.transparent,
    )


def _translate_each(flags, outputs, input_size, styled_fn, given, filters):
    """Translates all files in each style.

    Returns:
        `Report`.
    """
    opaque = []
    for i in range(len(given)):
        report = translate_files(
            functools.partial(styled_fn, styles=given[i : i + 1]),
            {
                path: _numbered(target, i, len(given))
                for path, target in outputs.items()
            },
            input_size,
            flags.batch_size,
            restore=flags.size == "input",
            filters=filters,
            transparent=flags.transparent,
        )
        opaque += report.opaque
    return dataclasses.replace(report, opaque=opaque)


def _translate_clip(flags, outputs, input_size, styled_fn, given, filters):
    """Translates the only input, a clip, and prints the result."""
    ((path, target),) = outputs.items()
    count = translate_clip(
        functools.partial(styled_fn, styles=given),
        path,
        target,
        input_size,
        flags.batch_size,
        restore=flags.size == "input",
        filters=filters,
        smooth_fn=Smoother() if flags.smooth else None,
    )
    way = named(flags.direction, settings.domain_names(flags.run_dir))
    print(f"Translated {count} frames ({way}) into {printable(target)}")


def _print_result(flags, count, report):
    for line in report.notes():
        messages.info(line)
    translated = count - len(report.skipped)
    if not translated:
        raise UserError(
            "`--input` must hold an image that can be translated. "
            f"Received: {' '.join(flags.input)}; {count} images were left out"
        )
    way = named(flags.direction, settings.domain_names(flags.run_dir))
    print(
        f"Translated {translated} of {count} images ({way}) "
        f"into {printable(flags.output)}"
        + (
            f"; faces written without their photos: {report.alone}"
            if report.alone
            else ""
        )
        + (f", in {flags.styles} styles" if flags.styles > 1 else "")
    )


def _parser():
    parser = cli.parser(
        "translate",
        "Translates images of any size with a trained run.",
        [
            "python -m tf_i2i.translate --run_dir=runs/mine --input=me.jpg "
            "--output=translated/",
            "python -m tf_i2i.translate --run_dir=runs/mine "
            "--input='photos/*.jpg' --output=translated/ "
            "--direction=b_to_a --size=input",
            "python -m tf_i2i.translate --run_dir=runs/cyclegan "
            "--input=street.jpg --output=translated/ --size=full",
            "python -m tf_i2i.translate --run_dir=runs/mine "
            "--input=party.jpg --output=translated/ --faces --transparent",
            "python -m tf_i2i.translate --run_dir=runs/mine "
            "--input=clip.mp4 --output=translated.mp4 --smooth",
            "python -m tf_i2i.translate --model=twingan-toy --input=sample "
            "--output=translated/",
            "python -m tf_i2i.translate --run_dir=runs/asymgan "
            "--input=maps/ --output=grid.png --direction=b_to_a "
            "--style=sample --samples=6",
        ],
    )
    add = parser.add_argument
    cli.add_run_flags(add)
    cli.add_input_flag(add)
    add(
        "--output",
        type=cli.write_path,
        required=True,
        help="folder for the results, which get the names of the inputs and "
        "the suffix .png; or, for one input, the file to write. A video or an "
        "animation becomes one if the file ends in .mp4, .mov, .mkv, .webm, "
        ".gif or .webp",
    )
    cli.add_direction_flag(add)
    add(
        "--size",
        type=_size,
        default="model",
        metavar="model|input|full|PIXELS",
        help="size of the results. model: the short side is as long as in "
        "training; input: the same, and then the result is scaled to the size "
        "of the input (a face that is written alone: to its size in the "
        "photo); full: the networks see the input in its own size; a number: "
        "the networks see the input with a short side of that length. If the "
        "model has a fixed size, the whole image is scaled to fit into the "
        "model's square, and padded; full and a number are then refused",
    )
    add(
        "--tile",
        type=int,
        default=tiles.SIDE,
        metavar="PIXELS",
        help="images of more than PIXELS x PIXELS pixels are translated in "
        "overlapping tiles of that size. A smaller number needs less memory "
        f"(default: {tiles.SIDE})",
    )
    add(
        "--faces",
        nargs="?",
        const="people",
        choices=detect.KINDS,
        help="translate every face in a photo, aligned as prepare_faces does; "
        "in a photo without a face, translate the centre. --paste says what "
        "is written",
    )
    add(
        "--paste",
        choices=PASTE,
        help="what --faces writes. yes: the photo, with each face pasted back "
        "in an oval, or a drawing on a plain background along its outline; "
        "no: each face alone, in the model's size, the largest as "
        "me.png, the others as me-2.png, me-3.png, ...; auto: each face alone "
        "if the translations of most faces of the photo have a plain "
        "background, otherwise the photo (default: auto)",
    )
    add(
        "--transparent",
        action="store_true",
        help="make the plain background of drawings transparent, in .png, "
        ".webp and .avif files. A background is plain if three quarters of "
        "the left, upper and right edges have one colour. Only the parts that "
        "are connected with these edges become transparent. Results without "
        "a plain background are named and written as they are",
    )
    add(
        "--smooth",
        action="store_true",
        help="reduce the flicker of a video or an animation: the translation "
        "of each frame is blended with that of the frame before, moved along "
        "the optical flow of the input",
    )
    add(
        "--margin",
        type=float,
        help="margin around the face for --faces; give the value that "
        "prepare_faces was given (default: the run's train.face_margin, or "
        f"{align.MARGIN})",
    )
    add(
        "--batch_size",
        type=int,
        default=8,
        help="number of images that are translated together (default: 8)",
    )
    add(
        "--engine",
        choices=ENGINES,
        default="tensorflow",
        help="program that computes the translations. litert multiplies in "
        "int8, which is faster for large networks and many images of one size "
        "and differs by at most one level of 255 on average; this is checked "
        "with the first images of each size. The conversion of the network "
        "takes seconds. auto is litert, and TensorFlow where litert is not "
        "exact enough (default: tensorflow)",
    )
    add(
        "--overwrite",
        action="store_true",
        help="replace existing files; an input or a reference image is never "
        "replaced",
    )
    add(
        "--style",
        metavar="IMAGE",
        help="reference image whose style the results get, or several with "
        "commas between them, or the word sample for random styles. With "
        "several styles, --output=FILE.png becomes a grid with a row for each "
        "input; in a folder the results are named ME-1.png, ME-2.png, ...",
    )
    add(
        "--seed",
        type=int,
        default=0,
        help="seed of the random styles of --style=sample (default: 0)",
    )
    add(
        "--samples",
        type=int,
        help="number of random styles for each input with --style=sample "
        "(default: 1)",
    )
    add(
        "--interpolate",
        type=int,
        help="number of styles to interpolate from the first image of "
        "--style=IMAGE1,IMAGE2 to the second, both included; or, with "
        "--style=sample, from one random style to another",
    )
    return parser


def _plan(flags):
    """Checks the flags and plans what is written.

    Sets `flags.direction` to "a_to_b" or "b_to_a", `flags.margin` to a
    number, `flags.paste` to one of `PASTE`, and `flags.styles` to the number of
    styles.

    Returns:
        `(outputs, further)`: dictionary from input paths to output paths; and
        `FurtherOutputs` for photos with several faces.
    """
    cli.check_run_dir(flags.run_dir)
    names = settings.domain_names(flags.run_dir)
    flags.direction = find_direction(flags.direction, names)
    if flags.batch_size < 1:
        raise UserError(
            f"`--batch_size` must be at least 1. Received: {flags.batch_size}"
        )
    tiles.check_side(flags.tile)
    _check_faces(flags)
    flags.styles = styles.count_styles(
        flags.style, flags.samples, flags.interpolate
    )
    if flags.styles > 1 and flags.faces:
        raise UserError(
            "`--faces` must come with one style only. "
            f"Received: --style={flags.style}, which gives {flags.styles} "
            "styles"
        )
    inputs = find_inputs(flags.input, flags.output)
    kept = [*styles.images_of(flags.style), *inputs]
    flags.clip = clips.is_clip(inputs, Path(flags.output))
    _check_clip(flags, inputs)
    if flags.clip or _as_grid(flags):
        outputs = dict.fromkeys(inputs, Path(flags.output))
        targets = [Path(flags.output)]
    else:
        outputs = name_outputs(inputs, flags.output)
        targets = [
            _numbered(target, i, flags.styles)
            for target in outputs.values()
            for i in range(flags.styles)
        ]
    _check_size(flags)
    _check_transparent(flags, targets)
    check_outputs(targets, kept, flags.overwrite)
    return outputs, FurtherOutputs(targets, kept, flags.overwrite)


def _size(text):
    """Returns the value of `--size`, one of `SIZES` or a number of pixels."""
    if text in SIZES:
        return text
    if not text.isdecimal() or int(text) < LEAST:
        raise argparse.ArgumentTypeError(
            f"must be {', '.join(SIZES)} or a number of pixels, at least "
            f"{LEAST}. Received: {text}"
        )
    return int(text)


def _check_size(flags):
    """Raises an error if `--size` does not fit faces or a grid of styles."""
    if flags.size in OF_TRAINING:
        return
    if flags.faces or _as_grid(flags):
        raise UserError(
            f"`--size` must be {' or '.join(OF_TRAINING)} for faces and for "
            f"grids of styles. Received: {flags.size}"
        )


def _check_clip(flags, inputs):
    """Raises an error if flags do not fit a video or an animation."""
    if flags.smooth and not flags.clip:
        raise UserError(
            "`--smooth` must come with an --output that is a video or an "
            f"animation. Received: --output={flags.output}"
        )
    moving = [path for path in inputs if clips.is_video(path)]
    if not flags.clip:
        if moving:
            raise UserError(
                "`--output` must be a file that ends in "
                f"{', '.join(clips.VIDEO_SUFFIXES)}, "
                f"{' or '.join(clips.ANIMATION_SUFFIXES)} if --input is a "
                f"video. Received: {flags.output}"
            )
        return
    if len(inputs) > 1:
        raise UserError(
            "`--input` must be one video or animation, because --output is "
            f"one. Received: {len(inputs)} files"
        )
    for name in ("faces", "transparent"):
        if getattr(flags, name):
            raise UserError(
                f"`--{name}` must be left out if --output is a video or an "
                f"animation. Received: --output={flags.output}"
            )
    if flags.styles > 1:
        raise UserError(
            "`--style` must give one style if --output is a video or an "
            f"animation. Received: {flags.styles} styles"
        )
    if moving or Path(flags.output).suffix.lower() in clips.VIDEO_SUFFIXES:
        require(clips.EXTRA, "av")
    if flags.smooth:
        require(clips.EXTRA, "cv2")


def _as_grid(flags):
    """Returns whether all results are written into one image, a grid."""
    return (
        flags.styles > 1
        and Path(flags.output).suffix.lower() in WRITABLE_SUFFIXES
    )


def _numbered(path, i, count):
    """Returns the path of the translation in style i of `count` styles."""
    return path if count == 1 else path.with_stem(f"{path.stem}-{i + 1}")


def _check_faces(flags):
    if flags.faces:
        detect.check_installed(flags.faces)
    for name in ("margin", "paste"):
        value = getattr(flags, name)
        if value is not None and not flags.faces:
            raise UserError(
                f"`--{name}` must come with --faces. "
                f"Received: --{name}={value} without --faces"
            )
    flags.paste = flags.paste or "auto"
    flags.margin = (
        align.check_margin(
            settings.face_margin(flags.run_dir), "train.face_margin"
        )
        if flags.margin is None
        else align.check_margin(flags.margin)
    )


def _check_transparent(flags, targets):
    if not flags.transparent:
        return
    if _as_grid(flags):
        raise UserError(
            "`--transparent` must be left out if the output is a grid. With a "
            "folder as --output, each result is a file of its own. "
            f"Received: --output={flags.output}"
        )
    if flags.paste == "yes":
        raise UserError(
            "`--transparent` must be left out with --paste=yes, because a "
            "photo has no plain background. Received: --transparent --paste=yes"
        )
    if any(path.suffix.lower() not in ALPHA_SUFFIXES for path in targets):
        raise UserError(
            "`--transparent` must come with an --output that is a folder or "
            f"ends in {' or '.join(ALPHA_SUFFIXES)}. "
            f"Received: --output={flags.output}"
        )


if __name__ == "__main__":
    cli.run(main)
