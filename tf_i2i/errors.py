"""The error class for mistakes that the user can correct."""

import re


class UserError(ValueError):
    """A mistake in a flag, a binding or the data.

    The commands print the text of the error as one line, without a traceback,
    and exit with status 2. The text begins with the argument in backticks, says
    what was expected, and ends with `Received: ...`.
    """

    @property
    def argument(self):
        """Name of the wrong argument, the first text in backticks, or None."""
        found = re.search("`([^`]+)`", str(self))
        return found[1] if found else None

    def rename(self, name):
        """Changes the name of the wrong argument in the text.

        Args:
            name: name by which the user knows the argument, such as a flag.
        """
        text = str(self).replace(f"`{self.argument}`", f"`{name}`", 1)
        self.args = (text,)


def printable(text):
    """Returns a text in one line, without terminal control characters.

    File names may contain line breaks, escape sequences and bytes that are not
    valid UTF-8. Such characters and bytes are replaced by backslash escapes, as
    by `repr`.
    """
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode()
        for c in str(text)
    )
