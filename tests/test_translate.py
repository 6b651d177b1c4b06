"""What the verb translates, writes and refuses."""

import itertools
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tf_i2i import styles
from tf_i2i import translate
from tf_i2i.data.reading import read_image
from tf_i2i.faces import detect
from tf_i2i.faces.align import in_box
from tf_i2i.file_translation import translate_files
from tf_i2i.geometry import InputSize
from tf_i2i.layers.portable import is_portable
from tf_i2i.methods.capabilities import Styled

SIZE, STRIDE = 16, 4
INPUT_SIZE = InputSize(SIZE, STRIDE)


class Negative:
    """Stands for a trained translator: a_to_b negates, b_to_a copies."""

    size, size_multiple, fixed_size = SIZE, STRIDE, False
    averaged_variables = ()

    def translate(self, images, direction, style=None):
        assert images.dtype == "float32"
        shift = 0.0 if style is None else style[:, None, None, :]
        return (-images if direction == "a_to_b" else images) + shift


class StyledNegative(Styled, Negative):
    style_shape = (3,)

    def encode_style(self, images, direction):
        return images[:, 0, 0]

    def blend_styles(self, first, last, count):
        return np.linspace(first[0], last[0], count, dtype=np.float32)

    def sample_style(self, count, seed):
        draw = np.random.default_rng(seed).standard_normal((count, 3))
        return draw.astype(np.float32)


@pytest.fixture
def run_dir(tmp_path, monkeypatch):
    use(monkeypatch, Negative())
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.gin").touch()
    return tmp_path / "run"


def use(monkeypatch, model, label_maps=()):
    """What `--run_dir` leads to."""
    run = SimpleNamespace(
        model=model, config=SimpleNamespace(label_maps=label_maps)
    )
    stub = SimpleNamespace(load_translator=lambda *_: run)
    monkeypatch.setitem(sys.modules, "tf_i2i.runs", stub)


def verb(run_dir, *argv):
    translate.main([f"--run_dir={run_dir}", *map(str, argv)])


