"""Segmentation scores of photos that were translated from label maps."""

import numpy as np

from tf_i2i.evaluation.measure import SEEN
from tf_i2i.evaluation.measure import STYLES
from tf_i2i.evaluation.measure import Measure
from tf_i2i.evaluation.measure import Output
from tf_i2i.metrics.segmentation import confusion
from tf_i2i.metrics.segmentation import segmentation_scores
from tf_i2i.metrics.segmenter import VOID
from tf_i2i.metrics.segmenter import PixelProbe
from tf_i2i.metrics.segmenter import map_labels


def compute(judge, candidate):
    """Returns segmentation scores of outputs.

    A segmenter, trained on real photos, assigns classes to the pixels of the
    outputs. These classes are compared with those of the inputs, which are
    label maps.
    """
    segmenter, labels = judge.once(fit_segmenter), judge.once(_input_labels)
    classes = len(judge.evidence.source_palette)
    seen = segmenter(candidate.outputs)
    counts = confusion(labels, seen, classes, ignore=VOID)
    scores = segmentation_scores(counts)
    found = {f"seen_{name}": value for name, value in scores.items()}
    if candidate.several is None:
        return found
    truth = labels[: candidate.several.shape[1]]
    shares = [
        np.mean(segmenter(outputs)[truth != VOID] == truth[truth != VOID])
        for outputs in candidate.several
    ]
    return found | {"styled_seen_pixel": np.mean(shares)}


def fit_segmenter(judge):
    """Returns a `PixelProbe`, trained to segment photos of the target domain.

    The classes of the probe are those of the inputs, which are label maps.
    """
    e = judge.evidence
    photos = e.target_train[: len(e.target_maps)]
    labels = map_labels(e.target_maps, e.source_palette)
    return PixelProbe(judge.features, photos, labels, len(e.source_palette))


def _input_labels(judge):
    return map_labels(judge.evidence.inputs, judge.evidence.source_palette)


MEASURE = Measure(
    name="segmenter",
    compute=compute,
    needs=("aligned", "source_palette", "target_maps"),
    automatic=True,
    outputs=(
        Output(
            "seen_pixel",
            SEEN,
            "higher",
            "Share of the pixels of outputs to which a segmenter, trained on "
            "real photos, assigns the class of the same pixel of the input. "
            "The score of real photos (row truth) is the reference.",
            in_terminal=True,
        ),
        Output(
            "seen_class",
            SEEN,
            "higher",
            "Share of the pixels of each class to which the segmenter assigns "
            "this class, averaged over classes.",
            in_terminal=True,
        ),
        Output(
            "seen_iou",
            SEEN,
            "higher",
            "Intersection over union of the segmenter's classes and of the "
            "classes in the input, averaged over classes.",
            in_terminal=True,
        ),
        Output(
            "styled_seen_pixel",
            STYLES,
            "higher",
            "The number seen_pixel, averaged over outputs with several styles.",
        ),
    ),
)
