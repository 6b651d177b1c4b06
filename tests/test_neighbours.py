"""Neighbours by brute force, and colours that find each other."""

import csv
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tf_i2i import neighbours
from tf_i2i.data.reading import read_image
from tf_i2i.errors import UserError
from tf_i2i.methods import TwinGAN
from tf_i2i.methods.capabilities import Embedding

SIZE = 8
RED, GREEN, BLUE = (250, 0, 0), (0, 250, 0), (0, 0, 250)


class Colour(Embedding):
    """Stands for a trained translator; an image's code is its mean colour.

    In B the channels are in another order, which the encoder knows.
    """

    def embed(self, images, domain):
        assert images.dtype == "float32"
        assert len(images) <= neighbours._BATCH
        means = images.mean((1, 2)) + 1
        return means if domain == "a" else means[:, ::-1]


def use(monkeypatch, model, stores=None):
    """What `--run_dir` leads to."""
    run = SimpleNamespace(
        model=model,
        config=SimpleNamespace(fit="crop"),
        phase=SimpleNamespace(size=SIZE),
        data=SimpleNamespace(store=lambda domain: stores[domain]),
    )
    stub = SimpleNamespace(load_translator=lambda *_: run)
    monkeypatch.setitem(sys.modules, "tf_i2i.runs", stub)


@pytest.fixture
def run_dir(tmp_path, monkeypatch):
    use(monkeypatch, Colour())
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.gin").touch()
    return tmp_path / "run"


def flat(colour, height=SIZE, width=SIZE):
    image = np.empty((height, width, 3), np.uint8)
    image[:] = colour
    return image


def folder(path, **colours):
    path.mkdir()
    for name, colour in colours.items():
        Image.fromarray(flat(colour, 10, 12)).save(path / f"{name}.png")
    return path


def verb(run_dir, output, *argv):
    neighbours.main(
        [f"--run_dir={run_dir}", f"--output={output}", *map(str, argv)]
    )
    with open(output / "neighbours.csv", newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 4, 30])
def test_nearest_by_brute_force(metric, k, rng, monkeypatch):
    monkeypatch.setattr(neighbours, "_BLOCK", 3)
    x = rng.standard_normal((8, 5)).astype(np.float32)
    y = rng.standard_normal((10, 5)).astype(np.float32)
    if metric == "cosine":
        cosines = (x @ y.T) / np.outer(
            np.linalg.norm(x, axis=1), np.linalg.norm(y, axis=1)
        )
        expected = 1 - cosines
    else:
        expected = np.linalg.norm(x[:, None] - y[None], axis=-1)
    indices, gaps = neighbours.nearest(x, y, k, metric)
    order = expected.argsort(1)[:, :k]
    np.testing.assert_array_equal(indices, order)
    np.testing.assert_allclose(
        gaps, np.take_along_axis(expected, order, 1), atol=1e-6
    )


def test_ties_and_zeros(monkeypatch):
    monkeypatch.setattr(neighbours, "_BLOCK", 2)
    gallery = np.array([[0, 2], [1, 0], [3, 0], [0, 0], [5, 0]], np.float32)
    indices, gaps = neighbours.nearest(gallery[[1]], gallery, 4)
    assert indices.tolist() == [[1, 2, 4, 0]]
    assert gaps.tolist() == [[0, 0, 0, 1]]
    indices, gaps = neighbours.nearest(gallery[[3]], gallery, 2)
    assert indices.tolist() == [[0, 1]]
    assert gaps.tolist() == [[1, 1]]


