"""The page holds all it shows, the tables say which number is best."""

import base64
import dataclasses
import io
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from tf_i2i import report
from tf_i2i.data.labels import NOT_KNOWN
from tf_i2i.evaluation.baselines import ROWS
from tf_i2i.evaluation.baselines import baselines
from tf_i2i.evaluation.judge import Candidate
from tf_i2i.evaluation.judge import Evidence
from tf_i2i.evaluation.judge import Judge
from tf_i2i.evaluation.registry import UNKNOWN
from tf_i2i.evaluation.registry import all_outputs
from tf_i2i.evaluation.registry import explain
from tf_i2i.evaluation.registry import find_recipe
from tf_i2i.features import fid_inception
from tf_i2i.report import drawings
from tf_i2i.report.tables import winners

TABLE = {
    "model": {"called_b": 0.64, "fd": 12.3456, "swd_64": 70.0, "change": 40.0},
    "truth": {"called_b": 0.98, "fd": 1.5, "swd_64": 20.0, "change": 41.0},
    "copy": {"called_b": 0.0, "fd": 41.0, "swd_64": 180.0, "change": 0.0},
    "random": {"called_b": 1.0, "fd": 2.0, "swd_64": 21.0},
    "floor": {"called_b": 0.99, "fd": 1.0, "swd_64": 19.0},
}


def levels(*values, side=4):
    """Flat images of these levels."""
    values = np.array(values, np.uint8)[:, None, None, None]
    return np.broadcast_to(values, (len(values), side, side, 3)).copy()


class Page(HTMLParser):
    """What a browser would fetch, and whether tags are closed in order."""

    EMPTY = {"meta", "img", "br", "wbr"}
    SVG_EMPTY = {"path", "polyline", "polygon", "rect"}

    def __init__(self, text):
        super().__init__()
        self.open, self.addresses, self.tags, self.rows = [], [], [], []
        self.words = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        attrs = dict(attrs)
        self.addresses += [attrs[n] for n in ("src", "href") if n in attrs]
        if tag == "tr":
            self.rows.append([attrs.get("class")])
        if tag == "td":
            self.rows[-1].append(attrs.get("class"))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in self.SVG_EMPTY
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def write(tmp_path, directions=(), curves=None, **facts):
    path = tmp_path / "new" / "report.html"
    report.write_report(path, "Title <1>", facts, directions, curves or {})
    return path.read_text("utf-8")


def test_a_full_page_stands_alone(tmp_path):
    back = {f"back_noise_{x}": x + 1.0 for x in (0, 0.5, 5)}
    back |= {"back_rounding": 2.0, "back_shift_1": 4.0, "back_shift_2": 5.0}
    table = {**TABLE, "model": {**TABLE["model"], **back, "score": 0.5}}
    points = {"real <a>": np.eye(2), "made": np.zeros((3, 2))}
    picture = levels(7)[0]
    text = write(
        tmp_path,
        [
            report.DirectionReport(
                "a_to_b", table, ["Alarm & <all>."], [("Cap", picture)], points
            ),
            report.DirectionReport("b_to_a", TABLE),
        ],
        {"loss <x>": [(0, 2.0), (500, float("nan")), (1000, 1.0)]},
        features="net/native/1a2b",
        command="evaluate --run_dir=<&>",
        odd="bytes \udcff",
    )
    page = Page(text)
    assert page.open == []
    assert "script" not in page.tags
    assert "link" not in page.tags
    inside = [a for a in page.addresses if not a.startswith("#")]
    assert len(inside) == 1
    assert inside[0].startswith("data:image/png;base64,")
    encoded = base64.b64decode(inside[0].split(",")[1])
    with Image.open(io.BytesIO(encoded)) as image:
        np.testing.assert_array_equal(np.asarray(image), picture)
    assert {a for a in page.addresses if a.startswith("#")} == {
        "#a_to_b",
        "#b_to_a",
        "#training",
    }
    for outside in ("http", "url(", "@import", "xmlns"):
        assert outside not in text
    said = "".join(page.words)
    for shown in (
        "Title <1>",
        "evaluate --run_dir=<&>",
        "Alarm & <all>.",
        "real <a>",
        "loss <x>",
        "bytes \\udcff",
    ):
        assert shown in said
    # Only numbers of that network carry its name.
    assert 'title="fd[net/native/1a2b]: Frechet' in text
    assert 'title="swd_64: Sliced' in text
    # Of the model alone; noise, shift: two lines; 6 dots, 5 in the map.
    assert page.tags.count("circle") == 6 + 5
    assert "model, back_noise_0.5: 1.5" in said


