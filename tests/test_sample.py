"""Pairs from the prior, as a picture and as files."""

import numpy as np
import pytest
from PIL import Image

from tf_i2i import sample
from tf_i2i import train
from tf_i2i.errors import UserError

SMALL = (
    *("train.image_size = 16", "train.steps = 1"),
    *("UNIT.width = .05", "UNIT.critic_layers = 1"),
)


@pytest.fixture(scope="module")
def unit(folders, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("unit")
    train.main(
        [
            "--gin_file=unit.gin",
            f"--run_dir={run_dir}",
            *(f"--data_{d}={folders / d}" for d in "ab"),
            *(f"--gin_param={binding}" for binding in SMALL),
        ]
    )
    return run_dir


def read(path):
    return np.asarray(Image.open(path))


def test_a_picture_and_a_folder_show_the_same_pairs(unit, tmp_path, capsys):
    flags = [f"--run_dir={unit}", "--count=3", "--seed=4"]
    sample.main([*flags, f"--output={tmp_path / 'pairs.png'}"])
    sample.main([*flags, f"--output={tmp_path / 'pairs'}"])
    picture = read(tmp_path / "pairs.png")
    assert picture.shape == (2 * 18 + 2, 3 * 18 + 2, 3)
    names = sorted(path.name for path in (tmp_path / "pairs").iterdir())
    assert names == [f"{i:04d}_{d}.png" for i in range(3) for d in "ab"]
    np.testing.assert_array_equal(
        read(tmp_path / "pairs" / "0001_b.png"), picture[20:36, 20:36]
    )
    assert "Drew 3 pairs" in capsys.readouterr().out


def test_other_seeds_draw_other_pairs(unit, tmp_path):
    for seed in (0, 1):
        sample.main(
            [
                f"--run_dir={unit}",
                f"--seed={seed}",
                f"--output={tmp_path / f'{seed}.png'}",
            ]
        )
    one, other = (read(tmp_path / f"{seed}.png") for seed in (0, 1))
    assert (one != other).any()
    with pytest.raises(UserError, match=r"`--output` must be new"):
        sample.main([f"--run_dir={unit}", f"--output={tmp_path / '0.png'}"])
