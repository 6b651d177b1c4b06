"""Scores of the shared encoder's codes, with newly trained probes."""

import numpy as np

from tf_i2i.data.labels import NOT_KNOWN
from tf_i2i.evaluation.measure import CODES
from tf_i2i.evaluation.measure import Measure
from tf_i2i.evaluation.measure import Output
from tf_i2i.metrics.probes import linear_probe
from tf_i2i.metrics.probes import proxy_a_distance
from tf_i2i.metrics.retrieval import retrieval
from tf_i2i.metrics.retrieval import semantic_consistency


def compute(judge, candidate):
    """Returns the scores of the vectors of the shared encoder."""
    inputs, again, target = candidate.codes
    apart = proxy_a_distance(inputs, target, judge.seed)
    scores = {
        "code_a_distance": apart["distance"],
        "code_consistency": semantic_consistency(inputs, again),
    }
    if judge.evidence.truth is not None:
        # If ground-truth images are known, test image i of A and test image i
        # of B show the same object.
        for name, value in retrieval(inputs, target).items():
            scores[f"code_{name}"] = value
    read = {}
    for name, (_, labels) in judge.evidence.target_labels.items():
        known = labels != NOT_KNOWN
        probe = linear_probe(target[known], labels[known], judge.seed)
        read[f"code_label_{name}"] = probe.balanced
    if read:
        scores["code_labels"] = np.mean(list(read.values()))
    return scores | read


MEASURE = Measure(
    name="embedding",
    compute=compute,
    needs=("codes",),
    outputs=(
        Output(
            "code_a_distance",
            CODES,
            "lower",
            "Proxy A-distance, which measures how well a newly trained probe "
            "(a linear classifier) distinguishes the codes of the two "
            "domains, from 0 (not at all) to 2. The distance is 0 for "
            "constant codes. Therefore read it together with code_labels.",
            by_features=False,
            in_terminal=True,
        ),
        Output(
            "code_consistency",
            CODES,
            "lower",
            "Distance between the codes of an input and of its translation, "
            "divided by the distance between codes of different inputs.",
            by_features=False,
        ),
        Output(
            "code_r@1",
            CODES,
            "higher",
            "Share of the inputs whose code is nearer to the code of their "
            "own ground-truth image than to the codes of all other "
            "ground-truth images.",
            by_features=False,
        ),
        Output(
            "code_r@5",
            CODES,
            "higher",
            "Share of the inputs for which the code of their own ground-truth"
            " image is among the five nearest codes of ground-truth images.",
            by_features=False,
            in_terminal=True,
        ),
        Output(
            "code_median_rank",
            CODES,
            "lower",
            "Median rank of the code of an input's own ground-truth image. "
            "The nearest code has rank 1.",
            by_features=False,
        ),
        Output(
            "code_labels",
            CODES,
            "higher",
            "Mean of the numbers code_label_* of all attributes.",
            by_features=False,
            in_terminal=True,
        ),
        Output(
            "code_label_*",
            CODES,
            "higher",
            "Balanced accuracy with which a newly trained probe predicts an "
            "attribute of the images from their codes.",
            by_features=False,
        ),
    ),
)
