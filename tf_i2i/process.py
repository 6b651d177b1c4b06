"""Settings of the whole process, which a command leaves as it found them.

A notebook runs several commands in one process, next to code of its own. A
command sets environment variables, random seeds, signal handlers and settings
of gin and Keras. `unchanged` restores all of them at the end of the command.
"""

import contextlib
import logging
import os
import random
import signal
import threading
import warnings
from collections.abc import Callable

import numpy as np

from tf_i2i.errors import UserError


@contextlib.contextmanager
def _environment():
    before = dict(os.environ)
    try:
        yield
    finally:
        # `os.environ.clear` would remove variables that other threads read.
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


@contextlib.contextmanager
def _random_numbers():
    python, numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


@contextlib.contextmanager
def _signal_handlers():
    if threading.current_thread() is not threading.main_thread():
        # Python allows signal handlers to be set in the main thread only.
        yield
        return
    before = {n: signal.getsignal(n) for n in signal.valid_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            # None stands for a handler that Python did not set.
            if handler is not None and signal.getsignal(number) != handler:
                signal.signal(number, handler)


@contextlib.contextmanager
def _logging():
    logger = logging.getLogger()
    level, handlers = logger.level, [*logger.handlers]
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.handlers[:] = handlers


_kept: list[Callable[[], contextlib.AbstractContextManager]] = [
    _environment,
    _random_numbers,
    _signal_handlers,
    _logging,
    warnings.catch_warnings,
]
# Held by the thread that runs a command. TensorFlow, Keras and gin have
# settings for the whole process, which two commands would mix up.
_turn = threading.RLock()
# One stack for each command that runs now. A command may call another command.
_running: list[contextlib.ExitStack] = []


@contextlib.contextmanager
def unchanged():
    """Context that restores the settings of the process when it ends.

    `unchanged` is used as a decorator of the function `main` of each command.
    If several threads call commands, the commands run one after the other.

    Raises:
        UserError: the command needs the current folder, which was removed.
    """
    with _turn, contextlib.ExitStack() as stack:
        for manager in _kept:
            stack.enter_context(manager())
        _running.append(stack)
        try:
            yield
        except FileNotFoundError as error:
            if error.filename is not None or _has_current_folder():
                raise
            raise UserError(
                "`current folder` must exist, because the command uses "
                "relative paths. Received: a folder that was removed"
            ) from error
        finally:
            _running.remove(stack)


def _has_current_folder():
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True


@contextlib.contextmanager
def serving():
    """Context in which other threads may run commands.

    A command that waits for requests until it is stopped uses this context, so
    that it does not keep all other commands of the process waiting. Only a
    command may use it.
    """
    _turn.release()
    try:
        yield
    finally:
        _turn.acquire()


def on_error(function):
    """Calls a function if the command that runs now ends with an error.

    Args:
        function: function that takes the exception.
    """

    def leave(kind, error, trace):
        if error is not None:
            function(error)

    if _running:
        _running[-1].push(leave)


def also_keep(manager):
    """Makes `unchanged` restore further settings.

    Modules call this for libraries that commands import late. The settings are
    also restored at the end of the commands that are running already.

    Args:
        manager: function without arguments that returns a context manager. At
            the end of the context the settings are as at its beginning.
    """
    if manager in _kept:
        return
    _kept.append(manager)
    for stack in _running:
        stack.enter_context(manager())
