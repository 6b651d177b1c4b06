"""Style and content in one number that no cheat can raise."""

import warnings

from tf_i2i.evaluation.measure import SUMMARY
from tf_i2i.evaluation.measure import Measure
from tf_i2i.evaluation.measure import Output
from tf_i2i.metrics.gate import gate


def combine(judge, scores, table):
    """`score`, `style` and `content` of a row; see `metrics.gate`."""
    found = "r@5" if judge.evidence.truth is not None else "input_r@5"
    if not {"called_b", "copy_rate", found} <= scores.keys():
        return {}
    # Without hidden partners, real images of the target are the best style.
    truth = table.get("truth", table.get("floor", table["random"]))
    full, none = table["copy"][found], table["random"][found]
    if full <= none and "truth" in table:
        # Where the task is a negative, a copy of the input finds no partner.
        full = table["truth"][found]
    with warnings.catch_warnings():
        # `gate` warns where two references are equal, and gives 0.
        warnings.simplefilter("ignore")
        return gate(
            called_b=scores["called_b"],
            called_b_copy=table["copy"]["called_b"],
            called_b_truth=truth["called_b"],
            recall=scores[found],
            recall_copy=full,
            recall_random=none,
            copy_rate=scores["copy_rate"],
        )


MEASURE = Measure(
    name="score",
    combine=combine,
    quick=True,
    outputs=(
        Output(
            "score",
            SUMMARY,
            "higher",
            "Harmonic mean of style and content, in [0, 1]. It is 0 where "
            "more than a tenth of the outputs are copies of training images.",
            in_terminal=True,
        ),
        Output(
            "style",
            SUMMARY,
            "higher",
            "The number called_b, scaled so that the inputs have 0 and the "
            "truth has 1.",
            in_terminal=True,
        ),
        Output(
            "content",
            SUMMARY,
            "higher",
            "The number r@5 (input_r@5 without hidden partners), scaled so "
            "that random images have 0 and the inputs have 1.",
            in_terminal=True,
        ),
    ),
)
