"""A run of CDFT's stages, stopped after each step, and what it leaves."""

import json

import numpy as np
import pytest
from PIL import Image
from states import state

from tf_i2i import train

STAGES = ["statistics", "inversion", "conv4", "conv3"]
BINDINGS = [
    "train.image_size = 32",
    "train.precision = 'float32'",
    "train.sample_kimg = 1000.",
    "CDFT.backbone = 'random-conv'",
    "CDFT.taps = ('conv3', 'conv4')",
    "CDFT.width = .05",
    "cascade_phases.statistics_images = 4",
    "cascade_phases.inversion_images = 4",
    "cascade_phases.inversion_batch_size = 2",
    "cascade_phases.images = 8",
    "cascade_phases.batch_size = 4",
]


def run(folders, run_dir, *more):
    train.main(
        [
            "--gin_file=cdft.gin",
            f"--run_dir={run_dir}",
            f"--data_a={folders / 'a'}",
            f"--data_b={folders / 'b'}",
            *(f"--gin_param={binding}" for binding in [*BINDINGS, *more]),
        ]
    )


@pytest.mark.slow
def test_a_run_goes_on_anywhere_bit_for_bit(folders, tmp_path):
    run(folders, tmp_path / "whole")
    for steps in range(1, 9):
        run(folders, tmp_path / "parts", f"train.steps = {steps}")
    (name, whole), (same, parts) = (
        state(tmp_path / kind) for kind in ("whole", "parts")
    )
    assert name == same == "step-000000008.weights.h5"
    assert set(whole) == set(parts)
    for key, value in whole.items():
        np.testing.assert_array_equal(value, parts[key], err_msg=key)
    lines = (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["phase"] for row in rows] == STAGES
    assert {"psnr_conv3", "clamped_conv4"} < set(rows[1])
    assert "adversarial_conv4" not in rows[3]
    pictures = sorted((tmp_path / "whole" / "samples").iterdir())
    heights = []
    for path in pictures:
        with Image.open(path) as picture:
            heights.append(picture.height // 64)
    assert heights == [6, 6, 6, 8]


@pytest.mark.slow
def test_phases_of_other_taps_are_refused(folders, tmp_path, refuses):
    with refuses("cascade_phases.taps"):
        run(folders, tmp_path, "cascade_phases.taps = ('conv2',)")
