"""Image files of the verbs: inputs, outputs and what is never overwritten."""

import glob
import os
import sys
from collections import Counter
from pathlib import Path

from PIL import Image

from tf_i2i.data.reading import IMAGE_SUFFIXES
from tf_i2i.data.reading import BadImage
from tf_i2i.data.reading import is_image
from tf_i2i.data.reading import list_images
from tf_i2i.data.reading import read_image
from tf_i2i.errors import UserError

WRITABLE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
MAX_ASPECT = 8
QUALITY = 95


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
    if suffix not in WRITABLE_SUFFIXES:
        raise UserError(
            "`--output` must be a folder, or end in one of "
            f"{', '.join(WRITABLE_SUFFIXES)}. Received: {output}"
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
