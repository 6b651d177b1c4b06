"""The cache folder, for files that can be created again."""

import os
from pathlib import Path

from tf_i2i.paths import home
from tf_i2i.paths import user_path


def default_cache_dir():
    """Returns the cache folder.

    This is `$TF_I2I_CACHE`, or `tf_i2i` in the user's cache folder if that
    variable is not set.

    Raises:
        UserError: the user has no home folder and no variable names a cache
            folder, or the folder cannot be read.
    """
    if chosen := os.environ.get("TF_I2I_CACHE"):
        return Path(user_path(chosen, "TF_I2I_CACHE"))
    caches = os.environ.get("XDG_CACHE_HOME") or home("TF_I2I_CACHE") / ".cache"
    return Path(caches) / "tf_i2i"
