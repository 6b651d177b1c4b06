"""Whether outputs have the shapes of their inputs."""

from tf_i2i.evaluation.measure import CONTENT
from tf_i2i.evaluation.measure import Measure
from tf_i2i.evaluation.measure import Output
from tf_i2i.metrics.outlines import outline_overlap


def compute(judge, candidate):
    """Overlap of the outlines of inputs and outputs."""
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
            "How far the outlines of an output lie where its input has "
            "outlines: 1 where only colours change. Read it beside random "
            "images, which have what chance gives.",
            by_features=False,
            in_terminal=True,
        ),
    ),
)
