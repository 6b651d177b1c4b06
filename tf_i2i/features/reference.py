"""References to functions that load a frozen network.

A method takes such a function as an argument, for example `XGAN.teacher`. In a
.gin file the argument is written as `@teacher`, and gin passes the settings
`teacher.name` and so on only when the function is called. `resolve` returns a
reference that holds these settings itself, so that they can be saved.
"""

import contextvars
import functools

# Whether `resolve` is calling the function. The function then returns a
# `functools.partial` of itself and its arguments.
_resolving = contextvars.ContextVar("resolving", default=False)
# Name of the attribute that marks the functions that can be resolved.
_MARK = "_tf_i2i_resolvable"


def resolvable(function):
    """Decorator of functions that `resolve` can be applied to."""

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        if _resolving.get():
            return functools.partial(wrapper, *args, **kwargs)
        return function(*args, **kwargs)

    setattr(wrapper, _MARK, True)
    return wrapper


def resolve(reference):
    """Returns a reference with the settings that gin would pass to it.

    Args:
        reference: any value. Values other than references to `resolvable`
            functions are returned as they are.

    Returns:
        `functools.partial` of the function and its arguments.
    """
    function = reference
    while isinstance(function, functools.partial):
        function = function.func
    if not hasattr(function, _MARK):
        return reference
    token = _resolving.set(True)
    try:
        return reference()
    finally:
        _resolving.reset(token)
