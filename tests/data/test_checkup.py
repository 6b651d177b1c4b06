"""Each defect is planted alone: it is found, and nothing else is."""

import os
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from tf_i2i.data import checkup
from tf_i2i.data.folders import FolderSource
from tf_i2i.data.sources import ArraySource
from tf_i2i.data.sources import ToyFacesSource

SIZE = 48


@pytest.fixture(autouse=True)
def _forty_are_enough(monkeypatch):
    monkeypatch.setattr(checkup, "FEW", 40)


def photo(seed, height=SIZE, width=SIZE, low=0, high=256):
    """Sixteen patches of random colour, blurred into each other."""
    rng = np.random.default_rng(seed)
    patches = Image.fromarray(rng.integers(low, high, (4, 4, 3), np.uint8))
    return patches.resize((width, height), Image.Resampling.BICUBIC)


def fill(folder, seeds, convert=lambda image: image, **kwargs):
    folder.mkdir(parents=True)
    for seed in seeds:
        convert(photo(seed, **kwargs)).save(folder / f"{seed:04d}.png")
    return folder


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return fill(tmp_path_factory.mktemp("data") / "clean", range(120))


@pytest.fixture
def planted(clean, tmp_path):
    """A copy of the clean folder, to be spoilt by new files."""
    folder = tmp_path / "photos"
    shutil.copytree(clean, folder, copy_function=os.link)
    return folder


def findings(folder, image_size=SIZE, **kwargs):
    domain = checkup.examine(FolderSource(folder), "a")
    return checkup.domain_findings(domain, image_size, **kwargs)


def spotted():
    """White, but for a few coloured pixels."""
    pixels = np.full((SIZE, SIZE, 3), 255, np.uint8)
    pixels[3:7, 3:7] = (200, 20, 20)
    return Image.fromarray(pixels)