def noise(height, width, seed=0):
    shape = (height, width, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return path


def resized(image, height, width):
    picture = Image.fromarray(image)
    return np.array(picture.resize((width, height), Image.Resampling.BICUBIC))


def test_batches_hold_one_shape_and_files_keep_their_pictures(tmp_path):
    sizes = [(16, 16), (16, 20), (16, 16), (20, 16), (16, 16), (16, 18)]
    outputs = {}
    for i, size in enumerate(sizes):
        path = write(tmp_path / "in" / f"{i}.png", noise(*size, seed=i))
        outputs[path] = tmp_path / "out" / f"{i}.png"
    shapes = []

    def negative(images):
        shapes.append(images.shape)
        return 255 - images

    report = translate_files(negative, outputs, INPUT_SIZE, batch_size=2)
    assert not report.skipped
    assert sorted(shapes) == [
        (1, 16, 16, 3),
        (1, 20, 16, 3),
        (2, 16, 16, 3),
        (2, 16, 20, 3),
    ]
    for source, target in outputs.items():
        np.testing.assert_array_equal(
            read_image(target), 255 - read_image(source)
        )


def test_folder_file_and_pattern(run_dir, tmp_path, capsys):
    photos = tmp_path / "photos"
    one = write(photos / "one.jpg", noise(40, 40))
    write(photos / "sub" / "two.png", noise(32, 48))
    grey = Image.fromarray(noise(20, 20)).convert("L")
    grey.save(photos / "grey.png")
    (photos / "notes.txt").write_text("not an image")
    out = tmp_path / "out"

    verb(run_dir, f"--input={photos}", f"--output={out}")
    assert sorted(
        path.relative_to(out).as_posix() for path in out.rglob("*.png")
    ) == ["grey.png", "one.png", "sub/two.png"]
    said = capsys.readouterr()
    assert said.out == f"Translated 3 of 3 images (a_to_b) into {out}\n"
    assert said.err == (
        f"{photos}: 1 files are left out, because they are no images (.txt)\n"
    )
    expected = 255 - resized(read_image(one), 16, 16)
    np.testing.assert_array_equal(read_image(out / "one.png"), expected)
    assert read_image(out / "sub" / "two.png").shape == (16, 24, 3)

    pattern = f"--input={photos}/**/t*.png"
    deep = tmp_path / "deep"
    verb(run_dir, pattern, f"--output={deep}", "--size=input")
    assert read_image(deep / "sub" / "two.png").shape == (32, 48, 3)

    file = tmp_path / "new" / "copy.webp"
    verb(run_dir, f"--input={one}", f"--output={file}", "--direction=b_to_a")
    back = read_image(file).astype(int)
    assert np.abs(back - resized(read_image(one), 16, 16)).mean() < 40
    with Image.open(file) as image:
        assert image.format == "WEBP"


def test_nothing_is_lost(run_dir, tmp_path, refuses):
    me = write(tmp_path / "me.png", noise(16, 16))
    before = me.read_bytes()
    for flags in (
        [f"--input={me}", f"--output={tmp_path}"],
        [f"--input={me}", f"--output={me}"],
    ):
        with refuses("--output"):
            verb(run_dir, *flags, "--overwrite")
    link = tmp_path / "out" / "me.png"
    link.parent.mkdir()
    link.symlink_to(me)
    with refuses("--output"):
        verb(run_dir, f"--input={me}", f"--output={link.parent}", "--overwrite")
    assert me.read_bytes() == before

    other = write(tmp_path / "other.png", noise(8, 8))
    flags = [f"--input={me}", f"--output={other}"]
    with refuses("--output"):
        verb(run_dir, *flags)
    assert read_image(other).shape == (8, 8, 3)
    verb(run_dir, *flags, "--overwrite")
    np.testing.assert_array_equal(read_image(other), 255 - read_image(me))


def test_results_below_the_inputs_are_not_translated_again(run_dir, tmp_path):
    write(tmp_path / "photos" / "me.png", noise(16, 16))
    flags = [f"--input={tmp_path}/photos", f"--output={tmp_path}/photos/out"]
    verb(run_dir, *flags)
    verb(run_dir, *flags, "--overwrite")
    made = sorted((tmp_path / "photos" / "out").rglob("*.png"))
    assert [path.name for path in made] == ["me.png"]
    assert len(list((tmp_path / "photos" / "out").iterdir())) == 1


def test_bad_files_are_named_and_left_out(run_dir, tmp_path, capsys, refuses):
    photos = tmp_path / "photos"
    write(photos / "good.png", noise(16, 16))
    (photos / "broken.jpg").write_bytes(b"nothing")
    write(photos / "ribbon.png", noise(1, 4000))
    verb(run_dir, f"--input={photos}", f"--output={tmp_path}/out")
    said = capsys.readouterr()
    assert "Translated 1 of 3 images" in said.out
    assert "broken.jpg: Its content is no JPEG" in said.err
    assert "ribbon.png: The long side must be at most 8 times" in said.err
    assert "4000x1" in said.err
    (photos / "good.png").unlink()
    with refuses("--input"):
        verb(run_dir, f"--input={photos}", f"--output={tmp_path}/out")


def test_animations_are_said_to_be_cut(run_dir, tmp_path, capsys):
    frames = [Image.fromarray(noise(8, 8, seed)) for seed in range(3)]
    for name, more in (
        ("one.gif", []),
        ("three.gif", frames[1:]),
        ("three.webp", frames[1:]),
        ("three.png", frames[1:]),
        ("three.tif", frames[1:]),
    ):
        frames[0].save(tmp_path / name, save_all=True, append_images=more)
    names = [tmp_path / f"three.{end}" for end in ("gif", "webp", "png", "tif")]
    inputs = ["--input", tmp_path / "one.gif", *names]
    verb(run_dir, *inputs, f"--output={tmp_path / 'out'}")
    told = capsys.readouterr().err
    (line,) = [line for line in told.splitlines() if "first frame" in line]
    assert line.endswith(f"of 4 files with several frames, such as {names[0]}")


def test_files_that_no_one_would_name_so(run_dir, tmp_path, capsys):
    photos = tmp_path / "photos"
    names = ["two\nlines.png", "\x1b[31m.png", os.fsdecode(b"caf\xe9.png")]
    for name in names:
        write(photos / name, noise(16, 16))
    (photos / "nowhere\n.png").symlink_to("nowhere")
    (photos / "circle.png").symlink_to("circle.png")
    out = tmp_path / os.fsdecode(b"out\n\xff")
    verb(run_dir, f"--input={photos}", f"--output={out}")
    assert {path.name for path in out.iterdir()} == set(names)
    said = capsys.readouterr()
    assert said.out == (
        rf"Translated 3 of 5 images (a_to_b) into {tmp_path}/out\n\udcff" "\n"
    )
    assert said.err.splitlines() == [
        f"left out {photos}/circle.png: Too many levels of symbolic links",
        rf"left out {photos}/nowhere\n.png: No such file or directory",
    ]


def test_transparency_lies_on_white(run_dir, tmp_path):
    clear = np.zeros((16, 16, 4), np.uint8)
    Image.fromarray(clear).save(tmp_path / "clear.png")
    verb(run_dir, f"--input={tmp_path}/clear.png", f"--output={tmp_path}/out")
    assert not read_image(tmp_path / "out" / "clear.png").any()


@pytest.mark.parametrize(
    ("size", "expected"), [("full", (50, 70)), ("32", (32, 45))]
)
def test_networks_see_other_sizes_than_that_of_the_training(
    run_dir, tmp_path, size, expected
):
    image = noise(50, 70)
    given = write(tmp_path / "in.png", image)
    output = tmp_path / "out.png"
    verb(run_dir, f"--input={given}", f"--output={output}", f"--size={size}")
    negative = 255 - resized(image, *expected)
    assert np.array_equal(read_image(output), negative)


def test_large_inputs_are_translated_in_tiles(
    run_dir, tmp_path, monkeypatch, capsys
):
    """Here each tile is brighter than the one before, which is said."""
    calls = itertools.count()
    model = Negative()
    model.translate = lambda images, *_: (
        images
        + 0.1 * tf.py_function(lambda: float(next(calls)), (), tf.float32)
    )
    use(monkeypatch, model)
    given = write(tmp_path / "in.png", np.zeros((300, 300, 3), np.uint8))
    flags = [f"--input={given}", "--size=full", "--tile=256"]
    verb(run_dir, *flags, f"--output={tmp_path / 'out.png'}")
    assert read_image(tmp_path / "out.png").shape == (300, 300, 3)
    assert "neighbouring tiles differ by up to" in capsys.readouterr().err


def test_some_runs_have_one_size_only(run_dir, tmp_path, monkeypatch, refuses):
    model = Negative()
    model.fixed_size = True
    use(monkeypatch, model)
    given = write(tmp_path / "in.png", noise(50, 70))
    for size in ("full", "32"):
        with refuses("--size"):
            verb(
                run_dir,
                *(f"--input={given}", f"--output={tmp_path / 'out.png'}"),
                f"--size={size}",
            )


def test_style(run_dir, tmp_path, monkeypatch, refuses):
    grey = np.full((16, 16, 3), 128, np.uint8)
    me = write(tmp_path / "me.png", grey)
    like = write(tmp_path / "like.png", np.full((30, 20, 3), 204, np.uint8))
    flags = [f"--input={me}", "--overwrite", "--direction=b_to_a"]

    def styled(style, seed=0):
        out = tmp_path / "styled.png"
        verb(
            run_dir,
            *flags,
            f"--output={out}",
            f"--style={style}",
            f"--seed={seed}",
        )
        return read_image(out)[0, 0].tolist()

    with refuses("--style"):
        styled(like)
    use(monkeypatch, StyledNegative())
    # A style of (204 / 127.5 - 1) = .6 is 76.5 levels.
    assert styled(like) == [204, 204, 204]
    assert styled("sample", 1) == styled("sample", 1) != styled("sample", 2)


def cell(picture, row, column, side=SIZE):
    """The middle of a picture of a grid with gaps of two: red."""
    at = [2 + i * (side + 2) + side // 2 for i in (row, column)]
    return pytest.approx(picture[at[0], at[1], 0], abs=1)


def test_several_styles_in_one_picture(run_dir, tmp_path, monkeypatch):
    use(monkeypatch, StyledNegative())
    for name, level in (("dark", 26), ("light", 204), ("x", 153), ("y", 102)):
        image = np.full((40, 30, 3), level, np.uint8)
        write(tmp_path / "in" / f"{name}.png", image)
    pictures = tmp_path / "in"
    out = tmp_path / "grid.png"
    flags = [f"--input={pictures}/[xy].png", "--direction=b_to_a"]
    flags += [f"--output={out}", "--overwrite"]
    like = f"--style={pictures}/dark.png,{pictures}/light.png"

    # Styles of -.8 and .6, or -101.5 and 76.5 levels.
    verb(run_dir, *flags, like)
    picture = read_image(out)
    assert picture.shape == (3 * (SIZE + 2) + 2, 3 * (SIZE + 2) + 2, 3)
    assert cell(picture, 0, 0) == 255
    assert [cell(picture, 0, i) for i in (1, 2)] == [26, 204]
    assert [cell(picture, 1, i) for i in range(3)] == [153, 52, 230]
    assert [cell(picture, 2, i) for i in range(3)] == [102, 0, 178]

    # -.8, -.1 and .6.
    verb(run_dir, *flags, like, "--interpolate=3")
    picture = read_image(out)
    assert [cell(picture, 0, i) for i in range(4)] == [255, 26, 255, 204]
    assert [cell(picture, 1, i) for i in range(4)] == [153, 52, 140, 230]

    # Two sampled styles, and their mean.
    verb(run_dir, *flags, "--style=sample", "--seed=1", "--interpolate=3")
    picture = read_image(out)
    first, last = StyledNegative().sample_style(2, 1)[:, 0]
    styles = np.array([first, (first + last) / 2, last])
    for row, level in enumerate((153, 102)):
        expected = np.clip(level + 127.5 * styles, 0, 255)
        assert [cell(picture, row, i) for i in (1, 2, 3)] == list(expected)


def test_several_styles_in_a_folder(
    run_dir, tmp_path, monkeypatch, capsys, refuses
):
    use(monkeypatch, StyledNegative())
    write(tmp_path / "in" / "me.png", np.full((40, 30, 3), 102, np.uint8))
    out = tmp_path / "out"
    flags = [f"--input={tmp_path}/in", f"--output={out}", "--direction=b_to_a"]
    verb(run_dir, *flags, "--style=sample", "--samples=3", "--seed=4")
    assert "Translated 1 of 1 images (b_to_a) into" in capsys.readouterr().out
    assert sorted(p.name for p in out.iterdir()) == [
        *("me-1.png", "me-2.png", "me-3.png")
    ]
    drawn = StyledNegative().sample_style(3, 4)
    for i, style in enumerate(drawn, 1):
        image = read_image(out / f"me-{i}.png")
        wanted = np.clip(102 + 127.5 * style, 0, 255)
        np.testing.assert_allclose(image[0, 0], wanted, atol=1)
    with refuses("--output"):
        verb(run_dir, *flags, "--style=sample", "--samples=2")


@pytest.fixture
def two_faces(monkeypatch):
    """A detector of two places; the blue of a photo says how many it finds."""
    faces = [in_box(60, 10, 40), in_box(10, 60, 20)]
    detector = SimpleNamespace(
        KINDS=("people", "cats"),
        check_installed=lambda kind: None,
        detector=lambda kind: lambda photo: faces[: photo[0, 0, 2]],
    )
    monkeypatch.setattr(translate, "detect", detector)


def test_faces_are_translated_where_they_are(
    run_dir, tmp_path, two_faces, capsys
):
    for blue, name in enumerate(("none", "one", "two")):
        photo = np.full((90, 120, 3), 200, np.uint8)
        photo[..., 2] = blue
        write(tmp_path / "in" / f"{name}.png", photo)
    out = tmp_path / "out"
    verb(
        run_dir,
        f"--input={tmp_path}/in",
        f"--output={out}",
        "--faces",
        "--paste=yes",
    )
    said = capsys.readouterr()
    assert said.out == f"Translated 3 of 3 images (a_to_b) into {out}\n"
    (line,) = said.err.splitlines()
    assert f"{tmp_path}/in/none.png" in line
    # Centres of the faces and of the photo, negated or as they were.
    places = [(28, 80), (69, 20), (40, 60)]
    levels = {}
    for name in ("none", "one", "two"):
        picture = read_image(out / f"{name}.png")
        assert picture.shape == (90, 120, 3)
        assert (picture[-1, -1, :2] == 200).all()
        levels[name] = [picture[at][0].item() for at in places]
    assert levels["one"] == [55, 200, 200]
    assert levels["two"] == [55, 55, 200]
    assert levels["none"][2] == 55


def party(faces, ground=200):
    """A photo with that many faces; a dark line crosses each of them."""
    photo = np.full((90, 120, 3), ground, np.uint8)
    photo[25:35, 76:84] = photo[67:73, 18:22] = 0
    photo[..., 2] = faces
    return photo


def test_faces_on_a_plain_ground_stand_alone(
    run_dir, tmp_path, two_faces, capsys
):
    photos, out = tmp_path / "in", tmp_path / "out"
    write(photos / "me.png", party(2))
    write(photos / "me-2.png", party(1))
    flags = [f"--input={photos}", f"--output={out}", "--faces", "--margin=0"]
    verb(run_dir, *flags)
    assert "2 of 2 images (a_to_b)" in (said := capsys.readouterr().out)
    assert said.endswith("; faces written without their photos: 3\n")
    assert sorted(path.name for path in out.iterdir()) == [
        *("me-2.png", "me-3.png", "me.png")
    ]
    for path in out.iterdir():
        image = read_image(path)
        assert image.shape == (SIZE, SIZE, 3)
        assert image[0, 0, 0] == 55
        assert image[SIZE // 2, SIZE // 2, 0] > 200

    verb(run_dir, *flags, "--size=input", "--overwrite")
    sides = {p.name: read_image(p).shape[:2] for p in out.iterdir()}
    assert sides == {
        "me.png": (40, 40),
        "me-2.png": (40, 40),
        "me-3.png": (20, 20),
    }


def test_faces_without_a_plain_ground_are_pasted(
    run_dir, tmp_path, two_faces, capsys
):
    photo = noise(90, 120)
    photo[..., 2] = 1
    me = write(tmp_path / "me.png", photo)
    out = tmp_path / "out"
    flags = [f"--input={me}", f"--output={out}", "--faces"]
    verb(run_dir, *flags, "--transparent")
    assert read_image(out / "me.png").shape == photo.shape
    assert f"not transparent: {out}/me.png" in capsys.readouterr().err
    verb(run_dir, *flags, "--paste=no", "--overwrite")
    assert read_image(out / "me.png").shape == (SIZE, SIZE, 3)


def test_names_of_faces_spare_what_is_there(run_dir, tmp_path, two_faces):
    me = write(tmp_path / "me.png", party(2))
    flags = ["--faces", f"--output={tmp_path}/new.png"]
    kept = write(tmp_path / "new-2.png", noise(8, 8))
    verb(run_dir, f"--input={me}", *flags)
    assert read_image(kept).shape == (8, 8, 3)
    assert read_image(tmp_path / "new-3.png").shape == (SIZE, SIZE, 3)
    # With --overwrite, only what is read is spared.
    inputs = write(tmp_path / "new-2.png", party(2))
    verb(run_dir, f"--input={inputs}", *flags, "--overwrite")
    assert read_image(inputs).shape == (90, 120, 3)


def test_plain_grounds_become_transparent(run_dir, tmp_path, capsys):
    photos, out = tmp_path / "in", tmp_path / "out"
    plain = np.full((SIZE, SIZE, 3), 255, np.uint8)
    plain[5:11, 5:11] = (200, 100, 50)
    write(photos / "plain.png", plain)
    write(photos / "noise.png", noise(SIZE, SIZE))
    flags = [f"--output={out}", "--transparent", "--direction=b_to_a"]
    verb(run_dir, f"--input={photos}", *flags)
    assert capsys.readouterr().err == (
        f"not transparent: {out}/noise.png, because the translation has no "
        "plain background\n"
    )
    with Image.open(out / "noise.png") as image:
        assert image.mode == "RGB"
    with Image.open(out / "plain.png") as image:
        alpha = np.asarray(image)[..., 3]
        assert image.getpixel((8, 8)) == (200, 100, 50, 255)
    wanted = np.zeros((SIZE, SIZE))
    wanted[5:11, 5:11] = 255
    np.testing.assert_array_equal(alpha, wanted)

    large = write(tmp_path / "large.png", plain.repeat(3, 0).repeat(3, 1))
    flags[0] = f"--output={out}/large.webp"
    verb(run_dir, f"--input={large}", *flags, "--size=input")
    with Image.open(out / "large.webp") as image:
        assert (image.mode, image.size) == ("RGBA", (48, 48))
        assert image.getpixel((2, 2))[3] == 0
        assert image.getpixel((24, 24))[3] > 240


@pytest.mark.parametrize("faces", [[], ["--faces"]])
def test_portraits_of_the_package(
    run_dir, tmp_path, monkeypatch, two_faces, faces
):
    monkeypatch.chdir(tmp_path)
    verb(run_dir, "--input=sample", "--output=out", *faces)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [f"sample{i}.png" for i in (1, 2, 3, 4)]


def test_the_margin_is_that_of_the_training_faces(
    run_dir, tmp_path, monkeypatch, refuses
):
    monkeypatch.setattr(detect, "check_installed", lambda kind: None)

    def planned(*flags):
        given = [f"--run_dir={run_dir}", f"--input={tmp_path}/me.png"]
        given += [f"--output={tmp_path}/out", "--faces", *flags]
        flags = translate._parser().parse_args(given)
        translate._plan(flags)
        return flags.margin

    write(tmp_path / "me.png", noise(8, 8))
    assert planned() == 0.15
    (run_dir / "config.gin").write_text("train.face_margin = 0.45\n")
    assert planned() == 0.45
    assert planned("--margin=0.2") == 0.2
    (run_dir / "config.gin").write_text("train.face_margin = 9\n")
    with refuses("train.face_margin"):
        planned()


@pytest.mark.parametrize(
    ("flags", "argument"),
    [
        (["--direction=c"], "--direction"),
        (["--size=big"], "--size"),
        (["--size=8"], "--size"),
        (["--faces", "--size=full"], "--size"),
        (["--tile=100"], "--tile"),
        (["--batch_size=0"], "--batch_size"),
        (["--run_dir=nowhere"], "--run_dir"),
        (["--input=nowhere/*.jpg"], "--input"),
        (["--output=out.gif"], "--output"),
        (["--style=nowhere.png"], "nowhere.png"),
        (["--sytle=sample"], "--sytle"),
        (["--faces=dogs"], "--faces"),
        (["--samples=2"], "--samples"),
        (["--style=sample", "--samples=0"], "--samples"),
        (["--style=sample", "--interpolate=1"], "--interpolate"),
        (["--style=sample", "--interpolate=3", "--samples=2"], "--samples"),
        (["--margin=.2"], "--margin"),
        (["--paste=no"], "--paste"),
        (["--faces", "--paste=maybe"], "--paste"),
        (["--transparent", "--output=out.jpg"], "--transparent"),
        (["--transparent", "--faces", "--paste=yes"], "--transparent"),
        (
            ["--transparent", "--style=sample", "--samples=2"]
            + ["--output=grid.png"],
            "--transparent",
        ),
    ],
)
def test_wrong_flags(run_dir, tmp_path, monkeypatch, flags, argument, refuses):
    def no_tensorflow():
        raise AssertionError("flags must be checked before the import")

    monkeypatch.setattr(translate.cli, "import_tensorflow", no_tensorflow)
    monkeypatch.setattr(detect, "check_installed", lambda kind: None)
    me = write(tmp_path / "me.png", noise(16, 16))
    good = [f"--input={me}", f"--output={tmp_path}/out"]
    with refuses(argument):
        verb(run_dir, *good, *flags)
    assert not (tmp_path / "out").exists()


def test_domains_go_by_the_names_of_the_run(run_dir, tmp_path, capsys, refuses):
    config = "train.domains = ('selfie', 'anime')"
    (run_dir / "config.gin").write_text(config)
    me = write(tmp_path / "me.png", noise(16, 16))
    given = (f"--input={me}", f"--output={tmp_path}/out")
    verb(run_dir, *given, "--direction=anime_to_selfie")
    assert "1 of 1 images (anime_to_selfie)" in capsys.readouterr().out
    assert np.array_equal(
        read_image(tmp_path / "out" / "me.png"), noise(16, 16)
    )
    with refuses("--direction") as refused:
        verb(run_dir, *given, "--direction=c")
    assert "selfie_to_anime, anime_to_selfie" in str(refused.value)


def test_one_file_for_two_images(run_dir, tmp_path, refuses):
    write(tmp_path / "in" / "a.png", noise(16, 16))
    write(tmp_path / "in" / "b.png", noise(16, 16))
    with refuses("--output"):
        verb(run_dir, f"--input={tmp_path}/in", "--output=one.png")


def test_unwritable_output(run_dir, tmp_path, refuses):
    me = write(tmp_path / "me.png", noise(16, 16))
    (tmp_path / "file").touch()
    with refuses("--output"):
        verb(run_dir, f"--input={me}", f"--output={tmp_path}/file/out")


def test_a_mistake_is_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tf_i2i.translate", "--run_dir=nowhere"]
        + ["--input=me.jpg", "--output=out"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "error: `--run_dir` must be the folder of a run, with a config.gin. "
        "Received: nowhere\n"
    )


def test_an_animation_is_translated(run_dir, tmp_path, capsys, refuses):
    frames = [Image.fromarray(noise(16, 20, seed)) for seed in range(3)]
    me = tmp_path / "me.gif"
    frames[0].save(me, save_all=True, append_images=frames[1:])
    out = tmp_path / "out.webp"
    verb(run_dir, f"--input={me}", f"--output={out}")
    said = capsys.readouterr()
    assert said.out == f"Translated 3 frames (a_to_b) into {out}\n"
    assert "first frame" not in said.err
    with Image.open(out) as image:
        assert (image.n_frames, image.size) == (3, (20, 16))
    video = write(tmp_path / "one.png", noise(16, 16)).rename(
        tmp_path / "one.mp4"
    )
    for argument, flags in (
        ("--output", [f"--output={out}"]),
        ("--output", [f"--input={video}", f"--output={tmp_path}/new"]),
        ("--smooth", [f"--output={tmp_path}/new.png", "--smooth"]),
        ("--transparent", [f"--output={tmp_path}/new.gif", "--transparent"]),
        ("--input", [f"--output={tmp_path}/new.gif", "--input", me, video]),
    ):
        with refuses(argument):
            verb(run_dir, f"--input={me}", *flags)


@pytest.mark.parametrize("text", ["", ",", ",,"])
def test_a_style_without_a_path_is_refused(text, refuses):
    with refuses("--style"):
        styles.count_styles(text, None, None)


def test_the_next_files_are_read_while_a_batch_is_translated(
    tmp_path, monkeypatch
):
    count, batch_size = 40, 2
    outputs = {}
    for i in range(count):
        path = write(tmp_path / "in" / f"{i}.png", noise(16, 16, seed=i))
        outputs[path] = tmp_path / "out" / f"{i}.png"
    begun, translated, most = [], 0, 0

    def counted(path):
        begun.append(path)
        return read_image(path)

    def negative(images):
        nonlocal translated, most
        translated += len(images)
        ahead = min(count, translated + batch_size)
        deadline = time.monotonic() + 20
        while len(begun) < ahead:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        time.sleep(0.002)  # For files that would be read too early.
        most = max(most, len(begun) - translated)
        return 255 - images

    monkeypatch.setattr("tf_i2i.file_translation.read_input", counted)
    translate_files(negative, outputs, INPUT_SIZE, batch_size)
    assert most == batch_size
    for source, target in outputs.items():
        np.testing.assert_array_equal(
            read_image(target), 255 - read_image(source)
        )


def test_an_engine_is_chosen(run_dir, tmp_path, monkeypatch, refuses):
    class Apart(Negative):
        def translate(self, images, direction, style=None):
            made = super().translate(images, direction, style)
            return made + 0.05 if is_portable() else made

    use(monkeypatch, Apart())
    photo = write(tmp_path / "photo.png", noise(16, 16))
    target = tmp_path / "made.png"
    given = (f"--input={photo}", f"--output={target}")
    with refuses("--engine"):
        verb(run_dir, *given, "--engine=litert")
    assert not target.exists()
    verb(run_dir, *given, "--engine=tensorflow")
    np.testing.assert_array_equal(read_image(target), 255 - read_image(photo))
