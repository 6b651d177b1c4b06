"""Input and output files of commands, and rules about overwriting files."""

import glob
import io
import itertools
import os
from collections import Counter
from pathlib import Path

from PIL import Image

from tf_i2i import messages
from tf_i2i.data import sample_portraits
from tf_i2i.data.reading import IMAGE_SUFFIXES
from tf_i2i.data.reading import BadImage
from tf_i2i.data.reading import is_image
from tf_i2i.data.reading import list_images
from tf_i2i.data.reading import read_image
from tf_i2i.data.reading import without_results
from tf_i2i.disk import hidden_beside
from tf_i2i.disk import write_whole
from tf_i2i.errors import UserError

WRITABLE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".avif")
ALPHA_SUFFIXES = (".png", ".webp", ".avif")  # Formats that can be transparent.
MAX_ASPECT = 8
QUALITY = 95
# Level of PNG compression, from 0 to 9. Pillow's default is 6. With 4, writing
# photos and drawings took 40 to 77 % of the time that it took with 6, and files
# were up to 6 % larger.
PNG_LEVEL = 4
# The value of `--input` that names the portraits of the package.
SAMPLE = "sample"


def find_inputs(patterns, output):
    """Finds the images that `--input` names.

    Args:
        patterns: list of paths of files, paths of folders and glob patterns.
            Folders are searched with all their subfolders. `SAMPLE` names the
            portraits of the package, unless a file or folder has this name.
        output: value of `--output`. If it is inside a folder of `patterns`, the
            files in `output` are left out, because they are earlier results.

    Returns:
        Dictionary from the path of each image to a second path, which is
        relative to the folder, or to the part of the pattern before the first
        wildcard.

    Raises:
        UserError: a pattern matches no image.
    """
    found = {}
    for pattern in patterns:
        images = _matches(pattern, output)
        if not images:
            raise UserError(
                "`--input` must be an image, a folder of images or a quoted "
                f"pattern such as 'photos/*.jpg'. Received: {pattern}, "
                "which gives no image"
            )
        found.update(images)
    return found


def _matches(pattern, output):
    path = Path(pattern)
    if pattern == SAMPLE and not path.exists():
        path = sample_portraits.FOLDER
    if path.is_file():
        return {path: Path(path.name)}
    if path.is_dir():
        images, notes = list_images(path, results=output)
        for note in notes:
            messages.info(note)
        return {image: image.relative_to(path) for image in images}
    plain = []
    for part in path.parts:
        if glob.has_magic(part):
            break
        plain.append(part)
    matches = map(Path, sorted(glob.glob(pattern, recursive=True)))
    images = [m for m in matches if m.is_file() and is_image(m)]
    folder = Path(*plain)
    return {
        image: _below(image.relative_to(folder))
        for image in without_results(images, folder, output)
    }


def _below(path):
    """Returns a relative path without parts that lead out of its folder.

    A pattern such as `photos/*/../../more/*.jpg` has such parts.
    """
    parts = Path(os.path.normpath(path)).parts
    return Path(*(part for part in parts if part != os.pardir))


def name_outputs(inputs, output):
    """Chooses a different output path for each input.

    Args:
        inputs: dictionary from `find_inputs`.
        output: value of `--output`: a folder or, for a single input, a file.

    Returns:
        Dictionary from input paths to output paths. `me.jpg` becomes `me.png`.
        If there is another input with this name and a different suffix,
        `me.jpg` becomes `me.jpg.png`.

    Raises:
        UserError: `output` is a file and there are several inputs, or the
            suffix of `output` is not one of `WRITABLE_SUFFIXES`.
    """
    suffix = Path(output).suffix.lower()
    if suffix in IMAGE_SUFFIXES and not Path(output).is_dir():
        return _name_one(inputs, Path(output), suffix)
    wanted = Counter(
        _fold_case(name.with_suffix("")) for name in inputs.values()
    )
    # A file must not have the name of a folder that another file needs.
    folders = {
        _fold_case(folder)
        for name in inputs.values()
        for folder in name.parents
    }
    outputs, taken = {}, folders
    for path, name in inputs.items():
        stem = name.with_suffix("")
        if wanted[_fold_case(stem)] > 1:
            stem = name
        target = stem.with_name(f"{stem.name}.png")
        number = 1
        while _fold_case(target) in taken:
            number += 1
            target = stem.with_name(f"{stem.name}-{number}.png")
        taken.add(_fold_case(target))
        outputs[path] = Path(output) / target
    return outputs


def number_names(path, count, is_free):
    """Returns names for several images that are made from one.

    Args:
        path: a path of any class of `pathlib`, such as `me.png`.
        count: number of names.
        is_free: function of a path that returns whether it can be used.

    Returns:
        List of `count` paths. They are the first paths of the sequence
        `me.png`, `me-2.png`, `me-3.png`, ... for which `is_free` is true.
    """
    candidates = itertools.chain(
        [path],
        (path.with_stem(f"{path.stem}-{i}") for i in itertools.count(2)),
    )
    return list(itertools.islice(filter(is_free, candidates), count))


