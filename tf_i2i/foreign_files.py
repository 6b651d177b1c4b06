"""Reads files that somebody else may have written, without trusting them.

Only regular files are opened, because opening a pipe would wait for ever. The
size of a file is read before its content. Text must be UTF-8.
"""

import errno
import json
import os
import stat
from pathlib import Path

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
    _check_kind(path, os.stat(path))
    # The caller closes the stream.
    stream = open(path, "rb", opener=_open_at_once)  # noqa: SIM115
    try:
        _check_kind(path, os.fstat(stream.fileno()))
    except OSError:
        stream.close()
        raise
    return stream


def _open_at_once(path, flags):
    # With O_NONBLOCK, `open` also returns at once if the file was replaced by
    # a pipe after the check. Windows has no such flag and no such files.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


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
        errors: what is done with other bytes, as for `bytes.decode`.

    Raises:
        OSError: see `read_bytes`.
        UnicodeDecodeError: the content is not UTF-8.
    """
    content = read_bytes(path, limit)
    text = content.decode("utf-8", errors)
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


def files_below(path):
    """Returns the files of a folder and its folders, sorted.

    Args:
        path: path of a folder; or of a file, which is then the only result.

    Returns:
        List of paths.
    """
    path = Path(path)
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if not file.is_dir())
