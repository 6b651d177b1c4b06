"""The streams stdout and stderr of a command.

A training must not end because nobody reads its messages any more, for example
after `train 2>&1 | head -1` or when the terminal is closed.
"""

import io
import os
import sys


class _Patient(io.FileIO):
    """Output file that discards what cannot be written.

    Attributes:
        error: the first `OSError`, or None. The end of the program that reads
            the output does not count as an error.
    """

    error: OSError | None = None

    def write(self, content):
        try:
            return super().write(content)
        except BrokenPipeError:
            pass
        except OSError as error:
            self.error = self.error or error
        return len(content)


def protect():
    """Replaces stdout and stderr by streams that raise no errors.

    Streams that were closed before the process began lead to /dev/null.
    Otherwise the next file that the process opens would receive their text.
    Streams that were replaced already, as in notebooks, are left unchanged.

    Returns:
        Function without arguments that writes the text in the buffers, and
        returns the first `OSError` of stdout, or None. The end of the program
        that reads the output, such as `head`, does not count as an error.
    """
    _open_missing()
    raw = None
    if sys.stdout is sys.__stdout__:
        raw, sys.stdout = _stream(1, sys.stdout)
    if sys.stderr is sys.__stderr__:
        _, sys.stderr = _stream(2, sys.stderr)

    def finish():
        sys.stdout.flush()
        return raw and raw.error

    return finish


def _open_missing():
    """Opens /dev/null for each of the descriptors 0 to 2 that is closed."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The system uses the lowest number that is free, which is this one.
            os.open(os.devnull, os.O_RDWR)


def _stream(number, before):
    """Returns a `_Patient` and the text stream that writes to it.

    Args:
        number: file descriptor.
        before: stream that is replaced; None if it was closed.
    """
    if before:
        before.flush()
    raw = _Patient(number, "w", closefd=False)
    stream = io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=before.encoding if before else "utf-8",
        # A text may have characters that the locale's encoding does not have.
        errors="backslashreplace",
        line_buffering=number == 2 or raw.isatty(),
    )
    return raw, stream
