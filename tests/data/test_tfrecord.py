"""TFRecord files as a source."""

import gzip
import io
import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tf_i2i.data.items import with_bar
from tf_i2i.data.sources import locate
from tf_i2i.data.sources import source_for
from tf_i2i.data.store import open_store
from tf_i2i.data.tfrecord import TFRecordSource
from tf_i2i.errors import UserError


def png(level):
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), (level, 0, 0)).save(stream, "PNG")
    return stream.getvalue()


def example(**features):
    return tf.train.Example(
        features=tf.train.Features(
            feature={
                name.replace("__", "/"): tf.train.Feature(
                    int64_list=tf.train.Int64List(value=[value])
                )
                if isinstance(value, int)
                else tf.train.Feature(
                    bytes_list=tf.train.BytesList(value=[value])
                )
                for name, value in features.items()
            }
        )
    ).SerializeToString()


def write(path, records, kind=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path), kind) as writer:
        for record in records:
            writer.write(record)


def faces(levels):
    return [
        example(image__encoded=png(level), text=b"face", label=level)
        for level in levels
    ]


def read(spec):
    """Name -> red level, or the reason why not."""
    source = TFRecordSource(spec)
    items = list(source.items(8, "crop"))
    assert len(source) == len(items)
    return {
        item.name: getattr(item.image, "reason", None)
        or int(item.image[0, 0, 0])
        for item in items
    }


def quiet(line):
    del line


def damage(path, position):
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("kind", ["", "GZIP"])
def test_shards_in_order(tmp_path, kind):
    write(tmp_path / "x-1", faces([30, 40, 50]), kind)
    write(tmp_path / "x-0", faces([10, 20]), kind)
    assert read(f"tfrecord:{tmp_path}/x-*") == {
        "x-0/000000": 10,
        "x-0/000001": 20,
        "x-1/000000": 30,
        "x-1/000001": 40,
        "x-1/000002": 50,
    }


def test_content_is_that_of_the_encoded_image(tmp_path):
    write(tmp_path / "x", faces([1, 2]) + [example(image__encoded=png(1))])
    a, b, c = TFRecordSource(f"tfrecord:{tmp_path}/x").items(8, "crop")
    assert a.content == c.content != b.content


@pytest.mark.parametrize(
    ("features", "level"),
    [
        ({"image": png(3), "mask": png(4)}, 3),
        ({"picture": png(5), "text": b"x", "label": 6}, 5),
    ],
)
def test_the_feature_is_found(tmp_path, features, level):
    write(tmp_path / "x", [example(**features)])
    assert read(f"tfrecord:{tmp_path}/x") == {"x/000000": level}


def test_the_feature_is_named(tmp_path, monkeypatch):
    write(tmp_path / "one:two", [example(image=png(3), mask=png(4))])
    monkeypatch.chdir(tmp_path)
    assert read("tfrecord:*:mask") == {"one:two/000000": 4}
    assert read("tfrecord:one:two:mask") == {"one:two/000000": 4}
    assert read("tfrecord:one:two") == {"one:two/000000": 3}
    (reason,) = read("tfrecord:*:depth").values()
    assert "no single byte string `depth`" in reason
    assert "image, mask" in reason


@pytest.mark.parametrize(
    ("record", "found"),
    [
        (example(left=png(1), right=png(2)), "left, right"),
        (example(label=3), "label"),
        (b"\xff\xff", "1 files"),
    ],
)
def test_no_feature_to_be_found(tmp_path, record, found, refuses):
    write(tmp_path / "x", [record])
    spec = f"tfrecord:{tmp_path}/x"
    with refuses(spec) as refused:
        list(TFRecordSource(spec).items(8, "crop"))
    assert found in str(refused.value)


