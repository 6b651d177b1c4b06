"""Samples of the package, and names of outputs."""

from pathlib import Path

from PIL import Image

from tf_i2i.files import SAMPLE
from tf_i2i.files import find_inputs
from tf_i2i.files import name_outputs


def names(*paths):
    inputs = {Path("in", p): Path(p) for p in paths}
    outputs = name_outputs(inputs, "out")
    return [path.relative_to("out").as_posix() for path in outputs.values()]


def test_names_are_kept_and_distinct():
    assert names("me.jpg", "sub/me.jpg", "x.y.webp") == [
        "me.png",
        "sub/me.png",
        "x.y.png",
    ]
    assert names("me.jpg", "Me.png", "you.gif") == [
        "me.jpg.png",
        "Me.png.png",
        "you.png",
    ]
    crowded = names("me.jpg", "me.png", "me.jpg.gif", "me.jpg.bmp")
    assert len({name.casefold() for name in crowded}) == 4


def test_samples_come_with_the_package(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = find_inputs([SAMPLE], "out")
    names = [f"sample{i}.jpg" for i in (1, 2, 3, 4)]
    assert [*map(str, found.values())] == names
    assert sum(path.stat().st_size for path in found) < 120e3
    for path in found:
        with Image.open(path) as image:
            assert image.size == (256, 256)
    # A folder of this name comes first.
    Path(SAMPLE).mkdir()
    Image.new("RGB", (8, 8)).save(Path(SAMPLE) / "mine.png")
    assert [*map(str, find_inputs([SAMPLE], "out").values())] == ["mine.png"]
