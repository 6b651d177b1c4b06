"""Files of every kind that people have."""

import numpy as np
import pytest
from PIL import Image

from tf_i2i.data.reading import BadImage
from tf_i2i.data.reading import fit_image
from tf_i2i.data.reading import list_images
from tf_i2i.data.reading import read_image
from tf_i2i.errors import UserError

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
    ],
)
def test_every_format(tmp_path, suffix, options):
    picture = Image.fromarray(quadrants())
    image = read_image(saved(tmp_path / f"x.{suffix}", picture, **options))
    assert image.dtype == np.uint8
    assert image.shape == (16, 32, 3)
    assert is_red(image[3, 3])
    assert image[12, 28].min() >= 250


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
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


def test_broken_exif_is_no_reason_to_lose_a_picture(tmp_path):
    picture = Image.fromarray(quadrants())
    junk = b"Exif\x00\x00" + b"\x12\x34\x56" * 9
    image = read_image(saved(tmp_path / "x.jpg", picture, exif=junk))
    assert image.shape == (16, 32, 3)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("1", 1, (255, 255, 255)),
        ("L", 90, (90, 90, 90)),
        ("LA", (90, 255), (90, 90, 90)),
        ("LA", (0, 0), (255, 255, 255)),
        ("RGB", RED, RED),
        ("RGBA", (*RED, 255), RED),
        ("RGBA", (0, 100, 200, 51), (204, 224, 244)),
        ("I;16", 90 * 257, (90, 90, 90)),
        ("I;16", 65535, (255, 255, 255)),
    ],
)
def test_every_mode_of_png(tmp_path, mode, colour, expected):
    picture = Image.new(mode, (4, 3), colour)
    image = read_image(saved(tmp_path / "x.png", picture))
    assert image.shape == (3, 4, 3)
    assert (image == expected).all()


@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
def test_16_bit_tiff_is_scaled(tmp_path, mode):
    levels = np.array([[0, 257, 128 * 257, 65535]], np.uint16)
    if mode == "I;16B":
        levels = levels.astype(">u2")
    picture = Image.frombytes(mode, (4, 1), levels.tobytes())
    image = read_image(saved(tmp_path / "x.tif", picture))
    assert image[0, :, 0].tolist() == [0, 1, 128, 255]


def test_16_bit_with_orientation(tmp_path):
    picture = Image.fromarray(np.arange(6, dtype=np.uint16).reshape(2, 3) * 257)
    exif = Image.Exif()
    exif[ORIENTATION] = 3
    image = read_image(saved(tmp_path / "x.png", picture, exif=exif))
    assert image[..., 1].tolist() == [[5, 4, 3], [2, 1, 0]]


def test_palette(tmp_path):
    picture = Image.fromarray(quadrants()).quantize(4)
    assert picture.mode == "P"
    image = read_image(saved(tmp_path / "x.png", picture))
    assert is_red(image[3, 3])


@pytest.mark.parametrize("transparency", [0, b"\x00\xff"])
def test_transparent_palette_is_laid_on_white(tmp_path, transparency):
    picture = Image.new("P", (2, 1))
    picture.putpalette([0, 0, 0, *RED])
    picture.putdata([0, 1])
    path = saved(tmp_path / "x.png", picture, transparency=transparency)
    assert read_image(path).tolist() == [[[255, 255, 255], list(RED)]]


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk(tmp_path, suffix):
    # Full cyan and yellow, no magenta, no black.
    picture = Image.new("CMYK", (8, 8), (255, 0, 255, 0))
    image = read_image(saved(tmp_path / f"x.{suffix}", picture))
    assert np.abs(image.astype(int) - (0, 255, 0)).max() <= 3


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_first_frame_of_an_animation(tmp_path, suffix):
    frames = [Image.new("RGB", (4, 4), c) for c in ("black", "white")]
    path = saved(
        tmp_path / f"x.{suffix}",
        frames[0],
        save_all=True,
        append_images=frames[1:],
    )
    assert read_image(path).max() <= 2


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (Image.new("F", (4, 4), 0.5), "Float"),
        (Image.new("I", (4, 4), 70_000), "32-bit"),
    ],
)
def test_pixels_without_a_range_are_refused(tmp_path, picture, words):
    path = saved(tmp_path / "x.tif", picture)
    with pytest.raises(BadImage, match=words) as caught:
        read_image(path)
    assert str(path) in str(caught.value)


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


@pytest.mark.parametrize("content", [b"", b"<html>no image</html>"])
def test_what_is_no_image(tmp_path, content):
    path = tmp_path / "x.jpg"
    path.write_bytes(content)
    with pytest.raises(BadImage, match="no JPEG, PNG, WebP"):
        read_image(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(BadImage, match="No such file"):
        read_image(tmp_path / "x.jpg")


def test_postscript_is_not_started(tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    with pytest.raises(BadImage, match="no JPEG, PNG, WebP"):
        read_image(path)


def test_decompression_bombs_are_reported(tmp_path, monkeypatch):
    path = saved(tmp_path / "x.png", Image.new("RGB", (40, 40)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 400)
    with pytest.raises(BadImage, match="exceeds limit of 800 pixels"):
        read_image(path)


def test_list_images(tmp_path):
    names = ["b.PNG", "a.jpg", "sub/c.webp", "sub/deep/d.tif"]
    others = [".e.png", ".hidden/f.png", "notes.txt", "sub/g.mp4"]
    for name in names + others:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = [p.relative_to(tmp_path).as_posix() for p in list_images(tmp_path)]
    assert found == ["a.jpg", "b.PNG", "sub/c.webp", "sub/deep/d.tif"]


def test_linked_folders_are_read_once(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.png").touch()
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "real")
    (folder / "link" / "loop").symlink_to(folder)
    assert list_images(folder) == [folder / "link" / "a.png"]


def test_list_images_of_no_folder(tmp_path):
    with pytest.raises(UserError, match="must be a folder"):
        list_images(tmp_path / "nowhere")


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


def test_fit_names_its_choices():
    with pytest.raises(UserError, match=r"crop, pad, stretch.*'zoom'"):
        fit_image(stripes(), 8, "zoom")
