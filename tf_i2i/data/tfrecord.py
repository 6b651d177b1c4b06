"""A source: images in TFRecord files.

    tfrecord:PATTERN[:FEATURE]

PATTERN matches the files. FEATURE is the feature of their `tf.train.Example`s
that contains an encoded image:

    tfrecord:data/faces-*.tfrecord
    tfrecord:shards/*/*.gz:image/encoded
"""

import contextlib
import functools
import glob
import gzip
import io
import itertools
import os
import zlib
from pathlib import Path

from tf_i2i.data.items import SPLITS
from tf_i2i.data.items import Source
from tf_i2i.data.items import bad_item
from tf_i2i.data.items import encoded_item
from tf_i2i.data.items import in_splits
from tf_i2i.data.items import in_threads
from tf_i2i.data.reading import BadImage
from tf_i2i.data.reading import check_image
from tf_i2i.errors import UserError
from tf_i2i.errors import printable
from tf_i2i.foreign_files import open_regular

PREFIX = "tfrecord:"
_USUAL_FEATURES = ("image/encoded", "image")
# A record consists of its length (8 bytes), the checksum of the length (4),
# the content, and the checksum of the content (4).
_LENGTH, _HEADER, _FOOTER = 8, 12, 4
_GZIP = b"\x1f\x8b\x08"
# Largest length of a record in bytes. TensorFlow allocates the length that a
# file declares, and ends the process if there is not enough memory.
_MOST_BYTES = 2**30


def locate(spec):
    """Returns `tfrecord:PATTERN[:FEATURE]` with an absolute pattern.

    Raises:
        UserError: no file matches the pattern.
    """
    pattern, feature, _ = _find(spec)
    return f"{PREFIX}{pattern}" + (f":{feature}" if feature else "")


def _find(spec):
    """Returns the absolute pattern, the feature or None, and the files."""
    text = spec.removeprefix(PREFIX)
    pattern, _, feature = text.rpartition(":")
    # The pattern itself may contain a colon. Therefore the whole text is tried
    # as a pattern first.
    for one, its_feature in ((text, None), (pattern, feature)):
        if not one:
            continue
        here = glob.escape(os.getcwd())
        absolute = os.path.normpath(os.path.join(here, os.path.expanduser(one)))
        found = sorted(glob.glob(absolute, recursive=True))
        if files := [Path(file) for file in found if os.path.isfile(file)]:
            return absolute, its_feature, files
    raise UserError(
        f"`{printable(spec)}` must be tfrecord:PATTERN or "
        "tfrecord:PATTERN:FEATURE with a pattern that matches files, as in "
        "tfrecord:data/*.tfrecord. Received: no file"
    )


class TFRecordSource:
    """A source of the images in TFRecord files, uncompressed or GZIP.

    If the files lie in folders `train/`, `val/` and `test/` side by side,
    these are the splits. If `spec` names no feature, `image/encoded` or `image`
    is used. If the first record has neither, the only feature of this record
    that can be decoded as an image is used.

    TensorFlow verifies the checksums of each record. If a record is damaged,
    the rest of its file cannot be read. The damaged record and all records
    after it are then reported as bad images.

    Args:
        spec: text of the form `tfrecord:PATTERN[:FEATURE]`.

    Raises:
        UserError: no file matches, or there is a folder val/ or test/, but no
            folder train/.
    """

    def __init__(self, spec):
        self.name = printable(spec)
        self._pattern, self._feature, files = _find(spec)
        self._root = Path(os.path.commonpath([f.parent for f in files]))
        files = [file.relative_to(self._root) for file in files]
        folders = {file.parts[0] for file in files if len(file.parts) > 1}
        there = [split for split in SPLITS if split in folders]
        self._has_splits = bool(there)
        self._files, self.notes = in_splits(self.name, files, there)

    def __len__(self):
        return sum(total for total, _ in self._counts.values())

    @functools.cached_property
    def _counts(self):
        try:
            return {file: count(self._root / file) for file in self._files}
        except OSError as error:
            raise UserError(
                f"`{self.name}` must be readable. Received: "
                f"{error.filename}: {error.strerror}"
            ) from error

    def key(self):
        """Returns the feature and the files' names, sizes and times as text."""
        lines = [f"tfrecord {self._root} {self._feature}"]
        for file in self._files:
            stat = (self._root / file).stat()
            lines.append(f"{file.as_posix()} {stat.st_size} {stat.st_mtime_ns}")
        return "\n".join(lines)

    def items(self, size, fit):
        """Yields an `Item` for each record, named by its file and number."""
        feature = self._feature or self._only_image()

        def load(found):
            name, record, split = found
            if isinstance(record, BadImage):
                return bad_item(name, record.reason, split)
            try:
                encoded = _value(record, feature)
            except ValueError as error:
                return bad_item(name, str(error), split)
            return encoded_item(name, encoded, split, size, fit)

        return in_threads(load, self._records())

    def _records(self):
        """Yields (name, record or `BadImage`, split) of each record."""
        for file in self._files:
            split = file.parts[0] if self._has_splits else None
            records = whole_or_bad(self._root / file, *self._counts[file])
            for number, record in enumerate(records):
                yield f"{file.as_posix()}/{number:06d}", record, split

    def _only_image(self):
        """Returns the name of the feature that contains the image."""
        features = self._first_features()
        for name in _USUAL_FEATURES:
            if name in features:
                return name
        images = [name for name, value in features.items() if _decodes(value)]
        if len(images) == 1:
            return images[0]
        raise UserError(
            f"`{self.name}` must name the feature that has an encoded "
            f"image, as in {PREFIX}{self._pattern}:image/encoded. Received: "
            f"records with {', '.join(sorted(features)) or 'no features'}"
        )

    def _first_features(self):
        """Returns the features of the first record that can be read.

        The result is a dictionary from names to bytes or None, as in
        `features_of`.
        """
        import tensorflow as tf

        for file in self._files:
            try:
                for record in _read(self._root / file, self._counts[file][1]):
                    return features_of(record)
            except (tf.errors.OpError, ValueError):
                continue
        raise UserError(
            f"`{self.name}` must contain records of tf.train.Example. "
            f"Received: none in {len(self._files)} files"
        )


