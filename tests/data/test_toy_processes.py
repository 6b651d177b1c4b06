"""Toy faces that several processes draw are those that one process draws."""

import sys

import numpy as np
import pytest

from tf_i2i.data import toy_faces
from tf_i2i.data import toy_processes


@pytest.mark.parametrize("interpreter", [sys.executable, "/bin/false", None])
def test_drawings_do_not_depend_on_processes(interpreter, monkeypatch):
    monkeypatch.setattr(toy_processes, "_FEWEST", 1)
    monkeypatch.setattr(toy_processes, "_AT_ONCE", 3)
    monkeypatch.setattr(toy_processes, "_cores", lambda: 2)
    monkeypatch.setattr(sys, "executable", interpreter)
    people = np.arange(100, 110)
    parts = list(toy_processes.draw("b", people, 8))
    assert [len(part) for part in parts] == [3, 3, 3, 1]
    np.testing.assert_array_equal(
        np.concatenate(parts), toy_faces.render("b", people, 8)
    )


def test_processes_end_with_an_unfinished_loop(monkeypatch):
    monkeypatch.setattr(toy_processes, "_FEWEST", 1)
    monkeypatch.setattr(toy_processes, "_cores", lambda: 2)
    started = []
    popen = toy_processes.subprocess.Popen

    def start(*args, **kwargs):
        started.append(popen(*args, **kwargs))
        return started[-1]

    monkeypatch.setattr(toy_processes.subprocess, "Popen", start)
    drawings = toy_processes.draw("a", np.arange(200), 8)
    next(drawings)
    drawings.close()
    assert len(started) == 2
    assert all(process.poll() is not None for process in started)
