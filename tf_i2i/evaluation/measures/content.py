"""Retrieval by features, which tests whether outputs belong to their inputs."""

from tf_i2i.evaluation.judge import PLACES
from tf_i2i.evaluation.measure import CONTENT
from tf_i2i.evaluation.measure import Measure
from tf_i2i.evaluation.measure import Output
from tf_i2i.metrics.retrieval import retrieval


def compute(judge, candidate):
    """Returns recalls and ranks of the ground-truth images.

    Without ground-truth images, the inputs are retrieved instead.
    """
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
            "Share of the outputs whose nearest ground-truth image is that of"
            " their own input. Distances are computed between features that "
            "are averaged in a grid of 4 x 4 cells.",
            in_terminal=True,
        ),
        Output(
            "r@5",
            CONTENT,
            "higher",
            "Share of the outputs for which the ground-truth image of their "
            "own input is among the five nearest ground-truth images.",
            in_terminal=True,
        ),
        Output(
            "median_rank",
            CONTENT,
            "lower",
            "Median rank of the ground-truth image of an output's own input "
            "among all ground-truth images. The nearest image has rank 1. By "
            "chance the median rank is half the number of images.",
        ),
        Output(
            "input_r@1",
            CONTENT,
            "higher",
            "Share of the outputs whose nearest input is their own. This "
            "share is 1 for copies of the inputs. Therefore read it together "
            "with the style.",
            in_terminal=True,
        ),
        Output(
            "input_r@5",
            CONTENT,
            "higher",
            "Share of the outputs whose own input is among the five nearest "
            "inputs.",
            in_terminal=True,
        ),
        Output(
            "input_median_rank",
            CONTENT,
            "lower",
            "Median rank of an output's own input among all inputs. The "
            "nearest input has rank 1. By chance the median rank is half the "
            "number of images.",
        ),
    ),
)
