"""The user's consent to what a configuration makes the package load.

The config.gin of a run that somebody else trained can name networks in files
and data sets to download. A SavedModel, a .keras file or a .tflite file can run
code. Therefore no such file is loaded, and nothing is downloaded, for a run's
own config.gin, unless the user agrees by `--trust_config`. Files that the user
has trusted before are an exception: if a training on this machine loads a file
with the user's consent, a hash of the content is recorded in the cache folder.
A file with a recorded hash is loaded without the flag. For downloads, the names
are recorded in the same way. Therefore a user's own runs need no flag.

Every function that loads such a file, or that downloads, calls `check_file` or
`check_download` first.
"""

import contextlib
import dataclasses
import hashlib
import os
from pathlib import Path

from tf_i2i.cache import default_cache_dir
from tf_i2i.errors import UserError
from tf_i2i.foreign_files import check_regular
from tf_i2i.foreign_files import files_below
from tf_i2i.foreign_files import open_regular

FLAG = "--trust_config"


@dataclasses.dataclass(frozen=True)
class Consent:
    """What the user agreed to load for one configuration.

    Attributes:
        trusted: whether the configuration may load files and download.
        recording: whether files and downloads are recorded when they are loaded
            with consent. True only for trainings on this machine.
        config: path of the configuration, for error messages.
    """

    trusted: bool = True
    recording: bool = False
    config: Path | None = None

    @contextlib.contextmanager
    def applied(self):
        """Context in which `check_file` and `check_download` use this object.

        The consent applies to all threads of the process, as gin's
        configuration does.
        """
        global _current
        before, _current = _current, self
        try:
            yield
        finally:
            _current = before

    def refusal(self, what):
        """Returns the `UserError` about something that must be agreed to.

        Args:
            what: the part of the configuration, such as "import os".
        """
        return UserError(
            "`run_dir` must have a config.gin that imports no code, loads no "
            "network from a file and downloads nothing. If you trust its "
            f"author as you would trust the author of a program, add {FLAG}. "
            f"Received: {what} in {self.config}"
        )


# Files and downloads that a user names in Python or by a flag are trusted.
TRUSTED = Consent()
_current = TRUSTED


def check_file(name, path):
    """Raises an error if the user did not agree to load a file or folder.

    Args:
        name: the file as the configuration names it, such as
            "savedmodel:FOLDER"; used in the error message.
        path: path of the file, or of the folder.

    Raises:
        UserError: the user did not agree, and no training on this machine has
            recorded the same content; or a file cannot be read or is not a
            regular file.
    """
    try:
        files = files_below(path)
        for file in files:
            check_regular(file)
        if _current.trusted and not _current.recording:
            return
        size = sum(file.stat().st_size for file in files)
        _check(name, size, lambda: _hash_of(path, files))
    except OSError as error:
        kind, colon, _ = name.partition(":")
        raise UserError(
            f"`{kind}{colon}` must name a file that can be read. "
            f"Received: {error.filename}: {error.strerror}"
        ) from error


def check_download(name):
    """Raises an error if the user did not agree to a download.

    Args:
        name: name of what is downloaded, as the configuration writes it.

    Raises:
        UserError: the user did not agree, and no training on this machine
            has recorded the same name.
    """
    text = f"download {name}".encode()
    _check(name, len(text), lambda: hashlib.sha256(text).hexdigest())


def _check(name, size, digest):
    """Raises an error unless there is consent or a record.

    Args:
        name: the file or the download as the configuration names it.
        size: size of the content in bytes. Without consent, the content is
            hashed only if a file of that size was recorded. With consent, the
            content is hashed only if it is to be recorded.
        digest: function that returns the hash of the content.
    """
    if _current.trusted:
        if _current.recording:
            _write_record(name, f"{size}-{digest()}")
        return
    folder = _records()
    if (
        any(folder.glob(f"{size}-*"))
        and (folder / f"{size}-{digest()}").exists()
    ):
        return
    raise _current.refusal(name)


def _records():
    return default_cache_dir() / "trusted"


def _write_record(name, key):
    # Errors are ignored, because without a record the user only needs to pass
    # the flag.
    with contextlib.suppress(OSError):
        _records().mkdir(parents=True, exist_ok=True)
        (_records() / key).write_text(f"{name}\n", encoding="utf-8")


def _hash_of(path, files):
    """Returns the SHA-256 of files, with their names below `path`."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{os.path.relpath(file, path)}\n".encode())
        with open_regular(file) as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
