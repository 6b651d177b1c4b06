"""What the command writes, continues, lists and refuses."""

import csv
import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tf_i2i import prepare_faces
from tf_i2i.data.reading import read_image
from tf_i2i.errors import UserError
from tf_i2i.faces import detect
from tf_i2i.faces.align import in_box


def coded(count, seed=0):
    """A photo in which the fake detector finds so many faces."""
    shape = (48, 64, 3)
    photo = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    photo[0, 0, 0] = count
    return photo


def write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return path


class Detector:
    """Finds as many faces as the first byte says, the largest first."""

    def __init__(self):
        self.calls = 0

    def __call__(self, photo):
        self.calls += 1
        return [in_box(8 * i, 4, 32 - 8 * i) for i in range(photo[0, 0, 0])]


@pytest.fixture
def finder(monkeypatch):
    finder = Detector()
    monkeypatch.setattr(detect, "detector", lambda kind: finder)
    monkeypatch.setattr(detect, "check_installed", lambda kind: None)
    monkeypatch.setattr(prepare_faces.cli, "import_tensorflow", lambda: None)
    return finder


@pytest.fixture
def raw(tmp_path):
    raw = tmp_path / "raw"
    write(raw / "a.png", coded(1))
    write(raw / "b.png", coded(0))
    write(raw / "sub" / "c.png", coded(3, seed=1))
    (raw / "broken.jpg").write_bytes(b"nothing")
    return raw


def verb(raw, out, *argv):
    prepare_faces.main([f"--input={raw}", f"--output={out}", *argv])


def made(out):
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


def rows(out):
    with open(out / "left_out.csv", newline="") as file:
        return list(csv.reader(file))


def test_the_largest_face_of_each(finder, raw, tmp_path, capsys):
    out = tmp_path / "out"
    verb(raw, out, "--size=32", "--margin=0")
    assert set(made(out)) == {
        ".prepare_faces.jsonl",
        "a.png",
        "left_out.csv",
        "sub/c.png",
    }
    np.testing.assert_array_equal(
        read_image(out / "a.png"), coded(1)[4:36, :32]
    )
    header, *files = rows(out)
    assert header == ["file", "reason"]
    assert files[0] == [str(raw / "b.png"), "no face found"]
    assert files[1][0] == str(raw / "broken.jpg")
    assert "Its content is no JPEG" in files[1][1]
    said = capsys.readouterr()
    assert said.out == (
        f"Prepared 2 faces from 2 of 4 images in {out}\n"
        f"Left out 1 without a face and 1 unreadable: {out}/left_out.csv\n"
    )
    assert said.err.startswith(f"left out {raw}/broken.jpg: Its content")


def test_every_face(finder, raw, tmp_path):
    out = tmp_path / "out"
    # The name that c's second face would have.
    write(raw / "sub" / "c-2.png", coded(1, seed=2))
    verb(raw, out, "--size=16", "--margin=0", "--all_faces")
    pictures = {name for name in made(out) if name.endswith(".png")}
    assert pictures == {
        "a.png",
        *("sub/c.png", "sub/c-2.png", "sub/c-3.png", "sub/c-4.png"),
    }
    # The third face is 16 pixels wide.
    np.testing.assert_array_equal(
        read_image(out / "sub" / "c-4.png"), coded(3, seed=1)[4:20, 16:32]
    )


def test_again_is_nothing_to_do_and_new_photos_are(
    finder, raw, tmp_path, capsys
):
    out = tmp_path / "out"
    verb(raw, out)
    before = made(out)
    assert finder.calls == 3
    capsys.readouterr()
    verb(raw, out)
    assert (finder.calls, made(out)) == (3, before)
    assert "4 images in" in (said := capsys.readouterr().out)
    assert ", 3 of the images by earlier calls" in said
    # What the user threw out stays out; what is new or changed is done.
    (out / "a.png").unlink()
    write(raw / "b.png", coded(1, seed=9))
    write(raw / "d.png", coded(1, seed=8))
    os.utime(raw / "b.png", (1, 1))
    (raw / "broken.jpg").unlink()
    verb(raw, out)
    assert finder.calls == 5
    pictures = {name for name in made(out) if name.endswith(".png")}
    assert pictures == {"b.png", "d.png", "sub/c.png"}
    assert not (out / "left_out.csv").exists()


def test_a_killed_call_goes_on_to_the_same_end(
    finder, raw, tmp_path, monkeypatch
):
    whole, out = tmp_path / "whole", tmp_path / "out"
    verb(raw, whole, "--all_faces")
    photos = iter(range(2))

    def killed(image, path):
        if next(photos, None) is None:
            path.write_bytes(b"half a picture")
            raise KeyboardInterrupt
        save(image, path)

    save = prepare_faces.save_image
    (out / "sub").mkdir(parents=True)
    (out / "sub").rmdir()
    monkeypatch.setattr(prepare_faces, "save_image", killed)
    with pytest.raises((KeyboardInterrupt, OSError)):
        verb(raw, out, "--all_faces")
    record = out / ".prepare_faces.jsonl"
    assert len(record.read_bytes().splitlines()) < 4
    record.write_bytes(record.read_bytes() + b'{"image": "su')
    monkeypatch.setattr(prepare_faces, "save_image", save)
    verb(raw, out, "--all_faces")
    assert made(out) == made(whole)


