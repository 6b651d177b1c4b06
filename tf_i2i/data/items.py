"""Kinds of sources, the items that sources yield, and helpers for both."""

import hashlib
import io
import itertools
import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from tf_i2i.data.reading import BadImage
from tf_i2i.data.reading import fit_image
from tf_i2i.data.reading import read_image
from tf_i2i.errors import UserError

SPLITS = ("train", "val", "test")
_AHEAD = 64
# Most of them wait for the disk: 8 read three times as fast as 2.
_THREADS = 8
# An enormous image takes gigabytes while it is decoded.
_DECODERS = threading.Semaphore(min(_THREADS, os.cpu_count() or 1))


class Source(NamedTuple):
    """One kind of source, as users write it after `--data_a=`.

    Attributes:
        form: how it is written, for help texts and errors, such as
            "tfds:NAME/SPLIT[:LABEL]".
        prefix: text by which it is recognized. With a colon at the end it
            begins the value; otherwise it is the whole value. "" matches
            every value.
        locate: function of the value to the value that a config keeps, in
            which paths are absolute. It imports no TensorFlow, and raises
            `UserError` where the value cannot be used.
        open: function of the value and the domain, "a" or "b", to an object
            with the attributes that `tf_i2i.data.sources` describes.
        help: what it reads, in one sentence for the documentation.
    """

    form: str
    prefix: str
    locate: Callable[[str], str]
    open: Callable
    help: str

    def matches(self, value):
        """Whether a value is of this kind."""
        if not self.prefix or self.prefix.endswith(":"):
            return value.startswith(self.prefix)
        return value == self.prefix


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


def decoded(file, size, fit):
    """`read_image` and `fit_image`, in no more threads than there are cores."""
    with _DECODERS:
        return fit_image(read_image(file), size, fit)


def encoded_item(name, encoded, split, size, fit):
    """Decodes the bytes of an image to an `Item`."""
    try:
        image = decoded(io.BytesIO(encoded), size, fit)
    except BadImage as error:
        return bad_item(name, error.reason, split)
    return Item(name, image, split, hashlib.sha256(encoded).hexdigest())


def bad_item(name, reason, split):
    """The `Item` of an image that cannot be used."""
    return Item(name, BadImage(name, reason), split, "")


def in_threads(load, things):
    """Yields `load(thing)` for each, in order, made by several threads.

    No more than 64 are ahead of the consumer, so that memory stays bounded
    whatever the number of things.
    """
    things = iter(things)
    with ThreadPoolExecutor(_THREADS) as pool:
        ahead = deque(
            pool.submit(load, thing)
            for thing in itertools.islice(things, _AHEAD)
        )
        for thing in things:
            yield ahead.popleft().result()
            ahead.append(pool.submit(load, thing))
        while ahead:
            yield ahead.popleft().result()


def with_bar(source, size, fit):
    """`source.items(size, fit)` with a progress bar, on a terminal."""
    return tqdm(
        source.items(size, fit),
        desc=source.name,
        total=len(source),
        delay=1,
        leave=False,
        disable=None,
    )


def in_splits(name, files, there):
    """Keeps the files that lie in the folders train/, val/ and test/.

    Args:
        name: of the source, for messages.
        files: relative paths.
        there: those of `SPLITS` that are folders; all files are kept where
            it is empty.

    Returns:
        The files kept, and a list of lines worth telling the user.

    Raises:
        UserError: `val/` or `test/` without `train/`.
    """
    if not there:
        return files, []
    if "train" not in there:
        raise UserError(
            f"`{name}` must have a folder train/ beside "
            f"{'/, '.join(there)}/. Received: none"
        )
    inside = [file for file in files if file.parts[0] in there]
    if len(inside) == len(files):
        return files, []
    return inside, [
        f"{name}: {len(files) - len(inside)} files outside "
        f"{'/, '.join(there)}/ are left out"
    ]
