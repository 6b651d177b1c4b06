"""Label maps as outputs, against the hidden partners."""

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
    """Segmentation scores; the class of a pixel is the nearest colour's."""
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
            "Share of pixels with the right class.",
            by_features=False,
            in_terminal=True,
        ),
        Output(
            "map_class",
            MAPS,
            "higher",
            "The share of each class's pixels with the right class, averaged "
            "over classes.",
            by_features=False,
            in_terminal=True,
        ),
        Output(
            "map_iou",
            MAPS,
            "higher",
            "Intersection over union, averaged over classes; a class that is "
            "absent counts as 0.",
            by_features=False,
            in_terminal=True,
        ),
        Output(
            "map_iou_present",
            MAPS,
            "higher",
            "Intersection over union, averaged over the classes that are "
            "present.",
            by_features=False,
        ),
        Output(
            "map_matched",
            MAPS,
            "higher",
            "Share of pixels with the right class after the best renaming of "
            "classes. Where it is far above map_pixel, classes are kept but "
            "exchanged.",
            by_features=False,
            in_terminal=True,
        ),
    ),
)
