"""python -m tf_i2i.translate: pictures through a trained run.

    python -m tf_i2i.translate --run_dir=runs/mine --input=me.jpg \
        --output=translated/
    python -m tf_i2i.translate --run_dir=runs/mine --input='photos/*.jpg' \
        --output=translated/ --direction=b_to_a --size=input
"""

import functools
import glob
import os
import sys
from collections import Counter
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from tqdm import tqdm

from tf_i2i import cli
from tf_i2i import styles
from tf_i2i.data.reading import IMAGE_SUFFIXES
from tf_i2i.data.reading import BadImage
from tf_i2i.data.reading import fit_image
from tf_i2i.data.reading import is_image
from tf_i2i.data.reading import list_images
from tf_i2i.data.reading import read_image
from tf_i2i.domains import find_direction
from tf_i2i.domains import named
from tf_i2i.errors import UserError
from tf_i2i.errors import printable
from tf_i2i.exporting import photo_to_photo
from tf_i2i.faces import align
from tf_i2i.faces import detect
from tf_i2i.faces.paste import paste
from tf_i2i.training import settings

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")  # That can be written.
MAX_ASPECT = 8
QUALITY = 95


# Geometry.


class Filters(NamedTuple):
    """How pictures are scaled: NEAREST for label maps, whose colours are
    names.

    Attributes:
        source, target: Pillow filters, on the way in and out.
    """

    source: Image.Resampling = Image.Resampling.BICUBIC
    target: Image.Resampling = Image.Resampling.BICUBIC


PICTURES = Filters()


def translate_image(translate_fn, image, size, stride, restore=False):
    """Translates one image of any size.

    It is scaled, antialiased, so that its short side is `size`, continued on
    the right and below by its reflection to multiples of `stride`,
    translated, and cropped back.

    Args:
        translate_fn: function of uint8 `[N, h, w, 3]`, sides multiples of
            `stride`, to uint8 of the same shape.
        image: uint8 `[height, width, 3]`.
        size: short side in pixels.
        stride: in pixels.
        restore: whether the result is scaled back to the image's size.

    Returns:
        uint8 `[h, w, 3]`; the short of h and w is `size`, or the image's own
        size with `restore`.
    """
    padded, inner = prepare(image, size, stride)
    translated = np.asarray(translate_fn(padded[None]))[0]
    return finish(translated, inner, image.shape[:2] if restore else inner)


def prepare(image, size, stride, resample=Image.Resampling.BICUBIC):
    """Scales and pads an image: `(padded, (height, width) within it)`."""
    height, width = image.shape[:2]
    scale = size / min(height, width)
    inner = (round(height * scale), round(width * scale))
    scaled = _resize(image, inner, resample)
    padding = [(0, -side % stride) for side in inner] + [(0, 0)]
    return np.pad(scaled, padding, mode="reflect"), inner


def finish(translated, inner, shape, resample=Image.Resampling.BICUBIC):
    """Crops the padding off and scales to `shape`, (height, width)."""
    return _resize(translated[: inner[0], : inner[1]], shape, resample)


def _resize(image, shape, resample):
    if image.shape[:2] == tuple(shape):
        return image
    picture = Image.fromarray(np.ascontiguousarray(image))
    return np.array(picture.resize(shape[::-1], resample))


# Files.


def find_inputs(patterns, output):
    """Images that `--input` names.

    Args:
        patterns: files, folders (with all below) and glob patterns.
        output: `--output`; where it lies in a folder of images, what it
            holds is earlier results, and left out.

    Returns:
        Dictionary, path -> path below the folder, or below the part of the
        pattern before its first wildcard.

    Raises:
        UserError: one of them names no image.
    """
    found = {}
    for pattern in patterns:
        images = _matches(pattern, output)
        if not images:
            raise UserError(
                "`--input` must be an image, a folder of images or a quoted "
                f"pattern such as 'photos/*.jpg'. Received: {pattern}, "
                "in which there is none"
            )
        found.update(images)
    return found


def _matches(pattern, output):
    path = Path(pattern)
    if path.is_file():
        return {path: Path(path.name)}
    if path.is_dir():
        images, notes = list_images(path, results=output)
        for note in notes:
            print(note, file=sys.stderr)
        return {image: image.relative_to(path) for image in images}
    plain = []
    for part in path.parts:
        if glob.has_magic(part):
            break
        plain.append(part)
    matches = map(Path, sorted(glob.glob(pattern, recursive=True)))
    return {
        match: match.relative_to(Path(*plain))
        for match in matches
        if match.is_file() and is_image(match)
    }


