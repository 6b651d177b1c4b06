"""Finds .gin files.

This module does not import TensorFlow, so that a misspelt name is reported
at once.
"""

from pathlib import Path

from tf_i2i.errors import UserError

_PARTS = "parts"  # Folder of files that others include.
_PACKAGE = Path(__file__).parent
# In a wheel the configs are in the package, in a checkout next to it.
FOLDERS = (_PACKAGE / "gin_configs", _PACKAGE.parent / "gin_configs")


def shipped_configs():
    """Returns the shipped configs.

    Returns:
        Dictionary, name such as "paper/twingan.gin" -> path.
    """
    for folder in FOLDERS:
        if folder.is_dir():
            found = sorted(folder.rglob("*.gin"))
            return {
                path.relative_to(folder).as_posix(): path
                for path in found
                if path.parent.name != _PARTS
            }
    return {}


def find_config(name):
    """Returns the path of a config.

    Args:
        name: path of a .gin file, or name of a shipped config.

    Raises:
        UserError: it is neither; the message lists the shipped configs.
    """
    if Path(name).is_file():
        return Path(name)
    shipped = shipped_configs()
    if name in shipped:
        return shipped[name]
    raise UserError(
        "`--gin_file` must be a file or one of the shipped configs: "
        f"{', '.join(shipped)}. Received: {name}"
    )


def header(path):
    """Returns the first comment line of a config, which says what it is."""
    first = path.read_text().partition("\n")[0]
    return first.lstrip("# ")
