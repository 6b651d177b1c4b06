"""Paths that a user gives, in flags, settings and environment variables."""

import errno
import os
import stat
from pathlib import Path

from tf_i2i.disk import reason
from tf_i2i.errors import UserError


def user_path(text, argument):
    """Returns a path that a user gave, checked and without `~`.

    Nothing needs to exist at the path. `~` is replaced here because shells
    replace it only at the beginning of a word, and therefore not in
    `--run_dir=~/runs/mine`.

    Args:
        text: the user's text, or a `Path`.
        argument: name of the flag or setting, for the error message.

    Returns:
        The path as a string. A slash at its end is kept.

    Raises:
        UserError: the user has no home folder, or what exists at the path
            cannot be read.
    """
    path = expand(text)
    if why := unreadable(path):
        raise UserError(f"`{argument}` {why}")
    return path


def expand(path):
    """Returns a path as a string, with `~` replaced by the home folder."""
    return os.path.expanduser(path)


def home(variable):
    """Returns the home folder of the user.

    Args:
        variable: name of the environment variable that makes a home folder
            unnecessary, for the error message.

    Raises:
        UserError: the user has no home folder, as in a container that is run
            by a user whom its /etc/passwd does not list.
    """
    try:
        return Path.home()
    except RuntimeError as error:
        raise UserError(
            f"`{variable}` must be set to a folder if the user has no home "
            "folder. Received: HOME and the user's entry in /etc/passwd are "
            "missing"
        ) from error


def unreadable(path):
    """Returns why a path cannot be read, or None.

    The result is also None if nothing exists at the path, because the callers
    have their own messages for this case.

    Args:
        path: path as a string, without `~`.

    Returns:
        The end of an error message, "must be ... Received: ...".
    """
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return _homeless(path)
    except (OSError, ValueError) as error:
        return _message("read", path, error)
    return None if _allowed(path, mode, os.R_OK) else _denied("read", path)


def unwritable(path):
    """Returns why a file or folder cannot be written or made, or None.

    Args:
        path: path as a string, without `~`.

    Returns:
        The end of an error message, as from `unreadable`.
    """
    there = os.path.abspath(path)
    while True:
        try:
            mode = os.stat(there).st_mode
            break
        except FileNotFoundError:
            # The folders above the path are made when it is written.
            there = os.path.dirname(there)
        except (OSError, ValueError) as error:
            return _message("written", path, error)
    if not _allowed(there, mode, os.W_OK):
        return _denied("written", path)
    return _homeless(path)


def _allowed(path, mode, access):
    """Returns whether the user may access a file, or access and enter a folder.

    Args:
        path: path of the file or folder.
        mode: its `st_mode`.
        access: `os.R_OK` or `os.W_OK`.
    """
    return os.access(path, access | (os.X_OK if stat.S_ISDIR(mode) else 0))


def _homeless(path):
    """Returns the message for a path whose `~` could not be replaced."""
    if not path.startswith("~"):
        return None
    return _message("found", path, OSError("no such home folder"))


def _denied(done, path):
    error = PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return _message(done, path, error)


def _message(done, path, error):
    why = reason(error) if isinstance(error, OSError) else error
    return f"must be a path that can be {done}. Received: {path} ({why})"
