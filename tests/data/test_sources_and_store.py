"""Folders, arrays and toy faces, and what is kept of them."""

import argparse
import itertools
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import filelock
import numpy as np
import pytest
from PIL import Image

from tf_i2i import doctor
from tf_i2i import train
from tf_i2i.data import items
from tf_i2i.data import sources
from tf_i2i.data import store as stores
from tf_i2i.data.folders import FolderSource
from tf_i2i.data.items import Source
from tf_i2i.data.reading import BadImage
from tf_i2i.data.sources import ArraySource
from tf_i2i.data.sources import ToyFacesSource
from tf_i2i.data.sources import source_for
from tf_i2i.data.store import assign_splits
from tf_i2i.data.store import open_store
from tf_i2i.errors import UserError


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def write(folder, names, seed=0, size=(8, 8)):
    """Different images of one colour; the colour of image i is known."""
    colours = np.random.default_rng(seed).integers(0, 256, (len(names), 3))
    for name, colour in zip(names, colours, strict=True):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, tuple(map(int, colour))).save(path)
    return colours


def numbered(count, below="."):
    return [f"{below}/{i:03d}.png" for i in range(count)]


def quiet(line):
    del line


def noise(count, seed=0, size=8):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, size, size, 3), dtype=np.uint8)


# ---- sources


def test_folder_items_in_order(tmp_path):
    colours = write(tmp_path, numbered(100), size=(20, 10))
    items = list(FolderSource(tmp_path).items(4, "crop"))
    assert [item.name for item in items] == [f"{i:03d}.png" for i in range(100)]
    for item, colour in zip(items, colours, strict=True):
        assert item.image.shape == (4, 4, 3)
        assert (item.image == colour).all()
        assert item.split is None


def test_folder_content_is_that_of_the_file(tmp_path):
    write(tmp_path, ["a.png", "b.png"])
    (tmp_path / "c.png").write_bytes((tmp_path / "a.png").read_bytes())
    a, b, c = (i.content for i in FolderSource(tmp_path).items(4, "crop"))
    assert a == c != b


def test_folder_bad_file_has_a_name_and_a_reason(tmp_path):
    (tmp_path / "x.png").write_bytes(b"junk")
    (item,) = FolderSource(tmp_path).items(4, "crop")
    assert isinstance(item.image, BadImage)
    assert item.image.name == "x.png"
    assert "no JPEG" in item.image.reason


def test_folder_with_splits(tmp_path):
    write(tmp_path, ["train/a.png", "val/b.png", "test/c.png", "valid/d.png"])
    source = FolderSource(tmp_path)
    found = [(i.name, i.split) for i in source.items(4, "crop")]
    assert found == [
        ("test/c.png", "test"),
        ("train/a.png", "train"),
        ("val/b.png", "val"),
    ]
    assert any("1 files outside" in note for note in source.notes)


def test_folder_with_test_but_no_train(tmp_path, refuses):
    write(tmp_path, ["a.png", "test/b.png"])
    with refuses(str(tmp_path)):
        FolderSource(tmp_path)


def test_folder_names_what_it_cannot_use(tmp_path):
    write(tmp_path, ["a.png"])
    (tmp_path / "b.MOV").touch()
    (note,) = FolderSource(tmp_path).notes
    assert "1 files are left out" in note
    assert ".mov" in note


def test_folder_key_follows_size_time_and_place(tmp_path):
    write(tmp_path / "one", ["a.png"])
    keys = [FolderSource(tmp_path / "one").key()]
    assert FolderSource(tmp_path / "one").key() == keys[0]
    os.utime(tmp_path / "one" / "a.png", (0, 0))
    keys.append(FolderSource(tmp_path / "one").key())
    (tmp_path / "one" / "a.png").write_bytes(b"123")
    os.utime(tmp_path / "one" / "a.png", (0, 0))
    keys.append(FolderSource(tmp_path / "one").key())
    (tmp_path / "one").rename(tmp_path / "two")
    keys.append(FolderSource(tmp_path / "two").key())
    assert len(set(keys)) == 4


