"""Sources of images: folders, arrays, the toy faces, data sets.

`SOURCES` lists the kinds of sources that users can write after `--data_a=`. To
add a kind, write its class in a separate module, describe it by a `Source`
there, and add the `Source` to the table.

A source is any object with these attributes:

    name                name of the source in messages
    notes               list of messages for the user
    key()               returns a string that changes if an image changes
    len(source)         number of images that the source will try to read
    items(size, fit)    yields an `Item` per image, always in the same order
"""

import hashlib
import itertools
import os
from pathlib import Path

import numpy as np

from tf_i2i.data import sample_portraits
from tf_i2i.data import tfds
from tf_i2i.data import tfrecord
from tf_i2i.data import toy_faces
from tf_i2i.data import toy_processes
from tf_i2i.data.items import SPLITS
from tf_i2i.data.items import Item
from tf_i2i.data.items import Source
from tf_i2i.data.items import bad_item
from tf_i2i.data.items import in_splits
from tf_i2i.data.items import in_threads
from tf_i2i.data.reading import BadImage
from tf_i2i.data.reading import check_header
from tf_i2i.data.reading import fit_image
from tf_i2i.data.reading import has_frames
from tf_i2i.data.reading import list_images
from tf_i2i.data.reading import read_fitted
from tf_i2i.domains import DOMAINS
from tf_i2i.errors import UserError
from tf_i2i.errors import printable
from tf_i2i.foreign_files import open_regular
from tf_i2i.paths import user_path
from tf_i2i.sizes import height_width


class FolderSource:
    """A source of the images below a folder.

    If the folder contains a folder `train/`, the folders `train/`, `val/` and
    `test/` are the splits, and images outside these three are left out.

    Args:
        path: path of the folder.
        argument: name of the flag or setting, for the error message.

    Raises:
        UserError: the folder does not exist or cannot be read, or has `val/`
            or `test/` but not `train/`.
    """

    def __init__(self, path, argument="folder"):
        self.path = Path(user_path(path, argument)).resolve()
        self.name = printable(path)
        if not self.path.is_dir():
            raise UserError(
                f"`{argument}` must be a folder. Received: {self.name}"
            )
        self._refuse_two_domains(argument)
        images, self.notes = list_images(self.path, name=self.name)
        images = [image.relative_to(self.path) for image in images]
        there = [s for s in SPLITS if (self.path / s).is_dir()]
        self._has_splits = bool(there)
        self._files, notes = in_splits(self.name, images, there)
        self.notes += notes

    def _refuse_two_domains(self, argument):
        """Raises an error if the folder has both domains of a data set."""
        folders = {path.name.lower(): path for path in self.path.iterdir()}
        for split in SPLITS:
            for form in ("{split}{end}", "{split}_{end}", "{split}-{end}"):
                a, b = (
                    folders.get(form.format(split=split, end=end))
                    for end in DOMAINS
                )
                if a and b:
                    raise UserError(
                        f"`{argument}` must be a folder of one domain, such "
                        f"as {printable(a)}. Received: {self.name}, with "
                        f"{printable(a.name)} and {printable(b.name)} in it"
                    )

    def __len__(self):
        return len(self._files)

    def key(self):
        """Returns the folder and the files' names, sizes and times as text."""
        lines = [f"folder {self.path}"]
        for file in self._files:
            lines.append(f"{file.as_posix()} {_state(self.path / file)}")
        return "\n".join(lines)

    def items(self, size, fit):
        """Yields an `Item` for each file, read by several threads."""

        def load(file):
            return self._load(file, size, fit)

        return in_threads(load, self._files)

    def _load(self, file, size, fit):
        name = file.as_posix()
        split = file.parts[0] if self._has_splits else None
        try:
            with open_regular(self.path / file) as stream:
                content, image = _hash_and_read(stream, size, fit)
                animated = has_frames(stream)
        except BadImage as error:
            return bad_item(name, error.reason, split)
        # The file was removed, or became unreadable, after it had been listed.
        except OSError as error:
            return bad_item(name, error.strerror, split)
        return Item(name, image, split, content, animated)


def _hash_and_read(stream, size, fit):
    """Returns the SHA-256 of an image file and its image, fitted to a size.

    The header is read first, so that a file that is no image, or too large, is
    not hashed. The hash is computed before decoding. Computing it reads the
    whole file from the disk, so that the decoder need not wait for the disk.
    """
    check_header(stream)
    content = hashlib.file_digest(stream, "sha256").hexdigest()
    return content, read_fitted(stream, size, fit)


def _state(path):
    try:
        stat = path.stat()
    except OSError:  # The file is a link whose target does not exist.
        return "missing"
    return f"{stat.st_size} {stat.st_mtime_ns}"


class ArraySource:
    """A source of images in memory.

    Args:
        images: uint8 `[N, height, width, 3]` in [0, 255].
        name: name of the source in messages.

    Raises:
        UserError: `images` has another dtype or shape.
    """

    notes = ()

    def __init__(self, images, name="array"):
        images = np.asanyarray(images)
        if images.dtype != np.uint8 or images.shape[3:] != (3,):
            raise UserError(
                f"`{name}` must be a uint8 array [N, height, width, 3]. "
                f"Received: {images.dtype} {list(images.shape)}"
            )
        self.name = name
        self._images = images

    def __len__(self):
        return len(self._images)

    def key(self):
        """Returns a text with the shape and a hash of all bytes."""
        digest = hashlib.sha256()
        for image in self._images:
            digest.update(image.tobytes())
        return f"array {self._images.shape} {digest.hexdigest()}"

    def items(self, size, fit):
        """Yields an `Item` for each image; its name is the image's number."""
        for index, image in enumerate(self._images):
            content = hashlib.sha256(image.tobytes()).hexdigest()
            yield Item(
                f"{index:06d}", fit_image(image, size, fit), None, content
            )


