"""Kinds of sources, the items that sources yield, and helpers for both."""

import hashlib
import io
import itertools
import re
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from tf_i2i.data.reading import BadImage
from tf_i2i.data.reading import check_header
from tf_i2i.data.reading import first_frames
from tf_i2i.data.reading import has_frames
from tf_i2i.data.reading import read_fitted
from tf_i2i.errors import UserError
from tf_i2i.foreign_files import open_regular

SPLITS = ("train", "val", "test")
# Number of threads that read files. Because these threads mostly wait for the
# disk, 8 threads are three times as fast as 2.
_THREADS = 8


class Source(NamedTuple):
    """One kind of source, as users write it after `--data_a=`.

    Attributes:
        form: form in which users write a source of this kind, for help texts
            and errors, such as "tfds:NAME/SPLIT[:LABEL]".
        prefix: text by which a value is recognized as a source of this kind. If
            the prefix ends with a colon, the value must begin with the prefix;
            if not, the value must be equal to the prefix. The prefix "" matches
            every value.
        locate: function from the user's value to the value that is stored in
            the config, in which paths are absolute. The function does not
            import TensorFlow, and raises `UserError` if the value cannot be
            used.
        open: function of the value and the domain, "a" or "b", that returns a
            source, an object with the attributes that `tf_i2i.data.sources`
            describes.
        help: sentence for the documentation that says what a source of this
            kind reads.
        pattern: regular expression that a value of this kind contains; "" if
            the prefix alone decides.
    """

    form: str
    prefix: str
    locate: Callable[[str], str]
    open: Callable
    help: str
    pattern: str = ""

    def matches(self, value):
        """Returns whether a value is a source of this kind."""
        if not re.search(self.pattern, value):
            return False
        if not self.prefix or self.prefix.endswith(":"):
            return value.startswith(self.prefix)
        return value == self.prefix


class Item(NamedTuple):
    """One image of a source.

    Attributes:
        name: name of the image, unique within the source.
        image: uint8 `[height, width, 3]`, or a `BadImage` with the reason why
            it cannot be used.
        split: "train", "val" or "test", or None if the source has no splits.
        content: hash of the content; equal contents have equal hashes.
        animated: whether the file has further frames, which are not used.
    """

    name: str
    image: np.ndarray | BadImage
    split: str | None
    content: str
    animated: bool = False


def file_item(path, name, split, size, fit):
    """Returns the `Item` of an image file.

    Args:
        path: path of the file, a `Path`.
        name: name of the image.
        split: split of the image, or None.
        size: size of the result; see `tf_i2i.sizes`.
        fit: how the image is fitted to this size; see `fit_image`.
    """
    try:
        with open_regular(path) as stream:
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
    not hashed. The hash is computed before decoding. Hashing reads the whole
    file from the disk, so that the decoder need not wait for the disk.
    """
    check_header(stream)
    content = hashlib.file_digest(stream, "sha256").hexdigest()
    return content, read_fitted(stream, size, fit)


def file_state(path):
    """Returns a text that changes if a file is changed.

    Args:
        path: path of the file, a `Path`.
    """
    try:
        stat = path.stat()
    except OSError:  # The file is a link whose target does not exist.
        return "missing"
    return f"{stat.st_size} {stat.st_mtime_ns}"


def encoded_item(name, encoded, split, size, fit):
    """Returns the `Item` of an image that is given as an encoded file.

    Args:
        name: name of the image.
        encoded: bytes of the image file.
        split: split of the image, or None.
        size: size of the result; see `tf_i2i.sizes`.
        fit: how the image is fitted to this size; see `fit_image`.
    """
    stream = io.BytesIO(encoded)
    try:
        image = read_fitted(stream, size, fit)
    except BadImage as error:
        return bad_item(name, error.reason, split)
    content = hashlib.sha256(encoded).hexdigest()
    return Item(name, image, split, content, has_frames(stream))


def bad_item(name, reason, split):
    """Returns the `Item` of an image that cannot be used."""
    return Item(name, BadImage(name, reason), split, "")


def in_threads(load, things, ahead=64):
    """Yields `load(thing)` for each thing in order, computed by threads.

    Args:
        load: function of one thing.
        things: iterable.
        ahead: largest number of results that are computed in advance, which
            limits the memory that they take.
    """
    things = iter(things)
    with ThreadPoolExecutor(_THREADS) as pool:
        pending = deque(
            pool.submit(load, thing)
            for thing in itertools.islice(things, ahead)
        )
        for thing in things:
            first = pending.popleft()
            pending.append(pool.submit(load, thing))
            yield first.result()
        while pending:
            yield pending.popleft().result()


def with_bar(source, size, fit):
    """Returns `source.items(size, fit)`, on a terminal with a progress bar.

    After the last item, `source.notes` has a message if some files have several
    frames.
    """
    return tqdm(
        _noting_frames(source, size, fit),
        desc=source.name,
        total=len(source),
        delay=1,
        leave=False,
        disable=None,
    )


def _noting_frames(source, size, fit):
    """Yields the items of a source, and notes files with several frames.

    If there are such items, a message is appended to `source.notes`.
    """
    animated = []
    for item in source.items(size, fit):
        if item.animated:
            animated.append(item.name)
        yield item
    if not animated:
        return
    note = f"{source.name}: {first_frames(animated)}"
    # The images may have been read before, at another size.
    if note not in source.notes:
        source.notes.append(note)


def in_splits(name, files, there):
    """Returns the files that lie in the folders train/, val/ and test/.

    Args:
        name: name of the source, for messages.
        files: paths relative to the source's folder.
        there: list of the names in `SPLITS` that exist as folders; if the list
            is empty, all files are selected.

    Returns:
        The selected files, and a list of messages for the user.

    Raises:
        UserError: there is a folder val/ or test/, but no folder train/.
    """
    if not there:
        return files, []
    if "train" not in there:
        raise UserError(
            f"`{name}` must have a folder train/, because it has "
            f"{'/, '.join(there)}/. Received: no train/"
        )
    inside = [file for file in files if file.parts[0] in there]
    if len(inside) == len(files):
        return files, []
    return inside, [
        f"{name}: {len(files) - len(inside)} files outside "
        f"{'/, '.join(there)}/ are left out"
    ]
