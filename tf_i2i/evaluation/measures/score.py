"""One number for style and content, which is low for every cheat."""

import warnings

from tf_i2i.evaluation.measure import SUMMARY
from tf_i2i.evaluation.measure import Measure
from tf_i2i.evaluation.measure import Output
from tf_i2i.metrics.gate import gate


def combine(judge, scores, table):
    """Returns `score`, `style` and `content` of a row; see `metrics.gate`."""
    found = "r@5" if judge.evidence.truth is not None else "input_r@5"
    if not {"called_b", "copy_rate", found} <= scores.keys():
        return {}
    # If ground-truth images are not known, other real images of the target
    # domain are the reference for style.
    truth = table.get("truth", table.get("floor", table["random"]))
    full, none = table["copy"][found], table["random"][found]
    if full <= none and "truth" in table:
        # If the correct translation differs much from the input, for example by
        # inverted colours, copies of the inputs do not retrieve the
        # ground-truth images. In this case, the row "truth" is the reference.
        full = table["truth"][found]
    with warnings.catch_warnings():
        # If two references are equal, `gate` warns and returns 0.
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
            "Harmonic mean of style and content, in [0, 1]. The score is 0 "
            "if more than a tenth of the outputs are copies of training "
            "images.",
            in_terminal=True,
        ),
        Output(
            "style",
            SUMMARY,
            "higher",
            "The number called_b, rescaled so that the inputs have the value "
            "0 and the ground-truth images have the value 1.",
            in_terminal=True,
        ),
        Output(
            "content",
            SUMMARY,
            "higher",
            "The number r@5 (or input_r@5 if ground-truth images are not "
            "known), rescaled so that random images have the value 0 and the "
            "inputs have the value 1.",
            in_terminal=True,
        ),
    ),
)
