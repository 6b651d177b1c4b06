"""Formats, orientation, folders and fit; `test_image_table` has the kinds."""

import contextlib
import os
import re
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tf_i2i.data import memory
from tf_i2i.data import reading
from tf_i2i.data.memory import MemoryBudget
from tf_i2i.data.reading import BadImage
from tf_i2i.data.reading import check_image
from tf_i2i.data.reading import describe_others
from tf_i2i.data.reading import fit_image
from tf_i2i.data.reading import is_image
from tf_i2i.data.reading import list_files
from tf_i2i.data.reading import read_fitted
from tf_i2i.data.reading import read_image
from tf_i2i.data.reading import report_frames
from tf_i2i.errors import printable

PACKAGE = Path(reading.__file__).parents[1]
RED = (200, 10, 30)
ORIENTATION = 0x0112


def saved(path, image, **options):
    image.save(path, **options)
    return path


def quadrants():
    """Upright, it is red at the top left, and wider than high."""
    image = np.full((16, 32, 3), 255, np.uint8)
    image[:8, :16] = RED
    return image


def is_red(pixel):
    return np.abs(pixel.astype(int) - RED).max() <= 6


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        ("jpg", {"quality": 95}),
        ("jpeg", {"quality": 95, "progressive": True}),
        ("png", {}),
        ("webp", {"lossless": True}),
        ("bmp", {}),
        ("gif", {}),
        ("tif", {}),
        ("tiff", {"compression": "tiff_lzw"}),
        ("avif", {"quality": 100}),
    ],
)
def test_every_format(tmp_path, suffix, options):
    picture = Image.fromarray(quadrants())
    image = read_image(saved(tmp_path / f"x.{suffix}", picture, **options))
    assert image.dtype == np.uint8
    assert image.shape == (16, 32, 3)
    assert is_red(image[3, 3])
    assert image[12, 28].min() >= 250


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "avif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path, suffix, orientation):
    """The file holds what the camera saw; the reader turns it upright."""
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    picture = Image.fromarray(quadrants())
    if undo is not None:
        picture = picture.transpose(undo)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = saved(tmp_path / f"x.{suffix}", picture, exif=exif, quality=95)
    image = read_image(path)
    assert image.shape == (16, 32, 3)
    assert is_red(image[3, 3])
    assert image[3, 28].min() >= 240
    assert image[12, 3].min() >= 240


def test_16_bit_with_orientation(tmp_path):
    picture = Image.fromarray(np.arange(6, dtype=np.uint16).reshape(2, 3) * 257)
    exif = Image.Exif()
    exif[ORIENTATION] = 3
    image = read_image(saved(tmp_path / "x.png", picture, exif=exif))
    assert image[..., 1].tolist() == [[5, 4, 3], [2, 1, 0]]


@pytest.mark.parametrize(
    "suffix", ["jpg", "png", "webp", "bmp", "gif", "tif", "tiff"]
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_truncated_files_are_bad(tmp_path, rng, suffix):
    noise = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
    path = tmp_path / f"x.{suffix}"
    lzw = {"compression": "tiff_lzw"} if suffix == "tiff" else {}
    Image.fromarray(noise).save(path, **lzw)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BadImage) as caught:
        read_image(path)
    assert caught.value.name == str(path)
    assert caught.value.reason
    assert "\n" not in caught.value.reason


def test_images_by_their_names(tmp_path):
    names = ["b.PNG", "a.jpg", "sub/c.webp", "sub/deep/d.tif"]
    others = [".e.png", ".hidden/f.png", "notes.txt", "sub/g.mp4"]
    for name in names + others:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    images = filter(is_image, list_files(tmp_path))
    found = [p.relative_to(tmp_path).as_posix() for p in images]
    assert found == ["a.jpg", "b.PNG", "sub/c.webp", "sub/deep/d.tif"]