def test_animations_are_counted(tmp_path):
    frames = [Image.new("L", (2, 2), level) for level in (0, 9)]
    stream = io.BytesIO()
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:])
    write(
        tmp_path / "x.tfrecord",
        [example(image=stream.getvalue()), example(image=png(1))] * 9,
    )
    source = source_for(f"tfrecord:{tmp_path}/x.tfrecord:image", "a")
    for _ in range(2):
        list(with_bar(source, 2, "crop"))
    (note,) = source.notes
    assert "of 9 files with several frames, such as x.tfrecord/000000" in note


def test_bad_images_are_named(tmp_path):
    bad = [example(image=b"junk"), b"\xff\xff", example(label=1)]
    write(tmp_path / "x", [example(image=png(9)), *bad, example(image=png(8))])
    first, *reasons, last = read(f"tfrecord:{tmp_path}/x").values()
    assert (first, last) == (9, 8)
    words = ("no JPEG", "no tf.train.Example", "no single byte string")
    for reason, word in zip(reasons, words, strict=True):
        assert word in reason


def test_what_follows_a_damaged_record_is_lost(tmp_path):
    records = faces([10, 20, 30, 40])
    write(tmp_path / "x-0", records)
    write(tmp_path / "x-1", faces([50]))
    # A record is 12 bytes longer than its content before, 4 after it.
    damage(tmp_path / "x-0", 16 + len(records[0]) + 12 + 5)
    found = read(f"tfrecord:{tmp_path}/x-*")
    assert found["x-0/000000"] == 10
    assert "is damaged, so the 2 records after it" in found["x-0/000001"]
    assert (
        found["x-0/000002"]
        == "The record comes after a damaged record of the same file."
    )
    assert (
        found["x-0/000003"]
        == "The record comes after a damaged record of the same file."
    )
    assert found["x-1/000000"] == 50


@pytest.mark.parametrize("kind", ["", "GZIP"])
def test_a_file_that_is_cut_off(tmp_path, kind):
    rng = np.random.default_rng(0)
    texts = [rng.bytes(500) for _ in range(3)]
    write(tmp_path / "x", [example(image=png(7), t=t) for t in texts], kind)
    content = (tmp_path / "x").read_bytes()
    (tmp_path / "x").write_bytes(content[:-100])
    first, second, third = read(f"tfrecord:{tmp_path}/x").values()
    assert (first, second) == (7, 7)
    assert "is damaged" in third


@pytest.mark.parametrize("position", [0, 7])
def test_a_damaged_length(tmp_path, position):
    write(tmp_path / "x", faces([10]))
    write(tmp_path / "y", faces([20]))
    damage(tmp_path / "x", position)
    found = read(f"tfrecord:{tmp_path}/[xy]")
    assert "is damaged" in found["x/000000"]
    assert found["y/000000"] == 20


@pytest.mark.parametrize("length", [2**31, 2**62, 2**63, 2**64 - 5])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_length_that_lies(tmp_path, length, pack):
    """With a right checksum, so that TensorFlow would allocate it."""
    write(tmp_path / "x", faces([10]))
    number = length.to_bytes(8, "little")
    header = number + masked_checksum(number)
    (tmp_path / "x").write_bytes(
        pack((tmp_path / "x").read_bytes() + header + b"content")
    )
    found = read(f"tfrecord:{tmp_path}/x")
    assert found["x/000000"] == 10
    assert "is damaged" in found["x/000001"]