def test_array_items():
    images = noise(3)
    items = list(ArraySource(images).items(8, "crop"))
    for item, image in zip(items, images, strict=True):
        np.testing.assert_array_equal(item.image, image)
    assert len({item.content for item in items}) == 3


def test_array_key_follows_the_bytes():
    images = noise(3)
    other = images.copy()
    other[2, 7, 7, 2] ^= 1
    assert ArraySource(images).key() == ArraySource(images.copy()).key()
    assert ArraySource(images).key() != ArraySource(other).key()
    assert ArraySource(images).key() != ArraySource(images[:2]).key()


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 4, 4, 3), np.float32),
        np.zeros((4, 4, 3), np.uint8),
        np.zeros((2, 4, 4, 1), np.uint8),
    ],
)
def test_other_arrays_are_refused(images, refuses):
    with refuses("data_a"):
        source_for(images, "a")


def test_toy_identities_are_disjoint_but_for_the_test_pairs():
    a, b = (ToyFacesSource(d, train=50, val=7, test=9) for d in "ab")
    np.testing.assert_array_equal(a.identities("test"), np.arange(9))
    np.testing.assert_array_equal(b.identities("test"), np.arange(9))
    shown = np.concatenate(
        [s.identities(split) for s in (a, b) for split in ("train", "val")]
        + [a.identities("test")]
    )
    assert len(np.unique(shown)) == 2 * 57 + 9


def test_toy_items_are_drawn_at_size(monkeypatch):
    asked = []

    def render(domain, indices, size):
        asked.append((domain, len(indices), size))
        faces = np.zeros((len(indices), size, size, 3), np.uint8)
        faces[:] = np.asarray(indices)[:, None, None, None]
        return faces

    monkeypatch.setattr(sources.toy_faces, "render", render)
    source = ToyFacesSource("b", train=70, val=2, test=3)
    items = list(source.items(5, "crop"))
    assert asked == [("b", 64, 5), ("b", 11, 5)]
    assert len(items) == len(source) == 75
    for split in ("train", "val", "test"):
        drawn = [i.image[0, 0, 0] for i in items if i.split == split]
        assert drawn == source.identities(split).tolist()


def test_toy_key_follows_the_drawing(monkeypatch):
    before = ToyFacesSource("a").key()
    assert before != ToyFacesSource("b").key()
    assert before != ToyFacesSource("a", val=101).key()
    monkeypatch.setattr(sources.toy_faces, "VERSION", -1)
    assert before != ToyFacesSource("a").key()


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [({"domain": "c"}, "domain"), ({"domain": "a", "val": 0}, "val")],
)
def test_toy_mistakes(arguments, wrong, refuses):
    with refuses(wrong):
        ToyFacesSource(**arguments)


@pytest.mark.parametrize("form", ["train{}", "Test_{}", "val-{}"])
def test_a_folder_of_two_domains_is_refused(form, tmp_path, refuses):
    for end in "AB":
        (tmp_path / form.format(end)).mkdir()
    with refuses("data_a") as error:
        source_for(tmp_path, "a")
    assert form.format("A") in str(error.value)


def test_a_folder_of_both_domains(tmp_path, refuses):
    names = ["trainA/0.png", "trainA/sub/1.png", "testA/2.png", "trainB/3.png"]
    write(tmp_path, names)
    args = argparse.Namespace(data=str(tmp_path), data_a=None, data_b=None)
    sources.spread_data(args)
    spec = sources.locate(args.data_a, "data_a")
    a, b = (source_for(spec, domain) for domain in "ab")
    found = {item.name: item.split for item in a.items(4, "crop")}
    assert found == dict(zip(names, ["train", "train", "test"], strict=False))
    assert [item.name for item in b.items(4, "crop")] == ["trainB/3.png"]
    assert a.key() != b.key()
    args.data = str(tmp_path)
    with refuses("--data"):
        sources.spread_data(args)
    with refuses("--data"):
        sources.locate(f"domains:{tmp_path / 'testA' / 'no'}", "data_a")
    with refuses("data"):
        source_for(f"domains:{tmp_path / 'testA'}", "a")


