"""Whether the way back depends on what nobody can see."""

from tf_i2i.evaluation.measure import ROUND_TRIP
from tf_i2i.evaluation.measure import SENSITIVITY
from tf_i2i.evaluation.measure import Measure
from tf_i2i.evaluation.measure import Output
from tf_i2i.metrics.robustness import sensitivity


def compute(judge, candidate):
    """Error of the way back from disturbed translations."""
    images = candidate.exact
    curve = sensitivity(
        candidate.back,
        images,
        truth=judge.evidence.inputs[: len(images)],
        # All in one batch: each image may have its own way back.
        batch_size=len(images),
        seed=judge.seed,
    )
    scores = {f"back_{name}": value for name, value in curve.items()}
    return scores | {"hidden": curve["noise_2"] - curve["noise_0"]}


MEASURE = Measure(
    name="sensitivity",
    compute=compute,
    needs=("back", "exact"),
    outputs=(
        Output(
            "hidden",
            ROUND_TRIP,
            "lower",
            "Rise of the error of the way back, in levels of 255, when noise "
            "of 2 levels is added to the translation.",
            by_features=False,
            in_terminal=True,
        ),
        Output(
            "back_*",
            SENSITIVITY,
            "lower",
            "Mean error of the way back, in levels of 255, when the "
            "translation is disturbed first. A jump at 1 or 2 levels of "
            "noise, or at 8 bits, means that the source is hidden in "
            "differences that nobody sees.",
            by_features=False,
        ),
    ),
)
