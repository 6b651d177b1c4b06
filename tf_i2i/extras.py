"""Packages that only some users need."""

import importlib

from tf_i2i.errors import UserError


def optional(module, extra):
    """Imports a module that one of the package's extras brings.

    Args:
        module: full name.
        extra: name of the extra, as in `pip install 'tf_i2i[extra]'`.

    Returns:
        The module.

    Raises:
        UserError: says what to install where the module is not there.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(
            f"`{module.partition('.')[0]}` is needed for this: "
            f"pip install 'tf-i2i[{extra}]'. Received: {error}"
        ) from error
