"""Finds .gin files.

This module does not import TensorFlow, so that a misspelt name is reported
immediately.
"""

import contextlib
from pathlib import Path

from tf_i2i import process
from tf_i2i.errors import UserError

_PARTS = "parts"  # Folder of .gin files that other .gin files include.
_PACKAGE = Path(__file__).parent
# An installed package contains the configs. In a checkout, the folder of the
# configs is next to the folder of the package.
FOLDERS = (_PACKAGE / "gin_configs", _PACKAGE.parent / "gin_configs")
# Folders of the user's own .gin files, which are searched before `FOLDERS`.
SEARCHED: list[Path] = []


@contextlib.contextmanager
def _unchanged():
    """Context that restores `SEARCHED` when it ends."""
    before = [*SEARCHED]
    try:
        yield
    finally:
        SEARCHED[:] = before


process.also_keep(_unchanged)


def search_in(folder):
    """Adds a folder to the folders in which .gin files are searched.

    `--gin_search_path` adds its folders by this function. At the end of the
    command, they are removed from the list again.
    """
    SEARCHED.append(Path(folder).absolute())


def shipped_configs():
    """Returns the shipped configs; configs in subfolders come last.

    Returns:
        Dictionary from names such as "paper/twingan.gin" to paths.
    """
    for folder in FOLDERS:
        if folder.is_dir():
            found = sorted(
                folder.rglob("*.gin"), key=lambda path: (len(path.parts), path)
            )
            return {
                path.relative_to(folder).as_posix(): path
                for path in found
                if path.parent.name != _PARTS
            }
    return {}


def find_config(name):
    """Returns the path of a config.

    Args:
        name: path of a .gin file, also relative to a folder of `SEARCHED`; or
            name of a shipped config.

    Raises:
        UserError: `name` is neither a file nor a shipped config. The message
            lists the shipped configs.
    """
    for folder in (Path(), *SEARCHED):
        if (folder / name).is_file():
            return folder / name
    shipped = shipped_configs()
    if name in shipped:
        return shipped[name]
    raise UserError(
        "`--gin_file` must be a file or one of the shipped configs: "
        f"{', '.join(shipped)}. Received: {name}"
    )


def header(path):
    """Returns the first comment line of a config, which describes it."""
    first = path.read_text("utf-8").partition("\n")[0]
    return first.lstrip("# ")
