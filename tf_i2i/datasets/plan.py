"""Division of a data set into shards, and the record of what is done."""

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

from tf_i2i.datasets import records
from tf_i2i.errors import UserError
from tf_i2i.errors import printable
from tf_i2i.foreign_files import open_regular
from tf_i2i.foreign_files import parse_json
from tf_i2i.training.checkpoints import Checkpoints
from tf_i2i.training.packed import PACKED

PLAN, DONE, ERRORS = "_plan.json", "_done", "_errors.csv"


class Shard(NamedTuple):
    """A part of the data set that one worker translates.

    Attributes:
        number: number of the shard, from 0.
        names: names of its files.
    """

    number: int
    names: tuple[str, ...]

    @property
    def marker(self):
        """Name of the file that is written when the shard is done."""
        return f"{DONE}/{self.number:06d}.json"


class Result(NamedTuple):
    """The result of translating a shard.

    Attributes:
        number: number of the shard.
        translated: number of images whose translations are in the output.
        bad: list of pairs `(name, reason)` of the images that could not be
            translated.
        animated: names of the images with several frames, of which the first
            was translated.
    """

    number: int
    translated: int
    bad: list[tuple[str, str]]
    animated: list[str]

    def to_json(self):
        """Returns the content of the shard's marker, as bytes."""
        return json.dumps(self._asdict()).encode()

    @classmethod
    def from_json(cls, content):
        """Returns the `Result` of a marker's content."""
        result = cls(**parse_json(content))
        return result._replace(
            bad=[(name, reason) for name, reason in result.bad]
        )


def find_shards(store, format, size):
    """Divides the files of a folder into shards.

    Args:
        store: `Store` of the input.
        format: one of `records.FORMATS`; None to choose by the files' names.
        size: number of image files in a shard. In the other formats, each file
            is a shard.

    Returns:
        `(format, shards, digest)`: the format that was chosen, a list of
        `Shard`, and the SHA-256 of the names and sizes of the files.

    Raises:
        UserError: there are no files of this format; or `format` is None, and
            there are files of several formats.
    """
    by_format: dict[str | None, list[tuple[str, int]]] = {}
    for name, length in store.files():
        found = records.format_of(name or store.uri)
        by_format.setdefault(found, []).append((name, length))
    by_format.pop(None, None)
    if format is None and len(by_format) == 1:
        (format,) = by_format
    if format not in by_format:
        received = ", ".join(
            f"{len(files)} files of {kind}" for kind, files in by_format.items()
        )
        raise UserError(
            "`--input` must contain images, TFRecord or Parquet files; if "
            "there are several kinds, --input_format selects one. Received: "
            f"{printable(store.uri)}, with {received or 'no such files'}"
        )
    files = by_format[format]
    digest = hashlib.sha256(repr(files).encode()).hexdigest()
    names = [name for name, _ in files]
    step = size if format == records.IMAGES else 1
    parts = [tuple(names[i : i + step]) for i in range(0, len(names), step)]
    return format, [Shard(*pair) for pair in enumerate(parts)], digest


def weights_of(run_dir):
    """Returns the SHA-256 of the files of a run's weights, and of their names.

    The result is a hexadecimal text.
    """
    run_dir = Path(run_dir)
    paths = [*Checkpoints(run_dir).paths(), run_dir / PACKED]
    files = [path for path in map(Path, paths) if path.is_file()]
    digest = hashlib.sha256()
    for file in sorted(files):
        with open_regular(file) as stream:
            content = hashlib.file_digest(stream, "sha256")
        digest.update(f"{file.name} {content.hexdigest()}\n".encode())
    return digest.hexdigest()


def begin(store, settings):
    """Writes the plan of a new output, or checks an existing plan.

    Args:
        store: `Store` of the output.
        settings: dictionary of texts and numbers that determine the output.

    Raises:
        UserError: the folder contains something else, or the translations of
            other settings.
    """
    if not store.present([PLAN]):
        if store.present([""]) or store.names_in(""):
            raise UserError(
                "`--output` must be an empty folder, or one that this command "
                f"has begun to fill. Received: {printable(store.uri)}"
            )
        store.write(PLAN, json.dumps(settings, indent=1).encode())
        return
    before = parse_json(store.read(PLAN))
    for name, value in settings.items():
        if before.get(name) != value:
            raise UserError(
                f"`--{name}` must have the value with which the output was "
                "begun; or choose another --output. "
                f"Received: {value}, but the output was begun with "
                f"{before.get(name)}"
            )


def results_so_far(store, shards):
    """Returns the `Result`s of the shards that are done, by their numbers.

    Args:
        store: `Store` of the output.
        shards: list of `Shard`.
    """
    there = store.names_in(DONE)
    done = [s for s in shards if s.marker.rpartition("/")[2] in there]
    return {
        shard.number: Result.from_json(store.read(shard.marker))
        for shard in done
    }
