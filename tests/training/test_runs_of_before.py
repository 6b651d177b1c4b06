"""Runs and packed models of an older version, which hold former settings.

`tests/data_of_before` was written by the version before `train.schedule`:
two runs that were stopped (one at the end of a phase), the log of the rest
of their training by that version, the same two runs packed when they were
complete, and what the four translated.
"""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tf_i2i import train
from tf_i2i import translate
from tf_i2i.runs import load_translator

BEFORE = Path(__file__).parents[1] / "data_of_before"
PICTURES = [f"--data_{d}={BEFORE / 'pictures' / d}" for d in "ab"]
RUNS = ["twingan", "cyclegan"]


@pytest.fixture(params=RUNS)
def run_dir(request, tmp_path):
    run_dir = tmp_path / request.param
    with zipfile.ZipFile(BEFORE / f"{request.param}.zip") as file:
        file.extractall(run_dir)
    return run_dir


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def assert_translates_as_before(run_dir, name):
    model = load_translator(run_dir).model
    expected = np.load(BEFORE / "translations.npz")
    for direction in ("a_to_b", "b_to_a"):
        images = expected[f"{name}/{direction}"]
        ramp = np.linspace(-1, 1, images.size, dtype=np.float32)
        found = model.translate(ramp.reshape(images.shape), direction)
        np.testing.assert_allclose(found, images, atol=2e-3)


def test_a_run_of_before_resumes(run_dir, eagerly):
    assert "train.learning_rate" in (run_dir / "config.gin").read_text()
    done = len(rows(run_dir / "metrics.jsonl"))
    # The first step of the last phase is enough.
    steps = 13 if run_dir.name == "twingan" else None
    argv = [f"--run_dir={run_dir}", f"--gin_param=train.steps = {steps}"]
    with eagerly():
        train.main([*argv, *PICTURES])
    found = rows(run_dir / "metrics.jsonl")
    expected = rows(BEFORE / f"{run_dir.name}.jsonl")[:steps]
    assert [(r["step"], r["phase"]) for r in found] == [
        (r["step"], r["phase"]) for r in expected
    ]
    # The first step after the stop; DRAGAN's noise is the version's own.
    now, then = found[done], expected[done]
    names = [n for n in then if not n.startswith(("dragan", "images_per"))]
    for name in set(names) - {"phase"}:
        assert now[name] == pytest.approx(then[name], rel=1e-3), name
    config = (run_dir / "config.gin").read_text()
    assert "train.schedule = @constant_then_linear" in config
    assert "train.learning_rate" not in config
    assert "growing_phases.start_size" not in config


def test_a_run_of_before_translates(run_dir):
    assert_translates_as_before(run_dir, run_dir.name)


@pytest.mark.parametrize("name", RUNS)
def test_a_packed_model_of_before_translates(name, tmp_path, capsys):
    packed = BEFORE / f"packed_{name}"
    assert_translates_as_before(packed, packed.name)
    shutil.copy(BEFORE / "pictures" / "a" / "0.png", tmp_path / "me.png")
    translate.main(
        [
            f"--run_dir={packed}",
            f"--input={tmp_path / 'me.png'}",
            f"--output={tmp_path / 'out'}",
            "--direction=a_to_b",
        ]
    )
    assert len(list((tmp_path / "out").iterdir())) == 1
    assert "is now called" not in capsys.readouterr().err
