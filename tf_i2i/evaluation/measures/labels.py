"""Whether probes read the attributes of the inputs in the outputs."""

import numpy as np

from tf_i2i.evaluation.judge import PLACES
from tf_i2i.evaluation.measure import LABELS
from tf_i2i.evaluation.measure import Measure
from tf_i2i.evaluation.measure import Output
from tf_i2i.metrics.embeddings import principal
from tf_i2i.metrics.probes import agreement
from tf_i2i.metrics.probes import hungarian_accuracy
from tf_i2i.metrics.probes import linear_probe

# Principal components of the features that probes read.
COMPONENTS = 256


def compute(judge, candidate):
    """Agreement of what probes read in outputs with the inputs' labels."""
    made = _vectors(judge, candidate.outputs)
    scores, matched = {}, {}
    for name, probe in judge.once(label_probes).items():
        read, labels = probe.predict(made), judge.evidence.labels[name]
        scores[f"label_{name}"] = agreement(read, labels)["balanced"]
        matched[f"matched_{name}"] = hungarian_accuracy(read, labels)
    scores["labels"] = np.mean(list(scores.values()))
    return scores | matched


def label_probes(judge):
    """Attribute -> probe that reads it, trained on real target images."""
    e = judge.evidence
    train = _vectors(judge, e.target_train)
    test = _vectors(judge, e.target_test)
    return {
        name: linear_probe(train, of_train, judge.seed, (test, of_test))
        for name, (of_train, of_test) in e.target_labels.items()
    }


def _vectors(judge, images):
    """Features with places, in the directions in which real ones vary."""
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
            "Mean of the numbers label_*.",
            in_terminal=True,
        ),
        Output(
            "label_*",
            LABELS,
            "higher",
            "Balanced accuracy with which a probe, trained on real target "
            "images, reads the input's attribute in the output.",
        ),
        Output(
            "matched_*",
            LABELS,
            "higher",
            "Accuracy of the same probe after the best renaming of classes. "
            "Where it is far above label_*, classes are kept but exchanged.",
        ),
    ),
)
