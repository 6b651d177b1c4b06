"""File names are the user's: all are read, and none reaches the terminal."""

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tf_i2i.data.folders import FolderSource
from tf_i2i.data.store import open_store

NAMES = [
    "line\nend.png",
    "two\r\nends.png",
    "tab\there.png",
    "\x1b[31mred\x1b[0m.png",
    "\x07bell\x7f.png",
    "\x9b2Jclear.png",
    "\u202egnp.exe.png",
    "\u2028line.png",
    'it\'s "quoted" `so`.png',
    "back\\slash.png",
    "x\\..\\up.png",
    "C:\\x.png",
    "~.png",
    "-rf.png",
    "--output=x.png",
    "%s %d %(name)s.png",
    "{0} {name!r} {.png",
    "$(touch x); & | > x.png",
    "[1-9] * ?.png",
    "# @ = 1.png",
    " .png",
    "two  spaces .png",
    "Case.PNG",
    "case.Png",
    "Me.JPEG",
    "x.tar.gz.JpG",
    "🙂👩‍👩‍👧.png",
    "مرحبا.png",
    "e\u0301.png",
    "é.png",
    "n" * 251 + ".png",
    os.fsdecode(b"latin caf\xe9.png"),
    os.fsdecode(b"\xff\xfe\x80.png"),
    os.fsdecode(b"half \xf0\x9f.png"),
]

NO_IMAGE = "Its content is no JPEG, PNG, WebP, BMP, GIF, TIFF, AVIF or HEIC."


@pytest.fixture
def folder(tmp_path):
    """Of a hostile name itself; image i is of the grey level i."""
    folder = tmp_path / os.fsdecode(b"my\n\x1b[1m%s {}\xff photos")
    try:
        folder.mkdir()
        for level, name in enumerate(NAMES):
            picture = Image.new("L", (4, 4), level)
            picture.save(folder / name, "PNG")
    except OSError:
        pytest.skip("this file system has rules for names")
    return folder


def test_every_name_is_read_and_found_again(folder, tmp_path, monkeypatch):
    said = []

    def opened():
        source = FolderSource(folder)
        return open_store(
            source, 4, cache_dir=tmp_path / "cache", progress=said.append
        )

    store = opened()
    assert sorted(store.names) == sorted(NAMES)
    levels = [NAMES.index(name) for name in store.names]
    np.testing.assert_array_equal(store.images[:, 0, 0, 0], levels)
    assert sum(map(len, store.splits.values())) == len(NAMES)
    monkeypatch.setattr(FolderSource, "items", None)
    again = opened()
    assert again.names == store.names
    assert again.path == store.path
    assert len(said) >= 3
    assert all(line.isprintable() for line in said)


def test_every_name_is_told_in_one_line(folder, tmp_path, refuses):
    for name in NAMES:
        (folder / name).write_bytes(b"no image")
    (folder / "not\nan\x1bimage").touch()
    source = FolderSource(folder)
    (note,) = source.notes
    assert note.isprintable()
    assert (
        r"1 files are left out, because they are no images (not\nan\x1bimage)"
        in note
    )
    for item in source.items(4, "crop"):
        assert item.image.name == item.name
        assert str(item.image).isprintable()

    said = []
    cache = tmp_path / "cache"
    with refuses() as caught:
        open_store(source, 4, "crop", cache, 1.0, said.append)
    assert str(caught.value).isprintable()
    assert rf"left out \x07bell\x7f.png: {NO_IMAGE}" in said
    assert all(line.isprintable() for line in said)
    with refuses("train.max_bad_fraction", "max_bad_fraction") as caught:
        open_store(source, 4, "crop", cache, 0.01, said.append)
    assert rf"the first: \x07bell\x7f.png: {NO_IMAGE}" in str(caught.value)
    assert str(caught.value).isprintable()


def test_links_to_nowhere_are_named(folder, tmp_path):
    (folder / "nowhere.png").symlink_to("no\nsuch\x1bfile")
    (folder / "circle.png").symlink_to("circle.png")
    store = open_store(
        FolderSource(folder),
        4,
        cache_dir=tmp_path / "cache",
        max_bad_fraction=0.1,
        progress=lambda line: None,
    )
    assert store.bad == [
        ("circle.png", "Too many levels of symbolic links"),
        ("nowhere.png", "No such file or directory"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_they_can_be_printed_anywhere(folder, tmp_path, encoding):
    """Through the real stderr, whatever the terminal can show."""
    code = (
        "import sys; from tf_i2i.data.folders import FolderSource;"
        "from tf_i2i.data.store import open_store;"
        "open_store(FolderSource(sys.argv[1]), 4, 'crop', sys.argv[2], 0.9)"
    )
    (folder / NAMES[0]).write_bytes(b"no image")
    done = subprocess.run(
        [sys.executable, "-c", code, folder, tmp_path / "cache"],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0
    lines = done.stderr.decode(encoding).splitlines()
    assert all(line.isprintable() for line in lines)
    assert rf"left out line\nend.png: {NO_IMAGE}" in lines


def test_a_folder_named_like_a_home(tmp_path, monkeypatch):
    (tmp_path / "~nobody-here").mkdir()
    Image.new("L", (4, 4)).save(tmp_path / "~nobody-here" / "x.png")
    monkeypatch.chdir(tmp_path)
    assert len(FolderSource("~nobody-here")) == 1
