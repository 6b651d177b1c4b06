"""Scores that do not depend on the model, cached between evaluations.

The cached scores are those of the images in `baselines`: the ground-truth
images, the cheats, and real training images (the row "floor").
"""

import dataclasses
import functools
import hashlib
import json
from pathlib import Path

import numpy as np

from tf_i2i.cache import cached_bytes
from tf_i2i.evaluation.registry import find_measures
from tf_i2i.evaluation.registry import settings_of

# Folders of the package whose program code determines the scores.
_CODE = ("evaluation", "features", "metrics")


def cached_scores(judge, measures, cheats, compute):
    """Returns the scores of the rows, read from the cache if possible.

    The name of the cache file is a hash of the evidence, the feature network,
    the seed, the measures with their settings, and the program code that
    computes them.

    Args:
        judge: `Judge`.
        measures: names of measures.
        cheats: whether the rows include all rows of `baselines`.
        compute: function without arguments that returns a dictionary from
            names of rows to scores, which are a dictionary from names of
            numbers to floats.

    Returns:
        Dictionary of the same form.
    """
    features = judge.features
    settings = [
        repr(settings_of(measure))
        for measure in find_measures(measures)
        if measure.settings
    ]
    evidence = {
        field.name: getattr(judge.evidence, field.name)
        for field in dataclasses.fields(judge.evidence)
    }
    digest = hashlib.sha256(_code().encode())
    for part in (
        (features.label, features.weights_sha256, str(features.embedding)),
        (judge.seed, tuple(measures), cheats, tuple(settings)),
        evidence,
    ):
        _add(digest, part)
    content = cached_bytes(
        "scores",
        f"{digest.hexdigest()[:32]}.json",
        lambda: json.dumps(compute()).encode(),
    )
    return json.loads(content)


def _add(digest, value):
    """Adds a value to a hash: a container, an array or a simple value."""
    if isinstance(value, dict):
        value = tuple(sorted(value.items()))
    if isinstance(value, tuple):
        digest.update(f"({len(value)}".encode())
        for item in value:
            _add(digest, item)
    elif isinstance(value, np.ndarray):
        digest.update(f"{value.dtype} {value.shape}".encode())
        digest.update(np.ascontiguousarray(value).data)
    else:
        digest.update(f"{value!r},".encode())


@functools.cache
def _code():
    """Returns a hash of the program code in the folders `_CODE`."""
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for folder in _CODE:
        for path in sorted((package / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()
