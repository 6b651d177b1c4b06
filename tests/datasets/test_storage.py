"""Files that are written completely or not at all."""

import contextlib
from types import SimpleNamespace

import pytest

from tf_i2i.datasets.storage import Store


class Full:
    """A file system in which only the first half of each file has room."""

    def __init__(self, system):
        self._system = system

    def __getattr__(self, name):
        return getattr(self._system, name)

    @contextlib.contextmanager
    def open_output_stream(self, path):
        with self._system.open_output_stream(path) as stream:

            def write(content):
                stream.write(content[: len(content) // 2])
                raise OSError("no room")

            yield SimpleNamespace(write=write)


@pytest.fixture(params=["object store", "disk"])
def store(request, tmp_path):
    """A store in pyarrow's file system in memory, or on the disk."""
    uri = "mock:///out" if request.param == "object store" else tmp_path / "out"
    return Store(str(uri), "output")


def test_a_file_is_replaced(store):
    for content in (b"first", b"second"):
        store.write("sub/x.png", content)
    assert store.read("sub/x.png") == b"second"
    assert store.files() == [("sub/x.png", 6)]


def test_an_error_leaves_no_part_of_an_object(monkeypatch):
    store = Store("mock:///out", "output")
    store.write("old.png", b"old")
    whole = store._system
    monkeypatch.setattr(store, "_system", Full(whole))
    for name in ("old.png", "new.png"):
        with pytest.raises(OSError, match="no room"):
            store.write(name, b"newer")
    monkeypatch.setattr(store, "_system", whole)
    assert store.files() == [("old.png", 3)]
    assert store.read("old.png") == b"old"
    assert store.names_in("_unfinished") == set()