def _is_gzip(path):
    with open_regular(path) as stream:
        return stream.read(len(_GZIP)) == _GZIP


def _read(path, count):
    """Yields the first `count` records of a file as bytes."""
    import tensorflow as tf

    kind = "GZIP" if _is_gzip(path) else ""
    records = tf.data.TFRecordDataset(os.fsencode(path), kind).take(count)
    return records.as_numpy_iterator()


def whole_or_bad(path, total, whole):
    """Yields a file's records, or `BadImage`s from a damaged record on.

    Args:
        path: path of a TFRecord file, uncompressed or GZIP.
        total, whole: result of `count`.
    """
    import tensorflow as tf

    number = 0
    with contextlib.suppress(tf.errors.OpError):
        for record in _read(path, whole):
            yield record
            number += 1
    if number == total:
        return
    after = total - number - 1
    yield BadImage(
        path,
        f"The record is damaged, so the {after} records after it in "
        "this file cannot be read.",
    )
    lost = BadImage(
        path,
        "The record comes after a damaged record of the same file.",
    )
    yield from itertools.repeat(lost, after)


def count(path):
    """Returns the number of records in a file, and that of complete records.

    The first number includes the first incomplete record, if there is one.
    Records after it are not counted, because they cannot be found.
    """
    total = whole = 0
    with gzip.open(path) if _is_gzip(path) else open_regular(path) as stream:
        try:
            while header := stream.read(_HEADER):
                total += 1
                length = int.from_bytes(header[:_LENGTH], "little")
                if length > _MOST_BYTES:
                    break
                stream.seek(length + _FOOTER - 1, os.SEEK_CUR)
                if not stream.read(1):
                    break
                whole += 1
        except (OSError, EOFError, zlib.error):
            # The file is damaged.
            return max(total, 1), whole
    return total, whole


def _example(record):
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    try:
        return tf.train.Example.FromString(record)
    except DecodeError as error:
        raise ValueError("The record is no tf.train.Example.") from error


def features_of(record):
    """Returns a dictionary from the names of a record's features to bytes.

    The value of a feature that is not a single byte string is None.
    """
    features = _example(record).features.feature
    return {
        name: feature.bytes_list.value[0]
        if len(feature.bytes_list.value) == 1
        else None
        for name, feature in features.items()
    }


def _value(record, feature):
    features = features_of(record)
    if features.get(feature) is None:
        raise ValueError(
            f"It has no single byte string `{feature}`. Its features are: "
            f"{', '.join(sorted(features)) or 'none'}."
        )
    return features[feature]


def _decodes(value):
    if value is None:
        return False
    try:
        check_image(io.BytesIO(value))
    except BadImage:
        return False
    return True


SOURCE = Source(
    form="tfrecord:PATTERN[:FEATURE]",
    prefix=PREFIX,
    locate=locate,
    open=lambda spec, _: TFRecordSource(spec),
    help="Encoded images in TFRecord files of `tf.train.Example`.",
)