def test_a_folder_with_a_folder_for_each_domain(tmp_path):
    write(tmp_path, ["A/train/0.png", "A/test/1.png", "B/2.png"])
    a, b = (source_for(f"domains:{tmp_path}", domain) for domain in "ab")
    assert [item.split for item in a.items(4, "crop")] == ["test", "train"]
    assert [item.name for item in b.items(4, "crop")] == ["2.png"]


def test_a_list_of_files(tmp_path, refuses):
    colours = write(tmp_path, ["photos/0.png", "photos/1.png"])
    (tmp_path / "list.txt").write_text(
        f"photos/1.png\r\n\n{tmp_path}/photos/0.png\nphotos/1.png\nno.png\n"
    )
    spec = sources.locate(str(tmp_path / "list.txt"), "data_a")
    source = source_for(spec, "a")
    one, zero, missing = source.items(4, "crop")
    assert one.image[0, 0].tolist() == colours[1].tolist()
    assert zero.image[0, 0].tolist() == colours[0].tolist()
    assert missing.image.reason == "No such file or directory"
    assert (one.name, one.split, len(source)) == ("photos/1.png", None, 3)
    key = source.key()
    os.utime(tmp_path / "photos/0.png", ns=(1, 1))
    assert source.key() != key
    with refuses(f"{tmp_path}/no.txt"):
        sources.locate(f"{tmp_path}/no.txt", "data_a")


def test_a_table_of_files(tmp_path, refuses):
    (tmp_path / "table.csv").write_text(
        "age,path,split\n9,a.png,train\n8,b.png,test\n"
    )
    table = f"{tmp_path}/table.csv"
    source = source_for(sources.locate(f"{table}:path", "data_a"), "a")
    assert [(item.name, item.split) for item in source.items(4, "crop")] == [
        ("a.png", "train"),
        ("b.png", "test"),
    ]
    assert [item.name for item in source_for(table, "a").items(4, "crop")] == [
        "9",
        "8",
    ]
    with refuses("data_b"):
        source_for(f"{table}:file", "b")
    (tmp_path / "table.csv").write_text("file,split\na.png,dev\n")
    with refuses("data_a"):
        source_for(table, "a")


def test_animations_in_a_folder(tmp_path):
    frames = [Image.fromarray(image) for image in noise(12)]
    for i, frame in enumerate(frames):
        frame.save(tmp_path / f"{i}.png")
    frames[0].save(
        tmp_path / "moving.gif", save_all=True, append_images=frames[1:]
    )
    said = []
    source = FolderSource(tmp_path)
    open_store(source, 4, cache_dir=tmp_path / "c", progress=said.append)
    (note,) = [line for line in said if "first frame" in line]
    assert note.endswith("of 1 files with several frames, such as moving.gif")


def test_source_for(tmp_path, refuses):
    for spec in (None, "toy"):
        assert source_for(spec, "b").domain == "b"
    for spec in (tmp_path, str(tmp_path)):
        assert source_for(spec, "a").path == tmp_path
    assert source_for(noise(3), "b").name == "data_b"
    own = ArraySource(noise(3))
    assert source_for(own, "a") is own
    with refuses("data_b"):
        source_for(3, "b")
    with refuses("data_a"):
        source_for(tmp_path / "nowhere", "a")


def test_a_source_is_added_in_one_place(monkeypatch, folders, capsys, refuses):
    grey = Source(
        form="grey:COUNT",
        prefix="grey:",
        locate=lambda spec: spec,
        open=lambda spec, _: ArraySource(
            np.full((int(spec.removeprefix("grey:")), 8, 8, 3), 99, np.uint8)
        ),
        help="Grey images.",
    )
    monkeypatch.setattr(sources, "SOURCES", (*sources.SOURCES, grey))
    assert "grey:COUNT" in train._parser().format_help()
    with refuses("--data_a") as refused:
        sources.locate("drawings", "data_a")
    assert "grey:COUNT" in str(refused.value)
    flags = ["--data_a=grey:9", f"--data_b={folders}/b", "--image_size=8"]
    with pytest.raises(SystemExit):
        doctor.main(flags)
    assert "9 images of one flat colour" in capsys.readouterr().out
    assert len(source_for("grey:7", "a")) == 7


