"""Where images come from: a folder, an array, the toy faces, a data set.

`SOURCES` lists the kinds of sources that users can write after `--data_a=`.
To add a kind, write its class in a module of its own, describe it by a
`Source` there, and add that to the table.

A source itself is any object with

    name                its name in messages
    notes               lines worth telling the user
    key()               a string that changes when its images may have
    len(source)         how many images it will try to read
    items(size, fit)    yields one `Item` for each, always in the same order
"""

import hashlib
import os
from pathlib import Path

import numpy as np

from tf_i2i.data import tfds
from tf_i2i.data import tfrecord
from tf_i2i.data import toy_faces
from tf_i2i.data.items import SPLITS
from tf_i2i.data.items import Item
from tf_i2i.data.items import Source
from tf_i2i.data.items import bad_item
from tf_i2i.data.items import in_splits
from tf_i2i.data.items import in_threads
from tf_i2i.data.items import read_square
from tf_i2i.data.reading import BadImage
from tf_i2i.data.reading import fit_image
from tf_i2i.data.reading import list_images
from tf_i2i.errors import UserError
from tf_i2i.errors import printable

_DRAWN_AT_ONCE = 64


class FolderSource:
    """The images below a folder.

    Where there is a `train/` in the folder, it and `val/` and `test/` are
    the splits, and images outside the three are left out.

    Args:
        path: the folder.

    Raises:
        UserError: no such folder; `val/` or `test/` without `train/`.
    """

    def __init__(self, path):
        self.path = Path(os.path.expanduser(path)).resolve()
        self.name = printable(path)
        images, self.notes = list_images(self.path, name=self.name)
        images = [image.relative_to(self.path) for image in images]
        there = [s for s in SPLITS if (self.path / s).is_dir()]
        self._has_splits = bool(there)
        self._files, notes = in_splits(self.name, images, there)
        self.notes += notes

    def __len__(self):
        return len(self._files)

    def key(self):
        """The folder, and every file's name, size and time of change."""
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
        path = self.path / file
        try:
            # First, since it fetches the file: decoders shall not wait.
            content = _digest(path) if path.is_file() else ""
            image = read_square(path, size, fit)
        except BadImage as error:
            return bad_item(name, error.reason, split)
        except OSError as error:  # It was there a moment ago.
            return bad_item(name, error.strerror, split)
        return Item(name, image, split, content)


def _digest(path):
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _state(path):
    try:
        stat = path.stat()
    except OSError:  # A link that leads nowhere.
        return "missing"
    return f"{stat.st_size} {stat.st_mtime_ns}"


class ArraySource:
    """Images in memory.

    Args:
        images: uint8 `[N, height, width, 3]` in [0, 255].
        name: what messages call it.

    Raises:
        UserError: another type or shape.
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
        """The shape and a hash of all bytes."""
        digest = hashlib.sha256()
        for image in self._images:
            digest.update(image.tobytes())
        return f"array {self._images.shape} {digest.hexdigest()}"

    def items(self, size, fit):
        """Yields an `Item` for each image, named by its number."""
        for index, image in enumerate(self._images):
            content = hashlib.sha256(image.tobytes()).hexdigest()
            yield Item(
                f"{index:06d}", fit_image(image, size, fit), None, content
            )


class ToyFacesSource:
    """Drawn faces: domain "a" has portraits, "b" cartoons.

    Identity i of the test split is the same person in both domains (a hidden
    pair). After those, "a" takes every even identity and "b" every odd one,
    so that training and validation never show a person in both.

    Args:
        domain: "a" or "b".
        train, val, test: number of images in each split.

    Raises:
        UserError: another domain, or an empty split.
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
        """The drawing's version, the domain and the counts."""
        return f"toy {toy_faces.VERSION} {self.domain} {self._counts}"

    def identities(self, split):
        """int64 `[count]`: who is shown, in the order of the store's split."""
        if split == "test":
            return np.arange(self._counts["test"])
        first = 0 if split == "val" else self._counts["val"]
        own = np.arange(first, first + self._counts[split])
        return self._counts["test"] + 2 * own + (self.domain == "b")

    def items(self, size, fit):
        """Yields an `Item` for each face, drawn at `size`; they are square."""
        del fit
        for split in self._counts:
            everyone = self.identities(split)
            for start in range(0, len(everyone), _DRAWN_AT_ONCE):
                some = everyone[start : start + _DRAWN_AT_ONCE]
                drawn = toy_faces.render(self.domain, some, size)
                for identity, image in zip(some, drawn, strict=True):
                    name = f"{identity:06d}"
                    yield Item(name, image, split, name)


def means_toy_faces(spec):
    """Whether `source_for` makes the toy faces of a user's value."""
    return spec is None or (isinstance(spec, str) and TOY_FACES.matches(spec))


def source_for(spec, domain):
    """The source that a user's value means.

    Args:
        spec: None for the toy faces, a string as in `SOURCES`, the path of a
            folder, a uint8 array `[N, height, width, 3]`, or a source.
        domain: "a" or "b".

    Raises:
        UserError: `spec` is nothing of the kind, or unusable.
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
    """The value of a flag as a config keeps it: paths are absolute.

    No image is read and TensorFlow is not imported.

    Args:
        spec: a string as in `SOURCES`.
        flag: name of the flag, for messages.

    Raises:
        UserError: it is none of these, or there is nothing at that place.
    """
    kind = _kind_of(spec)
    if kind is FOLDER and not Path(spec).is_dir():
        raise UserError(f"`--{flag}` must be {forms()}. Received: {spec}")
    return kind.locate(spec)


def forms():
    """How each kind of source is written, for help texts and errors."""
    return ", ".join(kind.form for kind in SOURCES)


def _kind_of(value):
    """The kind whose prefix matches; of several, the longest prefix."""
    matching = (kind for kind in SOURCES if kind.matches(value))
    return max(matching, key=lambda kind: len(kind.prefix))


def _locate_folder(value):
    return str(Path(value).resolve())


def _locate_toy_faces(value):
    # A folder of that name comes first, as on the command line.
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
    open=lambda value, _: FolderSource(value),
    help="All image files in a folder and below it.",
)
SOURCES = (FOLDER, tfds.SOURCE, tfrecord.SOURCE, TOY_FACES)
