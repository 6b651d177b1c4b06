"""Pairs from the prior, as a picture and as files."""

import functools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tf_i2i
from tf_i2i import runs
from tf_i2i import sample

UNIT = Path(tf_i2i.__file__).parent / "models" / "unit_toy"


@pytest.fixture(autouse=True, scope="module")
def _each_model_is_loaded_once():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            runs, "load_translator", functools.cache(runs.load_translator)
        )
        yield


@pytest.fixture(autouse=True)
def _eagerly(eagerly):
    with eagerly():
        yield


def read(path):
    return np.asarray(Image.open(path))


def test_a_picture_and_a_folder_show_the_same_pairs(tmp_path, capsys):
    flags = [f"--run_dir={UNIT}", "--count=3", "--seed=4"]
    sample.main([*flags, f"--output={tmp_path / 'pairs.png'}"])
    sample.main([*flags, f"--output={tmp_path / 'pairs'}"])
    picture = read(tmp_path / "pairs.png")
    assert picture.shape == (2 * 34 + 2, 3 * 34 + 2, 3)
    names = sorted(path.name for path in (tmp_path / "pairs").iterdir())
    assert names == [f"{i:04d}_{d}.png" for i in range(3) for d in "ab"]
    np.testing.assert_array_equal(
        read(tmp_path / "pairs" / "0001_b.png"), picture[36:68, 36:68]
    )
    assert "Sampled 3 pairs" in capsys.readouterr().out


def test_other_seeds_draw_other_pairs(tmp_path, refuses):
    for seed in (0, 1):
        sample.main(
            [
                f"--run_dir={UNIT}",
                f"--seed={seed}",
                f"--output={tmp_path / f'{seed}.png'}",
            ]
        )
    one, other = (read(tmp_path / f"{seed}.png") for seed in (0, 1))
    assert (one != other).any()
    with refuses("--output"):
        sample.main([f"--run_dir={UNIT}", f"--output={tmp_path / '0.png'}"])


@pytest.mark.parametrize("count", [0, 10**12])
def test_the_number_of_pairs_is_limited(count, tmp_path, refuses):
    with refuses("--count"):
        sample.main(
            [f"--run_dir={UNIT}", f"--count={count}", f"--output={tmp_path}/x"]
        )


def test_a_method_without_a_prior_is_refused(tmp_path, refuses):
    with refuses("--run_dir"):
        sample.main(
            [
                f"--run_dir={UNIT.parent / 'cyclegan'}",
                f"--output={tmp_path / 'pairs.png'}",
            ]
        )