def half_clear():
    pixels = np.array(photo(1000).convert("RGBA"))
    pixels[:, : SIZE * 2 // 3, 3] = 0
    return Image.fromarray(pixels)


PLANTED = {
    "flat": Image.new("RGB", (SIZE, SIZE), (90, 120, 150)),
    "blank": spotted(),
    "small": photo(1000, 24, 24),
    "oblong": photo(1000, 60, 150),
    "grey": photo(1000).convert("L"),
    "transparent": half_clear(),
    "odd": photo(1000, high=20),
}


def test_nothing_is_found_where_nothing_is_wrong(clean):
    assert findings(clean) == []


@pytest.mark.parametrize("kind", PLANTED)
def test_one_bad_image(planted, kind):
    PLANTED[kind].save(planted / "bad.png")
    (found,) = findings(planted)
    assert (found.kind, found.where, found.count) == (kind, "a", 1)
    assert found.examples == ["bad.png"]
    assert found.what.startswith("1 image ")
    assert found.advice
    # One in 121 is worth a note; a flat one is dangerous.
    assert found.level == ("warning" if kind == "flat" else "note")


def test_limits_of_sizes(planted):
    photo(1000, 36, 36).save(planted / "bad.png")  # .75 of 48.
    photo(1001, 60, 120).save(planted / "wide.png")  # 2:1.
    assert findings(planted) == []
    assert [f.kind for f in findings(planted, image_size=49)] == ["small"]


def test_padding_keeps_all_of_an_oblong_image(planted):
    PLANTED["oblong"].save(planted / "bad.png")
    domain = checkup.examine(FolderSource(planted), "a", "pad")
    assert checkup.domain_findings(domain, SIZE, "pad") == []


def test_more_than_a_hundredth_is_a_warning(planted):
    for seed in range(1000, 1003):
        photo(seed).convert("L").save(planted / f"{seed}.png")
    (found,) = findings(planted)
    assert (found.count, found.level) == (3, "warning")
    assert found.what == "3 images grey among coloured ones"


def test_a_domain_that_is_too_small_throughout(clean):
    (found,) = findings(clean, image_size=128)
    assert (found.count, found.level) == (120, "warning")
    assert "train.image_size = 32" in found.advice


def test_coloured_among_grey_ones(tmp_path):
    folder = fill(tmp_path / "grey", range(120), lambda i: i.convert("L"))
    assert findings(folder) == []
    photo(1000).save(folder / "bad.png")
    (found,) = findings(folder)
    assert (found.kind, found.examples) == ("coloured", ["bad.png"])


def test_drawings_on_white_are_not_blank(tmp_path):
    def drawing(image):
        white = Image.new("RGB", (SIZE, SIZE), "white")
        white.paste(image.resize((8, 8)), (20, 20))  # One part in 36.
        return white

    folder = fill(tmp_path / "drawings", range(120), drawing)
    assert "blank" not in {f.kind for f in findings(folder)}


def test_unreadable_files(planted):
    (planted / "x.jpg").write_text("no image")
    (found,) = findings(planted)
    assert (found.kind, found.level, found.count) == (
        "unreadable",
        "warning",
        1,
    )
    assert found.what == "1 of 121 files cannot be read"
    assert found.examples[0].startswith("x.jpg: Its content is no JPEG")
    (found,) = findings(planted, max_bad_fraction=0.001)
    assert found.level == "error"
    assert "train.max_bad_fraction = 0.001" in found.advice


def test_few_images(tmp_path):
    folder = fill(tmp_path / "few", range(30))
    (found,) = findings(folder)
    assert (found.kind, found.level) == ("few", "warning")
    assert re.match(r"there are only 2\d images to train on", found.what)


@pytest.mark.parametrize("count", [0, 2])
def test_too_few_to_split(tmp_path, count):
    (found,) = findings(fill(tmp_path / "few", range(count)))
    assert (found.kind, found.level) == ("few", "error")


def test_copies(planted):
    shutil.copy(planted / "0003.png", planted / "copy.png")
    (found,) = findings(planted)
    assert (found.kind, found.count) == ("duplicates", 1)
    assert found.examples == ["copy.png = 0003.png"]


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image.resize((96, 96), Image.Resampling.BICUBIC),
        lambda image: image.resize((40, 40), Image.Resampling.BICUBIC),
        lambda image: Image.eval(image, lambda level: min(level + 1, 255)),
    ],
    ids=["larger", "smaller", "brighter"],
)
def test_nearly_copies(planted, change):
    with Image.open(planted / "0003.png") as image:
        change(image).save(planted / "copy.png")
    (found,) = findings(planted)
    assert (found.kind, found.count) == ("near_duplicates", 1)
    assert set(found.examples[0].split(" = ")) == {"copy.png", "0003.png"}


def test_jpeg_copies(planted):
    with Image.open(planted / "0003.png") as image:
        image.save(planted / "copy.jpg", quality=75)
    assert [f.kind for f in findings(planted)] == ["near_duplicates"]


def test_another_detail_is_another_picture(planted):
    with Image.open(planted / "0003.png") as image:
        image.paste((255, 255, 255), (8, 8, 12, 12))
        image.save(planted / "other.png")
    assert findings(planted) == []


@pytest.mark.parametrize(
    ("name", "level"), [("copy.png", "warning"), ("copy.jpg", "note")]
)
def test_an_image_of_two_splits(tmp_path, name, level):
    folder = tmp_path / "data"
    fill(folder / "train", range(60))
    fill(folder / "val", range(300, 310))
    fill(folder / "test", range(400, 520))
    assert findings(folder) == []
    with Image.open(folder / "train" / "0007.png") as image:
        image.save(folder / "test" / name, quality=90)
    found = {f.kind: f for f in findings(folder)}
    assert len(found) == 2  # It is a duplicate as well.
    assert (found["leak"].count, found["leak"].level) == (1, level)
    assert found["leak"].examples == [f"test/{name} = train/0007.png"]


# Pairs.


def pair(*folders):
    domains = [
        checkup.examine(FolderSource(f), letter)
        for f, letter in zip(folders, "ab", strict=True)
    ]
    return checkup.pair_findings(*domains)


