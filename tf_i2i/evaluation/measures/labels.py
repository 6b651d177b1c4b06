"""Accuracy of probes that predict attributes of the inputs from outputs."""

import numpy as np

from tf_i2i.evaluation.judge import PLACES
from tf_i2i.evaluation.measure import LABELS
from tf_i2i.evaluation.measure import Measure
from tf_i2i.evaluation.measure import Output
from tf_i2i.metrics.embeddings import principal
from tf_i2i.metrics.probes import agreement
from tf_i2i.metrics.probes import hungarian_accuracy
from tf_i2i.metrics.probes import linear_probe

# Number of principal components of the features that are the inputs of probes.
COMPONENTS = 256


def compute(judge, candidate):
    """Returns the agreement of the probes' predictions with the labels.

    The probes predict attributes from the outputs. The labels are those of the
    inputs.
    """
    made = _vectors(judge, candidate.outputs)
    scores, matched = {}, {}
    for name, probe in judge.once(label_probes).items():
        read, labels = probe.predict(made), judge.evidence.labels[name]
        scores[f"label_{name}"] = agreement(read, labels)["balanced"]
        matched[f"matched_{name}"] = hungarian_accuracy(read, labels)
    scores["labels"] = np.mean(list(scores.values()))
    return scores | matched


def label_probes(judge):
    """Returns probes that are trained on real images of the target domain.

    Returns:
        Dictionary from the name of an attribute to a probe that predicts the
        attribute.
    """
    e = judge.evidence
    train = _vectors(judge, e.target_train)
    test = _vectors(judge, e.target_test)
    return {
        name: linear_probe(train, of_train, judge.seed, (test, of_test))
        for name, (of_train, of_test) in e.target_labels.items()
    }


def _vectors(judge, images):
    """Returns the features of grid cells, projected on principal components.

    The principal components are computed from real training images of the
    target domain.
    """
    return judge.once(_projection)(judge.vectors(images, PLACES))


def _projection(judge):
    train = judge.vectors(judge.evidence.target_train, PLACES)
    return principal(train, COMPONENTS)


MEASURE = Measure(
    name="labels",
    compute=compute,
    needs=("aligned", "labels"),
    outputs=(
        Output(
            "labels",
            LABELS,
            "higher",
            "Mean of the numbers label_* of all attributes.",
            in_terminal=True,
        ),
        Output(
            "label_*",
            LABELS,
            "higher",
            "Balanced accuracy with which a probe, trained on real images of "
            "the target domain, predicts the input's attribute from the "
            "output.",
        ),
        Output(
            "matched_*",
            LABELS,
            "higher",
            "Accuracy of the same probe after the best permutation of "
            "classes. If this accuracy is far above label_*, outputs keep "
            "the classes apart but exchange them.",
        ),
    ),
)
