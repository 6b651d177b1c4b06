"""Stores: the images of a domain, decoded once into a memory-mapped array.

The files are decoded in one pass. Afterwards images can be read in any order
without decoding, and without holding the whole set in memory.
"""

import contextlib
import dataclasses
import hashlib
import json
import math
import os
import shutil
import time
import uuid
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import filelock
import numpy as np

from tf_i2i import messages
from tf_i2i.cache import default_cache_dir
from tf_i2i.data.items import SPLITS
from tf_i2i.data.items import with_bar
from tf_i2i.data.reading import MAPS
from tf_i2i.data.reading import BadImage
from tf_i2i.data.reading import check_fit
from tf_i2i.disk import format_bytes
from tf_i2i.disk import write_whole
from tf_i2i.errors import UserError
from tf_i2i.errors import printable
from tf_i2i.foreign_files import open_regular
from tf_i2i.foreign_files import read_json
from tf_i2i.sizes import image_shape
from tf_i2i.sizes import size_text

# Part of the name of every store. Raise this number when the code that reads,
# fits or splits images changes its results.
_VERSION = 3
# Share of the images that is used for validation. The same share is used for
# test.
_SHARE = 0.05
_DAY = 24 * 60 * 60  # Length of a day in seconds.
# Number of times that a store is made if other processes remove it before it is
# opened.
_TRIES = 3
# Number of bad files that are reported by name. The others are only counted.
_NAMED = 5


@dataclass(frozen=True)
class Store:
    """The usable images of one domain, all at the same size.

    Attributes:
        images: read-only uint8 `[N, height, width, 3]`, memory-mapped.
        names: names of the N images.
        splits: dictionary from "train", "val" and "test" to ascending int64
            indices into `images`.
        bad: list of (name, reason) of the files that are left out.
        path: path of the `.npy` file.
        maps: whether the images are label maps, whose colours must stay
            exact.
    """

    images: np.ndarray
    names: list
    splits: dict
    bad: list
    path: Path
    maps: bool = False

    def split(self, name):
        """Returns the int64 indices of the images of a split.

        Args:
            name: "train", "val" or "test".

        Raises:
            UserError: `name` is not the name of a split.
        """
        if name not in self.splits:
            raise UserError(
                f"`split` must be one of {', '.join(SPLITS)}. "
                f"Received: {name!r}"
            )
        return self.splits[name]


def open_store(
    source,
    size,
    fit="crop",
    cache_dir=None,
    max_bad_fraction=0.01,
    progress=messages.info,
    before_making=lambda: None,
):
    """Returns the store of a source, and creates it first if necessary.

    A store is identified by its source's key, `size` and `fit`. The content of
    a store is compared with its SHA-256, and a damaged store is created again.
    Two processes can create the same store at the same time.

    The splits of the source are used. If the source has no splits, images are
    assigned to splits by the hashes of their contents: 5 % of the images are
    for validation and 5 % for test, but at least 50 each if there are 500
    images or more. If the source has "train" and only one of the other two
    splits, the missing split is taken from "train" by the same rule. Images
    with equal contents are always in the same split.

    Args:
        source: source of the images; see `tf_i2i.data.sources`.
        size: size of the stored images; see `tf_i2i.sizes`.
        fit: "crop", "pad" or "stretch", for label maps with " maps" appended;
            see `fit_image`.
        cache_dir: folder of the stores; None for `default_cache_dir()`.
        max_bad_fraction: largest share of unreadable files that is accepted.
        progress: function that is called with each message for the user.
        before_making: function without arguments that is called before the
            store is created, and not called if the store exists.

    Returns:
        A `Store`.

    Raises:
        UserError: there are no images or too few of them, too many files are
            unreadable, the disk is full, or the folder cannot be written.
    """
    check_fit(fit)
    text = f"{_VERSION}\n{size_text(size)}\n{fit}\n{source.key()}"
    # File names may contain bytes that are not UTF-8, which `surrogatepass`
    # accepts.
    encoded = text.encode(errors="surrogatepass")
    key = hashlib.sha256(encoded).hexdigest()[:32]
    path = Path(cache_dir or default_cache_dir()) / f"{key}.npy"
    store = _open_entry(path)
    if store is None:
        notes = list(source.notes)
        for note in notes:
            progress(note)
        before_making()
        store = _make_and_open(
            path, source, size, fit, max_bad_fraction, progress
        )
        # While the images were read, the source may have added messages.
        for note in source.notes[len(notes) :]:
            progress(note)
    count = len(store.names) + len(store.bad)
    _refuse_bad(source, store.bad, count, max_bad_fraction)
    progress(_summary(source, store))
    return dataclasses.replace(store, maps=fit.endswith(MAPS))


