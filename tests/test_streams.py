"""stdout and stderr of a command that nobody reads, or that are closed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tf_i2i import streams

ROOT = Path(__file__).parents[1]


def test_a_reader_that_has_gone():
    read, write = os.pipe()
    raw, stream = streams._stream(write, None)
    os.close(read)
    print("nobody reads this", file=stream, flush=True)
    assert raw.error is None
    os.close(write)


def test_a_full_disk():
    number = os.open("/dev/full", os.O_WRONLY)
    raw, stream = streams._stream(number, None)
    print("there is no room for this", file=stream, flush=True)
    assert raw.error.strerror == "No space left on device"
    os.close(number)


@pytest.mark.parametrize(
    ("redirection", "status", "line"),
    [
        ("2>&-", 2, b""),
        (">&-", 0, b""),
        ("<&- >&- 2>&-", 0, b""),
        ("| head -c 1", 0, b""),
        (">/dev/full", 2, b"error: `stdout` must be a file that can be "),
        ("2>/dev/full", 2, b""),
    ],
)
def test_streams_of_the_shell(redirection, status, line):
    command = "" if status == 0 or redirection == ">/dev/full" else "nonsense"
    found = subprocess.run(
        f"{sys.executable} -m tf_i2i {command} {redirection}",
        shell=True,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    assert found.returncode == status
    assert found.stderr.startswith(line)
    assert found.stderr.count(b"\n") == bool(line)


def test_the_locale_lacks_a_character(tmp_path):
    with open(tmp_path / "text", "w", encoding="latin-1") as file:
        _, stream = streams._stream(file.fileno(), file)
        print("größe 名前", file=stream, flush=True)
    text = (tmp_path / "text").read_bytes()
    assert text == "größe \\u540d\\u524d\n".encode("latin-1")