def test_rows_and_best_numbers_are_marked(tmp_path):
    table = {row: {"fd": scores["fd"]} for row, scores in TABLE.items()}
    page = Page(write(tmp_path, [report.DirectionReport("a_to_b", table)]))
    assert page.rows == [
        [None],
        ["own", None],
        ["real", None],
        ["cheat", None],
        ["cheat", "best"],
        ["real", None],
    ]


@pytest.mark.parametrize(
    ("measure", "values", "best"),
    [
        ("fd", {"model": 3.0, "copy": 2.0, "truth": 1.0, "floor": 0.5}, "copy"),
        ("psnr", {"model": 3.0, "copy": 2.0, "truth": 99.0}, "model"),
        ("psnr", {"model": float("nan"), "copy": 2.0, "blur": 1.0}, "copy"),
        ("swd_32", {"model": 3.0, "copy": 9.0}, "model"),
        ("to_train", {"model": 3.0, "copy": 9.0}, None),
        ("fd", {"model": 2.0, "copy": 2.0}, None),
        ("of_my_own", {"model": 3.0, "copy": 9.0}, None),
    ],
)
def test_winners(measure, values, best):
    table = {row: {measure: value} for row, value in values.items()}
    cells = {row: f"{value:.3f}" for row, value in values.items()}
    assert winners(table, measure, cells) == ({best} if best else set())


def test_terminal_table():
    assert report.format_table(TABLE).splitlines() == [
        "        called_b     fd  swd_64  change",
        "model      0.640  12.35    70.0    40.0",
        "truth      0.980   1.50    20.0    41.0",
        "copy       0.000  41.00   180.0     0.0",
        "random     1.000   2.00    21.0       -",
        "floor      0.990   1.00    19.0       -",
    ]
    assert report.format_table(TABLE, ["change", "fd"]).splitlines()[:2] == [
        "        change     fd",
        "model     40.0  12.35",
    ]
    assert report.format_table({"model": {"change": 3.0}}) == (
        "       change\nmodel    3.00"
    )


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0.00012, 0.0004], ["0.000120", "0.000400"]),
        ([0.05, 0.02, 0.9], ["0.050", "0.020", "0.900"]),
        ([-0.0004, 20.0, 33.3], ["0.0", "20.0", "33.3"]),
        ([1234.5, 900.0], ["1234", "900"]),
        ([float("inf"), float("nan"), 24.0], ["inf", "nan", "24.0"]),
        ([0.0, 0.0], ["0", "0"]),
    ],
)
def test_digits(values, texts):
    table = {str(i): {"m": value} for i, value in enumerate(values)}
    lines = report.format_table(table).splitlines()[1:]
    assert [line.split()[1] for line in lines] == texts


def test_wide_tables_come_in_blocks():
    table = {
        "model": {f"measure_{i:02}": i + 0.5 for i in range(40)},
        "copy": {"measure_03": 1.0},
    }
    blocks = report.format_table(table).split("\n\n")
    assert len(blocks) == 6
    for block in blocks:
        assert max(map(len, block.splitlines())) <= 100
    # A row without numbers is in no block.
    assert [len(block.splitlines()) for block in blocks] == [3, 2, 2, 2, 2, 2]
    heads = " ".join(block.splitlines()[0] for block in blocks)
    assert heads.split() == list(table["model"])