def masked_checksum(content):
    """The masked CRC-32C of TFRecord files, as 4 bytes."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x82F63B78 * (crc & 1)
    crc ^= 0xFFFFFFFF
    crc = (crc >> 15 | crc << 17) + 0xA282EAD8
    return (crc & 0xFFFFFFFF).to_bytes(4, "little")


def test_a_file_of_another_kind(tmp_path, refuses):
    (tmp_path / "x").write_bytes(gzip.compress(b"no records at all"))
    spec = f"tfrecord:{tmp_path}/x"
    with refuses(spec):
        list(TFRecordSource(spec).items(8, "crop"))


def test_folders_are_splits(tmp_path):
    for split in ("train", "test", "else"):
        write(tmp_path / split / "x", faces([1, 2]))
    source = TFRecordSource(f"tfrecord:{tmp_path}/*/x")
    found = [(item.name, item.split) for item in source.items(8, "crop")]
    assert found == [
        ("test/x/000000", "test"),
        ("test/x/000001", "test"),
        ("train/x/000000", "train"),
        ("train/x/000001", "train"),
    ]
    assert len(source) == 4
    assert "1 files outside" in source.notes[0]
    for pattern in ("train/*", "*st/x"):
        alone = TFRecordSource(f"tfrecord:{tmp_path}/{pattern}")
        assert {item.split for item in alone.items(8, "crop")} == {None}


def test_key_follows_files_and_feature(tmp_path):
    write(tmp_path / "x", faces([1]))
    spec = f"tfrecord:{tmp_path}/*"
    keys = [TFRecordSource(s).key() for s in (spec, spec, f"{spec}:image")]
    os.utime(tmp_path / "x", (0, 0))
    keys.append(TFRecordSource(spec).key())
    write(tmp_path / "y", faces([1]))
    keys.append(TFRecordSource(spec).key())
    assert keys[0] == keys[1]
    assert len(set(keys)) == 4


def test_to_the_store_and_back(tmp_path, monkeypatch):
    write(tmp_path / "x", faces(range(30)))
    spec, cache = f"tfrecord:{tmp_path}/x", tmp_path / "cache"
    store = open_store(source_for(spec, "a"), 8, "crop", cache, progress=quiet)
    assert store.images[:, 0, 0, 0].tolist() == list(range(30))
    assert len(store.split("train")) == 28
    # The second time neither counts nor reads.
    monkeypatch.setattr(TFRecordSource, "items", None)
    monkeypatch.setattr(TFRecordSource, "__len__", None)
    again = open_store(source_for(spec, "a"), 8, "crop", cache, progress=quiet)
    assert again.path == store.path


def test_the_damaged_count_against_the_limit(tmp_path):
    records = faces(range(20))
    write(tmp_path / "x", records)
    damage(tmp_path / "x", 12)
    source = TFRecordSource(f"tfrecord:{tmp_path}/x:image/encoded")
    with pytest.raises(UserError, match=r"0\.5 of 20 .*x/000000: The record"):
        open_store(source, 8, "crop", tmp_path / "c", 0.5, progress=quiet)


def test_places_become_absolute(tmp_path, monkeypatch):
    folder = tmp_path / "a[b]"
    write(folder / "d" / "x", faces([1]))
    monkeypatch.chdir(folder)
    spec = locate("tfrecord:d/../d/*:image/encoded", "data_a")
    monkeypatch.chdir("/")
    assert read(spec) == {"x/000000": 1}
    assert spec.endswith("/d/*:image/encoded")
    assert locate(spec, "data_a") == spec


@pytest.mark.parametrize("rest", ["", "nothing-*", ":image", "."])
def test_nothing_matches(tmp_path, monkeypatch, rest, refuses):
    monkeypatch.chdir(tmp_path)
    with refuses(f"tfrecord:{rest}"):
        locate(f"tfrecord:{rest}", "data_a")


def test_other_flags(tmp_path, monkeypatch, refuses):
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    assert locate("photos", "data_a") == str(tmp_path / "photos")
    assert locate("toy", "data_a") == "toy"
    with refuses("--data_b"):
        locate("drawings", "data_b")


def test_a_name_that_is_not_utf_8(tmp_path):
    content = io.BytesIO()
    Image.new("RGB", (8, 8)).save(content, "png")
    value = tf.train.Feature(
        bytes_list=tf.train.BytesList(value=[content.getvalue()])
    )
    features = tf.train.Features(feature={"image": value})
    with tf.io.TFRecordWriter(str(tmp_path / "x")) as writer:
        writer.write(tf.train.Example(features=features).SerializeToString())
    path = (tmp_path / "x").rename(tmp_path / os.fsdecode(b"\xff.tfrecord"))
    (item,) = TFRecordSource(f"tfrecord:{path}").items(8, "crop")
    assert item.image.shape == (8, 8, 3)