def test_images_by_their_contents(tmp_path):
    saved(tmp_path / "a.png", Image.new("L", (1, 1)))
    saved(tmp_path / "b.tif", Image.new("L", (1, 1)))
    contents = {
        "IMG_0001": (tmp_path / "a.png").read_bytes(),
        "photo.jpg_large": b"\xff\xd8\xff, cut",
        "raw.nef": (tmp_path / "b.tif").read_bytes(),
        "cars": b"BMW builds cars.",
        "video": b"\0\0\0\x18ftypisom",
        "phone": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        "empty": b"",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    images, (note,) = reading.list_images(tmp_path, name="photos")
    assert [path.name for path in images] == [
        *("IMG_0001", "a.png", "b.tif", "phone", "photo.jpg_large")
    ]
    assert note == (
        "photos: 4 files are left out, because they are no images "
        "(.nef, cars, empty, video)"
    )


def test_heic(tmp_path):
    heif = pytest.importorskip("pillow_heif")
    picture = Image.new("RGB", (16, 8), RED)
    heif.from_pillow(picture).save(tmp_path / "x.heic", quality=-1)
    for name in ("x.heic", "x"):
        path = (tmp_path / "x.heic").rename(tmp_path / name)
        assert is_image(path)
    image = read_image(path)
    assert image.shape == (8, 16, 3)
    assert is_red(image[0, 0])


def test_heic_without_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    path = tmp_path / "x.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    with pytest.raises(BadImage, match=r"pip install 'tf-i2i\[heic\]'"):
        read_image(path)


def test_linked_folders_are_read_once(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.png").touch()
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "real")
    (folder / "link" / "loop").symlink_to(folder)
    assert list_files(folder) == [folder / "link" / "a.png"]


def test_list_files_of_no_folder(tmp_path, refuses):
    with refuses("folder"):
        list_files(tmp_path / "nowhere")


def test_a_folder_that_cannot_be_read_is_not_passed_over(
    tmp_path, monkeypatch, refuses
):
    (tmp_path / "closed").mkdir()
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with refuses("folder") as refused:
        list_files(tmp_path)
    assert "closed: Permission denied" in str(refused.value)


def test_files_that_are_left_out_are_counted_by_kind():
    names = ["a.HEIC", "b.heic", "sub/Makefile", "c.\x1b[2J"]
    assert describe_others("photos", names) == (
        "photos: 4 files are left out, because they are no images "
        "(.\\x1b[2j, .heic, Makefile)"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Café 🙂.png", "Café 🙂.png"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\udcff", "\\udcff"),
        ("\u202egnp", "\\u202egnp"),
        (3, "3"),
    ],
)
def test_what_is_printed_of_a_name(text, expected):
    assert printable(text) == expected


def stripes():
    """8 x 16: black 4, red 8, black 4 columns."""
    image = np.zeros((8, 16, 3), np.uint8)
    image[:, 4:12] = RED
    return image


def test_fit_crop_takes_the_middle():
    assert (fit_image(stripes(), 8) == RED).all()
    assert (fit_image(stripes().swapaxes(0, 1), 4) == RED).all()


def test_fit_pad_adds_white():
    image = fit_image(stripes(), 16, "pad")
    assert (image[:4] == 255).all()
    assert (image[12:] == 255).all()
    np.testing.assert_array_equal(image[4:12], stripes())


def test_fit_stretch_keeps_all():
    image = fit_image(stripes(), 8, "stretch", Image.Resampling.BOX)
    assert (image[:, 2:6] == RED).all()
    assert not image[:, [0, 1, 6, 7]].any()


def test_fit_is_antialiased_but_nearest_makes_no_new_levels():
    board = np.indices((64, 64)).sum(0) % 2 * 255
    board = np.repeat(board[..., None], 3, -1).astype(np.uint8)
    assert np.abs(fit_image(board, 8).astype(int) - 127).max() <= 12
    labels = fit_image(board, 24, resample=Image.Resampling.NEAREST)
    assert set(np.unique(labels)) == {0, 255}


def test_fit_leaves_the_right_size_alone(rng):
    image = rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)
    for fit in ("crop", "pad", "stretch"):
        np.testing.assert_array_equal(fit_image(image, 9, fit), image)


def test_fit_names_its_choices(refuses):
    with refuses("fit"):
        fit_image(stripes(), 8, "zoom")


MODES = {
    "jpg": ("RGB", "L", "CMYK"),
    "png": ("RGB", "L", "RGBA", "P"),
    "webp": ("RGB", "RGBA"),
    "bmp": ("RGB", "L", "P"),
    "tif": ("RGB", "L", "RGBA", "P", "CMYK"),
}


@pytest.mark.parametrize(
    ("kind", "mode"), [(kind, mode) for kind in MODES for mode in MODES[kind]]
)
def test_large_images_are_reduced(kind, mode, tmp_path, monkeypatch):
    """The result is nearly that of the whole image, upright."""
    picture = Image.fromarray(np.kron(quadrants(), np.ones((9, 9, 1), "u1")))
    exif = Image.Exif()
    exif[ORIENTATION] = 3
    options = {"exif": exif} if kind in ("jpg", "png", "webp") else {}
    path = saved(tmp_path / f"x.{kind}", picture.convert(mode), **options)
    whole = read_fitted(path, 8)
    seen = []
    reduce = reading._reduce
    monkeypatch.setattr(reading, "_LARGE", 1000)
    monkeypatch.setattr(
        reading, "_reduce", lambda *a: seen.append(reduce(*a)) or seen[-1]
    )
    found = read_fitted(path, 8).astype(int)
    assert np.abs(found - whole).mean() < 3
    check_image(path)
    for image in seen:
        assert (min(image.size) < 100) == (mode != "P")
    # Colours of label maps are not mixed.
    np.testing.assert_array_equal(
        read_fitted(path, 8, "crop maps"),
        fit_image(read_image(path), 8, "crop maps"),
    )


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    path = saved(tmp_path / "x.png", Image.new("RGB", (8, 8)))
    os.truncate(path, 50 * 10**9)  # It needs no space.
    with pytest.raises(BadImage, match="50,000,000,000 bytes"):
        read_image(path)


