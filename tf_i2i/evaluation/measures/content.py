"""Whether outputs belong to their inputs: retrieval by features."""

from tf_i2i.evaluation.judge import PLACES
from tf_i2i.evaluation.measure import CONTENT
from tf_i2i.evaluation.measure import Measure
from tf_i2i.evaluation.measure import Output
from tf_i2i.metrics.retrieval import retrieval


def compute(judge, candidate):
    """Ranks of the hidden partners; without these, of the inputs."""
    e = judge.evidence
    made = judge.vectors(candidate.outputs, PLACES)
    if e.truth is None:
        found = retrieval(made, judge.vectors(e.inputs, PLACES))
        return {f"input_{name}": value for name, value in found.items()}
    return retrieval(made, judge.vectors(e.truth, PLACES))


MEASURE = Measure(
    name="content",
    compute=compute,
    needs=("aligned",),
    quick=True,
    outputs=(
        Output(
            "r@1",
            CONTENT,
            "higher",
            "Share of the outputs to which, of all hidden partners, their "
            "own is the nearest by features with places.",
            in_terminal=True,
        ),
        Output(
            "r@5",
            CONTENT,
            "higher",
            "Share of the outputs whose hidden partner is among the five "
            "nearest.",
            in_terminal=True,
        ),
        Output(
            "median_rank",
            CONTENT,
            "lower",
            "Median rank of the hidden partner, from 1. By chance it is half "
            "the number of images.",
        ),
        Output(
            "input_r@1",
            CONTENT,
            "higher",
            "Share of the outputs to which, of all inputs, their own is the "
            "nearest. A copy of the input has 1, so read it beside the style.",
            in_terminal=True,
        ),
        Output(
            "input_r@5",
            CONTENT,
            "higher",
            "Share of the outputs whose own input is among the five nearest.",
            in_terminal=True,
        ),
        Output(
            "input_median_rank",
            CONTENT,
            "lower",
            "Median rank of the own input, from 1. By chance it is half the "
            "number of images.",
        ),
    ),
)
