"""Segmentation scores of outputs that are label maps."""

from tf_i2i.evaluation.measure import MAPS
from tf_i2i.evaluation.measure import Measure
from tf_i2i.evaluation.measure import Output
from tf_i2i.metrics.segmentation import confusion
from tf_i2i.metrics.segmentation import matched_accuracy
from tf_i2i.metrics.segmentation import nearest_colour
from tf_i2i.metrics.segmentation import segmentation_scores
from tf_i2i.metrics.segmenter import VOID
from tf_i2i.metrics.segmenter import map_labels


def compute(judge, candidate):
    """Returns segmentation scores, compared with the ground-truth label maps.

    A pixel gets the class whose colour in the palette is nearest to its own.
    """
    e = judge.evidence
    truth = map_labels(e.truth, e.palette)
    made = nearest_colour(candidate.outputs, e.palette)
    counts = confusion(truth, made, len(e.palette), ignore=VOID)
    scores = segmentation_scores(counts)
    scores["iou_present"] = segmentation_scores(counts, absent="skip")["iou"]
    scores["matched"] = matched_accuracy(counts)
    return {f"map_{name}": value for name, value in scores.items()}


MEASURE = Measure(
    name="segmentation",
    compute=compute,
    needs=("aligned", "truth", "palette"),
    automatic=True,
    outputs=(
        Output(
            "map_pixel",
            MAPS,
            "higher",
            "Share of pixels with the correct class.",
            by_features=False,
            in_terminal=True,
        ),
        Output(
            "map_class",
            MAPS,
            "higher",
            "Share of the pixels of each class that are assigned to this "
            "class, averaged over classes.",
            by_features=False,
            in_terminal=True,
        ),
        Output(
            "map_iou",
            MAPS,
            "higher",
            "Intersection over union of true and predicted pixels, averaged "
            "over all classes. Classes that are absent count as 0.",
            by_features=False,
            in_terminal=True,
        ),
        Output(
            "map_iou_present",
            MAPS,
            "higher",
            "Intersection over union of true and predicted pixels, averaged "
            "over the classes that are present.",
            by_features=False,
        ),
        Output(
            "map_matched",
            MAPS,
            "higher",
            "Share of pixels with the correct class after the best "
            "permutation of classes. If this share is far above map_pixel, "
            "outputs keep the classes apart but exchange their colours.",
            by_features=False,
            in_terminal=True,
        ),
    ),
)
