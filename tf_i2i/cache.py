"""The cache folder, for files that can be created again."""

import os
from pathlib import Path


def default_cache_dir():
    """Returns the cache folder.

    This is `$TF_I2I_CACHE`, or `tf_i2i` in the user's cache folder if that
    variable is not set.
    """
    if chosen := os.environ.get("TF_I2I_CACHE"):
        return Path(chosen).expanduser()
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "tf_i2i"
