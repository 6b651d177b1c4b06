"""Files that nobody promised to be regular, small or whole."""

import os
import signal
from types import SimpleNamespace

import pytest

from tf_i2i.consent import check_file
from tf_i2i.data.folders import FolderSource
from tf_i2i.data.labels import read_labels
from tf_i2i.data.maps import read_palette
from tf_i2i.data.reading import read_image
from tf_i2i.demo import collect
from tf_i2i.disk import write_whole
from tf_i2i.evaluation.log import append_row
from tf_i2i.evaluation.log import read_curves
from tf_i2i.foreign_files import open_regular
from tf_i2i.foreign_files import read_bytes
from tf_i2i.foreign_files import read_json
from tf_i2i.foreign_files import read_utf8
from tf_i2i.prepare_faces import RECORD
from tf_i2i.prepare_faces import Record
from tf_i2i.report import write_report
from tf_i2i.training import data_record
from tf_i2i.training import settings
from tf_i2i.training.checkpoints import Checkpoints
from tf_i2i.training.lock import NAME
from tf_i2i.training.lock import _holder
from tf_i2i.training.metrics_log import MetricsLog
from tf_i2i.training.packed import _read_packed
from tf_i2i.training.weights_file import damage


@pytest.fixture(autouse=True)
def _alarm():
    """Whoever waits for a pipe is interrupted."""

    def interrupt(number, frame):
        raise AssertionError("It waits.")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.alarm(5)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def open_log(folder, path):
    path.rename(folder / "metrics.jsonl")
    MetricsLog(folder, "ab", SimpleNamespace(step=1)).open()


def read_folder(folder, path):
    path.rename(folder / "x.png")
    (item,) = FolderSource(folder).items(8, "crop")
    raise item.image


def best(folder, path):
    checkpoints = Checkpoints(folder)
    checkpoints.folder.mkdir()
    path.rename(checkpoints.best[1])
    assert checkpoints.is_best(SimpleNamespace(), 1.0)


def holder(folder, path):
    path.rename(folder / NAME)
    assert _holder(folder) == "another process"


def record(folder, path):
    path.rename(folder / RECORD)
    Record(folder, {}, [])


@pytest.mark.parametrize(
    "read",
    [
        lambda folder, path: read_bytes(path),
        lambda folder, path: read_labels(path),
        lambda folder, path: read_palette(path),
        lambda folder, path: read_image(path),
        lambda folder, path: read_curves(path),
        lambda folder, path: append_row(path, {}),
        lambda folder, path: check_file("kerasfile:x", path),
        lambda folder, path: _read_packed(path, []),
        lambda folder, path: collect([path], folder),
        open_log,
        read_folder,
        record,
    ],
)
def test_no_pipe_is_waited_for(read, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises((ValueError, OSError)) as caught:
        read(tmp_path, tmp_path / "pipe")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("read", "answer"),
    [
        (lambda folder, path: settings.saved_bindings(path), {}),
        (lambda folder, path: data_record._read_record(path), {}),
        (lambda folder, path: damage(path), "cannot be read"),
        (best, None),
        (holder, None),
    ],
)
def test_a_pipe_counts_as_missing_or_damaged(read, answer, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert read(tmp_path, tmp_path / "pipe") == answer


@pytest.mark.parametrize("kind", ["pipe", "link", "broken link", "file"])
def test_nothing_is_written_through_a_temporary_name(kind, tmp_path):
    """A downloaded folder may contain such names."""
    other, beside = tmp_path / "other", tmp_path / "x.tmp"
    other.write_bytes(b"precious")
    if kind == "pipe":
        os.mkfifo(beside)
    elif kind == "file":
        beside.write_bytes(b"old")
    else:
        beside.symlink_to(other if kind == "link" else tmp_path / "new")
    (tmp_path / "x.json").symlink_to(other)
    write_whole(tmp_path / "x.json", [b"x", b"y"])
    assert (tmp_path / "x.json").read_bytes() == b"xy"
    assert not (tmp_path / "x.json").is_symlink()
    assert other.read_bytes() == b"precious"
    assert {p.name for p in tmp_path.iterdir()} == {"other", "x.json"}


def test_no_log_is_written_through_a_link(tmp_path, refuses):
    (tmp_path / "other").write_bytes(b"precious")
    (tmp_path / "metrics.jsonl").symlink_to("other")
    with refuses("--run_dir"):
        append_row(tmp_path / "metrics.jsonl", {})
    with pytest.raises(OSError, match="It is a link"):
        MetricsLog(tmp_path, "ab", SimpleNamespace(step=1)).open()
    (tmp_path / "report.html").symlink_to("other")
    write_report(tmp_path / "report.html", "", {}, [], {})
    assert (tmp_path / "other").read_bytes() == b"precious"


def test_what_is_too_large_is_not_read(tmp_path):
    path = tmp_path / "x"
    path.touch()
    os.truncate(path, 10**12)  # It needs no space.
    with pytest.raises(OSError, match="1,000,000,000,000 bytes"):
        read_bytes(path, 100)
    assert settings.saved_bindings(path) == {}
    assert data_record._read_record(path) == {}


def test_texts(tmp_path):
    path = tmp_path / "x"
    path.write_bytes("\ufeffgr\u00f6\u00dfe\r\n".encode())
    assert read_utf8(path) == "gr\u00f6\u00dfe\n"
    path.write_bytes(b"\xff")
    with pytest.raises(UnicodeDecodeError):
        read_utf8(path)
    assert read_utf8(path, errors="replace") == "\ufffd"


@pytest.mark.parametrize("content", ["[" * 10**5, "{", "", "\x00"])
def test_json_that_is_none(content, tmp_path):
    (tmp_path / "x").write_text(content)
    with pytest.raises(ValueError, match=r"nested|line 1|Expecting"):
        read_json(tmp_path / "x")


def test_links_are_followed_and_folders_are_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    with open_regular(tmp_path / "link") as stream:
        assert stream.read() == b"content"
    with pytest.raises(OSError, match="a folder"):
        open_regular(tmp_path)


def test_damaged_rows_are_left_out(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(
        b'{"step": 1, "images_shown": 2, "a": 1.5, "b": "text"}\n'
        b'null\n[1]\n{"a": 1}\n{"images_shown": {}, "a": 1}\n\xff\n'
        + b"[" * 10**5
        + b'\n{"images_shown": 4, "a": 2}'
    )
    assert read_curves(path) == {"a": [(2, 1.5), (4, 2)]}


@pytest.mark.parametrize("line", [b"null", b"{}", b"{", b"[" * 10**5])
def test_a_damaged_record(line, tmp_path, refuses):
    (tmp_path / RECORD).write_bytes(b'{"size": 8}\n' + line + b"\n")
    with refuses("--output"):
        Record(tmp_path, {"size": 8}, [])
