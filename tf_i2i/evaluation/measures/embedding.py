"""The codes of a translator's shared encoder, scored by new probes."""

import numpy as np

from tf_i2i.evaluation.measure import CODES
from tf_i2i.evaluation.measure import Measure
from tf_i2i.evaluation.measure import Output
from tf_i2i.metrics.probes import linear_probe
from tf_i2i.metrics.probes import proxy_a_distance
from tf_i2i.metrics.retrieval import retrieval
from tf_i2i.metrics.retrieval import semantic_consistency


def compute(judge, candidate):
    """Proxy A-distance, semantic consistency, retrieval and attributes."""
    inputs, again, target = candidate.codes
    apart = proxy_a_distance(inputs, target, judge.seed)
    scores = {
        "code_a_distance": apart["distance"],
        "code_consistency": semantic_consistency(inputs, again),
    }
    if judge.evidence.truth is not None:
        # Test images of both domains are in the order of the pairs.
        for name, value in retrieval(inputs, target).items():
            scores[f"code_{name}"] = value
    read = {
        f"code_label_{name}": linear_probe(target, labels, judge.seed).balanced
        for name, (_, labels) in judge.evidence.target_labels.items()
    }
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
            "Proxy A-distance: how well a newly trained probe tells the "
            "codes of the two domains apart, from 0 (not at all) to 2. A "
            "constant code has 0, so read it beside code_labels.",
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
            "Share of inputs to whose code, of all hidden partners' codes, "
            "that of their own is the nearest.",
            by_features=False,
        ),
        Output(
            "code_r@5",
            CODES,
            "higher",
            "Share of inputs for which it is among the five nearest.",
            by_features=False,
            in_terminal=True,
        ),
        Output(
            "code_median_rank",
            CODES,
            "lower",
            "Median rank of the hidden partner's code, from 1.",
            by_features=False,
        ),
        Output(
            "code_labels",
            CODES,
            "higher",
            "Mean of the numbers code_label_*.",
            by_features=False,
            in_terminal=True,
        ),
        Output(
            "code_label_*",
            CODES,
            "higher",
            "Balanced accuracy with which a newly trained probe reads the "
            "attribute in codes.",
            by_features=False,
        ),
    ),
)