def _summary(source, store):
    counts = ", ".join(f"{len(store.splits[s])} {s}" for s in SPLITS)
    left_out = f", {len(store.bad)} unreadable" if store.bad else ""
    return f"{source.name}: {counts} images{left_out}"


def _refuse_bad(source, bad, count, max_bad_fraction):
    if len(bad) <= max_bad_fraction * count:
        return
    first = "; ".join(f"{printable(n)}: {reason}" for n, reason in bad[:3])
    raise UserError(
        f"`train.max_bad_fraction` allows {max_bad_fraction:g} of "
        f"{count} files in {source.name} to be unreadable. "
        f"Received: {len(bad)} or more, the first: {first}"
    )


def _open_entry(path):
    """Returns the store at `path`, or None if it is missing or damaged."""
    try:
        index = read_json(path.with_suffix(".json"))
        if index.pop("sha256") != _digest(path, index):
            return None
        images = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError, KeyError, TypeError, AttributeError):
        return None
    splits = {s: np.array(index["splits"][s], np.int64) for s in SPLITS}
    bad = [tuple(pair) for pair in index["bad"]]
    return Store(images, index["names"], splits, bad, path)


def _digest(path, index):
    """Returns the SHA-256 of a store's images and of its index.

    Args:
        path: path of the `.npy` file.
        index: content of the index, without the digest.
    """
    with open_regular(path) as stream:
        digest = hashlib.file_digest(stream, "sha256")
    digest.update(json.dumps(index, sort_keys=True).encode())
    return digest.hexdigest()


def _make_and_open(path, *how):
    """Makes a store and opens it.

    If another process removes the store before it is opened, it is made again.

    Args:
        path: path of the `.npy` file.
        *how: the other arguments of `_make_entry`.
    """
    for _ in range(_TRIES):
        with contextlib.suppress(FileNotFoundError):
            _make_entry(path, *how)
        if store := _open_entry(path):
            return store
    raise UserError(
        "`cache_dir` (or TF_I2I_CACHE) must be a folder that no other program "
        f"clears while it is used. Received: {path}, which was removed or "
        f"changed {_TRIES} times"
    )


def _make_entry(path, source, size, fit, max_bad_fraction, progress):
    # The number of images is checked only when a store is created, because some
    # sources read all their files to count the images.
    if not len(source):
        raise UserError(
            f"`{source.name}` must contain images. Received: none"
            + "".join(f"; {note}" for note in source.notes)
        )
    _prepare_folder(path.parent, source, size, progress)
    with _unfinished(path) as unfinished:
        index = _write_images(
            unfinished, source, size, fit, max_bad_fraction, progress
        )
        digest = _digest(unfinished, index)
        # The index is written last, because its presence means that the store
        # is complete.
        os.replace(unfinished, path)
        write_whole(
            path.with_suffix(".json"),
            [json.dumps(index | {"sha256": digest}).encode()],
            _index_of(unfinished),
        )


@contextlib.contextmanager
def _unfinished(path):
    """Context with the path of a temporary file, which is removed at its end.

    While a process writes the file, it holds a lock on a second file beside it.
    If the process is killed, the operating system releases the lock, and the
    next process that makes a store removes both files; see `_remove_stale`.

    Args:
        path: path of the future `.npy` file.
    """
    file = path.with_name(f"{path.stem}-{uuid.uuid4().hex[:8]}.tmp")
    lock = _lock_of(file)
    # Some file systems cannot lock files. On these file systems, unfinished
    # files of killed processes are removed when they are a day old.
    with contextlib.suppress(OSError):
        lock.acquire()
    try:
        yield file
    finally:
        _remove_unfinished(file)
        lock.release()


def _lock_of(file):
    return filelock.FileLock(f"{file}.lock", timeout=0, fallback_to_soft=False)


def _index_of(file):
    """Returns the path of the unfinished index that belongs to a `.tmp`."""
    return file.with_name(f"{file.name}.json")


def _remove_unfinished(file):
    lock = file.with_name(f"{file.name}.lock")
    for path in (file, _index_of(file), lock):
        with contextlib.suppress(OSError):
            path.unlink()


def _prepare_folder(folder, source, size, progress):
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            "`cache_dir` (or TF_I2I_CACHE) must be a folder that can be "
            f"written. Received: {folder}: {error.strerror}"
        ) from error
    _remove_stale(folder)
    need = len(source) * math.prod(image_shape(size))
    free = shutil.disk_usage(folder).free
    if need > free:
        raise UserError(
            "`cache_dir` (or TF_I2I_CACHE) must have "
            f"{format_bytes(need)} free for {source.name}. "
            f"Received: {folder} with {format_bytes(free)}"
        )
    progress(
        f"{source.name}: reading {len(source)} images to {size_text(size)} px, "
        f"{format_bytes(need)} in {folder}"
    )