class Colours:
    """Stands for a feature network: small images are their own features."""

    name, label = "colours", "colours/native/00000000"
    tap_weights = None

    def embed(self, images, batch_size=32, grid=1):
        small = images[:, ::8, ::8].reshape(len(images), -1)
        return small.astype(np.float32) / 255

    def taps(self, images, batch_size=32):
        return {"small": images[:, ::8, ::8].astype(np.float32) + 1}


@pytest.mark.filterwarnings("ignore")
def test_every_number_of_the_judge_is_explained(rng):
    def noise(count):
        return rng.integers(0, 256, (count, 32, 32, 3), np.uint8)

    def explained(measures):
        found = {explain(measure) for measure in measures}
        assert UNKNOWN not in found
        return found

    labels = np.arange(8) % 2
    few = np.where(labels == 0, 0, NOT_KNOWN)
    black, white = [0, 0, 0], [255, 255, 255]
    maps = noise(8)[..., :1].repeat(3, axis=3) // 128 * 255
    evidence = Evidence(
        maps,
        *(noise(8) for _ in range(4)),
        {"glasses": few},
        {"glasses": (labels, labels)},
        palette=np.array([black, white]),
        source_palette=np.array([black, white]),
        target_maps=maps,
    )
    assert baselines(evidence).keys() | {"model", "best"} == ROWS.keys()
    candidate = Candidate(
        noise(8),
        returned=noise(8),
        exact=rng.uniform(-1, 1, (8, 32, 32, 3)).astype(np.float32),
        back=lambda images: images,
        back_sampled=lambda images: images,
        codes=tuple(rng.standard_normal((3, 8, 5)).astype(np.float32)),
        several=np.stack([noise(2), noise(2)]),
        predicted=np.zeros(8, np.int64),
        predicted_by_source=np.zeros(8, np.int64),
        predicted_inverted=np.zeros(8, np.int64),
    )
    judge = Judge(evidence, Colours())
    names = find_recipe("full,skin")
    table = judge.table({"model": candidate}, names, cheats=False)
    found = explained(table["model"])
    alone = Judge(dataclasses.replace(evidence, truth=None), Colours())
    found |= explained(alone.score(candidate, ["content"]))
    inception = Colours()
    inception.name = fid_inception.NAME
    found |= explained(Judge(evidence, inception).score(candidate, ["style"]))
    # And all that is explained is measured.
    assert found == set(all_outputs())


def test_examples_are_best_median_and_worst():
    values = [5.0, 1.0, 9.0, 3.0, 7.0, 2.0, 8.0]
    inputs = levels(*(10 * i for i in range(7)))
    outputs = inputs + 1
    caption, picture = report.examples(
        inputs, outputs, None, values, "error", count=2
    )
    assert caption == (
        "Best, median and worst by error (lower is better): 1 to 2; 3 to 5; "
        "8 to 9. Rows: input, output."
    )
    # 4 px become 64; gaps of 2 within and 12 between the blocks.
    block = 2 * (64 + 2) + 2
    assert picture.shape == (block, 3 * block + 2 * 12, 3)
    lefts = [x + start for start in (0, 146, 292) for x in (2, 68)]
    assert [picture[2, x, 0] for x in lefts] == [10, 50, 30, 0, 60, 20]
    assert [picture[68, x, 0] for x in lefts] == [11, 51, 31, 1, 61, 21]

    caption, picture = report.examples(
        inputs, outputs, outputs, values, "PSNR", higher_is_better=True
    )
    assert "(higher is better): 9 to 8; 5 to 3; 2 to 1. Rows: input, output, "
    assert picture[2, 2, 0] == 20
    assert picture.shape[0] == 3 * 66 + 2
    caption, _ = report.examples(
        inputs, outputs, None, values, "size", higher_is_better=None
    )
    assert caption.startswith("Lowest, median and highest by size: 1 to 2; ")
    # One image is the best, the median and the worst.
    _, picture = report.examples(inputs[:1], outputs[:1], None, [0.0], "error")
    assert picture.shape == (134, 3 * 68 + 24, 3)