def test_colours_find_each_other(run_dir, tmp_path, capsys):
    a = folder(tmp_path / "a", red=RED, blue=BLUE)
    b = folder(tmp_path / "b", x=BLUE, y=GREEN, z=(250, 250, 0))
    (a / "broken\n.jpg").write_bytes(b"nothing")
    (b / "notes.txt").touch()
    out = tmp_path / "out"
    flags = [f"--images_a={a}", f"--images_b={b}", "--k=2"]
    header, *rows = verb(run_dir, out, *flags)
    assert tuple(header) == neighbours.HEADER
    # B's blue is A's red, its yellow (red and green) between green and blue.
    aside = f"{1 - 0.5**0.5:.6g}"
    assert rows == [
        ["blue.png", "a", "1", "z.png", aside],
        ["blue.png", "a", "2", "x.png", "1"],
        ["red.png", "a", "1", "x.png", "0"],
        ["red.png", "a", "2", "y.png", "1"],
        ["x.png", "b", "1", "red.png", "0"],
        ["x.png", "b", "2", "blue.png", "1"],
        ["y.png", "b", "1", "blue.png", "1"],
        ["y.png", "b", "2", "red.png", "1"],
        ["z.png", "b", "1", "blue.png", aside],
        ["z.png", "b", "2", "red.png", "1"],
    ]
    said = capsys.readouterr()
    assert said.out == (
        "Compared 2 images of A with 3 of B (cosine): neighbours.csv and "
        f"pictures in {out}\n"
    )
    assert said.err.splitlines() == [
        f"{b}: 1 files are left out, because they are no images (.txt)",
        rf"left out {a}/broken\n.jpg: Its content is no JPEG, PNG, WebP, BMP, "
        "GIF, TIFF, AVIF or HEIC.",
    ]
    # 8 px become 64: gaps of 2, and of 12 behind the queries.
    picture = read_image(out / "neighbours_of_a.png")
    assert picture.shape == (2 * 66 + 2, 68 + 12 + 2 * 66 + 2, 3)
    lefts = [2, 82, 148]
    assert picture[2, lefts].tolist() == [[*BLUE], [250, 250, 0], [*BLUE]]
    assert picture[68, lefts].tolist() == [[*RED], [*BLUE], [*GREEN]]
    assert len(read_image(out / "neighbours_of_b.png")) == 3 * 66 + 2

    with pytest.raises(UserError, match="add --overwrite"):
        verb(run_dir, out, *flags)
    _, *rows = verb(
        run_dir, out, *flags, "--overwrite", "--metric=euclidean", "--count=1"
    )
    # A level is 2 / 255: 250 of them in one channel, or in two.
    away = f"{250 / 127.5:.6g}"
    assert rows[0] == ["blue.png", "a", "1", "z.png", away]
    assert len(read_image(out / "neighbours_of_b.png")) == 66 + 2


def test_results_below_a_folder_are_no_queries(run_dir, tmp_path):
    a = folder(tmp_path / "a", red=RED)
    b = folder(tmp_path / "b", blue=BLUE)
    flags = [f"--images_a={a}", f"--images_b={b}"]
    # Above the folder too.
    first = verb(run_dir, tmp_path, *flags)
    # One neighbour where five are wanted.
    assert len(first) == 3
    assert verb(run_dir, a / "out", *flags) == first
    assert verb(run_dir, a / "out", *flags, "--overwrite") == first


def test_a_run_has_test_images_of_its_own(run_dir, tmp_path, monkeypatch):
    def store(*colours):
        images = np.stack([flat(c, 12, 12) for c in colours])
        names = [f"{i}.png" for i in range(len(images))]
        return SimpleNamespace(
            images=images,
            names=names,
            maps=False,
            split={"test": [0, 2]}.get,
        )

    stores = {"a": store(RED, GREEN, BLUE), "b": store(BLUE, GREEN, RED)}
    use(monkeypatch, Colour(), stores)
    _, *rows = verb(run_dir, tmp_path / "out", "--k=1")
    assert [row[:4] for row in rows] == [
        ["0.png", "a", "1", "0.png"],
        ["2.png", "a", "1", "2.png"],
        ["0.png", "b", "1", "0.png"],
        ["2.png", "b", "1", "2.png"],
    ]
    picture = read_image(tmp_path / "out" / "neighbours_of_a.png")
    assert picture.shape == (2 * 66 + 2, 68 + 12 + 68, 3)


