"""The measure of attributes, on images of one colour that is the attribute."""

import numpy as np
import pytest

from tf_i2i.data.labels import NOT_KNOWN
from tf_i2i.evaluation.judge import Candidate
from tf_i2i.evaluation.judge import Evidence
from tf_i2i.evaluation.judge import Judge
from tf_i2i.evaluation.measures.labels import label_probes

RED, GREEN, BLUE = range(3)
CLASSES = np.repeat([RED, GREEN, BLUE], 4)


class Colours:
    name, label = "colours", "colours/native/00000000"

    def embed(self, images, grid):
        return images.mean((1, 2)).astype(np.float32)


def draw(classes):
    """Returns images `[N, 2, 2, 3]` in the colours of the classes."""
    images = np.zeros((len(classes), 2, 2, 3), np.uint8)
    for i, channel in enumerate(classes):
        images[i, ..., channel] = 200 + i
    return images


@pytest.fixture
def judge():
    """Only four of twelve inputs are labelled, three red and one blue."""
    known = np.full(12, NOT_KNOWN)
    known[[0, 1, 2, 8]] = [RED, RED, RED, BLUE]
    real = draw(CLASSES)
    evidence = Evidence(
        *(real.copy() for _ in range(4)),
        labels={"hue": known},
        target_labels={"hue": (CLASSES, CLASSES)},
    )
    return Judge(evidence, Colours())


def test_only_known_attributes_are_counted(judge):
    outputs = draw([RED, RED, GREEN, *[BLUE] * 4, GREEN, *[BLUE] * 4])
    scores = judge.score(Candidate(outputs), ["labels"])
    assert scores == {
        "labels": pytest.approx((2 / 3 + 1) / 2),
        "label_hue": pytest.approx((2 / 3 + 1) / 2),
        "plain_label_hue": pytest.approx(3 / 4),
        "matched_hue": pytest.approx(3 / 4),
        "target_label_hue": 1,
        "known_label_hue": 4,
        # Of the eight outputs of unlabelled inputs, seven are blue.
        "rest_label_hue": pytest.approx(7 / 8),
    }


def test_unlabelled_target_images_train_no_probe(judge):
    judge.evidence.target_train[:2] = draw([BLUE, BLUE])
    labels = CLASSES.copy()
    labels[:2] = NOT_KNOWN
    judge.evidence.target_labels["hue"] = (labels, CLASSES)
    scores = judge.score(Candidate(draw(CLASSES)), ["labels"])
    assert scores["label_hue"] == scores["target_label_hue"] == 1


@pytest.mark.parametrize("which", ["inputs", "train", "test"])
def test_attributes_that_cannot_be_read_are_left_out(judge, which):
    e = judge.evidence
    one = np.where(CLASSES == RED, RED, NOT_KNOWN)
    e.labels["age"] = one if which != "inputs" else np.full(12, NOT_KNOWN)
    e.target_labels["age"] = (
        one if which == "train" else CLASSES,
        one if which == "test" else CLASSES,
    )
    assert set(label_probes(judge)) == {"hue"}
    del e.labels["hue"], e.target_labels["hue"]
    assert Judge(e, Colours()).score(Candidate(e.inputs), ["labels"]) == {}
