"""The cache folder, for files that can be created again."""

import contextlib
import os
from pathlib import Path

from tf_i2i.disk import digest_line
from tf_i2i.disk import read_digests
from tf_i2i.disk import write_whole
from tf_i2i.paths import home
from tf_i2i.paths import user_path


def default_cache_dir():
    """Returns the cache folder.

    The cache folder is `$TF_I2I_CACHE`, or `tf_i2i` in the user's cache folder
    if this variable is not set.

    Raises:
        UserError: the folder in `$TF_I2I_CACHE` cannot be read, or the user has
            no home folder and neither `TF_I2I_CACHE` nor `XDG_CACHE_HOME` is
            set.
    """
    if chosen := os.environ.get("TF_I2I_CACHE"):
        return Path(user_path(chosen, "TF_I2I_CACHE"))
    caches = os.environ.get("XDG_CACHE_HOME") or home("TF_I2I_CACHE") / ".cache"
    return Path(caches) / "tf_i2i"


def cached_bytes(kind, name, compute):
    """Returns the content of a cache file; computes and saves it if missing.

    The content of a damaged file is computed again. Errors while the file is
    written are ignored, because a missing cache file only costs time.

    Args:
        kind: name of the folder within the cache folder.
        name: name of the file, with a hash of everything that the content
            depends on.
        compute: function without arguments that returns the content, as bytes.
    """
    path = default_cache_dir() / kind / name
    content = _read(path)
    if content is None:
        content = compute()
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            beside = path.with_suffix(f".{os.getpid()}.tmp")
            write_whole(path, [content, digest_line(content)], beside)
    return content


def _read(path):
    """Returns the content of a cache file; None if missing or damaged."""
    try:
        written, found = read_digests(path)
        if written is None or written != found:
            return None
        return path.read_bytes()[: -len(digest_line(b""))]
    except OSError:
        return None