class FurtherOutputs:
    """Chooses the paths of outputs whose number is not known in advance.

    Args:
        outputs: the paths of the outputs that are known already.
        kept: paths of files that will be read; they are never chosen as
            outputs, even with `overwrite`.
        overwrite: whether other existing files may be replaced.
    """

    def __init__(self, outputs, kept, overwrite):
        # A file must not have the name of a folder that another file needs.
        self._owners = {
            _fold_case(folder): folder
            for path in outputs
            for folder in path.parents
        }
        self._owners |= {_fold_case(path): path for path in outputs}
        self._read = _identities(kept)
        self._overwrite = overwrite

    def names(self, target, count):
        """Returns `count` paths, the first of which is a known output.

        Args:
            target: one of the known outputs, such as `me.png`.
            count: number of paths, at least 1.

        Returns:
            List of paths: `me.png`, `me-2.png`, ..., without those that
            belong to another output or must not be overwritten.
        """

        def is_free(path):
            if self._owners.setdefault(_fold_case(path), target) != target:
                return False
            return path == target or not self._is_protected(path)

        return number_names(target, count, is_free)

    def _is_protected(self, path):
        return _is_broken_link(path) or (
            path.exists()
            and (not self._overwrite or _identity(path) in self._read)
        )


def _fold_case(path):
    """Returns a path as text in lower case.

    Names are compared in this form because on some file systems `Me` and `me`
    are the same file.
    """
    return str(path).casefold()


def _name_one(inputs, output, suffix):
    if suffix not in WRITABLE_SUFFIXES:
        raise UserError(
            "`--output` must be a folder, or end in one of "
            f"{', '.join(WRITABLE_SUFFIXES)}. Received: {output}"
        )
    if len(inputs) > 1:
        raise UserError(
            f"`--output` must be a folder, because {len(inputs)} images are "
            "given. "
            f"Received: {output}"
        )
    return dict.fromkeys(inputs, output)


def check_outputs(outputs, kept, overwrite):
    """Raises an error if a file that must be kept would be overwritten.

    Args:
        outputs: paths that will be written.
        kept: paths of files that will be read; it is an error if one of them is
            also an output, even with `overwrite`.
        overwrite: whether other existing files may be overwritten.

    Raises:
        UserError: a file would be overwritten; the message names the first
            such file.
    """
    read = _identities(kept)
    for path in outputs:
        if _is_broken_link(path):
            raise UserError(
                "`--output` must not have links to missing files, because "
                "those files would be written. "
                f"Received: {path}, which is such a link"
            )
        if not path.exists():
            continue
        if _identity(path) in read:
            raise UserError(
                "`--output` must not overwrite an image that is read; choose "
                f"another folder. Received: {path}"
            )
        if not overwrite:
            raise UserError(
                "`--output` must be new; add --overwrite to replace existing "
                f"files. Received: {path}, which exists"
            )


def _is_broken_link(path):
    return os.path.islink(path) and not path.exists()


def _identities(paths):
    return {_identity(path) for path in paths if path.exists()}


def _identity(path):
    """Returns a value that is equal for all links to the same file."""
    status = os.stat(path)
    return status.st_dev, status.st_ino


def read_input(path):
    """Returns an image as `read_image` does, after checking its aspect ratio.

    Raises:
        BadImage: the image is unreadable, or one side is more than
            `MAX_ASPECT` times as long as the other.
    """
    image = read_image(path)
    check_aspect(path, image)
    return image


def check_aspect(path, image):
    """Raises an error if the aspect ratio of an image is too large.

    Args:
        path: path of the image, for the error message.
        image: array `[height, width, 3]`.

    Raises:
        BadImage: one side is more than `MAX_ASPECT` times as long as the other.
    """
    height, width = image.shape[:2]
    if max(height, width) > MAX_ASPECT * min(height, width):
        raise BadImage(
            path,
            f"The long side must be at most {MAX_ASPECT} times as long as the "
            f"short side, and the image has {width}x{height} pixels; crop it.",
        )


def encode(image, format):
    """Returns an image as the bytes of a file.

    Args:
        image: uint8 `[height, width, 3]`, or `[height, width, 4]` with alpha
            if the format can be transparent.
        format: Pillow's name of the format, such as "png" or "JPEG".
    """
    stream = io.BytesIO()
    Image.fromarray(image).save(
        stream, format, quality=QUALITY, compress_level=PNG_LEVEL
    )
    return stream.getvalue()


def save_image(image, path):
    """Writes an image file in the format of its suffix.

    The file is either complete or not changed at all, even if the disk is full
    or the program is stopped.

    Args:
        image: uint8 `[height, width, 3]`, or `[height, width, 4]` with alpha
            for one of `ALPHA_SUFFIXES`.
        path: file to write, a `Path`; its folder is made if needed.

    Raises:
        UserError: the file cannot be written.
    """
    kind = Image.registered_extensions()[path.suffix.lower()]
    content = encode(image, kind)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, [content], hidden_beside(path))
    except OSError as error:
        raise UserError(
            "`--output` must be in a folder that can be written. "
            f"Received: {path} ({error.strerror or error})"
        ) from error
