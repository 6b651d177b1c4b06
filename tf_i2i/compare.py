"""python -m tf_i2i.compare: shows the same images translated by several runs.

    python -m tf_i2i.compare --runs runs/twingan runs/cyclegan \
        --input=photos/ --output=grid.png
    python -m tf_i2i.compare --runs face-avatar twingan-toy \
        --names "At 256 px" "At 32 px" --input=sample --output=grid.png

The result is one image with a row for each input. Its first column shows the
inputs, and each further column the translations of one run. Papers on
image-to-image translation show their results in this form.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from PIL import ImageDraw
from PIL import ImageFont

from tf_i2i import cli
from tf_i2i import messages
from tf_i2i import models
from tf_i2i import process
from tf_i2i import styles
from tf_i2i.data.reading import fit_image
from tf_i2i.domains import find_direction
from tf_i2i.errors import UserError
from tf_i2i.errors import printable
from tf_i2i.exporting.pictures import Translation
from tf_i2i.file_translation import Report
from tf_i2i.files import WRITABLE_SUFFIXES
from tf_i2i.files import check_outputs
from tf_i2i.files import find_inputs
from tf_i2i.files import save_image
from tf_i2i.geometry import Filters
from tf_i2i.geometry import resize
from tf_i2i.images import grid
from tf_i2i.methods.capabilities import style_shape
from tf_i2i.sizes import height_width
from tf_i2i.training import settings

_BATCH = 8  # Number of images that are translated together.
_TEXT = 16  # Largest height of the column names, in pixels.
_GAP = 2  # Width of the space between images, in pixels.


class Column(NamedTuple):
    """A column of the grid.

    Attributes:
        name: text above the column.
        images: uint8 `[N, H, W, 3]`; the size differs between columns.
        filter: Pillow filter that scales the images to the size of the grid.
    """

    name: str
    images: np.ndarray
    filter: Image.Resampling = Image.Resampling.BICUBIC


def draw_grid(columns, size):
    """Returns columns of images as one image, with names above them.

    Args:
        columns: list of `Column`s with equal numbers of images.
        size: size of each image in the grid; see `tf_i2i.sizes`.

    Returns:
        uint8 `[H, W, 3]`.
    """
    shape = height_width(size)
    scaled = [
        [resize(image, shape, column.filter) for image in column.images]
        for column in columns
    ]
    names = [_draw_name(column.name, shape[1] + _GAP) for column in columns]
    head = np.pad(
        np.concatenate(names, 1),
        ((0, 0), (_GAP, 0), (0, 0)),
        constant_values=255,
    )
    return np.concatenate([head, grid(list(np.stack(scaled, 1)), _GAP)])


def _draw_name(name, width):
    """Returns an image of a name, in the largest font in which it fits.

    Args:
        name: text.
        width: width of the result in pixels.

    Returns:
        uint8 `[height, width, 3]`; the height is the same for all names.
    """
    image = Image.new("RGB", (width, _TEXT + 6), "white")
    draw = ImageDraw.Draw(image)
    for size in range(_TEXT, 7, -1):
        font = ImageFont.load_default(size)
        if draw.textlength(name, font) <= width:
            break
    centre = width / 2, image.height / 2
    draw.text(centre, name, "black", font, anchor="mm")
    return np.array(image)


def translate_column(run, name, direction, images, samples=1, seed=0):
    """Translates images with the model of one run.

    Args:
        run: `TrainedRun`.
        name: name of the run.
        direction: "a_to_b" or "b_to_a".
        images: list of uint8 `[height, width, 3]`.
        samples: number of random styles, if the direction has styles.
        seed: seed of the random styles.

    Returns:
        List of `Column`s: one, or one for each of several styles.
    """
    model = run.model
    filters = Filters.of(run.config.label_maps, direction)
    fitted = np.stack(
        [
            fit_image(image, model.size, resample=filters.source)
            for image in images
        ]
    )
    given = [None]
    if samples > 1 and style_shape(model, direction) is not None:
        given, _ = styles.styles_for(
            model, direction, styles.SAMPLE, samples, seed
        )
    translate = Translation(model, direction)
    parts = [fitted[i : i + _BATCH] for i in range(0, len(fitted), _BATCH)]
    columns = []
    for number, style in enumerate(given, 1):
        made = np.concatenate([translate(part, [style]) for part in parts])
        title = name if len(given) == 1 else f"{name}, style {number}"
        columns.append(Column(title, made, filters.target))
    return columns


@process.unchanged()
def main(argv):
    """Runs the command.

    Args:
        argv: command line, without the program.

    Raises:
        UserError: wrong flags, no trained run, or no image that can be read.
    """
    flags = _parser().parse_args(argv)
    run_dirs = [cli.find_run(value, "runs") for value in flags.runs]
    directions = [
        find_direction(flags.direction, settings.domain_names(run_dir))
        for run_dir in run_dirs
    ]
    names = _names(flags, run_dirs)
    inputs = list(find_inputs(flags.input, flags.output))
    _check(flags, inputs)
    images = _read(inputs[: flags.count], flags)
    cli.import_tensorflow()
    from tf_i2i.runs import load_translator

    columns = []
    for run_dir, name, direction in zip(
        run_dirs, names, directions, strict=True
    ):
        run = load_translator(run_dir, flags.trust_config)
        columns += translate_column(
            run, name, direction, images, flags.samples, flags.seed
        )
    height, width = max(column.images.shape[1:3] for column in columns)
    if flags.side:
        height, width = flags.side, round(flags.side * width / height)
    size = height, width
    fitted = np.stack([fit_image(image, size) for image in images])
    columns.insert(0, Column("input", fitted))
    save_image(draw_grid(columns, size), Path(flags.output))
    print(
        f"Compared {len(run_dirs)} runs on {len(images)} images in "
        f"{printable(flags.output)}"
    )


def _names(flags, run_dirs):
    """Returns the names of the columns.

    Raises:
        UserError: `--names` does not have one name for each run.
    """
    if flags.names is None:
        return [
            models.name_of(run_dir) or run_dir.resolve().name
            for run_dir in run_dirs
        ]
    if len(flags.names) != len(run_dirs):
        raise UserError(
            f"`--names` must be {len(run_dirs)} names, one for each run. "
            f"Received: {' '.join(flags.names)}"
        )
    return flags.names


def _check(flags, inputs):
    for name, least in (("count", 1), ("samples", 1), ("side", 8)):
        value = getattr(flags, name)
        if value is not None and value < least:
            raise UserError(
                f"`--{name}` must be at least {least}. Received: {value}"
            )
    output = Path(flags.output)
    if output.suffix.lower() not in WRITABLE_SUFFIXES:
        raise UserError(
            f"`--output` must end in one of {', '.join(WRITABLE_SUFFIXES)}. "
            f"Received: {output}"
        )
    check_outputs([output], inputs, flags.overwrite)


def _read(paths, flags):
    """Reads the inputs, and names those that cannot be read on stderr.

    Returns:
        List of uint8 `[height, width, 3]`.

    Raises:
        UserError: no input can be read.
    """
    report = Report()
    images = [image for image in map(report.read, paths) if image is not None]
    for line in report.notes():
        messages.info(line)
    if not images:
        raise UserError(
            "`--input` must hold an image that can be read. "
            f"Received: {' '.join(flags.input)}"
        )
    return images


def _parser():
    parser = cli.parser(
        "compare",
        "Translates the same images by several runs, and writes all "
        "translations into one image.",
        [
            "python -m tf_i2i.compare --runs runs/twingan runs/cyclegan "
            "--input=photos/ --output=grid.png",
            "python -m tf_i2i.compare --runs face-avatar twingan-toy "
            "--input=sample --output=grid.png",
        ],
    )
    add = parser.add_argument
    add(
        "--runs",
        nargs="+",
        required=True,
        type=cli.read_path,
        metavar="RUN",
        help="folders of trained runs, or names of trained models of the "
        "package",
    )
    cli.add_trust_flag(add)
    cli.add_input_flag(add)
    add(
        "--output",
        type=cli.write_path,
        required=True,
        help="image file to write",
    )
    cli.add_direction_flag(add)
    add(
        "--names",
        nargs="+",
        metavar="NAME",
        help="names of the columns, one for each run (default: names of the "
        "runs' folders)",
    )
    add(
        "--count",
        type=int,
        default=8,
        help="largest number of inputs that are shown; the first ones are "
        "taken (default: 8)",
    )
    add(
        "--side",
        type=int,
        help="height of each image in the grid, in pixels (default: the "
        "largest image size of the runs)",
    )
    add(
        "--samples",
        type=int,
        default=1,
        help="number of random styles in which a run with styles translates "
        "each input; each style has a column of its own. With 1, the run "
        "chooses the style as `translate` does without --style (default: 1)",
    )
    add(
        "--seed",
        type=int,
        default=0,
        help="seed of the random styles (default: 0)",
    )
    add("--overwrite", action="store_true", help="replace an existing file")
    return parser


if __name__ == "__main__":
    cli.run(main)
