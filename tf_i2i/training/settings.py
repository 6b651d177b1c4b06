"""Reads and compares gin configurations as text.

Settings that were renamed can also be given by their former names, in files
and flags of users and in the config.gin of older runs.
"""

import ast
import re
import zlib
from pathlib import Path

from tf_i2i.domains import DOMAINS
from tf_i2i.domains import check_names
from tf_i2i.errors import UserError
from tf_i2i.errors import printable
from tf_i2i.foreign_files import read_utf8

# Largest size of a .gin file in bytes.
_MOST_BYTES = 10**6
# Renamed settings. The keys are the former names, the values the present names.
RENAMED = {"train.learning_rate": "train.schedule"}
# Settings of the phases that no longer exist. The values are the attributes of
# the model that replace them.
MOVED = {
    "growing_phases.start_size": "start_size",
    "cascade_phases.taps": "taps",
}


def rename(text):
    """Returns gin text in which former names of settings are replaced.

    A setting in `MOVED` becomes a setting of the configurable `former`, which
    has no effect.

    Args:
        text: lines of a .gin file, or one binding.

    Returns:
        Pair `(text, notes)`. `text` is the new text, and `notes` is a list
        with a sentence for each name that was replaced.
    """
    notes = []
    names = RENAMED | {old: f"former.{new}" for old, new in MOVED.items()}
    for old, new in names.items():
        pattern = rf"^(\s*(?:[\w./-]+/)?){re.escape(old)}(?=\s*=)"
        text, found = re.subn(pattern, rf"\g<1>{new}", text, flags=re.M)
        if found and old in MOVED:
            notes.append(
                f"{old} is no longer a setting, because the training phases "
                f"are computed from the model's {MOVED[old]}. Remove the line."
            )
        elif found:
            notes.append(f"{old} is now called {new}.")
    return text, notes


def bindings_of(text):
    """Returns the bindings in gin text.

    Returns:
        Dictionary of the values as texts. The keys are
        "scope/name.parameter".
    """
    text = re.sub(r"\\\n\s*", "", text)
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    found = re.findall(
        r"^(\S+) = (.*(?:\n[ \t)\]}].*)*)", "\n".join(lines), flags=re.M
    )
    return {name: " ".join(value.split()) for name, value in found}


def read_gin(path):
    """Returns the text of a .gin file.

    Args:
        path: path of the file, a `Path`.

    Raises:
        UserError: the file is not in UTF-8.
        OSError: the file cannot be read.
    """
    try:
        return read_utf8(path, _MOST_BYTES)
    except UnicodeDecodeError as error:
        raise UserError(
            "`gin_file` must be a text file in UTF-8. "
            f"Received: {path} ({error.reason})"
        ) from error


def saved_bindings(path):
    """Returns the bindings of a run's config.gin, by their present names.

    Args:
        path: path of the config.gin, a `Path`.

    Returns:
        Dictionary as `bindings_of` returns it, with the `former_defaults` that
        are missing in the file. The dictionary is empty if the file is missing
        or damaged.
    """
    return former_defaults(path) | _present_bindings(path)


def former_defaults(path):
    """Returns settings that had other defaults when a run was begun.

    A run's config.gin contains all settings. Therefore, if the file has a
    setting of a method and not a newer one, the run was begun by a version
    without the newer one.

    - Without `TwinGAN.dragan_width`, the maximum of uniform noise and the
      standard deviation of normal noise were half of the standard deviation of
      the images, and networks had one convolution at 8 px by default.
    - Without `detailed_reader`, the reader of sprites read neither the colours
      of the cheeks nor the means of the feature maps over the hair.

    Args:
        path: path of the config.gin, a `Path`.

    Returns:
        Dictionary of the values with which the run is continued, as
        `bindings_of` returns it. The dictionary is empty if the run was begun
        by a version with the present defaults, or if the file is missing or
        damaged.
    """
    found = _present_bindings(path)
    former = {
        f"{method}.detailed_reader": "False"
        for method in ("SpriteTranslator", "OwnStyle")
        if f"{method}.slots" in found
        and f"{method}.detailed_reader" not in found
    }
    noise = found.get("TwinGAN.dragan_noise")
    if noise is None or "TwinGAN.dragan_width" in found:
        return former
    width = 0.5 if noise == "'normal'" else 0.5 / 3
    return former | {
        "TwinGAN.dragan_width": repr(width),
        "TwinGAN.convs_at_8": found.get("TwinGAN.convs_at_8", "1"),
    }


def _present_bindings(path):
    """Returns the bindings of a file, by their present names."""
    try:
        text, _ = rename(read_gin(path))
    except (OSError, UserError):
        return {}
    return {
        name: value
        for name, value in bindings_of(text).items()
        if not name.startswith("former.")
    }


def domain_names(run_dir):
    """Returns the names of a run's domains, from the run's config.gin.

    Args:
        run_dir: folder of the run.

    Returns:
        Tuple of two names; ("a", "b") if the run does not set them.

    Raises:
        UserError: the names are not allowed.
    """
    return check_names(_saved_setting(run_dir, "domains", DOMAINS))


def face_margin(run_dir):
    """Returns the margin around the faces that a run was trained on.

    Args:
        run_dir: folder of the run.

    Returns:
        `train.face_margin` of the run's config.gin; None if it is not set.
    """
    return _saved_setting(run_dir, "face_margin", None)


def _saved_setting(run_dir, name, default):
    """Returns the value of `train.NAME` in a run's config.gin.

    Raises:
        UserError: the value is not a literal.
    """
    bindings = saved_bindings(Path(run_dir) / "config.gin")
    given = bindings.get(f"train.{name}")
    # The value may be a reference to a macro, such as "%names".
    if given and given.startswith("%"):
        given = bindings.get(given[1:])
    if not given:
        return default
    try:
        return ast.literal_eval(given)
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise UserError(
            f"`train.{name}` must be a literal in the config.gin of a run. "
            f"Received: {printable(given[:100])} in {run_dir}"
        ) from error


def differences(before, now, names, what="was"):
    """Returns texts about the settings in which two configurations differ.

    Args:
        before, now: dictionaries as `bindings_of` returns them.
        names: names of the settings to compare.
        what: word that is put in front of the value in `before`.

    Returns:
        List of texts such as "train.seed = 1 (was 0)".
    """
    return [
        f"{name} = {now.get(name, '(not set)')} "
        f"({what} {before.get(name, '(not set)')})"
        for name in sorted(names)
        if before.get(name) != now.get(name)
    ]


def checksum(parts):
    """Returns the CRC-32 checksum of an iterable of bytes."""
    total = 0
    for part in parts:
        total = zlib.crc32(part, total)
    return total
