"""Sources of images: arrays, the toy faces, and the list of all kinds.

`SOURCES` lists the kinds of sources that users can write after `--data_a=`. To
add a kind, write its class in a separate module, describe it by a `Source`
there, and add the `Source` to the table.

A source is any object with these attributes:

    name                name of the source in messages
    notes               list of messages for the user
    key()               returns a string that changes if an image changes
    len(source)         number of images that the source will try to read
    items(size, fit)    yields an `Item` per image, always in the same order
    path_of(name)       path of an image's file; only if there are such files
"""

import hashlib
import itertools
import os
from pathlib import Path

import numpy as np

from tf_i2i.data import lists
from tf_i2i.data import sample_portraits
from tf_i2i.data import tfds
from tf_i2i.data import tfrecord
from tf_i2i.data import toy_faces
from tf_i2i.data import toy_processes
from tf_i2i.data.folders import BOTH
from tf_i2i.data.folders import FOLDER
from tf_i2i.data.items import Item
from tf_i2i.data.items import Source
from tf_i2i.data.reading import fit_image
from tf_i2i.errors import UserError
from tf_i2i.paths import user_path
from tf_i2i.sizes import height_width


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

    Every person has a number. The first `test` people form the test split of
    both domains. The test images of A and B at the same position show the same
    person. The other people belong to "a" and to "b" alternately. Therefore, in
    the splits for training and validation, no person is in both domains.

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
        """Returns the numbers of the people in a split, int64 `[count]`."""
        if split == "test":
            return np.arange(self._counts["test"])
        first = 0 if split == "val" else self._counts["val"]
        own = np.arange(first, first + self._counts[split])
        return self._counts["test"] + 2 * own + (self.domain == "b")

    def items(self, size, fit):
        """Yields an `Item` for each face; a rectangle is cut from a square."""
        side = max(height_width(size))
        splits = np.repeat([*self._counts], [*self._counts.values()]).tolist()
        # All splits are drawn together, because a single process would draw a
        # split with few faces.
        everyone = np.concatenate([self.identities(s) for s in self._counts])
        drawn = toy_processes.draw(self.domain, everyone, side)
        images = itertools.chain.from_iterable(drawn)
        for split, identity, image in zip(
            splits, everyone, images, strict=True
        ):
            name = f"{identity:06d}"
            yield Item(name, fit_image(image, size, fit), split, name)


def means_toy_faces(spec):
    """Returns whether a user's value selects the toy faces."""
    return spec is None or (isinstance(spec, str) and TOY_FACES.matches(spec))


def source_for(spec, domain):
    """Returns the source that a user's value selects.

    Args:
        spec: None for the toy faces, text in one of the forms of `SOURCES`, the
            path of a folder, a uint8 array `[N, height, width, 3]`, or a
            source.
        domain: "a" or "b".

    Raises:
        UserError: `spec` has another form, or the source that it names cannot
            be used.
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


def spread_data(args):
    """Replaces the flag `--data`, a folder of both domains, by two flags.

    Args:
        args: parsed flags with `data`, `data_a` and `data_b`, which are
            changed.

    Raises:
        UserError: `--data` is given together with another of the three.
    """
    if args.data is None:
        return
    if args.data_a is not None or args.data_b is not None:
        raise UserError(
            "`--data` must not be given together with --data_a or --data_b. "
            f"Received: {args.data} and {args.data_a or args.data_b}"
        )
    args.data_a = args.data_b = f"{BOTH.prefix}{args.data}"


def forms():
    """Returns the forms of all kinds of sources, for help texts and errors."""
    return ", ".join(kind.form for kind in SOURCES)


def _kind_of(value):
    """Returns the most specific `Source` that matches a value.

    The source with the longest prefix is the most specific one. Among sources
    without a prefix, it is the source with a pattern.
    """
    matching = (kind for kind in SOURCES if kind.matches(value))
    return max(matching, key=lambda kind: (len(kind.prefix), kind.pattern))


def _locate_toy_faces(value):
    # If a folder with this name exists, the folder is used.
    return FOLDER.locate(value) if Path(value).is_dir() else value


TOY_FACES = Source(
    form="toy",
    prefix="toy",
    locate=_locate_toy_faces,
    open=lambda _, domain: ToyFacesSource(domain),
    help="The drawn faces that come with the package.",
)
SOURCES = (
    FOLDER,
    BOTH,
    lists.SOURCE,
    tfds.SOURCE,
    tfrecord.SOURCE,
    TOY_FACES,
    sample_portraits.SOURCE,
)
