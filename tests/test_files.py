"""Samples of the package, and names of outputs."""

import os
import resource
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tf_i2i.files import SAMPLE
from tf_i2i.files import FurtherOutputs
from tf_i2i.files import check_outputs
from tf_i2i.files import find_inputs
from tf_i2i.files import name_outputs
from tf_i2i.files import save_image


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


def test_png_files_are_exact_and_nearly_as_small_as_by_default(tmp_path):
    for source in find_inputs([SAMPLE], "out"):
        image = np.asarray(Image.open(source).convert("RGB"))
        usual, written = tmp_path / "usual.png", tmp_path / "written.png"
        Image.fromarray(image).save(usual)
        save_image(image, written)
        assert np.array_equal(Image.open(written), image)
        assert written.stat().st_size < 1.2 * usual.stat().st_size


def test_a_file_is_no_folder_of_another():
    assert names("conf/a.jpg", "conf/a.png/b.jpg", "conf/A-2.PNG/c.gif") == [
        "conf/a-3.png",
        "conf/a.png/b.png",
        "conf/A-2.PNG/c.png",
    ]
    known = [Path("out/a.png"), Path("out/a-2.png/b.png")]
    further = FurtherOutputs(known, [], overwrite=False)
    assert further.names(known[0], 2) == [known[0], Path("out/a-3.png")]


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(path)
    return path


def test_patterns_do_not_lead_out_of_the_output(tmp_path):
    picture(tmp_path / "in" / "one" / "x.png")
    picture(tmp_path / "other" / "y.png")
    pattern = f"{tmp_path}/in/*/../../*/*.png"
    found = find_inputs([pattern], "out").values()
    assert [path.as_posix() for path in found] == ["other/y.png"]


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("pattern", ["", "/*.png", "/**/*.png"])
def test_results_are_not_read_again(tmp_path, linked, pattern):
    folder = tmp_path / "in"
    wanted = picture(folder / "x.png")
    results = tmp_path / "elsewhere" if linked else folder / "out"
    picture(results / "x.png")
    if linked:
        (folder / "out").symlink_to(results)
    for output in (folder / "out", results):
        assert [*find_inputs([f"{folder}{pattern}"], output)] == [wanted]
    # In place, or into a folder above, nothing is left out.
    for output in (folder, tmp_path):
        assert wanted in find_inputs([f"{folder}{pattern}"], output)


@pytest.mark.parametrize("overwrite", [False, True])
def test_links_to_missing_files_are_not_written(tmp_path, overwrite, refuses):
    link = tmp_path / "x.png"
    link.symlink_to(tmp_path / "missing")
    with refuses("--output"):
        check_outputs([link], [], overwrite)
    known = tmp_path / "a.png"
    (tmp_path / "a-2.png").symlink_to("a-2.png")
    further = FurtherOutputs([known], [], overwrite)
    assert further.names(known, 2) == [known, tmp_path / "a-3.png"]


def test_an_image_is_written_whole_or_not_at_all(tmp_path, refuses):
    """A full disk, simulated by a limit, leaves the earlier file as it was."""
    path = tmp_path / f"{'x' * 251}.png"
    save_image(np.zeros((4, 4, 3), np.uint8), path)
    before = path.read_bytes()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with refuses("--output") as error:
            save_image(noise, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "File too large" in str(error.value)
    assert path.read_bytes() == before
    assert [*tmp_path.iterdir()] == [path]


def test_ctrl_c_leaves_no_part_of_an_image(tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", stop)
    with pytest.raises(KeyboardInterrupt):
        save_image(np.zeros((4, 4, 3), np.uint8), tmp_path / "x.png")
    assert not [*tmp_path.iterdir()]
