"""Accuracy of the translator's own classifier in the domain without labels."""

import numpy as np

from tf_i2i.data.labels import NOT_KNOWN
from tf_i2i.evaluation.measure import CLASSES
from tf_i2i.evaluation.measure import Measure
from tf_i2i.evaluation.measure import Output


def compute(judge, candidate):
    """Returns accuracies for the first attribute of the target domain."""
    _, truth = next(iter(judge.evidence.target_labels.values()))
    known = truth != NOT_KNOWN
    if not known.any():
        return {}
    found = {
        "accuracy": candidate.predicted,
        "accuracy_by_source": candidate.predicted_by_source,
        "accuracy_inverted": candidate.predicted_inverted,
    }
    return {
        name: np.mean(predicted[known] == truth[known])
        for name, predicted in found.items()
        if predicted is not None
    }


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
        Output(
            "accuracy_by_source",
            CLASSES,
            "higher",
            "Like accuracy, but the classes are predicted by the classifier's "
            "layers for the source domain. If this number is higher than "
            "accuracy, the layers for the target domain are worse on these "
            "images.",
            by_features=False,
        ),
        Output(
            "accuracy_inverted",
            CLASSES,
            "higher",
            "Like accuracy, but for inverted test images of the target "
            "domain. This number is expected to be high only if training "
            "images were inverted, too.",
            by_features=False,
        ),
    ),
)
