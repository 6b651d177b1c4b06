"""Import of packages that only some users need."""

import importlib

from tf_i2i.errors import UserError


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