class ToyFacesSource:
    """A source of drawn faces: domain "a" has portraits, "b" cartoons.

    Identities are numbered. The first `test` of them form the test split, in
    both domains, where the images at the same position show the same person.
    The identities after these are given alternately to "a" and "b". Therefore
    no person is in both domains in the splits for training and validation.

    Args:
        domain: "a" or "b".
        train, val, test: number of images in each split.

    Raises:
        UserError: `domain` is unknown, or a split is empty.
    """

    notes = ()

    def __init__(self, domain, train=4000, val=100, test=400):
        if domain not in ("a", "b"):
            raise UserError(f"`domain` must be a or b. Received: {domain!r}")
        self._counts = {"test": test, "val": val, "train": train}
        for split, count in self._counts.items():
            if count < 1:
                raise UserError(
                    f"`{split}` must be at least 1. Received: {count}"
                )
        self.name = f"toy faces {domain}"
        self.domain = domain

    def __len__(self):
        return sum(self._counts.values())

    def key(self):
        """Returns a text with the drawings' version, domain and counts."""
        return f"toy {toy_faces.VERSION} {self.domain} {self._counts}"

    def identities(self, split):
        """Returns the identity of each person in a split, int64 `[count]`."""
        if split == "test":
            return np.arange(self._counts["test"])
        first = 0 if split == "val" else self._counts["val"]
        own = np.arange(first, first + self._counts[split])
        return self._counts["test"] + 2 * own + (self.domain == "b")

    def items(self, size, fit):
        """Yields an `Item` for each face; rectangles are parts of squares."""
        side = max(height_width(size))
        for split in self._counts:
            everyone = self.identities(split)
            drawn = toy_processes.draw(self.domain, everyone, side)
            images = itertools.chain.from_iterable(drawn)
            for identity, image in zip(everyone, images, strict=True):
                name = f"{identity:06d}"
                yield Item(name, fit_image(image, size, fit), split, name)


def means_toy_faces(spec):
    """Returns whether `source_for` returns the toy faces for a user's value."""
    return spec is None or (isinstance(spec, str) and TOY_FACES.matches(spec))


def source_for(spec, domain):
    """Returns the source that a user's value selects.

    Args:
        spec: None for the toy faces, text in one of the forms of `SOURCES`, the
            path of a folder, a uint8 array `[N, height, width, 3]`, or a
            source.
        domain: "a" or "b".

    Raises:
        UserError: `spec` is none of these, or cannot be used.
    """
    if spec is None:
        return TOY_FACES.open(spec, domain)
    if isinstance(spec, str):
        return _kind_of(spec).open(spec, domain)
    if isinstance(spec, os.PathLike):
        return FOLDER.open(spec, domain)
    if isinstance(spec, np.ndarray):
        return ArraySource(spec, name=f"data_{domain}")
    if hasattr(spec, "items") and hasattr(spec, "key"):
        return spec
    raise UserError(
        f"`data_{domain}` must be {forms()}, a uint8 array "
        f"[N, height, width, 3] or a source. Received: {type(spec).__name__}"
    )


def locate(spec, flag):
    """Returns the value of a flag for a config, with absolute paths.

    No image is read and TensorFlow is not imported.

    Args:
        spec: text in one of the forms of `SOURCES`, such as a folder or
            "tfds:NAME/SPLIT".
        flag: name of the flag, for messages.

    Raises:
        UserError: `spec` has none of these forms, or nothing exists at its
            path.
    """
    kind = _kind_of(spec)
    if kind is not FOLDER:
        return kind.locate(spec)
    path = user_path(spec, f"--{flag}")
    if not Path(path).is_dir():
        raise UserError(f"`--{flag}` must be {forms()}. Received: {spec}")
    return kind.locate(path)


def forms():
    """Returns the forms of all kinds of sources, for help texts and errors."""
    return ", ".join(kind.form for kind in SOURCES)


def _kind_of(value):
    """Returns the `Source` with the longest prefix that matches a value."""
    matching = (kind for kind in SOURCES if kind.matches(value))
    return max(matching, key=lambda kind: len(kind.prefix))


def _locate_folder(value):
    return str(Path(value).resolve())


def _locate_toy_faces(value):
    # If a folder with this name exists, the folder is used.
    return _locate_folder(value) if Path(value).is_dir() else value


TOY_FACES = Source(
    form="toy",
    prefix="toy",
    locate=_locate_toy_faces,
    open=lambda _, domain: ToyFacesSource(domain),
    help="The drawn faces that come with the package.",
)
FOLDER = Source(
    form="a folder of images",
    prefix="",
    locate=_locate_folder,
    open=lambda value, domain: FolderSource(value, f"data_{domain}"),
    help="All image files in a folder and below it.",
)
SOURCES = (
    FOLDER,
    tfds.SOURCE,
    tfrecord.SOURCE,
    TOY_FACES,
    sample_portraits.SOURCE,
)
