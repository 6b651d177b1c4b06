"""Reads files that somebody else may have written, without trusting them.

Only regular files are opened, because opening a pipe would wait for ever. The
size of a file is read before its content. Text must be UTF-8.
"""

import errno
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
    # With O_NONBLOCK, `open` also returns at once if the file was replaced by
    # a pipe after the check.
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        _check_kind(path, os.fstat(handle))
        return os.fdopen(handle, "rb")
    except OSError:
        os.close(handle)
        raise


def _check_kind(path, status):
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFREG:
        raise OSError(
            errno.EINVAL,
            f"It is {_KINDS.get(kind, 'special')}, not a regular file.",
            str(path),
        )


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
