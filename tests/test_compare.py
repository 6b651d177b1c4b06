"""Grids of the same images translated by several runs."""

import functools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tf_i2i
from tf_i2i import compare
from tf_i2i import runs
from tf_i2i.images import to_float
from tf_i2i.images import to_uint8

MODELS = Path(tf_i2i.__file__).parent / "models"


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Two images that can be read, and one that cannot."""
    folder = tmp_path_factory.mktemp("photos")
    for name, colour in (("one.png", "navy"), ("two.png", "orange")):
        Image.new("RGB", (48, 40), colour).save(folder / name)
    (folder / "zero.png").write_bytes(b"no image")
    return folder


def test_each_run_has_a_column_of_its_translations(
    photos, tmp_path, capsys, monkeypatch, eagerly
):
    # Each model is loaded once.
    load = functools.cache(runs.load_translator)
    monkeypatch.setattr(runs, "load_translator", load)
    grid = tmp_path / "grid.png"
    with eagerly():
        compare.main(
            [
                *("--runs", "cyclegan-toy", f"{MODELS / 'unit_toy'}"),
                *(f"--input={photos}", f"--output={grid}", "--count=3"),
            ]
        )
    pixels = np.asarray(Image.open(grid))
    assert pixels.shape[1] == 2 + 3 * 34
    inputs, *made = (pixels[-68:, x : x + 32] for x in (2, 36, 70))
    assert (inputs[:32] == (0, 0, 128)).all()
    assert (inputs[34:66] == (255, 165, 0)).all()
    for column, model in zip(made, ("cyclegan_toy", "unit_toy"), strict=True):
        translated = load(MODELS / model).model.translate(
            to_float(inputs[None, :32]), "a_to_b"
        )
        difference = (
            column[:32].astype(int) - np.asarray(to_uint8(translated))[0]
        )
        assert abs(difference).max() <= 1
    said = capsys.readouterr()
    assert "Compared 2 runs on 2 images" in said.out
    assert "zero.png" in said.err


def test_names_stand_above_their_columns():
    images = np.zeros((1, 4, 4, 3), np.uint8)
    columns = [compare.Column(name, images) for name in ("", "TwinGAN")]
    head = compare.draw_grid(columns, 64)[:-68]
    dark = (head < 128).any((0, 2))
    assert not dark[:67].any()
    assert dark[68:].any()


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--runs", "no_such_run"),
        ("--output", "grid.txt"),
        ("--count", "0"),
        ("--names", "alone"),
    ],
)
def test_wrong_flags_are_refused(flag, value, photos, tmp_path, refuses):
    flags = {
        "--runs": ["twingan-toy", "unit-toy"],
        "--input": [str(photos)],
        "--output": [str(tmp_path / "grid.png")],
    }
    flags[flag] = [value]
    with refuses(flag):
        compare.main([part for f, v in flags.items() for part in (f, *v)])
