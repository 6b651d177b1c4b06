"""A segmenter of real photos, and what is void."""

import numpy as np
import pytest

from tf_i2i.evaluation.judge import Candidate
from tf_i2i.evaluation.judge import Evidence
from tf_i2i.evaluation.judge import Judge
from tf_i2i.features import load_features
from tf_i2i.metrics.segmenter import VOID
from tf_i2i.metrics.segmenter import PixelProbe
from tf_i2i.metrics.segmenter import map_labels

PALETTE = np.array([[0, 0, 142], [107, 142, 35], [128, 64, 128]])
# What the classes look like in photos.
LOOKS = np.array([[200, 30, 40], [40, 160, 60], [90, 90, 100]])


def scenes(count, seed):
    """Label maps of blocks of eight pixels, and noisy photos of them."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, (count, 4, 4))
    labels = np.kron(labels, np.ones((1, 8, 8), int)).astype(np.uint8)
    noise = rng.normal(0, 12, (*labels.shape, 3))
    photos = np.clip(LOOKS[labels] + noise, 0, 255).astype(np.uint8)
    return labels, PALETTE[labels].astype(np.uint8), photos


def test_a_segmenter_reads_photos_that_it_never_saw():
    labels, _, photos = scenes(12, 1)
    labels[:, :3] = VOID
    probe = PixelProbe(load_features("random-conv"), photos, labels, 3)
    truth, _, unseen = scenes(6, 2)
    assert np.mean(probe(unseen) == truth) > 0.85
    # The other way round it cannot be right.
    assert np.mean(probe(255 - unseen) == truth) < 0.7


def test_colours_far_from_the_palette_are_void():
    image = np.uint8([[[[0, 0, 0], [120, 70, 130], [128, 64, 128]]]])
    assert map_labels(image, PALETTE).tolist() == [[[VOID, 2, 2]]]


def test_no_labels_are_refused(refuses):
    labels, _, photos = scenes(2, 1)
    with refuses("labels"):
        PixelProbe(None, photos, np.full_like(labels, VOID), 3)


def test_translations_beside_real_photos():
    _, train_maps, train_photos = scenes(12, 1)
    truth, maps, photos = scenes(8, 2)
    maps[:, :8] = 0  # Void, which counts nowhere.
    evidence = Evidence(
        maps,
        photos,
        train_photos,
        maps,
        truth=photos,
        source_palette=PALETTE,
        target_maps=train_maps,
    )
    judge = Judge(evidence, load_features("random-conv"))

    def score(outputs, several=None):
        made = Candidate(outputs, several=several)
        return judge.score(made, ["segmenter"])

    best = score(photos)["seen_pixel"]
    assert best > 0.9
    # All road: right where there is road.
    road = np.full_like(photos, LOOKS[2])
    found = score(road, np.stack([photos, road]))
    share = found["seen_pixel"]
    assert share == pytest.approx(np.mean(truth[:, 8:] == 2), abs=0.1)
    assert found["styled_seen_pixel"] == pytest.approx(
        (best + share) / 2, abs=0.02
    )
    assert (
        Judge(Evidence(*[photos] * 4), load_features("random-conv")).score(
            Candidate(photos), ["segmenter"]
        )
        == {}
    )
