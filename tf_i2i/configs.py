"""Finds .gin files.

This module does not import TensorFlow, so that a misspelt name is reported
at once.
"""

from pathlib import Path

from tf_i2i.errors import UserError

_PARTS = "parts"  # Folder of .gin files that other .gin files include.
_PACKAGE = Path(__file__).parent
# An installed package contains the configs. In a checkout, the folder of the
# configs is next to that of the package.
FOLDERS = (_PACKAGE / "gin_configs", _PACKAGE.parent / "gin_configs")


def shipped_configs():
    """Returns the shipped configs.

    Returns:
        Dictionary from names such as "paper/twingan.gin" to paths.
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
        UserError: `name` is neither; the message lists the shipped configs.
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
    """Returns the first comment line of a config, which describes it."""
    first = path.read_text("utf-8").partition("\n")[0]
    return first.lstrip("# ")