def name_outputs(inputs, output):
    """Where each translation goes, no two to one place.

    Args:
        inputs: dictionary from `find_inputs`.
        output: `--output`: a folder, or one file where there is one input.

    Returns:
        Dictionary, input path -> output path. `me.jpg` becomes `me.png`;
        beside another `me`, it becomes `me.jpg.png`.

    Raises:
        UserError: one file for several images, or a kind of file that is not
            written.
    """
    suffix = Path(output).suffix.lower()
    if suffix in IMAGE_SUFFIXES and not Path(output).is_dir():
        return _name_one(inputs, Path(output), suffix)
    wanted = Counter(_folded(name.with_suffix("")) for name in inputs.values())
    outputs, taken = {}, set()
    for path, name in inputs.items():
        stem = name.with_suffix("")
        if wanted[_folded(stem)] > 1:
            stem = name
        target = stem.with_name(f"{stem.name}.png")
        number = 1
        while _folded(target) in taken:
            number += 1
            target = stem.with_name(f"{stem.name}-{number}.png")
        taken.add(_folded(target))
        outputs[path] = Path(output) / target
    return outputs


def _folded(path):
    """Some file systems do not tell `Me` from `me`."""
    return str(path).casefold()


def _name_one(inputs, output, suffix):
    if suffix not in SUFFIXES:
        raise UserError(
            "`--output` must be a folder, or end in one of "
            f"{', '.join(SUFFIXES)}. Received: {output}"
        )
    if len(inputs) > 1:
        raise UserError(
            f"`--output` must be a folder for {len(inputs)} images. "
            f"Received: {output}"
        )
    return dict.fromkeys(inputs, output)


def check_outputs(outputs, kept, overwrite):
    """Refuses to write over files.

    Args:
        outputs: paths to be written.
        kept: paths that are read, and never written over.
        overwrite: whether other files may be.

    Raises:
        UserError: names the first file that would be lost.
    """
    read = {_identity(path) for path in kept if path.exists()}
    for path in outputs:
        if not path.exists():
            continue
        if _identity(path) in read:
            raise UserError(
                "`--output` must not write over an image that is read. "
                f"Received: {path}; name another folder"
            )
        if not overwrite:
            raise UserError(
                "`--output` must be new; add --overwrite to replace what is "
                f"there. Received: {path}, which exists"
            )


def _identity(path):
    """The file itself, whatever links lead to it."""
    status = os.stat(path)
    return status.st_dev, status.st_ino


def read_input(path):
    """`read_image`, for images that are not drawn out beyond measure.

    Raises:
        BadImage: unreadable, or more than `MAX_ASPECT` times as long as wide.
    """
    image = read_image(path)
    height, width = image.shape[:2]
    if max(height, width) > MAX_ASPECT * min(height, width):
        raise BadImage(
            path,
            f"Its sides may be {MAX_ASPECT}:1 at most, and it has "
            f"{width}x{height} pixels; crop it.",
        )
    return image


