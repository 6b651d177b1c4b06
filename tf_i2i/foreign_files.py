"""Reads files that somebody else may have written, without trusting them.

Only regular files are opened, because a program that opens a pipe may wait for
ever. The size of a file is read before its content. Text must be UTF-8.
"""

import errno
import io
import json
import math
import os
import stat
import zipfile
from pathlib import Path

import numpy as np

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_regular(path):
    """Opens a regular file for reading bytes.

    Args:
        path: path of the file, or of a link to it.

    Returns:
        A binary stream.

    Raises:
        OSError: the file cannot be read, or it is not a regular file.
    """
    check_regular(path)
    # The caller closes the stream.
    stream = open(path, "rb", opener=_open_at_once)  # noqa: SIM115
    try:
        _check_kind(path, os.fstat(stream.fileno()))
    except OSError:
        stream.close()
        raise
    return stream


def open_text(path):
    """Opens a regular file in UTF-8 for reading text, with its own line ends.

    Line ends are not converted, as the module `csv` requires. A byte order mark
    at the beginning is left out.

    Args:
        path: path of the file.

    Raises:
        OSError: the file cannot be read, or it is not a regular file.
    """
    return io.TextIOWrapper(open_regular(path), "utf-8-sig", newline="")


def open_to_append(path):
    """Opens a file in UTF-8 for appending text; the file need not exist.

    Args:
        path: path of the file.

    Raises:
        OSError: the file cannot be written, is not a regular file, or is a
            link, which could lead out of the folder.
    """
    if os.path.islink(path):
        raise OSError(errno.ELOOP, "It is a link, not a file.", str(path))
    if os.path.exists(path):
        check_regular(path)
    # The caller closes the stream.
    return open(path, "a", encoding="utf-8", opener=_open_at_once)


def _open_at_once(path, flags):
    """Opens a file like `os.open`, but never waits for another program.

    With O_NONBLOCK, opening a pipe either succeeds or fails at once. Windows
    has no such flag, and no pipes in its folders.
    """
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def check_regular(path):
    """Raises an error if there is no regular file at a path.

    Raises:
        OSError: the file is missing, or it is not a regular file.
    """
    _check_kind(path, os.stat(path))


def _check_kind(path, status):
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFREG:
        raise OSError(
            errno.EINVAL,
            f"It is {_KINDS.get(kind, 'special')}, not a regular file.",
            str(path),
        )


def read_bytes(path, limit=None):
    """Returns the content of a regular file.

    Args:
        path: path of the file.
        limit: largest allowed size in bytes; None for no limit.

    Raises:
        OSError: the file cannot be read, is not a regular file, or is larger
            than `limit`.
    """
    with open_regular(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        if limit is not None and size > limit:
            raise OSError(
                errno.EFBIG,
                f"It has {size:,} bytes, and at most {limit:,} are read.",
                str(path),
            )
        return stream.read()


def read_utf8(path, limit=None, errors="strict"):
    """Returns the content of a regular file in UTF-8 as text.

    Line ends are converted to line feeds.

    Args:
        path, limit: see `read_bytes`.
        errors: what is done with bytes that are not UTF-8, as for
            `bytes.decode`.

    Raises:
        OSError: see `read_bytes`.
        UnicodeDecodeError: the content is not UTF-8.
    """
    content = read_bytes(path, limit)
    # Some editors write a byte order mark, which is not part of the text.
    text = content.decode("utf-8-sig", errors)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_json(path, limit=None):
    """Returns the content of a regular file with JSON in UTF-8.

    Args:
        path, limit: see `read_bytes`.

    Raises:
        OSError: see `read_bytes`.
        ValueError: the content is not JSON, or it is nested too deeply.
    """
    return parse_json(read_utf8(path, limit))


def parse_json(text):
    """Returns the value of a text in JSON.

    Args:
        text: a string, or bytes in UTF-8.

    Raises:
        ValueError: the text is not JSON, or it is nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("It is nested too deeply.") from error


def read_arrays(path, check):
    """Returns the arrays of an `.npz` file.

    Args:
        path: path of the file.
        check: function that is called before the content of any array is read,
            because even a small file can contain arrays that would fill the
            memory. The function takes a dictionary from the name of each array
            to its shape and dtype, and raises an error if a shape or dtype is
            not as expected.

    Returns:
        Dictionary from names to arrays of numbers.

    Raises:
        OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile,
        zlib.error: the file cannot be read, or is not an `.npz` file.
    """
    with open_regular(path) as stream, zipfile.ZipFile(stream) as archive:
        headers = {}
        for member in archive.infolist():
            with archive.open(member) as content:
                headers[member] = _header(content, member)
        check({_array_name(m): header for m, header in headers.items()})
        arrays = {}
        for member in headers:
            with archive.open(member) as content:
                arrays[_array_name(member)] = np.lib.format.read_array(
                    content, allow_pickle=False
                )
        return arrays


def _array_name(member):
    return member.filename.removesuffix(".npy")


def _header(content, member):
    """Returns shape and dtype of an array of numbers in a zip archive.

    Args:
        content: stream with the content of the member.
        member: `zipfile.ZipInfo` of the array.

    Raises:
        ValueError: the member is not an array of numbers, or its size differs
            from the size that its header declares.
    """
    # Later versions of the file format are for headers of more than 64 kB,
    # which arrays of numbers do not have.
    if np.lib.format.read_magic(content) != (1, 0):
        raise ValueError(f"{member.filename} has an unknown version.")
    shape, _, dtype = np.lib.format.read_array_header_1_0(content)
    if dtype.kind not in "biuf":
        raise ValueError(f"{member.filename} is not an array of numbers.")
    if content.tell() + math.prod(shape) * dtype.itemsize != member.file_size:
        raise ValueError(
            f"{member.filename} declares another size than it has."
        )
    return shape, dtype


def files_below(path):
    """Returns the files in a folder and in all folders below it, sorted.

    Args:
        path: path of a folder; or of a file, which is then the only element of
            the result.

    Returns:
        List of paths.
    """
    path = Path(path)
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if not file.is_dir())