def test_many_batches(run_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(neighbours, "_BATCH", 2)
    greys = {f"{i}": (250, 10 * i, 0) for i in range(5)}
    a = folder(tmp_path / "a", **greys)
    b = folder(tmp_path / "b", **{n: c[::-1] for n, c in greys.items()})
    out = tmp_path / "out"
    flags = [f"--images_a={a}", f"--images_b={b}", "--k=1", "--count=2"]
    _, *rows = verb(run_dir, out, *flags)
    assert all(query == neighbour for query, _, _, neighbour, _ in rows)
    assert len(rows) == 10
    # The first and the last of five.
    picture = read_image(out / "neighbours_of_a.png")
    assert picture[[2, 68], 2, 1].tolist() == [0, 40]
    assert sorted(path.name for path in out.iterdir()) == [
        "neighbours.csv",
        "neighbours_of_a.png",
        "neighbours_of_b.png",
    ]


def test_the_encoder_of_a_twingan(run_dir, tmp_path, monkeypatch, rng):
    model = TwinGAN(SIZE, start_size=4, width=0.05)
    use(monkeypatch, model)
    folders = []
    for domain in "ab":
        colours = rng.integers(0, 256, (3, 3))
        some = {f"{domain}{i}": c for i, c in enumerate(colours)}
        folders.append(folder(tmp_path / domain, **some))
    flags = [f"--images_{f.name}={f}" for f in folders]
    _, *rows = verb(run_dir, tmp_path / "out", *flags, "--k=3")
    assert len(rows) == 2 * 3 * 3
    codes = {
        d: model.embed(
            np.stack([read_image(p) for p in sorted(f.iterdir())])[
                :, 1:9, 2:10
            ].astype(np.float32)
            / 127.5
            - 1,
            d,
        ).numpy()
        for d, f in zip("ab", folders, strict=True)
    }
    x, y = codes["a"][0], codes["b"]
    gaps = 1 - y @ x / np.linalg.norm(y, axis=1) / np.linalg.norm(x)
    order = gaps.argsort()
    assert [row[3] for row in rows[:3]] == [f"b{i}.png" for i in order]
    np.testing.assert_allclose(
        [float(row[4]) for row in rows[:3]], gaps[order], atol=1e-4
    )


@pytest.mark.parametrize(
    ("flag", "argument"),
    [
        ("--k=0", "--k"),
        ("--count=0", "--count"),
        ("--metric=taxi", "--metric"),
        ("--run_dir=nowhere", "--run_dir"),
        ("--images_a=nowhere", "--images_a"),
        ("--images_b=empty", "--images_b"),
    ],
)
def test_wrong_flags(run_dir, tmp_path, monkeypatch, flag, argument, refuses):
    def no_tensorflow():
        raise AssertionError("flags must be checked before the import")

    monkeypatch.setattr(neighbours.cli, "import_tensorflow", no_tensorflow)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with refuses(argument):
        verb(run_dir, tmp_path / "out", flag)
    assert not (tmp_path / "out").exists()


def test_what_only_the_run_can_tell(run_dir, tmp_path, monkeypatch, refuses):
    a = folder(tmp_path / "a")
    (a / "broken.png").touch()
    b = folder(tmp_path / "b", blue=BLUE)
    flags = [f"--images_a={a}", f"--images_b={b}"]
    with refuses("--images_a"):
        verb(run_dir, tmp_path / "out", *flags)
    (tmp_path / "file").touch()
    with refuses("--output"):
        verb(run_dir, tmp_path / "file", *flags)
    use(monkeypatch, SimpleNamespace())
    with refuses("--run_dir"):
        verb(run_dir, tmp_path / "other", *flags)


def test_animations_are_counted(run_dir, tmp_path, capsys):
    a = folder(tmp_path / "a", red=RED, green=GREEN)
    b = folder(tmp_path / "b", blue=BLUE)
    frames = [Image.fromarray(flat(colour)) for colour in (RED, BLUE)]
    frames[0].save(a / "moving.gif", save_all=True, append_images=frames[1:])
    verb(run_dir, tmp_path / "out", f"--images_a={a}", f"--images_b={b}")
    told = capsys.readouterr().err
    assert told.count("only the first frame is used of 1 files") == 1


def test_neighbours_by_the_features_of_a_network(
    run_dir, tmp_path, monkeypatch, refuses
):
    """The run's method needs no shared encoder."""
    use(monkeypatch, object())
    a = folder(tmp_path / "a", red=RED, blue=BLUE)
    b = folder(tmp_path / "b", x=BLUE, y=RED)
    flags = [f"--images_a={a}", f"--images_b={b}", "--k=1"]
    with refuses("--run_dir"):
        verb(run_dir, tmp_path / "none", *flags)
    network = SimpleNamespace(pooled=lambda images: images.mean((1, 2)))
    monkeypatch.setattr(neighbours, "load_features", {"mean": network}.get)
    _, *rows = verb(run_dir, tmp_path / "out", *flags, "--features=mean")
    pairs = {(row[0], row[3]) for row in rows}
    assert pairs >= {("red.png", "y.png"), ("blue.png", "x.png")}
