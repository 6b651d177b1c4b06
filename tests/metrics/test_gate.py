"""The gate by hand, and the cheats on 64 drawn pairs."""

import numpy as np
import pytest

from tf_i2i.metrics.copying import copy_rate
from tf_i2i.metrics.gate import gate
from tf_i2i.metrics.probes import linear_probe
from tf_i2i.metrics.probes import share_called_b
from tf_i2i.metrics.retrieval import retrieval

PAIRS = 64
ENDS = {
    "called_b_copy": 0.2,
    "called_b_truth": 0.8,
    "recall_copy": 0.6,
    "recall_random": 0.1,
}


def test_by_hand():
    result = gate(called_b=0.5, recall=0.225, copy_rate=0.1, **ENDS)
    # Halfway in style, a quarter of the way in content: 2 / (2 + 4).
    assert result == pytest.approx(
        {"style": 0.5, "content": 0.25, "score": 1 / 3}
    )


def test_beyond_the_ends_is_clipped():
    result = gate(called_b=0.9, recall=0.9, copy_rate=0.0, **ENDS)
    assert result == {"style": 1.0, "content": 1.0, "score": 1.0}
    result = gate(called_b=0.1, recall=0.0, copy_rate=0.0, **ENDS)
    assert result == {"style": 0.0, "content": 0.0, "score": 0.0}


def test_copies_score_nothing():
    result = gate(called_b=0.8, recall=0.6, copy_rate=0.101, **ENDS)
    assert result == {"style": 1.0, "content": 1.0, "score": 0.0}


def test_a_scale_without_length_is_said():
    ends = ENDS | {"called_b_truth": 0.2}
    with pytest.warns(UserWarning, match=r"style cannot be measured.*0.200"):
        result = gate(called_b=0.5, recall=0.6, copy_rate=0.0, **ends)
    assert result == {"style": 0.0, "content": 1.0, "score": 0.0}


def test_what_is_not_a_share_is_refused(refuses):
    with refuses("recall"):
        gate(called_b=0.5, recall=50, copy_rate=0.0, **ENDS)
    with refuses("copy_rate"):
        gate(called_b=0.5, recall=0.5, copy_rate=np.nan, **ENDS)


def drawings(identities):
    """A disc on white for each identity, and its hidden partner: striped."""
    y, x = np.mgrid[:16, :16]
    photos = []
    for identity in identities:
        rng = np.random.default_rng(identity)
        row, column, radius = rng.uniform((4, 4, 2), (12, 12, 6))
        disc = (y - row) ** 2 + (x - column) ** 2 < radius**2
        colour = rng.uniform(0, 200, 3)
        photos.append(np.where(disc[..., None], colour, 240))
    photos = np.stack(photos)
    striped = 0.7 * photos + 50 * (y % 2)[..., None]
    return photos.astype(np.uint8), striped.astype(np.uint8)


def features(images):
    return images.reshape(len(images), -1).astype(np.float32) / 255 - 0.5


def texture(images):
    return features(images) - features(blur(images))


def blur(images):
    """Mean of 3 x 3 pixels."""
    wide = np.pad(images, [(0, 0), (1, 1), (1, 1), (0, 0)], mode="edge")
    nine = [wide[:, r : r + 16, c : c + 16] for r in range(3) for c in range(3)]
    return np.mean(nine, axis=0).astype(np.uint8)


@pytest.mark.filterwarnings("ignore:.*all features are the same")
def test_no_cheat_passes_on_drawn_pairs_and_the_truth_does():
    inputs, truth = drawings(range(PAIRS))
    train_a, _ = drawings(range(PAIRS, 3 * PAIRS))
    _, train_b = drawings(range(3 * PAIRS, 5 * PAIRS))
    rng = np.random.default_rng(0)
    handed_out = train_b[rng.permutation(2 * PAIRS)[:PAIRS]]
    gaps = features(inputs)[:, None] - features(train_b)
    half_way = (inputs * 0.5 + truth * 0.5).astype(np.uint8)
    rows = {
        "truth": truth,
        "copy": inputs,
        "blur": blur(inputs),
        "nearest": train_b[(gaps**2).sum(-1).argmin(1)],
        "random": handed_out,
        "one": np.repeat(train_b[:1], PAIRS, 0),
        "mean": np.repeat(train_b.mean(0)[None], PAIRS, 0).astype(np.uint8),
        "white": np.full_like(truth, 255),
        "recoloured": (0.7 * inputs + 25).astype(np.uint8),
        "half-way": half_way,
    }
    probe = linear_probe(
        texture(np.concatenate([train_a, train_b])),
        np.repeat([0, 1], 2 * PAIRS),
    )
    called = {n: share_called_b(probe, texture(x)) for n, x in rows.items()}
    found = {
        name: retrieval(features(x), features(truth))["r@5"]
        for name, x in rows.items()
    }
    scores = {
        name: gate(
            called_b=called[name],
            called_b_copy=called["copy"],
            called_b_truth=called["truth"],
            recall=found[name],
            recall_copy=found["copy"],
            recall_random=found["random"],
            copy_rate=copy_rate(x, train_b, truth),
        )["score"]
        for name, x in rows.items()
    }
    assert probe.balanced > 0.95
    assert scores.pop("truth") == 1
    assert 0.3 < scores.pop("half-way") < 0.9
    assert max(scores.values()) < 0.1
    # Why each fails: style, content, or copies.
    assert called["recoloured"] < 0.1 < 0.9 < found["recoloured"]
    assert found["mean"] < 0.1 < 0.9 < called["mean"]
    assert min(found["nearest"], called["nearest"]) > 0.5
