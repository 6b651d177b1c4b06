"""A context manager for the export of models; see `portable`."""

import contextlib
import contextvars

_portable = contextvars.ContextVar("portable", default=False)


@contextlib.contextmanager
def portable():
    """Context in which layers use only operations that converters support.

    Outside this context, layers use the operations that are fastest in
    TensorFlow. The outputs are equal except for rounding.
    """
    token = _portable.set(True)
    try:
        yield
    finally:
        _portable.reset(token)


def is_portable():
    """Returns whether the code is executed or traced within `portable`."""
    return _portable.get()
