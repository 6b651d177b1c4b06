"""Whether layers use the fastest operations or the most common ones."""

import contextlib
import contextvars

_portable = contextvars.ContextVar("portable", default=False)


@contextlib.contextmanager
def portable():
    """Context in which layers use only operations that converters support.

    Outside it they use those that are fastest in TensorFlow. The values are
    equal up to rounding.
    """
    token = _portable.set(True)
    try:
        yield
    finally:
        _portable.reset(token)


def is_portable():
    """Whether a layer is being traced within `portable`."""
    return _portable.get()
