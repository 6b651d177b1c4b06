"""Distances that show whether outputs are copies of training images."""

from tf_i2i.evaluation.judge import PLACES
from tf_i2i.evaluation.measure import COPYING
from tf_i2i.evaluation.measure import Measure
from tf_i2i.evaluation.measure import Output
from tf_i2i.metrics.copying import copying_scores
from tf_i2i.metrics.copying import nearest_distance


def compute(judge, candidate):
    """Returns the copy rate, and distances to training and test images."""
    e = judge.evidence
    scores = copying_scores(
        judge.vectors(candidate.outputs, PLACES),
        judge.vectors(e.target_train, PLACES),
        judge.vectors(e.target_test, PLACES),
        judge.once(_real_distance),
    )
    return {name: scores[name] for name in ("copy_rate", "to_train", "to_test")}


def _real_distance(judge):
    """Returns the distance of each test image to the nearest training image."""
    e = judge.evidence
    return nearest_distance(
        judge.vectors(e.target_test, PLACES),
        judge.vectors(e.target_train, PLACES),
    )


MEASURE = Measure(
    name="copying",
    compute=compute,
    needs=("new",),
    quick=True,
    outputs=(
        Output(
            "copy_rate",
            COPYING,
            "lower",
            "Share of the outputs that are nearer to a training image than "
            "95 % of the real test images are. Real test images have a share "
            "of 0.05.",
            in_terminal=True,
        ),
        Output(
            "to_train",
            COPYING,
            "",
            "Mean distance of the outputs to the nearest training image of "
            "the target domain. If this distance is smaller than that of the "
            "row truth, outputs may be copies. If it is much larger, outputs "
            "do not look like the target domain.",
        ),
        Output(
            "to_test",
            COPYING,
            "lower",
            "Mean distance of the outputs to the nearest test image of the "
            "target domain.",
        ),
    ),
)
