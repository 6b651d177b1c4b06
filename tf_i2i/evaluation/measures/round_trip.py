"""Errors of a translation to the other domain and back."""

from tf_i2i.evaluation.judge import PLACES
from tf_i2i.evaluation.measure import ROUND_TRIP
from tf_i2i.evaluation.measure import Measure
from tf_i2i.evaluation.measure import Output
from tf_i2i.metrics.pixels import round_trip_error
from tf_i2i.metrics.retrieval import retrieval


def compute(judge, candidate):
    """Returns the error of the round trip, and the recall of the inputs."""
    inputs = judge.evidence.inputs
    found = retrieval(
        judge.vectors(candidate.returned, PLACES),
        judge.vectors(inputs, PLACES),
    )
    return {
        "round_trip": round_trip_error(inputs, candidate.returned),
        "returned_r@1": found["r@1"],
        "returned_r@5": found["r@5"],
    }


MEASURE = Measure(
    name="round_trip",
    compute=compute,
    needs=("returned",),
    outputs=(
        Output(
            "round_trip",
            ROUND_TRIP,
            "lower",
            "Mean absolute difference between an input and the result of "
            "translating it to the other domain and back, in levels (0 to "
            "255). The intermediate translation is rounded to 8 bits.",
            by_features=False,
            in_terminal=True,
        ),
        Output(
            "returned_r@1",
            ROUND_TRIP,
            "higher",
            "Share of the images, translated to the other domain and back, "
            "whose nearest input is their own. With a face network as "
            "--features, this share measures whether the person is still the "
            "same.",
        ),
        Output(
            "returned_r@5",
            ROUND_TRIP,
            "higher",
            "Share of the images, translated to the other domain and back, "
            "whose own input is among the five nearest inputs.",
            in_terminal=True,
        ),
    ),
)
