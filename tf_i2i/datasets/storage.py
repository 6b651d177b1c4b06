"""Folders on the disk or in an object store, through pyarrow's file systems."""

import argparse
import contextlib
import os
import posixpath
import uuid
from pathlib import Path

from tf_i2i.disk import hidden_beside
from tf_i2i.disk import write_whole
from tf_i2i.errors import UserError
from tf_i2i.errors import printable
from tf_i2i.extras import optional
from tf_i2i.paths import expand

EXTRA = "datasets"
# Folder of files that are being written. Programs that read data sets skip
# names that begin with an underscore.
_UNFINISHED = "_unfinished"


def location(text):
    """Returns a URI as it is, or a path as an absolute path; `type` of flags.

    Raises:
        argparse.ArgumentTypeError: the text is empty.
    """
    if not text:
        raise argparse.ArgumentTypeError("must be a path. Received: no text")
    return text if "://" in text else os.path.abspath(expand(text))


class Store:
    """A folder, or a single file, on the disk or in an object store.

    Args:
        uri: absolute path, or a URI such as `s3://bucket/folder`, `gs://...`,
            `hdfs://...` or `file:///folder`.
        flag: name of the flag that the URI comes from, for error messages.

    Raises:
        UserError: pyarrow is not installed, or has no such file system.
    """

    def __init__(self, uri, flag):
        self._fs = optional("pyarrow.fs", EXTRA)
        self.uri, self._flag = uri, flag
        arrow = optional("pyarrow", EXTRA)
        try:
            system, self._root = self._fs.FileSystem.from_uri(uri)
        except (arrow.ArrowException, OSError, ValueError) as error:
            raise self._unusable(error) from error
        self._system = system
        self._is_local = isinstance(system, self._fs.LocalFileSystem)
        self._made: set[str] = set()

    def _unusable(self, error):
        return UserError(
            f"`--{self._flag}` must be a folder, or a URI that pyarrow can "
            f"use. Received: {printable(self.uri)} ({printable(error)})"
        )

    def _path(self, name):
        return f"{self._root.rstrip('/')}/{name}".rstrip("/")

    def files(self):
        """Lists all visible files below the folder.

        Files are left out if their names, or the names of their folders, begin
        with a dot or an underscore. Programs that read data sets leave such
        files out, too.

        Returns:
            Sorted list of pairs `(name, size)`. Names are relative to the
            folder. For a single file, `name` is "".

        Raises:
            UserError: there is no such folder, or it cannot be read.
        """
        kinds = self._fs.FileType
        try:
            own = self._system.get_file_info(self._root)
            if own.type == kinds.File:
                return [("", own.size)]
            found = self._system.get_file_info(
                self._fs.FileSelector(self._root, recursive=True)
            )
        except OSError as error:
            raise self._unusable(error) from error
        start = len(self._root.rstrip("/")) + 1
        return sorted(
            (info.path[start:], info.size)
            for info in found
            if info.type == kinds.File
            and not any(
                part[0] in "._" for part in info.path[start:].split("/")
            )
        )

    def names_in(self, folder):
        """Returns the names of the files in a subfolder, which may not exist.

        Raises:
            UserError: the folder cannot be read.
        """
        selector = self._fs.FileSelector(
            self._path(folder), allow_not_found=True
        )
        try:
            found = self._system.get_file_info(selector)
        except OSError as error:
            raise self._unusable(error) from error
        return {info.base_name for info in found}

    def present(self, names):
        """Returns the set of those `names` whose files exist."""
        infos = self._system.get_file_info([self._path(n) for n in names])
        there = self._fs.FileType.File
        return {
            name
            for name, info in zip(names, infos, strict=True)
            if info.type == there
        }

    def open(self, name):
        """Returns a seekable binary stream of a file.

        Args:
            name: name relative to the folder; "" if the store is a single
                file.

        Raises:
            OSError: the file cannot be read.
        """
        path = self._path(name) if name else self._root
        return self._system.open_input_file(path)

    def read(self, name):
        """Returns the content of a file as bytes.

        Raises:
            OSError: the file cannot be read.
        """
        with self.open(name) as stream:
            return stream.read()

    def write(self, name, content):
        """Writes a file, either completely or not at all.

        The file is written under a temporary name, and moved when it is
        complete. Otherwise an incomplete file could appear: even after an
        error, closing the stream of an object store publishes what was written
        so far.

        Args:
            name: name relative to the folder; subfolders are made.
            content: bytes.

        Raises:
            OSError: the file cannot be written.
        """
        if self._is_local:
            path = Path(self._path(name))
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, [content], hidden_beside(path))
            return
        beside = self._path(f"{_UNFINISHED}/{uuid.uuid4().hex}")
        path = self._path(name)
        self._make_folder(posixpath.dirname(beside))
        self._make_folder(posixpath.dirname(path))
        try:
            with self._system.open_output_stream(beside) as stream:
                stream.write(content)
            self._system.move(beside, path)
        except BaseException:
            with contextlib.suppress(OSError):
                self._system.delete_file(beside)
            raise

    def _make_folder(self, path):
        """Makes a folder that this object has not made before."""
        if path not in self._made:
            self._system.create_dir(path, recursive=True)
            self._made.add(path)
