"""Writing of files, either completely or not at all, and sizes on disk."""

import contextlib
import hashlib
import os
import re
import threading
from pathlib import Path

from tf_i2i.foreign_files import open_regular

_DIGEST = re.compile(rb"\nsha256 ([0-9a-f]{64})\n")
_DIGEST_BYTES = 73


def write_whole(path, parts, beside=None):
    """Writes a file so that it is either complete or not changed at all.

    The content is written to a temporary file, which then replaces `path`. If
    writing fails, the temporary file is removed to free its space.

    Args:
        path: path of the file, a `Path`; its folder must exist.
        parts: iterable of bytes, which are written one after the other.
        beside: path of the temporary file; None for `path` with the suffix
            `.tmp`.

    Raises:
        OSError: the file cannot be written; `path` is not changed.
    """
    beside = beside or path.with_suffix(".tmp")
    try:
        # If something exists at the temporary path, it is removed and not
        # overwritten, because it could be a pipe or a link to another file.
        beside.unlink(missing_ok=True)
        with open(beside, "xb") as stream:
            for part in parts:
                stream.write(part)
            # The content is forced to the disk. Otherwise `path` could be
            # empty after a power failure.
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(beside, path)
    except BaseException:  # Ctrl-C must not leave the temporary file behind.
        _remove(beside)
        raise


def hidden_beside(path, suffix=".tmp"):
    """Returns the path of a temporary file in the folder of a file.

    The name is short, because the name of the file may already be as long as
    the file system allows.

    Args:
        path: path of the file, a `Path`.
        suffix: suffix of the temporary file.
    """
    return path.with_name(f".{os.getpid()}-{threading.get_ident()}{suffix}")


def _remove(path):
    try:
        path.unlink()
    except OSError:
        # The file does not exist, or the folder is read-only.
        return


def digest_line(content):
    """Returns the line with the SHA-256 of a file, to be written at its end.

    Args:
        content: bytes of the file, without this line.
    """
    return f"\nsha256 {hashlib.sha256(content).hexdigest()}\n".encode()


def read_digests(path):
    """Returns the SHA-256 in a file's last line, and the one of its content.

    Each is a hexadecimal text, or None if the file does not end with a line
    from `digest_line`.

    Args:
        path: path of the file.

    Raises:
        OSError: the file cannot be read, or it is not a regular file.
    """
    with open_regular(path) as stream:
        left = max(0, os.fstat(stream.fileno()).st_size - _DIGEST_BYTES)
        stream.seek(left)
        written = _DIGEST.fullmatch(stream.read())
        if not written:
            return None, None
        stream.seek(0)
        found = hashlib.sha256()
        while left:
            chunk = stream.read(min(left, 2**20))
            found.update(chunk)
            left -= len(chunk)
    return written[1].decode(), found.hexdigest()


@contextlib.contextmanager
def writing(path):
    """Context manager that raises every `OSError` again with this path.

    Args:
        path: path to name in the error.

    Raises:
        OSError: with `path` as its `filename` and the reason as its
            `strerror`.
    """
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, reason(error), str(path)) from error


def reason(error):
    """Returns the reason of an `OSError` in a few words."""
    return error.strerror or " ".join(str(error).split())


def size_on_disk(path):
    """Returns the number of bytes of a file, or of all files in a folder."""
    path = Path(path)
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def format_bytes(count):
    """Returns a number of bytes as text, such as "0.2 MB" or "1.3 GB"."""
    if count >= 1e9:
        return f"{count / 1e9:.3g} GB"
    if count >= 1e7:
        return f"{count / 1e6:.0f} MB"
    return f"{max(count / 1e6, 0.1 if count else 0):.1f} MB"
