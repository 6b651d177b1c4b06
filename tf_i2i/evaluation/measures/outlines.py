"""Overlap of outlines, which tests whether outputs keep the inputs' shapes."""

from tf_i2i.evaluation.measure import CONTENT
from tf_i2i.evaluation.measure import Measure
from tf_i2i.evaluation.measure import Output
from tf_i2i.metrics.outlines import outline_overlap


def compute(judge, candidate):
    """Returns the overlap of the outlines of inputs and outputs."""
    inputs = judge.evidence.inputs
    return {"outlines_kept": outline_overlap(inputs, candidate.outputs)}


MEASURE = Measure(
    name="outlines",
    compute=compute,
    needs=("aligned",),
    outputs=(
        Output(
            "outlines_kept",
            CONTENT,
            "",
            "Overlap of the outlines of an output with the outlines of its "
            "input. The overlap is 1 if only colours change. The row random "
            "shows the overlap that chance gives.",
            by_features=False,
            in_terminal=True,
        ),
    ),
)