def test_decoders_share_the_memory(monkeypatch):
    """Two small amounts fit at a time; a large one is alone."""
    budget = MemoryBudget(10)
    used, most = [], []
    lock = threading.Lock()

    def decode(amount):
        with budget.reserved(amount):
            with lock:
                used.append(amount)
                most.append(list(used))
            time.sleep(0.002)
            with lock:
                used.remove(amount)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(decode, [5, 5, 5, 99, 5, 5, 4, 99, 5, 5]))
    assert max(map(len, most)) == 2
    assert all(sum(some) <= 10 or some == [99] for some in most)


def test_an_image_that_does_not_fit_the_memory_is_refused(
    tmp_path, monkeypatch
):
    """Only the image that needs more than the budget is compared with it."""
    path = saved(tmp_path / "x.png", Image.new("RGB", (100, 100)))
    (tmp_path / "meminfo").write_text("MemFree: 1 kB\nMemAvailable: 100 kB\n")
    monkeypatch.setattr(memory, "_FREE", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_CONTAINER", tmp_path)
    read_image(path)
    monkeypatch.setattr(reading, "_BUDGET", MemoryBudget(1000))
    with pytest.raises(BadImage, match=r"takes 0\.1 MB .* 0\.1 MB are free"):
        read_image(path)
    (tmp_path / "meminfo").write_text("MemAvailable: 1000 kB\n")
    read_image(path)
    # A container may use less than the machine has.
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("950000\n")
    assert memory.free_memory() == 50_000
    with pytest.raises(BadImage, match="are free"):
        read_image(path)
    (tmp_path / "memory.max").write_text("max\n")
    read_image(path)
    (tmp_path / "meminfo").unlink()
    assert memory.free_memory() == float("inf")


def test_a_decoder_reserves_its_memory(tmp_path, monkeypatch):
    path = saved(tmp_path / "x.png", Image.new("RGBA", (10, 20)))
    amounts = []

    @contextlib.contextmanager
    def reserved(amount):
        amounts.append(amount)
        yield

    budget = SimpleNamespace(reserved=reserved)
    monkeypatch.setattr(reading, "_BUDGET", budget)
    read_image(path)
    read_fitted(path, 8)
    assert amounts == [200 * 24] * 2


def test_a_jpeg_that_is_cut_and_closed_is_grey_from_there_on(tmp_path):
    """As docs/images.md says; it cannot be told from a whole file."""
    path = saved(tmp_path / "x.jpg", Image.new("L", (8, 80), 9))
    content = path.read_bytes()
    start = content.rindex(b"\xff\xda") + 10
    path.write_bytes(content[: start + 2] + b"\xff\xd9")
    assert np.all(read_image(path)[-8:] == 128)


def test_animations_are_counted_in_one_line(tmp_path, capsys):
    still, *more = (Image.new("RGB", (4, 4), (90 * i, 0, 0)) for i in range(3))
    for name, rest in (("one.gif", []), ("a.gif", more), ("b.webp", more)):
        still.save(tmp_path / name, save_all=True, append_images=rest)
    # The suffix does not matter.
    (tmp_path / "a.gif").rename(tmp_path / "a.jpg")
    names = ("one.gif", "a.jpg", "b.webp", "b.webp", "none.gif")
    report_frames(tmp_path / name for name in names)
    assert capsys.readouterr().err == (
        "only the first frame is used of 2 files with several frames, such "
        f"as {tmp_path / 'a.jpg'}\n"
    )
    report_frames([tmp_path / "one.gif"])
    assert capsys.readouterr().err == ""


def test_all_readers_of_images_tell_of_animations():
    """Modules that read images of the user also look for further frames."""
    readers = {"read_image", "read_fitted", "read_input"}
    # `files` defines `read_input`; `tfrecord` only tries what can be decoded.
    without = {"files.py", "tfrecord.py", "reading.py"}
    for path in PACKAGE.rglob("*.py"):
        words = set(re.findall(r"\w+", path.read_text("utf-8")))
        if words & readers and path.name not in without:
            assert words & {"report_frames", "has_frames"}, path
