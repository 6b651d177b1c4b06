"""Accuracy of probes that predict attributes of the inputs from outputs.

The probes are trained on labels of real target images only. Labels of inputs
are used only to count the correct predictions, and may be unknown for some
inputs.
"""

import numpy as np

from tf_i2i.data.labels import NOT_KNOWN
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

    The probes predict attributes from the outputs. The predictions are compared
    with the labels of the inputs.
    """
    made = _vectors(judge, candidate.outputs)
    scores: dict[str, float] = {}
    balanced = []
    for name, probe in judge.once(label_probes).items():
        classes = judge.evidence.target_labels[name][0]
        found = _attribute(
            probe.predict(made), judge.evidence.labels[name], classes
        )
        balanced.append(found["label"])
        found["target_label"] = probe.balanced
        scores |= {f"{kind}_{name}": value for kind, value in found.items()}
    if balanced:
        scores["labels"] = np.mean(balanced)
    return scores


def _attribute(read, labels, classes):
    """Returns the scores of the outputs for one attribute.

    Args:
        read: predicted labels `[N]` of the outputs.
        labels: labels `[N]` of the inputs, of which one or more are known.
        classes: labels of the images on which the probe was trained.

    Returns:
        Dictionary from the beginning of a score's name, such as
        "plain_label", to its value.
    """
    known = labels != NOT_KNOWN
    truth, rest = labels[known], read[~known]
    found = agreement(read[known], truth)
    scores = {
        "label": found["balanced"],
        "plain_label": found["accuracy"],
        "matched": hungarian_accuracy(read[known], truth),
        "known_label": len(truth),
    }
    other = {*classes.tolist()} - {NOT_KNOWN, *truth.tolist()}
    if other and len(rest):
        scores["rest_label"] = np.mean(np.isin(rest, truth))
    return scores


def label_probes(judge):
    """Returns probes that are trained on real images of the target domain.

    Returns:
        Dictionary from the name of an attribute to a probe that predicts the
        attribute. An attribute is left out if its label is known for no input.
        It is also left out if the labels of the training images or of the test
        images of the target domain have only one known class.
    """
    e = judge.evidence
    parts = (
        _vectors(judge, e.target_train),
        _vectors(judge, e.target_test),
    )
    probes = {}
    for name, labels in e.target_labels.items():
        known = [some != NOT_KNOWN for some in labels]
        train, test = (
            (vectors[at], some[at])
            for vectors, some, at in zip(parts, labels, known, strict=True)
        )
        classes = min(len(np.unique(some)) for _, some in (train, test))
        if classes > 1 and (e.labels[name] != NOT_KNOWN).any():
            probes[name] = linear_probe(*train, judge.seed, test)
    return probes


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
            "output: the accuracy within each class, averaged over classes. "
            "Only inputs whose attribute is known are counted.",
        ),
        Output(
            "plain_label_*",
            LABELS,
            "higher",
            "Accuracy with which the probe of label_* predicts the input's "
            "attribute from the output. Only inputs whose attribute is known "
            "are counted.",
        ),
        Output(
            "target_label_*",
            LABELS,
            "",
            "Balanced accuracy of the probe of label_* on real test images of "
            "the target domain and their own attributes. If this accuracy is "
            "far below 1, label_* says little about the outputs.",
        ),
        Output(
            "known_label_*",
            LABELS,
            "",
            "Number of inputs whose attribute is known. If this number is "
            "small, label_* is inaccurate.",
            by_features=False,
        ),
        Output(
            "rest_label_*",
            LABELS,
            "",
            "Of the outputs for inputs whose attribute is not known, the share "
            "for which the probe of label_* predicts a class that occurs among "
            "the known inputs. For example, if glasses is the only class that "
            "is known for any input, it is the share of the other outputs that "
            "show glasses. The number is not computed if all classes occur "
            "among the known inputs.",
        ),
        Output(
            "matched_*",
            LABELS,
            "higher",
            "Accuracy of the probe of label_* after the best permutation of "
            "classes. If this accuracy is far above label_*, outputs keep "
            "the classes apart but exchange them.",
        ),
    ),
)