def save_image(image, path):
    """Writes uint8 `[height, width, 3]`, in the format of the suffix."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path, quality=QUALITY)
    except OSError as error:
        raise UserError(
            "`--output` must lie where it can be written. "
            f"Received: {path} ({error.strerror or error})"
        ) from error


def translate_files(
    translate_fn,
    outputs,
    size,
    stride,
    batch_size=8,
    restore=False,
    filters=PICTURES,
):
    """Translates files, images of one padded shape in one batch.

    Args:
        translate_fn, size, stride, restore: as in `translate_image`.
        outputs: dictionary, input path -> output path.
        batch_size: images a call.
        filters: `Filters`.

    Returns:
        List of `BadImage`, one for each file that was left out.

    Raises:
        UserError: a result cannot be written.
    """
    skipped = []
    waiting: dict[tuple[int, ...], list[tuple]] = defaultdict(list)
    with tqdm(total=len(outputs), unit="image", disable=None) as bar:

        def flush(shape):
            batch = waiting.pop(shape)
            images = np.stack([padded for padded, _, _, _ in batch])
            translated = np.asarray(translate_fn(images))
            for image, (_, inner, final, target) in zip(
                translated, batch, strict=True
            ):
                finished = finish(image, inner, final, filters.target)
                save_image(finished, target)
            bar.update(len(batch))

        for path, target in outputs.items():
            try:
                image = read_input(path)
            except BadImage as error:
                skipped.append(error)
                bar.update()
                continue
            padded, inner = prepare(image, size, stride, filters.source)
            final = image.shape[:2] if restore else inner
            waiting[padded.shape].append((padded, inner, final, target))
            if len(waiting[padded.shape]) == batch_size:
                flush(padded.shape)
        # Few: padded sides are multiples of the stride, aspects are bounded.
        for shape in list(waiting):
            flush(shape)
    return skipped


def translate_to_grid(
    styled_fn, outputs, size, given, references, filters=PICTURES
):
    """Translates files in several styles, into one picture.

    Args:
        styled_fn: function of uint8 `[N, size, size, 3]` and of N styles.
        outputs: dictionary, input path -> the picture's path.
        size: side of the squares, pixels.
        given, references: as of `styles.styles_for`.
        filters: `Filters`.

    Returns:
        List of `BadImage`, one for each file that was left out.

    Raises:
        UserError: the picture cannot be written.
    """
    images, skipped = [], []
    for path in outputs:
        try:
            image = read_input(path)
            images.append(fit_image(image, size, resample=filters.source))
        except BadImage as error:
            skipped.append(error)
    if images:
        picture = styles.style_grid(styled_fn, images, given, references)
        save_image(picture, next(iter(outputs.values())))
    return skipped


def translate_faces(
    translate_fn, outputs, size, find, margin=align.MARGIN, batch_size=8
):
    """Translates the faces in files, and puts them back where they were.

    Args:
        translate_fn: function of uint8 `[N, size, size, 3]` to the same.
        outputs: dictionary, input path -> output path.
        size: in pixels.
        find: function of a photo to its faces, from `faces.detect`.
        margin: of the crops, as in `faces.align.crop`.
        batch_size: faces a call.

    Returns:
        List of `BadImage`, one for each file that was left out, and list of
        paths without a face, whose central square was translated.

    Raises:
        UserError: a result cannot be written.
    """
    skipped, faceless = [], []
    for path, target in tqdm(outputs.items(), unit="image", disable=None):
        try:
            photo = read_input(path)
        except BadImage as error:
            skipped.append(error)
            continue
        found = [(face, margin) for face in find(photo)]
        if not found:
            faceless.append(path)
            found = [(align.central(photo.shape), 0.0)]
        crops = np.stack([align.crop(photo, f, size, m) for f, m in found])
        translated = [
            np.asarray(translate_fn(crops[i : i + batch_size]))
            for i in range(0, len(crops), batch_size)
        ]
        # The largest, which is in front, comes last.
        for (face, around), picture in reversed(
            list(zip(found, np.concatenate(translated), strict=True))
        ):
            paste(photo, picture, face, around)
        save_image(photo, target)
    return skipped, faceless


# The verb.


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
    from tf_i2i.training.run import load_translator

    # Before the run sets its precision, which is for its own networks.
    find = detect.detector(flags.faces) if flags.faces else None
    model, run = load_translator(flags.run_dir, flags.allow_imports)
    filters = _filters(run.label_maps, flags.direction)
    given, references = [None], []
    if flags.style:
        given, references = styles.styles_for(
            model, flags.direction, flags.style, flags.styles, flags.seed
        )
    styled_fn = _compiled(model, flags.direction)
    translate_fn = functools.partial(styled_fn, styles=given[:1])
    if _as_grid(flags):
        skipped = translate_to_grid(
            styled_fn, outputs, model.size, given, references, filters
        )
    elif find:
        skipped, faceless = translate_faces(
            translate_fn,
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
    else:
        for i in range(len(given)):
            skipped = translate_files(
                functools.partial(styled_fn, styles=given[i : i + 1]),
                {
                    path: _numbered(target, i, len(given))
                    for path, target in outputs.items()
                },
                model.size,
                model.size_multiple,
                flags.batch_size,
                restore=flags.size == "input",
                filters=filters,
            )
    for error in skipped:
        print(error.left_out, file=sys.stderr)
    done = len(outputs) - len(skipped)
    if not done:
        raise UserError(
            "`--input` must hold an image that can be translated. "
            f"Received: {' '.join(flags.input)}, {len(skipped)} left out"
        )
    way = named(flags.direction, settings.domain_names(flags.run_dir))
    print(
        f"Translated {done} of {len(outputs)} images ({way}) "
        f"into {printable(flags.output)}"
        + (f", in {len(given)} styles" if len(given) > 1 else "")
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
        help="of the results: short side as in training, or as the input",
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
    return flags.styles > 1 and Path(flags.output).suffix.lower() in SUFFIXES


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
    flags.margin = align.checked_margin(flags.margin)


def _filters(label_maps, direction):
    """`Filters` of a run with those domains of label maps."""
    return Filters(
        *(
            Image.Resampling.NEAREST
            if domain in label_maps
            else Image.Resampling.BICUBIC
            for domain in direction.split("_to_")
        )
    )


def _compiled(model, direction):
    """One graph for all sizes: `photo_to_photo`, and one style for each image
    or for all; `styles=[None]` for none.
    """
    import tensorflow as tf

    translate = photo_to_photo(model, direction)

    @tf.function(autograph=False, reduce_retracing=True)
    def call(images, styles):
        if styles is None:
            return translate(images)
        times = tf.shape(images)[0] // tf.shape(styles)[0]
        return translate(images, tf.repeat(styles, times, 0))

    def translated(images, styles):
        styles = None if styles[0] is None else tf.constant(styles)
        return call(tf.constant(images), styles)

    return translated


if __name__ == "__main__":
    cli.run(main)
