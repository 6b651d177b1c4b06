"""Locks a run directory, so that only one process trains in it."""

import contextlib
import errno
import os
import socket
import time
from pathlib import Path

import filelock

from tf_i2i.disk import reason
from tf_i2i.errors import UserError
from tf_i2i.errors import printable
from tf_i2i.foreign_files import read_utf8

NAME = "trainer.lock"
# The error numbers of file systems that cannot lock files. Some network file
# systems are among these.
UNSUPPORTED = {
    errno.ENOSYS,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.ENOLCK,
    errno.EINVAL,
}

# Folders in a run directory that training writes files to.
_WRITTEN = ("checkpoints", "samples", "events", "wandb")


@contextlib.contextmanager
def locked(run_dir, log):
    """Context in which a run directory is locked.

    The directory is made if it is missing, and removed again if the run does
    not begin. The operating system releases the lock when the process ends,
    even if the process is killed. A killed process leaves the lock file behind,
    but other processes can lock the file again.

    Args:
        run_dir: folder of the run.
        log: function that is called with a line if the file system cannot
            lock files.

    Raises:
        UserError: another process trains in the run directory, the directory
            cannot be written, or a folder in it is a link.
    """
    run_dir = Path(run_dir)
    _refuse_links(run_dir)
    made = [path for path in (run_dir, *run_dir.parents) if not path.exists()]
    lock = filelock.FileLock(run_dir / NAME, timeout=0, fallback_to_soft=False)
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        held = _acquire(lock, run_dir, log)
    except OSError as error:
        raise UserError(
            "`run_dir` must be a folder that can be written. "
            f"Received: {run_dir} ({reason(error)})"
        ) from error
    try:
        yield
    finally:
        if held:
            _release(lock)
        with contextlib.suppress(OSError):
            # A folder is removed only if it is empty. The run directory is not
            # empty if the run has begun.
            for path in made:
                path.rmdir()


def _refuse_links(run_dir):
    """Raises an error if training would write through a link out of the run.

    Somebody else may have made the run directory. A link in it could lead to
    any folder of the user.
    """
    for name in _WRITTEN:
        path = run_dir / name
        if path.is_symlink():
            raise UserError(
                "`run_dir` must not have links in place of the folders that "
                f"training writes. Received: {path}, a link to "
                f"{printable(os.readlink(path))}"
            )


def _acquire(lock, run_dir, log):
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise UserError(
            "`run_dir` must not be in use by another training process. Wait "
            "for that process, end it, or choose another --run_dir. "
            f"Received: {run_dir}, which is used by {_holder(run_dir)}"
        ) from error
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        log(
            f"{run_dir}: files cannot be locked here ({reason(error)}); make "
            "sure that no second trainer runs in it"
        )
        return False
    # If the disk is full, the text cannot be written. This does not matter,
    # because the lock is held nevertheless.
    with contextlib.suppress(OSError):
        Path(lock.lock_file).write_text(
            f"process {os.getpid()} on {socket.gethostname()} since "
            f"{time.strftime('%Y-%m-%d %H:%M')}\n",
            encoding="utf-8",
        )
    return True


def _holder(run_dir):
    """Returns a description of the process that holds the lock."""
    try:
        return (
            read_utf8(run_dir / NAME, 10**4, "replace").strip()
            or "another process"
        )
    except OSError:
        return "another process"


def _release(lock):
    # The file is removed before the lock is released. If another process locks
    # the removed file, that process notices this and tries again with a new
    # file.
    with contextlib.suppress(OSError):
        os.unlink(lock.lock_file)
    lock.release()