def test_training_neighbours_begin_with_the_nearest():
    caption, picture = report.training_neighbours(
        levels(10, 20, 30),
        levels(100, 110),
        np.array([3.0, 1.0, 2.0]),
        np.array([0, 1, 0]),
        count=2,
    )
    assert picture.shape == (2 * 66 + 2, 2 * 66 + 2, 3)
    assert picture[[2, 2, 68, 68], [2, 68, 2, 68], 0].tolist() == [
        20,
        30,
        110,
        100,
    ]
    assert caption.endswith("from 1 to 2.")


def test_interpolations_and_sizes():
    caption, picture = report.interpolations([levels(0, 5), levels(9, 7)])
    assert caption.startswith("Interpolations between two inputs")
    assert picture[[2, 2, 68, 68], [2, 68, 2, 68], 0].tolist() == [0, 5, 9, 7]
    sides = {4: 64, 16: 64, 28: 56, 48: 48, 64: 64, 128: 128, 256: 128}
    for side, shown in sides.items():
        shape = report.enlarged(levels(1, side=side)).shape
        assert shape == (1, shown, shown, 3)


def test_neighbours_stay_neighbours_in_the_map(rng):
    # Three groups, each mixed of both sets.
    group = np.arange(60) % 3
    vectors = rng.standard_normal((60, 5)) + 50 * np.eye(5)[group]
    sets = {"x": vectors[:20], "y": vectors[20:]}
    found = report.embedding_map(sets)
    assert [len(points) for points in found.values()] == [20, 40]
    points = np.concatenate(list(found.values()))
    gaps = np.linalg.norm(points[:, None] - points[None], axis=-1)
    nearest = np.argsort(gaps, axis=1)[:, 1:6]
    assert (group[nearest] == group[:, None]).all()
    again = report.embedding_map(sets)
    np.testing.assert_array_equal(again["x"], found["x"])


def test_a_map_of_many_or_of_next_to_none(rng):
    many = report.embedding_map({"x": rng.standard_normal((230, 3))})
    assert many["x"].shape == (200, 2)
    lone = report.embedding_map({"x": np.array([[1.0], [4.0]])})
    assert np.isfinite(lone["x"]).all()


def heights(drawing, shape):
    """y of the points of the first polyline or polygon."""
    (points,) = re.findall(rf'<{shape} points="([^"]*)"', drawing)
    return [float(pair.split(",")[1]) for pair in points.split()]


def test_long_curves_are_thinned_and_keep_their_extremes():
    values = np.ones(10_000)
    values[5_000] = 41.0
    pairs = [(10 * i, value) for i, value in enumerate(values)]
    drawing = drawings.line_chart(pairs, 100_000)
    assert len(heights(drawing, "polyline")) == 200
    # The plot is 120 px high, of which 42 units, the spike is at 41.
    (spike,) = {y for y in heights(drawing, "polygon") if y < 20}
    assert spike == pytest.approx(8 + 120 * (1 - 41 / 43.05), abs=0.06)
    for tick in (">0<", ">20<", ">40<", ">50k<", ">100k<"):
        assert tick in drawing
    short = drawings.line_chart(pairs[:5], 100)
    assert "polygon" not in short
    assert len(heights(short, "polyline")) == 5
    assert "circle" in drawings.line_chart([(0, 3.0)], 0)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, ["0", "0.5", "1"]),
        (0, 150_000, ["0", "50k", "100k", "150k"]),
        (0, 3e6, ["0", "1M", "2M", "3M"]),
        (-0.03, 0.05, ["-0.02", "0", "0.02", "0.04"]),
        (7.1, 7.9, ["7.2", "7.4", "7.6", "7.8"]),
    ],
)
def test_ticks_are_round(low, high, ticks):
    assert [drawings._short(t) for t in drawings._ticks(low, high)] == ticks


def test_nothing_to_draw(tmp_path):
    text = write(tmp_path, curves={"loss": [(0, float("inf"))], "none": []})
    assert "Training" not in text
    assert "<svg" not in text


def test_unwritable(tmp_path, refuses):
    (tmp_path / "new").touch()
    with refuses("path"):
        write(tmp_path)


def test_tensorflow_is_not_needed():
    code = "import sys, tf_i2i.report; print('tensorflow' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
