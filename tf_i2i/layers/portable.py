"""A context in which layers use only operations that converters support."""

import contextlib
import contextvars

_portable = contextvars.ContextVar("portable", default=False)


@contextlib.contextmanager
def portable():
    """A context in which layers use only operations that converters support.

    Outside this context, layers use the operations that are fastest in
    TensorFlow. The values are equal up to rounding.
    """
    token = _portable.set(True)
    try:
        yield
    finally:
        _portable.reset(token)


def is_portable():
    """Returns whether the caller runs or is traced within `portable`."""
    return _portable.get()
