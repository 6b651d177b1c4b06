"""Where images come from: a folder, an array, the toy faces.

A source is any object with

    name                its name in messages
    notes               lines worth telling the user
    key()               a string that changes when its images may have
    len(source)         how many images it will try to read
    items(size, fit)    yields one `Item` for each, always in the same order
"""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tf_i2i.data import toy_faces
from tf_i2i.data.reading import BadImage
from tf_i2i.data.reading import fit_image
from tf_i2i.data.reading import is_image
from tf_i2i.data.reading import list_files
from tf_i2i.data.reading import read_image
from tf_i2i.errors import UserError

SPLITS = ("train", "val", "test")
_CHUNK = 64


class Item(NamedTuple):
    """One image of a source.

    Attributes:
        name: unique within the source.
        image: uint8 `[size, size, 3]`, or the `BadImage` that says why not.
        split: "train", "val", "test", or None where the source has no say.
        content: a hash; equal contents have equal hashes.
    """

    name: str
    image: np.ndarray | BadImage
    split: str | None
    content: str


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
        self.path = Path(path).expanduser().resolve()
        self.name = str(path)
        files = [p.relative_to(self.path) for p in list_files(self.path)]
        images = [file for file in files if is_image(file)]
        others = [file for file in files if not is_image(file)]
        self.notes = []
        if others:
            kinds = sorted({f.suffix.lower() or f.name for f in others})
            self.notes.append(
                f"{self.name}: {len(others)} files are left out by their "
                f"names ({', '.join(kinds[:8])})"
            )
        self._files = self._in_splits(images)

    def _in_splits(self, images):
        there = [s for s in SPLITS if (self.path / s).is_dir()]
        self._has_splits = bool(there)
        if not there:
            return images
        if "train" not in there:
            raise UserError(
                f"`{self.name}` must have a folder train/ beside "
                f"{'/, '.join(there)}/. Received: none"
            )
        inside = [file for file in images if file.parts[0] in there]
        if len(inside) < len(images):
            self.notes.append(
                f"{self.name}: {len(images) - len(inside)} images outside "
                f"{'/, '.join(there)}/ are left out"
            )
        return inside

    def __len__(self):
        return len(self._files)

    def key(self):
        """The folder, and every file's name, size and time of change."""
        lines = [f"folder {self.path}"]
        for file in self._files:
            stat = (self.path / file).stat()
            lines.append(f"{file.as_posix()} {stat.st_size} {stat.st_mtime_ns}")
        return "\n".join(lines)

    def items(self, size, fit):
        """Yields an `Item` for each file, read by several threads."""

        def load(file):
            return self._load(file, size, fit)

        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for start in range(0, len(self), _CHUNK):
                yield from pool.map(load, self._files[start : start + _CHUNK])

    def _load(self, file, size, fit):
        name = file.as_posix()
        split = file.parts[0] if self._has_splits else None
        try:
            image = fit_image(read_image(self.path / file), size, fit)
        except BadImage as error:
            return Item(name, BadImage(name, error.reason), split, "")
        with open(self.path / file, "rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        return Item(name, image, split, content)


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
            for start in range(0, len(everyone), _CHUNK):
                some = everyone[start : start + _CHUNK]
                drawn = toy_faces.render(self.domain, some, size)
                for identity, image in zip(some, drawn, strict=True):
                    name = f"{identity:06d}"
                    yield Item(name, image, split, name)


def source_for(spec, domain):
    """The source that a user's value means.

    Args:
        spec: None or "toy" for the toy faces, a folder as string or path, a
            uint8 array `[N, height, width, 3]`, or a source.
        domain: "a" or "b".

    Raises:
        UserError: `spec` is nothing of the kind, or unusable.
    """
    if spec is None or (isinstance(spec, str) and spec == "toy"):
        return ToyFacesSource(domain)
    if isinstance(spec, (str, os.PathLike)):
        return FolderSource(spec)
    if isinstance(spec, np.ndarray):
        return ArraySource(spec, name=f"data_{domain}")
    if hasattr(spec, "items") and hasattr(spec, "key"):
        return spec
    raise UserError(
        f"`data_{domain}` must be toy, a folder, a uint8 array "
        f"[N, height, width, 3] or a source. Received: {type(spec).__name__}"
    )