def test_the_readme_names_every_kind_of_source():
    text = (Path(__file__).parents[2] / "README.md").read_text()
    (entry,) = re.findall(
        r"^- \*\*Sources of images\*\*.*?^- ", text, re.S | re.M
    )
    for kind in sources.SOURCES:
        assert kind.form in entry


# ---- store


def test_store_holds_the_images(cache):
    images = noise(20)
    store = open_store(ArraySource(images), 8, cache_dir=cache, progress=quiet)
    assert isinstance(store.images, np.memmap)
    assert store.images.dtype == np.uint8
    assert not store.images.flags.writeable
    np.testing.assert_array_equal(store.images, images)
    assert store.names == [f"{i:06d}" for i in range(20)]
    assert store.bad == []
    assert store.path.parent == cache
    everything = np.concatenate([store.split(s) for s in items.SPLITS])
    assert everything.dtype == np.int64
    assert sorted(everything) == list(range(20))


def test_store_is_read_once(cache, monkeypatch):
    source = ArraySource(noise(5))
    first = open_store(source, 8, cache_dir=cache, progress=quiet)
    monkeypatch.setattr(source, "items", None)
    again = open_store(source, 8, cache_dir=cache, progress=quiet)
    assert again.path == first.path
    assert again.names == first.names
    for split in items.SPLITS:
        np.testing.assert_array_equal(again.split(split), first.split(split))


def test_another_size_or_fit_is_another_store(cache):
    source = ArraySource(noise(5))
    paths = {
        open_store(source, size, fit, cache, progress=quiet).path
        for size in (8, 6)
        for fit in ("crop", "pad")
    }
    assert len(paths) == 4
    assert len(list(cache.iterdir())) == 8


@pytest.mark.parametrize(
    "damage",
    [
        *("short", "long", "empty", "index", "text", "zeros", "floats"),
        *("{}", "null", "[[" * 9999, "splits"),
    ],
)
def test_a_damaged_store_is_made_again(cache, damage):
    images = noise(5)
    path = open_store(
        ArraySource(images), 8, cache_dir=cache, progress=quiet
    ).path
    whole = path.read_bytes()
    index = path.with_suffix(".json")
    if damage == "index":
        index.unlink()
    elif damage == "text":
        index.write_text('{"names": [')
    elif damage[0] in "{[n":
        index.write_text(damage)
    elif damage == "splits":
        index.write_text(index.read_text().replace('"val": [', '"val": [0, '))
    else:
        content = {"short": whole[:-1], "long": whole + b"x", "empty": b""}
        content["zeros"] = whole[:200] + bytes(100) + whole[300:]
        content["floats"] = whole.replace(b"'|u1'", b"'|i1'")
        path.write_bytes(content[damage])
    store = open_store(ArraySource(images), 8, cache_dir=cache, progress=quiet)
    assert store.path.read_bytes() == whole
    np.testing.assert_array_equal(store.images, images)


def test_stores_made_at_once_are_whole(cache):
    images = noise(40)
    found = []

    def make():
        source = ArraySource(images)
        found.append(open_store(source, 8, cache_dir=cache, progress=quiet))

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for store in found:
        np.testing.assert_array_equal(store.images, images)
    assert sorted(p.suffix for p in cache.iterdir()) == [".json", ".npy"]


def test_bad_files_are_left_out_and_named(tmp_path, cache):
    colours = write(tmp_path / "data", numbered(9))
    (tmp_path / "data" / "004x.png").write_bytes(b"junk")
    said = []
    store = open_store(
        FolderSource(tmp_path / "data"), 8, "crop", cache, 0.1, said.append
    )
    assert [name for name, _ in store.bad] == ["004x.png"]
    np.testing.assert_array_equal(store.images[:, 0, 0], colours)
    assert any("004x.png" in line and "no JPEG" in line for line in said)
    assert said[-1].endswith("1 unreadable")


