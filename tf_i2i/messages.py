"""The messages of commands, which go through `absl.logging`.

Messages are written to stderr, because the results of a command go to stdout.
Every command takes the flags of `absl.logging`: `--verbosity` (`-v`),
`--log_dir`, `--alsologtostderr`, `--logtostderr` and a few more. By default, a
message of this package is a line of text without a prefix, and messages of
other packages are shown from the level of warnings on.
"""

import contextlib
import logging as python_logging
import sys

from absl import flags
from absl import logging

from tf_i2i import process
from tf_i2i.errors import UserError
from tf_i2i.errors import printable

# Attribute that marks the log records of this package.
_OWN = "of_tf_i2i"
_handler = logging.get_absl_handler()
_file = _handler.python_handler
# Unlike absl's own defaults, messages of the level INFO are shown, and all
# messages go to stderr.
flags.FLAGS.set_default("verbosity", logging.INFO)
flags.FLAGS.set_default("logtostderr", True)
# The flags of `absl.logging`. A program that calls a command may have defined
# more flags of absl, which the command does not take.
FLAGS = flags.FlagValues()
for _flag in flags.FLAGS.flags_by_module_dict()["absl.logging"]:
    FLAGS[_flag.name] = _flag
    FLAGS.register_flag_by_module("absl.logging", _flag)


class _Formatter(logging.PythonFormatter):
    """Formats own messages without a prefix, unless they go to a file."""

    def format(self, record):
        if hasattr(record, _OWN) and _file.stream is sys.stderr:
            return record.getMessage()
        return super().format(record)


def _is_wanted(record):
    """Returns whether a record is shown; see the docstring of this module."""
    return (
        hasattr(record, _OWN)
        or record.levelno >= python_logging.WARNING
        # Other packages may change the level without a flag.
        or FLAGS["verbosity"].present
    )


_handler.setFormatter(_Formatter())
_handler.addFilter(_is_wanted)


@logging.skip_log_prefix
def info(line):
    """Logs a message that tells the user what happens.

    Args:
        line: text. Line breaks and control characters in it are escaped.
    """
    _log(logging.INFO, line)


@logging.skip_log_prefix
def warning(line):
    """Logs a message about something that the user should look at.

    Args:
        line: see `info`.
    """
    _log(logging.WARNING, line)


@logging.skip_log_prefix
def _log(level, line):
    _attach()
    logging.log(level, "%s", printable(line), extra={_OWN: True})


def _attach():
    """Makes absl's handler write each message once.

    In a program that was started by `absl.app.run`, the handler belongs to the
    root logger. Otherwise it is added to absl's own logger.
    """
    if not flags.FLAGS.is_parsed():
        # Otherwise absl would warn that the flags have not been parsed.
        flags.FLAGS.mark_as_parsed()
    logger = logging.get_absl_logger()
    at_root = _handler in python_logging.root.handlers
    logger.propagate = at_root
    (logger.removeHandler if at_root else logger.addHandler)(_handler)


def begin(program):
    """Opens the log file of a command, if `--log_dir` is given.

    Call this function after the flags were parsed. The file is in the folder
    `--log_dir`, and absl chooses its name. If the command ends with an error,
    the error is logged.

    Args:
        program: name of the command, the first part of the file's name.

    Raises:
        UserError: the folder cannot be written.
    """
    _attach()
    folder = flags.FLAGS["log_dir"].value
    if not folder or not FLAGS["logtostderr"].using_default_value:
        return
    try:
        _handler.start_logging_to_file(program, folder)
    except OSError as error:
        raise UserError(
            "`--log_dir` must be a folder in which files can be written. "
            f"Received: {folder}"
        ) from error
    process.on_error(_log_error)


def _log_error(error):
    logging.error("%s", printable(error), extra={_OWN: True})


@contextlib.contextmanager
def _unchanged():
    """Context that restores absl's flags and its stream when it ends."""
    logger, stream = logging.get_absl_logger(), _file.stream
    handlers, propagate = [*logger.handlers], logger.propagate
    names = ("value", "present", "using_default_value")
    before = [
        (FLAGS[name], [getattr(FLAGS[name], part) for part in names])
        for name in FLAGS
    ]
    try:
        yield
    finally:
        if _file.stream is not stream:
            _file.stream.close()
            _file.stream = stream
        for flag, parts in before:
            for name, part in zip(names, parts, strict=True):
                setattr(flag, name, part)
        logger.handlers[:], logger.propagate = handlers, propagate


process.also_keep(_unchanged)
