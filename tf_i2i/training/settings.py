"""Configurations as text: what a config.gin says, and how two differ.

Settings that had another name before are read under that name too: in a
user's files and flags, and in the config.gin of an older run.
"""

import ast
import re
import zlib
from pathlib import Path

from tf_i2i.domains import DOMAINS
from tf_i2i.domains import check_names

# Former name of a setting -> its name.
RENAMED = {"train.learning_rate": "train.schedule"}
# Former setting of the phases -> the model's attribute that it repeated.
MOVED = {
    "growing_phases.start_size": "start_size",
    "cascade_phases.taps": "taps",
}


def rename(text):
    """Replaces former names of settings in gin text.

    A setting in `MOVED` becomes one of `former`, which nothing reads.

    Args:
        text: lines of a .gin file, or one binding.

    Returns:
        `(text, notes)`, `notes` one sentence for each replaced name.
    """
    notes = []
    names = RENAMED | {old: f"former.{new}" for old, new in MOVED.items()}
    for old, new in names.items():
        pattern = rf"^(\s*(?:[\w./-]+/)?){re.escape(old)}(?=\s*=)"
        text, found = re.subn(pattern, rf"\g<1>{new}", text, flags=re.M)
        if found and old in MOVED:
            notes.append(
                f"{old} is no longer a setting: the phases follow the "
                f"model's {MOVED[old]}. Remove the line."
            )
        elif found:
            notes.append(f"{old} is now called {new}.")
    return text, notes


def bindings_of(text):
    """gin text -> dictionary, "scope/name.parameter" -> value as text."""
    text = re.sub(r"\\\n\s*", "", text)
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    found = re.findall(
        r"^(\S+) = (.*(?:\n[ \t].*)*)", "\n".join(lines), flags=re.M
    )
    return {name: " ".join(value.split()) for name, value in found}


def saved_bindings(path):
    """Bindings of a run's config.gin, by the names that settings have today.

    Returns:
        Dictionary as of `bindings_of`; empty where the file is missing or
        damaged.
    """
    try:
        text, _ = rename(path.read_text())
    except (OSError, UnicodeDecodeError):
        return {}
    return {
        name: value
        for name, value in bindings_of(text).items()
        if not name.startswith("former.")
    }


def domain_names(run_dir):
    """What a run calls its domains: `train.domains` of its config.gin.

    Raises:
        UserError: names that cannot be.
    """
    given = saved_bindings(Path(run_dir) / "config.gin").get("train.domains")
    return check_names(ast.literal_eval(given)) if given else DOMAINS


def differences(before, now, names, what="was"):
    """Settings that two configurations give other values, in words.

    Args:
        before, now: dictionaries of `bindings_of`.
        names: which settings matter.
        what: before the value of `before`.
    """
    return [
        f"{name} = {now.get(name, '(not set)')} "
        f"({what} {before.get(name, '(not set)')})"
        for name in sorted(names)
        if before.get(name) != now.get(name)
    ]


def checksum(parts):
    """A number for bytes, part after part."""
    total = 0
    for part in parts:
        total = zlib.crc32(part, total)
    return total