def test_a_folder_has_one_kind_of_faces(finder, raw, tmp_path, refuses):
    out = tmp_path / "out"
    verb(raw, out, "--size=32")
    with refuses("--size") as refused:
        verb(raw, out, "--size=64")
    assert "--size=32" in str(refused.value)
    with refuses("--background"):
        verb(raw, out, "--size=32", "--background=blur")


def test_nothing_is_lost(finder, raw, tmp_path, refuses):
    other = write(tmp_path / "other" / "mine.png", coded(1))
    for folder in (other.parent, raw):
        before = made(folder)
        with refuses("--output"):
            verb(raw, folder)
        assert made(folder) == before
    out = tmp_path / "out"
    verb(raw, out)
    before = made(out)
    with refuses("--output"):
        verb(out, out)
    assert made(out) == before


def test_results_below_the_photos_are_not_prepared_again(finder, raw):
    verb(raw, raw / "out")
    calls = finder.calls
    verb(raw, raw / "out")
    assert finder.calls == calls


def test_a_record_of_something_else(finder, raw, tmp_path, refuses):
    out = tmp_path / "out"
    out.mkdir()
    (out / ".prepare_faces.jsonl").write_text("so long\n")
    with refuses("--output"):
        verb(raw, out)


def test_no_face_at_all(finder, tmp_path, refuses):
    raw = write(tmp_path / "raw" / "b.png", coded(0)).parent
    with refuses("--input"):
        verb(raw, tmp_path / "out")
    assert len(rows(tmp_path / "out")) == 2


def test_drawn_faces_are_cut_from_the_centre(raw, tmp_path):
    out = tmp_path / "out"
    verb(raw, out, "--kind=drawn", "--size=48")
    np.testing.assert_array_equal(read_image(out / "b.png"), coded(0)[:, 8:56])
    assert [file for file, _ in rows(out)[1:]] == [str(raw / "broken.jpg")]


def test_background_and_notes(finder, raw, tmp_path, capsys):
    verb(raw, tmp_path / "out", "--background=white", "--margin=1")
    picture = read_image(tmp_path / "out" / "a.png")
    assert (picture[:40] == 255).all()
    assert picture.shape == (256, 256, 3)
    said = capsys.readouterr().err
    assert "2 of 2 faces were enlarged" in said
    assert "a smaller --margin" in said


def test_file_names_that_no_one_would_choose(finder, tmp_path):
    raw = tmp_path / "raw"
    names = ["two\nlines.png", os.fsdecode(b"caf\xe9.png")]
    for name in names:
        write(raw / name, coded(1))
    write(raw / os.fsdecode(b"no\xff.png"), coded(0))
    (raw / "circle.png").symlink_to("circle.png")
    out = tmp_path / "out"
    for _ in range(2):
        verb(raw, out)
        assert {p.name for p in out.glob("*.png")} == set(names)
    assert finder.calls == 3


@pytest.mark.parametrize(
    ("flags", "argument"),
    [
        (["--size=8"], "--size"),
        (["--margin=3"], "--margin"),
        (["--kind=dogs"], "--kind"),
        (["--background=black"], "--background"),
        (["--output=face.png"], "--output"),
        (["--input=nowhere"], "--input"),
        (["--kind=drawn", "--margin=.1"], "--margin"),
        (["--kind=drawn", "--all_faces"], "--all_faces"),
        (["--kind=drawn", "--background=blur"], "--background"),
    ],
)
def test_wrong_flags(finder, raw, tmp_path, flags, argument, refuses):
    with refuses(argument):
        verb(raw, tmp_path / "out", *flags)
    assert not (tmp_path / "out").exists()


def test_without_the_extra(raw, tmp_path, monkeypatch):
    absent = {"people": "no_such_package", "cats": "no_such_package"}
    monkeypatch.setattr(detect, "_PACKAGES", absent)
    with pytest.raises(UserError, match=r"pip install 'tf-i2i\[faces\]'"):
        verb(raw, tmp_path / "out")
    assert not (tmp_path / "out").exists()


# With real detectors and photos: TF_I2I_DATA is a folder with lfw/ and cats/.


def real_photos(name, package, count=10):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package}, of the extra `faces`, is not installed")
    folder = Path(os.environ.get("TF_I2I_DATA", "")) / name
    if not os.environ.get("TF_I2I_DATA") or not folder.is_dir():
        pytest.skip(f"TF_I2I_DATA is not a folder with {name}/")
    return sorted(folder.rglob("*.jpg"))[:count]


@pytest.mark.parametrize(
    ("kind", "folder", "package", "fewest"),
    [("people", "lfw", "mtcnn", 10), ("cats", "cats", "cv2", 8)],
)
def test_real_faces(tmp_path, kind, folder, package, fewest):
    photos = real_photos(folder, package)
    flags = ["--input", *map(str, photos), "--size=64", f"--kind={kind}"]
    for out in ("one", "two"):
        prepare_faces.main([*flags, f"--output={tmp_path / out}"])
    assert made(tmp_path / "one") == made(tmp_path / "two")
    lines = (tmp_path / "one" / ".prepare_faces.jsonl").read_text()
    found = [
        face
        for line in lines.splitlines()[1:]
        for face in json.loads(line)["faces"]
    ]
    assert fewest <= len(found) <= 10
    assert all(face["pixels"] > 40 for face in found)
