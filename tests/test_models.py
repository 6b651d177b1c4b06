"""The translators that come with the package know who is who."""

import numpy as np
import pytest
import tensorflow as tf

from tf_i2i import models
from tf_i2i.data import toy_faces
from tf_i2i.images import to_float
from tf_i2i.runs import load_translator

TOYS = [
    folder
    for name, folder in models.shipped_models().items()
    if name.endswith("-toy")
]
COUNT = 48


@pytest.mark.parametrize("path", TOYS, ids=lambda path: path.name)
def test_a_shipped_model_translates_faces(path):
    assert sum(file.stat().st_size for file in path.iterdir()) < 2.2e6
    run = load_translator(path)
    model = run.model
    assert run.config.data == {"a": None, "b": None}
    faces = {
        d: toy_faces.render(d, np.arange(COUNT), model.image_size) for d in "ab"
    }
    for direction in model.directions:
        source, target = direction.split("_to_")
        made = model.translate(tf.constant(to_float(faces[source])), direction)
        # Of shapes alone: colours may be another's.
        made, truth = _edges(made.numpy()), _edges(to_float(faces[target]))
        likeness = made @ truth.T
        own = np.diagonal(likeness)
        rank = (likeness > own[:, None]).mean(axis=1)
        # .5 by chance; the cascade keeps less than the others.
        limit = 0.42 if path.name == "cdft_toy" else 0.35
        assert np.mean(rank) < limit, np.mean(rank)


def test_a_model_is_named_after_its_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(models, "_FOLDER", tmp_path)
    for name in ("face_avatar", "twingan_toy"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.gin").touch()
    assert [*models.shipped_models()] == ["face-avatar", "twingan-toy"]
    assert models.find_model("face-avatar") == tmp_path / "face_avatar"
    assert models.name_of(tmp_path / "face_avatar") == "face-avatar"


def _edges(images):
    """Unit vectors of blurred differences between neighbouring pixels."""
    grey = images.mean(axis=3)
    down = np.abs(np.diff(grey, axis=1))[:, :, :-1]
    right = np.abs(np.diff(grey, axis=2))[:, :-1]
    flat = (down + right).reshape(len(images), -1)
    flat -= flat.mean(axis=0)
    return flat / np.linalg.norm(flat, axis=1, keepdims=True)