def _remove_stale(folder):
    """Removes temporary files of processes that were killed.

    A temporary file whose lock no process holds is removed. If the file has no
    lock, or if the file system does not support locks, the file is removed when
    it was not changed for a day, because a running process changes its file all
    the time.
    """
    for held in folder.glob("*.tmp.lock"):
        file = held.with_suffix("")
        lock = _lock_of(file)
        with contextlib.suppress(OSError, filelock.Timeout):
            lock.acquire()
            _remove_unfinished(file)
            lock.release()
    for file in folder.glob("*.tmp"):
        # Another process may have removed the file already.
        with contextlib.suppress(OSError):
            if time.time() - file.stat().st_mtime > _DAY:
                _remove_unfinished(file)


def _write_images(file, source, size, fit, max_bad_fraction, progress):
    """Writes the .npy file of a store, and returns the content of the index."""
    names, given, contents, bad = [], [], [], []
    bar = with_bar(source, size, fit)
    with open(file, "wb") as stream:
        _write_header(stream, len(source), size)
        for item in bar:
            if isinstance(item.image, BadImage):
                bad.append((item.name, item.image.reason))
                if len(bad) <= _NAMED:
                    bar.clear()
                    progress(item.image.left_out)
                _refuse_bad(source, bad, len(source), max_bad_fraction)
                continue
            stream.write(item.image.tobytes())
            names.append(item.name)
            given.append(item.split)
            contents.append(item.content)
        # The header with the final count has the same length as the first
        # header, because NumPy pads headers.
        stream.seek(0)
        _write_header(stream, len(names), size)
        # Without these calls, the file could be full of zeros after a power
        # failure.
        stream.flush()
        os.fsync(stream.fileno())
    if len(bad) > _NAMED:
        progress(f"left out {len(bad) - _NAMED} more in {source.name}")
    splits, note = assign_splits(source.name, given, contents)
    if note:
        progress(note)
    return {"names": names, "splits": splits, "bad": bad}


def _write_header(stream, count, size):
    np.lib.format.write_array_header_1_0(
        stream,
        {
            "descr": "|u1",
            "fortran_order": False,
            "shape": (count, *image_shape(size)),
        },
    )


def assign_splits(name, given, contents):
    """Returns the images that are used for training, validation and test.

    The rule is described in `open_store`.

    Args:
        name: name of the source, for messages.
        given: list of the splits of the images in the source; None for an image
            without a split.
        contents: list of the hexadecimal hashes of the images' contents.

    Returns:
        `(splits, note)`: a dictionary from each split to ascending indices; and
        a message about the splits that were chosen here, or None if the source
        has all splits.

    Raises:
        UserError: there are too few different images for the splits.
    """
    splits = {s: [i for i, g in enumerate(given) if g == s] for s in SPLITS}
    pool = splits["train"] if any(given) else list(range(len(given)))
    missing = [s for s in ("val", "test") if not splits[s]]
    if not pool:
        raise UserError(
            f"`{name}` must contain images in train/. Received: none"
        )
    if not missing:
        return splits, None
    taken = _by_content(name, pool, contents, missing)
    gone = {i for positions in taken.values() for i in positions}
    rest = [i for i in pool if i not in gone]
    note = (
        f"{name}: images for {' and '.join(missing)} are taken from the "
        f"{len(pool)} images by the hash of their content"
    )
    return {**splits, **taken, "train": rest}, note


def _by_content(name, pool, contents, wanted):
    """Returns images of `pool` for the wanted splits, chosen by their hashes.

    Images with the smallest hashes are used for validation, and images with the
    largest hashes for test.
    """
    groups: dict[str, list[int]] = {}
    for i in pool:
        groups.setdefault(contents[i], []).append(i)
    if len(groups) <= len(wanted):
        raise UserError(
            f"`{name}` must contain at least {len(wanted) + 1} different "
            f"images, one each for {', '.join([*wanted, 'train'])}. "
            f"Received: {len(groups)}"
        )
    least = 50 if len(pool) >= 500 else max(1, len(pool) // 20)
    order = deque(sorted(groups))
    taken = {}
    for filled, split in enumerate(wanted):
        needed_later = len(wanted) - filled
        chosen: list[int] = []
        while len(order) > needed_later:
            content = order[0] if split == "val" else order[-1]
            if len(chosen) >= least and not _in_share(content, split):
                break
            order.popleft() if split == "val" else order.pop()
            chosen += groups[content]
        taken[split] = sorted(chosen)
    return taken


def _in_share(content, split):
    """Returns whether a hash is in the lowest (val) or highest (test) 5 %."""
    position = int(content[:12], 16) / 16**12
    return position < _SHARE if split == "val" else position >= 1 - _SHARE
