"""Segmentation scores against scikit-learn, and by hand."""

import numpy as np
import pytest
from sklearn import metrics

from tf_i2i.metrics.segmentation import confusion
from tf_i2i.metrics.segmentation import matched_accuracy
from tf_i2i.metrics.segmentation import nearest_colour
from tf_i2i.metrics.segmentation import segmentation_scores

VOID = 255


@pytest.fixture
def labels():
    """Two label maps of classes 0 to 4 in which nothing is ever a 3."""
    rng = np.random.default_rng(0)
    truth = rng.choice([0, 1, 2, 4, VOID], (3, 16, 16)).astype(np.uint8)
    wrong = rng.choice([0, 1, 2, 4], truth.shape).astype(np.uint8)
    right = (truth != VOID) & (rng.random(truth.shape) < 0.6)
    return truth, np.where(right, truth, wrong)


def test_confusion_equals_scikit_learn(labels):
    truth, predicted = labels
    counts = truth != VOID
    np.testing.assert_array_equal(
        confusion(truth, predicted, 5, ignore=VOID),
        metrics.confusion_matrix(
            truth[counts], predicted[counts], labels=range(5)
        ),
    )


def test_matrices_of_batches_add_up(labels):
    truth, predicted = labels
    parts = sum(
        confusion(truth[i], predicted[i], 5, VOID) for i in range(len(truth))
    )
    np.testing.assert_array_equal(parts, confusion(truth, predicted, 5, VOID))


def test_scores_equal_scikit_learn_where_absent_classes_are_skipped(labels):
    truth, predicted = labels
    scores = segmentation_scores(confusion(*labels, 5, VOID), absent="skip")
    counts = truth != VOID
    truth, predicted = truth[counts], predicted[counts]
    assert scores == pytest.approx(
        {
            "pixel": metrics.accuracy_score(truth, predicted),
            "class": metrics.balanced_accuracy_score(truth, predicted),
            "iou": metrics.jaccard_score(truth, predicted, average="macro"),
        },
        rel=1e-12,
    )


def test_scores_equal_scikit_learn_where_absent_classes_are_zero(labels):
    truth, predicted = labels
    hist = confusion(truth, predicted, 5, VOID)
    scores = segmentation_scores(hist)
    counts = truth != VOID
    iou = metrics.jaccard_score(
        truth[counts],
        predicted[counts],
        labels=range(5),
        average=None,
        zero_division=0,
    )
    assert scores["iou"] == pytest.approx(iou.mean(), rel=1e-12)
    # And what pix2pix' script computes, small number and all.
    diagonal, rows, columns = np.diag(hist), hist.sum(1), hist.sum(0)
    assert scores["class"] == pytest.approx(
        np.nanmean(diagonal / (rows + 1e-12)), rel=1e-12
    )
    assert scores["iou"] == pytest.approx(
        np.nanmean(diagonal / (rows + columns - diagonal + 1e-12)), rel=1e-12
    )


def test_both_treatments_by_hand():
    # Class 0: 3 of 4 right; class 1: 1 of 1, one too many; class 2: none.
    hist = [[3, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert segmentation_scores(hist, "skip") == pytest.approx(
        {"pixel": 4 / 5, "class": (3 / 4 + 1) / 2, "iou": (3 / 4 + 1 / 2) / 2}
    )
    assert segmentation_scores(hist, "zero") == pytest.approx(
        {"pixel": 4 / 5, "class": (3 / 4 + 1) / 3, "iou": (3 / 4 + 1 / 2) / 3}
    )


def test_exchanged_classes_are_right_under_other_names():
    # Trees are called houses and houses trees; of eight roads one is a tree.
    hist = [[7, 1, 0], [0, 0, 4], [0, 3, 0]]
    assert segmentation_scores(hist)["pixel"] == 7 / 15
    assert matched_accuracy(hist) == (7 + 4 + 3) / 15


def test_a_class_that_is_only_predicted_has_an_iou():
    hist = [[2, 2], [0, 0]]
    scores = segmentation_scores(hist, "skip")
    assert scores == {"pixel": 0.5, "class": 0.5, "iou": 0.25}


def test_all_road_scores_as_all_road():
    # The trap of a label map resized to nothing: pixel accuracy looks fine.
    truth = np.array([0] * 40 + [1] * 30 + [2] * 30)
    scores = segmentation_scores(confusion(truth, np.zeros_like(truth), 3))
    assert scores == pytest.approx(
        {"pixel": 0.4, "class": 1 / 3, "iou": 0.4 / 3}
    )


@pytest.mark.parametrize(
    ("truth", "predicted", "argument"),
    [
        ([0, 5], [0, 0], "truth"),
        ([0, 1], [0, -1], "predicted"),
        ([0, 1], [0, 1, 2], "truth"),
        ([0.0, 1.0], [0, 1], "truth"),
    ],
)
def test_labels_that_are_refused(truth, predicted, argument, refuses):
    with refuses(argument):
        confusion(truth, predicted, 3)


def test_several_labels_can_be_ignored():
    hist = confusion([-1, 255, 1], [9, 9, 0], 2, ignore=(-1, 255))
    assert hist.tolist() == [[0, 0], [1, 0]]


def test_an_empty_matrix_is_refused(refuses):
    with refuses("hist"):
        segmentation_scores(confusion([VOID], [0], 3, VOID))
    with refuses("absent"):
        segmentation_scores(np.eye(2), absent="nan")


def test_nearest_colour_against_all_distances():
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (20, 6, 5, 3), np.uint8)
    palette = rng.integers(0, 256, (12, 3))
    gaps = images[..., None, :].astype(np.int64) - palette
    np.testing.assert_array_equal(
        nearest_colour(images, palette), (gaps**2).sum(-1).argmin(-1)
    )


def test_every_colour_of_the_palette_is_its_own_label():
    palette = [(0, 0, 0), (255, 255, 255), (128, 64, 128), (128, 64, 129)]
    image = np.array(palette, np.uint8).reshape(1, 2, 2, 3)
    labels = nearest_colour(image, palette)
    assert labels.dtype == np.uint8
    assert labels.ravel().tolist() == [0, 1, 2, 3]


def test_of_equally_near_colours_the_first():
    grey = np.full((1, 1, 1, 3), 5, np.uint8)
    assert nearest_colour(grey, [(9, 5, 5), (1, 5, 5)]).item() == 0


@pytest.mark.parametrize(
    "palette", [[], [(0, 0)], [(0, 0, 256)], [(0.0, 0.5, 1.0)], [(-1, 0, 0)]]
)
def test_palettes_that_are_refused(palette, refuses):
    with refuses("palette"):
        nearest_colour(np.zeros((1, 2, 2, 3), np.uint8), palette)