def test_two_clean_domains(clean, tmp_path):
    other = fill(tmp_path / "b", range(500, 620), low=80)
    assert pair(clean, other) == []
    with Image.open(clean / "0005.png") as image:
        image.save(other / "again.jpg", quality=90)
    shutil.copy(clean / "0009.png", other)
    (found,) = pair(clean, other)
    assert (found.kind, found.where, found.level) == ("shared", "ab", "warning")
    assert found.examples == ["0009.png = 0009.png", "again.jpg = 0005.png"]


def test_the_same_folder_twice(clean):
    (found,) = pair(clean, clean)
    assert (found.kind, found.level, found.count) == ("shared", "error", 120)


def test_domains_of_one_kind(clean, tmp_path):
    (found,) = pair(clean, fill(tmp_path / "b", range(500, 620)))
    assert (found.kind, found.level) == ("alike", "warning")


def test_uneven_domains(clean, tmp_path):
    (found,) = pair(clean, fill(tmp_path / "b", range(500, 518), low=120))
    assert (found.kind, found.level) == ("uneven", "warning")
    assert found.what == "A has 7 times as many images as B"


def test_separability():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 200, (2, 400, 16, 16, 3), np.uint8)
    assert 0.42 < checkup.separability(a, b) < 0.58
    assert checkup.separability(a, b + 20) > 0.99
    assert checkup.separability(a[:3], b[:2]) <= 1


# Parts.


@pytest.mark.parametrize("within", [True, False])
def test_near_finds_all_and_only_what_is_near(within):
    rng = np.random.default_rng(1)
    originals = rng.integers(0, 250, (5000, 16, 16, 3), np.uint8)
    noisy = originals[100:1600] + rng.integers(
        0, 5, (1500, 16, 16, 3), np.uint8
    )
    order = rng.permutation(1500)
    if within:
        everything = np.concatenate([originals, noisy[order]])
        found = checkup.near(everything)
        places = np.flatnonzero(found >= 0)
        pairs = {frozenset((i, int(found[i]))) for i in places.tolist()}
        assert len(places) == 1500
        assert pairs == {
            frozenset((5000 + i, 100 + int(k))) for i, k in enumerate(order)
        }
    else:
        found = checkup.near(noisy[order], originals)
        np.testing.assert_array_equal(found, order + 100)
        assert (checkup.near(originals[:50], originals[50:99]) == -1).all()


def test_near_of_nothing():
    none = np.zeros((0, 16, 16, 3), np.uint8)
    assert checkup.near(none).shape == (0,)
    assert checkup.near(none, none).shape == (0,)


def test_summary(tmp_path):
    folder = tmp_path / "mixed"
    folder.mkdir()
    photo(1, 30, 40).save(folder / "a.png")
    photo(2, 100, 50).save(folder / "b.jpg")
    photo(3, 20, 20).convert("L").save(folder / "c.png")
    (folder / "d.gif").touch()
    summary = checkup.examine(FolderSource(folder), "a").summary()
    assert summary["images"] == {"train": 1, "val": 1, "test": 1}
    assert summary["kinds"] == {"PNG RGB": 1, "JPEG RGB": 1, "PNG L": 1}
    assert summary["smallest"] == [20, 20]
    assert summary["median"] == [40, 30]
    assert summary["largest"] == [50, 100]
    assert summary["longest_aspect"] == 2.0
    assert summary["unreadable"] == 1


def test_sources_without_files():
    images = np.stack([np.asarray(photo(i)) for i in range(240)])
    domain = checkup.examine(ArraySource(images), "a")
    assert checkup.domain_findings(domain, 1000) == []
    assert domain.summary()["median"] is None


def test_toy_faces_are_clean():
    """The persons of the test split are in both, drawn differently."""
    domains = [
        checkup.examine(ToyFacesSource(d, train=50, val=5, test=30), d)
        for d in "ab"
    ]
    for domain in domains:
        assert checkup.domain_findings(domain, 32) == []
    assert checkup.pair_findings(*domains) == []