def test_a_flood_of_bad_files_is_counted(tmp_path, cache):
    write(tmp_path, numbered(20))
    for i in range(20):
        (tmp_path / f"x{i}.png").write_bytes(b"junk")
    said = []
    source = FolderSource(tmp_path)
    store = open_store(source, 8, "crop", cache, 0.5, said.append)
    assert len(store.bad) == 20
    left_out = [line for line in said if line.startswith("left out")]
    assert len(left_out) == 6
    assert left_out[-1].startswith("left out 15 more")


def test_a_file_that_goes_while_it_is_read(tmp_path, monkeypatch):
    write(tmp_path, ["a.png"])

    def gone(path):
        raise FileNotFoundError(2, "No such file", path)

    monkeypatch.setattr(items, "open_regular", gone)
    (item,) = FolderSource(tmp_path).items(4, "crop")
    assert item.image.reason == "No such file"


def test_too_many_bad_files_stop_the_run(tmp_path, cache, refuses):
    write(tmp_path / "data", numbered(9))
    (tmp_path / "data" / "x.png").write_bytes(b"junk")
    source = FolderSource(tmp_path / "data")
    with pytest.raises(UserError, match=r"allows 0\.01 of 10 .*x\.png: Its"):
        open_store(source, 8, cache_dir=cache, progress=quiet)
    assert list(cache.iterdir()) == []
    open_store(source, 8, "crop", cache, 0.1, quiet)
    with refuses("max_bad_fraction", "train.max_bad_fraction"):
        open_store(source, 8, "crop", cache, 0.05, quiet)


def test_an_empty_folder(tmp_path, cache):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match=r"must contain images.*\.txt"):
        open_store(FolderSource(tmp_path), 8, cache_dir=cache)


def test_the_disk_is_asked_first(cache, monkeypatch, refuses):
    usage = type("Usage", (), {"free": 10_000})
    monkeypatch.setattr(stores.shutil, "disk_usage", lambda folder: usage)
    with refuses("cache_dir"):
        open_store(ArraySource(noise(60)), 8, cache_dir=cache)
    said = []
    open_store(ArraySource(noise(50)), 8, cache_dir=cache, progress=said.append)
    assert said[0].endswith(f"50 images to 8 px, 0.1 MB in {cache}")


def test_a_cache_that_cannot_be_written(tmp_path, refuses):
    (tmp_path / "file").touch()
    with refuses("cache_dir"):
        open_store(ArraySource(noise(5)), 8, cache_dir=tmp_path / "file/x")


def test_a_store_that_another_process_removes(cache, monkeypatch, refuses):
    """It is made again, but not for ever."""
    make = stores._make_entry
    left = [2]

    def make_and_remove(path, *how):
        make(path, *how)
        if left[0]:
            left[0] -= 1
            shutil.rmtree(path.parent)

    monkeypatch.setattr(stores, "_make_entry", make_and_remove)
    source = ArraySource(noise(5))
    assert len(open_store(source, 8, "crop", cache, 0, quiet).names) == 5
    left[0] = 99
    with refuses("cache_dir"):
        open_store(source, 6, "crop", cache, 0, quiet)


def test_what_a_killed_process_left_is_removed(cache):
    """The next process that makes a store does it."""
    cache.mkdir()
    for name in ("dead.tmp", "dead.tmp.json", "dead.tmp.lock", "live.tmp"):
        (cache / name).touch()
    source = ArraySource(noise(5))
    with filelock.FileLock(cache / "live.tmp.lock"):
        open_store(source, 8, cache_dir=cache, progress=quiet)
        names = {path.name for path in cache.glob("*.tmp*")}
        assert names == {"live.tmp", "live.tmp.lock"}
    (cache / "live.tmp.lock").touch()
    open_store(source, 6, cache_dir=cache, progress=quiet)
    assert not list(cache.glob("*.tmp*"))


def test_without_locks_what_is_left_is_removed_after_a_day(cache):
    cache.mkdir()
    for name, age in (("old.tmp", 2 * 24 * 3600), ("new.tmp", 0)):
        (cache / name).touch()
        when = (cache / name).stat().st_mtime - age
        os.utime(cache / name, (when, when))
    open_store(ArraySource(noise(5)), 8, cache_dir=cache, progress=quiet)
    assert [p.name for p in cache.glob("*.tmp")] == ["new.tmp"]


