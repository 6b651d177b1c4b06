"""A run teaches a student, which is a run like any other."""

import json
from pathlib import Path

import pytest

from tf_i2i import distill
from tf_i2i import export

TEACHER = Path(distill.__file__).parent / "models" / "cyclegan_toy"
SMALL = [
    "Student.width = 0.1",
    "Student.blocks = 1",
    "single_phase.images = 8",
    "train.precision = 'float32'",
]


def verb(run_dir, student, *flags):
    distill.main([f"--run_dir={run_dir}", f"--student={student}", *flags])


@pytest.mark.slow
def test_a_student_is_taught_compared_and_exported(tmp_path, capsys):
    student = tmp_path / "small"
    flags = [*(f"--gin_param={line}" for line in SMALL), "--count=32"]
    verb(TEACHER, student, *flags)
    said = capsys.readouterr().out
    assert "Student and teacher, 64 test images" in said
    kept = json.loads((student / distill.REPORT).read_text())
    assert kept["parameters"]["student"] < 20_000
    assert kept["parameters"]["teacher"] > 400_000
    # One step: nothing is learned, and the table says so.
    assert kept["a_to_b"]["likeness"]["ssim"] < 0.9
    scores = kept["a_to_b"]["scores"]
    assert scores["teacher"]["score"] > scores["student"]["score"]

    # The same command again has nothing left to do; the teacher may go.
    verb(TEACHER, student, *flags)
    assert json.loads((student / distill.REPORT).read_text()) == kept
    (student / distill.TEACHER).rename(tmp_path / "gone")
    export.main([f"--run_dir={student}", f"--output={tmp_path}/face.tflite"])
    assert (tmp_path / "face.tflite").is_file()


@pytest.mark.parametrize("begun", [False, True])
def test_the_teacher_is_removed_if_the_student_is_refused(begun, tmp_path):
    folder = tmp_path / "small" / distill.TEACHER
    folder.mkdir(parents=True)
    if begun:
        (folder.parent / "config.gin").touch()
    with pytest.raises(KeyError), distill._removed_if_refused(folder):
        raise KeyError
    assert folder.exists() == begun


@pytest.mark.parametrize(
    ("run_dir", "student", "flags", "argument"),
    [
        ("nowhere", "small", [], "--run_dir"),
        (TEACHER, TEACHER, [], "--student"),
        (TEACHER, "small", ["--direction=a_to_c"], "--direction"),
        (TEACHER, "small", ["--gin_file=no.gin"], "--gin_file"),
    ],
)
def test_wrong_flags(
    run_dir, student, flags, argument, tmp_path, monkeypatch, refuses
):
    def no_tensorflow(training=False):
        raise AssertionError("flags must be checked before the import")

    monkeypatch.setattr(distill.cli, "import_tensorflow", no_tensorflow)
    monkeypatch.chdir(tmp_path)
    with refuses(argument):
        verb(run_dir, student, *flags)
    assert not Path("small").exists()


def test_a_teacher_that_fills_the_disk_leaves_nothing(tmp_path, monkeypatch):
    def save(model, path):
        path.mkdir()
        raise OSError("no room")

    monkeypatch.setattr("tf_i2i.exporting.export_saved_model", save)
    with pytest.raises(OSError, match="no room"):
        distill._write_teacher(None, tmp_path / "teacher")
    assert not [*tmp_path.iterdir()]
