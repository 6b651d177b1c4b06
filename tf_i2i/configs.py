"""Where .gin files are found; no TensorFlow, so that a typo answers at once."""

from pathlib import Path

from tf_i2i.errors import UserError

_PACKAGE = Path(__file__).parent
# In a wheel the configs lie in the package, in a checkout beside it.
FOLDERS = (_PACKAGE / "gin_configs", _PACKAGE.parent / "gin_configs")


def shipped_configs():
    """Names of the shipped configs -> paths, e.g. "paper/twingan.gin"."""
    for folder in FOLDERS:
        if folder.is_dir():
            found = sorted(folder.rglob("*.gin"))
            return {p.relative_to(folder).as_posix(): p for p in found}
    return {}


def find_config(name):
    """A config by path, else by its name among the shipped ones.

    Raises:
        UserError: if there is neither; lists the shipped ones.
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
    """The first comment line of a config: what it is."""
    first = path.read_text().partition("\n")[0]
    return first.lstrip("# ")