def test_unknown_names(cache, refuses):
    store = open_store(ArraySource(noise(5)), 8, cache_dir=cache)
    with refuses("split"):
        store.split("dev")
    with refuses("fit"):
        open_store(ArraySource(noise(5)), 8, "zoom", cache)


# ---- splits


def hashes(count):
    """Spread evenly over the scale, in a mixed order."""
    mixed = (i * 7919 % count for i in range(count))
    return [f"{(2 * i + 1) * 16**16 // (2 * count):016x}" for i in mixed]


def sizes(splits):
    return {split: len(splits[split]) for split in items.SPLITS}


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (3, {"train": 1, "val": 1, "test": 1}),
        (100, {"train": 90, "val": 5, "test": 5}),
        (500, {"train": 400, "val": 50, "test": 50}),
        (2000, {"train": 1800, "val": 100, "test": 100}),
    ],
)
def test_split_by_content(count, expected):
    splits, note = assign_splits("x", [None] * count, hashes(count))
    assert sizes(splits) == expected
    assert "val and test are taken" in note
    assert sorted(itertools.chain(*splits.values())) == list(range(count))


def test_more_images_move_none_between_splits():
    contents = hashes(4000)
    small, _ = assign_splits("x", [None] * 2000, contents[:2000])
    large, _ = assign_splits("x", [None] * 4000, contents)
    for split in items.SPLITS:
        assert set(small[split]) <= set(large[split])


def test_equal_contents_stay_together():
    contents = [f"{i % 40 * 6:02x}" + "0" * 14 for i in range(200)]
    splits, _ = assign_splits("x", [None] * 200, contents)
    owners = [{contents[i] for i in splits[s]} for s in items.SPLITS]
    assert sum(map(len, owners)) == len(set.union(*owners)) == 40


def test_missing_splits_come_from_train():
    given = ["train"] * 100 + ["test"] * 30
    splits, note = assign_splits("x", given, hashes(130))
    assert splits["test"] == list(range(100, 130))
    assert len(splits["val"]) >= 5
    assert sorted(splits["train"] + splits["val"]) == list(range(100))
    assert note.startswith("x: images for val are taken from the 100 images")


def test_complete_splits_are_left_alone():
    given = ["val", "train", "test"]
    splits, note = assign_splits("x", given, hashes(3))
    assert splits == {"train": [1], "val": [0], "test": [2]}
    assert note is None


@pytest.mark.parametrize(
    ("given", "contents"),
    [
        ([None] * 2, ["01", "02"]),
        ([None] * 9, ["01", "02", "02"] * 3),
        (["train", "train", "test"], ["01", "01", "02"]),
        (["val", "test"], ["01", "02"]),
    ],
)
def test_too_few_different_images(given, contents, refuses):
    with refuses("x"):
        assign_splits("x", given, [c * 8 for c in contents])


def test_folder_splits_reach_the_store(tmp_path, cache):
    data = tmp_path / "data"
    write(data, numbered(6, "train") + numbered(2, "test"))
    store = open_store(FolderSource(data), 8, cache_dir=cache, progress=quiet)
    assert [store.names[i] for i in store.split("test")] == [
        "test/000.png",
        "test/001.png",
    ]
    assert len(store.split("val")) >= 1
    assert len(store.split("train")) == 6 - len(store.split("val"))


def test_nothing_here_imports_tensorflow():
    code = (
        "import sys, tf_i2i.data, tf_i2i.data.store;"
        "sys.exit('tensorflow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_file_is_not_hashed_before_its_header_is_read(tmp_path, monkeypatch):
    (tmp_path / "x.jpg").touch()
    os.truncate(tmp_path / "x.jpg", 2**31)
    monkeypatch.setattr(items.hashlib, "file_digest", None)
    (item,) = FolderSource(tmp_path).items(8, "crop")
    assert "no JPEG" in item.image.reason
