"""Which operations layers compile to: the fastest, or those everyone knows."""

import contextlib
import contextvars

_portable = contextvars.ContextVar("portable", default=False)


@contextlib.contextmanager
def portable():
    """Within it, layers are traced as operations that converters know.

    Elsewhere they may take what is fastest in TensorFlow. The values are the
    same but for rounding.
    """
    token = _portable.set(True)
    try:
        yield
    finally:
        _portable.reset(token)


def is_portable():
    """Whether a layer is being traced within `portable`."""
    return _portable.get()
