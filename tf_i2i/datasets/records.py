"""Reading and writing of encoded images: files, TFRecord or Parquet."""

import io
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

from tf_i2i.data import tfrecord
from tf_i2i.data.reading import BadImage
from tf_i2i.data.reading import is_image
from tf_i2i.datasets.storage import EXTRA
from tf_i2i.errors import UserError
from tf_i2i.extras import optional

IMAGES, TFRECORD, PARQUET = FORMATS = ("images", "tfrecord", "parquet")
# Columns of Parquet files, or features of TFRecord files, in which encoded
# images are looked for if the user names none.
COLUMNS = ("image/encoded", "image")
# The columns of Parquet files that are written.
NAME, IMAGE = "name", "image"


class Record(NamedTuple):
    """An encoded image.

    Attributes:
        name: for an image file, its name; for a record of a TFRecord or Parquet
            file, the name of that file and the number of the record.
        content: bytes of an image file, or a `BadImage` if they cannot be
            read.
    """

    name: str
    content: bytes | BadImage


def format_of(name):
    """Returns the format of a file by its name, one of `FORMATS`, or None."""
    if is_image(Path(name)):
        return IMAGES
    suffixes = {suffix.lower() for suffix in Path(name).suffixes}
    if ".parquet" in suffixes:
        return PARQUET
    if any(suffix.startswith(".tfrecord") for suffix in suffixes):
        return TFRECORD
    return None


def read(store, format, names, column=None):
    """Yields the `Record`s of files.

    Args:
        store: `Store`.
        format: one of `FORMATS`.
        names: names of the files.
        column: name of the column or feature that contains encoded images;
            None for the first of `COLUMNS` that exists.

    Raises:
        OSError: a file with records cannot be read.
        UserError: a file has no such column.
    """
    for name in names:
        # A single file has the name "" in the store. The real name of the file
        # is the last part of the URI.
        shown = name or os.path.basename(store.uri)
        if format == IMAGES:
            yield Record(shown, _content(store, name))
            continue
        reader = _tfrecord if format == TFRECORD else _parquet
        for number, content in enumerate(reader(store, name, column)):
            yield Record(f"{shown}/{number:06d}", content)


def _content(store, name):
    try:
        return store.read(name)
    except OSError as error:
        return BadImage(name, str(error))


def _tfrecord(store, name, column):
    """Yields the contents of a TFRecord file, whose checksums are verified."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records"
        path.write_bytes(store.read(name))
        for record in tfrecord.whole_or_bad(path, *tfrecord.count(path)):
            if isinstance(record, BadImage):
                yield record
                continue
            try:
                yield _feature(record, column)
            except ValueError as error:
                yield BadImage(name, str(error))


def _feature(record, column):
    names = [column] if column else COLUMNS
    features = tfrecord.features_of(record)
    for name in names:
        if features.get(name) is not None:
            return features[name]
    raise ValueError(
        f"It has no single byte string {' or '.join(names)}. Its features "
        f"are: {', '.join(sorted(features)) or 'none'}."
    )


def _parquet(store, name, column):
    """Yields the contents of a Parquet file.

    The column contains bytes, or structures with a field `bytes` as the
    library `datasets` writes them.
    """
    parquet = optional("pyarrow.parquet", EXTRA)
    with store.open(name) as stream:
        file = parquet.ParquetFile(stream)
        there = file.schema_arrow.names
        wanted = [column] if column else COLUMNS
        found = next((c for c in wanted if c in there), None)
        if found is None:
            raise UserError(
                "`--column` must be the column with the encoded images. "
                f"Received: {' or '.join(wanted)}; {name} has "
                f"{', '.join(there)}"
            )
        for batch in file.iter_batches(64, columns=[found]):
            for value in batch.column(0).to_pylist():
                if isinstance(value, dict):
                    value = value.get("bytes")
                if isinstance(value, bytes):
                    yield value
                else:
                    yield BadImage(name, "It has no bytes of an image.")


def to_tfrecord(records):
    """Returns a TFRecord file of `tf.train.Example`s as bytes.

    Args:
        records: list of `Record`. The name of a record becomes the feature
            `name`, and the content the feature `image/encoded`.
    """
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "records")
        with tf.io.TFRecordWriter(path) as writer:
            for record in records:
                values = {
                    NAME: record.name.encode(),
                    COLUMNS[0]: record.content,
                }
                feature = {
                    key: tf.train.Feature(
                        bytes_list=tf.train.BytesList(value=[value])
                    )
                    for key, value in values.items()
                }
                example = tf.train.Example(
                    features=tf.train.Features(feature=feature)
                )
                writer.write(example.SerializeToString())
        return Path(path).read_bytes()


def to_parquet(records):
    """Returns a Parquet file with the columns `name` and `image` as bytes.

    Args:
        records: list of `Record`.
    """
    arrow = optional("pyarrow", EXTRA)
    parquet = optional("pyarrow.parquet", EXTRA)
    table = arrow.table(
        {
            NAME: arrow.array([r.name for r in records], arrow.string()),
            IMAGE: arrow.array([r.content for r in records], arrow.binary()),
        }
    )
    stream = io.BytesIO()
    # Encoded images cannot be compressed further.
    parquet.write_table(table, stream, compression="none")
    return stream.getvalue()
