"""Configurations as text: what a config.gin says, and how two differ."""

import ast
import re
import zlib
from pathlib import Path

from tf_i2i.domains import DOMAINS
from tf_i2i.domains import check_names


def bindings_of(text):
    """gin text -> dictionary, "scope/name.parameter" -> value as text."""
    text = re.sub(r"\\\n\s*", "", text)
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    found = re.findall(
        r"^(\S+) = (.*(?:\n[ \t].*)*)", "\n".join(lines), flags=re.M
    )
    return {name: " ".join(value.split()) for name, value in found}


def saved_bindings(path):
    """Bindings of a run's config.gin; none where it is missing or damaged."""
    try:
        return bindings_of(path.read_text())
    except (OSError, UnicodeDecodeError):
        return {}


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
