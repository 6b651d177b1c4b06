"""FID and KID against the programs torch-fidelity and clean-fid.

FID's own weights are not at hand. Random weights show the same, because the
values of both programs depend on every layer and on how images are resized.
"""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tf_i2i.evaluation.measures.style import inception_distances
from tf_i2i.features import fid_inception
from tf_i2i.features import load_features

SUBSET = 4  # As in fid_reference.py.


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The folder of fid_reference.py, images of its folders, its results."""
    for package in ("torch_fidelity", "cleanfid"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} of the extra fid is not installed")
    root, rng = tmp_path_factory.mktemp("reference"), np.random.default_rng(0)
    sets = []
    for name in "xy":
        (root / name).mkdir()
        images = []
        for i in range(6):
            side = 2 + 7 * i
            noise = rng.integers(0, 256, (side, side, 3), np.uint8)
            image = Image.fromarray(noise).resize((40, 40), Image.BICUBIC)
            image.save(root / name / f"{i}.png")
            images.append(np.asarray(image))
        sets.append(np.stack(images))
    program = Path(__file__).with_name("fid_reference.py")
    subprocess.run([sys.executable, program, root], check=True)
    return root, sets, json.loads((root / "expected.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("suffix", "resize", "subset"),
    [("", "native", SUBSET), ("@299", "bicubic299", 6)],
    ids=["torch-fidelity", "clean-fid"],
)
def test_fid_and_kid_of_the_reference(reference, suffix, resize, subset):
    root, (made, real), expected = reference
    features = load_features(f"fid-inception:{root}/weights.pth{suffix}")
    assert features.label.startswith(f"fid-inception/{resize}/")
    real, made = features.embed(real), features.embed(made)
    found = inception_distances(real, made, subset)
    assert found == pytest.approx(expected[resize], rel=1e-3)


def test_other_files_are_refused(tmp_path, refuses, monkeypatch):
    with refuses("fid-inception:"):
        load_features(f"fid-inception:{tmp_path}/missing.pth")
    path = tmp_path / "weights.pth"
    path.touch()
    for tensors in ({}, {"fc.weight": np.zeros((1000, 2048), np.float32)}):
        monkeypatch.setattr(
            fid_inception, "read_tensors", lambda _, read=tensors: read
        )
        with refuses("fid-inception:"):
            load_features(f"fid-inception:{path}")


def test_distances_of_subsets(rng):
    real, made = rng.normal(size=(2, 20, 5))
    found = inception_distances(real, made + 1)
    assert found["fid"] > 4
    assert found["kid"] > inception_distances(real, made)["kid"]
