"""Import of packages that only some users need."""

import importlib
import importlib.util

from tf_i2i.errors import UserError

# The modules that the measures and the report of `evaluate` import, which
# belong to the extra `eval`.
EVALUATION = ("scipy", "sklearn", "skimage")


def optional(module, extra):
    """Imports a module that one of the package's extras installs.

    Args:
        module: full name of the module.
        extra: name of the extra, as in `pip install 'tf-i2i[extra]'`.

    Returns:
        The module.

    Raises:
        UserError: the module is not installed; the message says how to
            install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(
            f"`{module.partition('.')[0]}` must be installed by "
            f"pip install 'tf-i2i[{extra}]'. Received: {error}"
        ) from error


def require(extra, *modules):
    """Raises an error early if an extra of the package is not installed.

    `optional` would raise the same error, but possibly after minutes of work.
    The modules are not imported here, because that can take seconds.

    Args:
        extra: name of the extra, as in `pip install 'tf-i2i[extra]'`.
        *modules: names of the top-level modules that will be imported.

    Raises:
        UserError: one of the modules is not installed.
    """
    for module in modules:
        if importlib.util.find_spec(module) is None:
            optional(module, extra)
