"""Accuracy of the translator's own classifier in the domain without labels."""

import numpy as np

from tf_i2i.data.labels import NOT_KNOWN
from tf_i2i.evaluation.measure import CLASSES
from tf_i2i.evaluation.measure import Measure
from tf_i2i.evaluation.measure import Output


def compute(judge, candidate):
    """Returns the accuracy for the first attribute of the target domain."""
    _, truth = next(iter(judge.evidence.target_labels.values()))
    known = truth != NOT_KNOWN
    if not known.any():
        return {}
    return {"accuracy": np.mean(candidate.predicted[known] == truth[known])}


MEASURE = Measure(
    name="accuracy",
    compute=compute,
    needs=("predicted", "target_labels"),
    outputs=(
        Output(
            "accuracy",
            CLASSES,
            "higher",
            "Share of real test images of the target domain that are "
            "classified correctly. The classifier was trained on labels of "
            "the source domain only.",
            by_features=False,
            in_terminal=True,
        ),
    ),
)
