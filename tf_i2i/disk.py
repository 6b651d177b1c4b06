"""Files that are written whole or not at all, and sizes on the disk."""

import os
from pathlib import Path


def write_whole(path, parts, beside=None):
    """Writes beside and moves into place, so that there is no half a file.

    What cannot be finished is removed: its space is free again.

    Args:
        path: the file, a `Path`; the folder is there.
        parts: bytes, one after the other.
        beside: the unfinished file; by default `path` with `.tmp`.

    Raises:
        OSError: it cannot be written; `path` is as it was.
    """
    beside = beside or path.with_suffix(".tmp")
    try:
        with open(beside, "wb") as stream:
            for part in parts:
                stream.write(part)
            # Else a power cut may leave the name without the content.
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(beside, path)
    except OSError:
        _remove(beside)
        raise


def _remove(path):
    try:
        path.unlink()
    except OSError:
        return  # It was never made, or nothing here can be changed.


def reason(error):
    """Why an `OSError` came, in few words."""
    return error.strerror or " ".join(str(error).split())


def size_on_disk(path):
    """Number of bytes of a file, or of all files in a folder."""
    path = Path(path)
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def format_bytes(count):
    """A number of bytes for messages, such as "0.2 MB", "37 MB", "1.3 GB"."""
    if count >= 1e9:
        return f"{count / 1e9:.3g} GB"
    if count >= 1e7:
        return f"{count / 1e6:.0f} MB"
    return f"{max(count / 1e6, 0.1 if count else 0):.1f} MB"
