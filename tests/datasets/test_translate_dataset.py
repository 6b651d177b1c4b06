"""Data sets: formats, bad images, and work that continues."""

import csv
import importlib.util
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from tf_i2i import runs
from tf_i2i import translate_dataset
from tf_i2i.datasets import pools
from tf_i2i.datasets.worker import Worker
from tf_i2i.models import find_model

SIZE, COUNT, SHARD = 16, 10, 4
RUN = f"--run_dir={find_model('cyclegan-toy')}"


class Negative:
    """Stands for a trained translator, which negates images."""

    size, size_multiple, fixed_size = SIZE, 4, False
    directions = ("a_to_b",)
    averaged_variables = ()

    def check_direction(self, direction):
        assert direction == "a_to_b"

    def translate(self, images, direction, style=None):
        return -images


@pytest.fixture
def translated(monkeypatch):
    """Numbers of the shards that were translated, in this process."""
    run = SimpleNamespace(
        model=Negative(),
        config=SimpleNamespace(label_maps=()),
        check_trained=lambda: None,
    )
    monkeypatch.setattr(runs, "load_translator", lambda *_: run)
    numbers = []

    def run_here(job, shards, workers):
        worker = Worker(job)
        for shard in shards:
            numbers.append(shard.number)
            yield worker(shard)

    monkeypatch.setattr(pools, "run_local", run_here)
    return numbers


@pytest.fixture
def pictures(tmp_path):
    """A folder of grey images, of which number i has the level 20 * i."""
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    for i in range(COUNT):
        place = folder / "sub" if i % 2 else folder
        Image.new("RGB", (SIZE, SIZE), (20 * i,) * 3).save(place / f"{i}.png")
    return folder


def main(source, target, *flags):
    translate_dataset.main(
        [
            RUN,
            f"--input={source}",
            f"--output={target}",
            f"--shard_size={SHARD}",
            *flags,
        ]
    )


def levels(folder):
    """Numbers of the inputs, by their names, and levels of the outputs."""
    return {
        int(path.name.partition(".")[0]): int(np.array(Image.open(path)).max())
        for path in folder.rglob("*.png")
    }


NEGATED = {i: 255 - 20 * i for i in range(COUNT)}


def test_folders(translated, pictures, tmp_path, capsys):
    main(pictures, f"file://{tmp_path}/out")
    assert levels(tmp_path / "out") == NEGATED
    assert (tmp_path / "out" / "sub" / "1.png.png").exists()
    assert "Translated 10 of 10 images" in capsys.readouterr().out


@pytest.mark.parametrize("format", ["tfrecord", "parquet"])
def test_records_there_and_back(translated, pictures, tmp_path, format):
    main(pictures, tmp_path / "records", f"--output_format={format}")
    assert len([*(tmp_path / "records").glob(f"part-*.{format}")]) == 3
    main(tmp_path / "records", tmp_path / "out", "--output_format=images")
    made = sorted(
        int(np.array(Image.open(path)).max())
        for path in (tmp_path / "out").rglob("*.png")
    )
    assert made == sorted(255 - level for level in NEGATED.values())


def test_images_in_structures(translated, pictures, tmp_path):
    content = (pictures / "0.png").read_bytes()
    table = pyarrow.table({"photo": [{"bytes": content, "path": "x"}, None]})
    pyarrow.parquet.write_table(table, tmp_path / "x.parquet")
    flags = ("--column=photo", "--max_bad_fraction=.5")
    main(tmp_path / "x.parquet", tmp_path / "out", *flags)
    made = pyarrow.parquet.read_table(tmp_path / "out" / "part-000000.parquet")
    assert made["name"].to_pylist() == ["x.parquet/000000"]


def test_a_column_that_is_missing(translated, tmp_path, refuses):
    table = pyarrow.table({"photo": [b"x"]})
    pyarrow.parquet.write_table(table, tmp_path / "x.parquet")
    with refuses("--column"):
        main(tmp_path / "x.parquet", tmp_path / "out")


def test_bad_images_are_collected(translated, pictures, tmp_path, refuses):
    (pictures / "bad.png").write_bytes(b"x")
    with refuses("--max_bad_fraction"):
        main(pictures, tmp_path / "out")
    assert levels(tmp_path / "out") == NEGATED
    with open(tmp_path / "out" / "_errors.csv", newline="") as stream:
        rows = [*csv.reader(stream)]
    assert rows[0] == ["name", "reason"]
    assert [row[0] for row in rows[1:]] == ["bad.png"]
    main(pictures, tmp_path / "out", "--max_bad_fraction=.1")


def test_animations_are_told(translated, pictures, tmp_path, capsys):
    frames = [
        Image.new("RGB", (SIZE, SIZE), colour) for colour in ("red", "blue")
    ]
    frames[0].save(pictures / "z.gif", save_all=True, append_images=frames[1:])
    main(pictures, tmp_path / "out")
    assert (
        "1 files with several frames, such as z.gif" in capsys.readouterr().err
    )


def test_what_is_done_is_not_done_again(translated, pictures, tmp_path):
    main(pictures, tmp_path / "out")
    assert translated == [0, 1, 2]
    kept = tmp_path / "out" / "4.png.png"
    (tmp_path / "out" / "_done" / "000000.json").unlink()
    (tmp_path / "out" / "6.png.png").unlink()
    before = kept.stat().st_mtime_ns
    main(pictures, tmp_path / "out")
    assert translated == [0, 1, 2, 0]
    assert kept.stat().st_mtime_ns == before
    assert levels(tmp_path / "out") == NEGATED


def test_other_work_is_not_continued(translated, pictures, tmp_path, refuses):
    main(pictures, tmp_path / "out")
    with refuses("--size"):
        main(pictures, tmp_path / "out", "--size=input")
    (pictures / "more.png").write_bytes(b"x")
    with refuses("--input"):
        main(pictures, tmp_path / "out")
    with refuses("--output"):
        main(tmp_path / "out", pictures)
    with refuses("--output"):
        main(pictures, pictures / "out")


def test_no_or_several_kinds_of_files(translated, pictures, tmp_path, refuses):
    (pictures / "x.parquet").write_bytes(b"x")
    with refuses("--input"):
        main(pictures, tmp_path / "out")
    with refuses("--input"):
        main(tmp_path / "missing", tmp_path / "out")
    with refuses("--input"):
        main("nothing://x", tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["local", "ray"])
def test_the_command(engine, pictures, tmp_path):
    if engine == "ray" and importlib.util.find_spec("ray") is None:
        pytest.skip("needs the extra ray")
    command = [sys.executable, "-m", "tf_i2i.translate_dataset", RUN]
    flags = [f"--engine={engine}", "--workers=2", "--shard_size=4"]
    paths = [f"--input={pictures}", f"--output={tmp_path / 'out'}"]
    subprocess.run([*command, *flags, *paths], check=True)
    assert len(levels(tmp_path / "out")) == COUNT
