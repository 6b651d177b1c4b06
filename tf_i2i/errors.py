"""The one error class that means: the user can mend this."""


class UserError(ValueError):
    """A mistake in a flag, a binding or the data.

    The verbs print its text as one line, without a traceback, and exit
    with status 2.
    """
