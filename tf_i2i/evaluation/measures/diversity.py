"""Differences between translations of one input with several styles."""

import numpy as np

from tf_i2i.evaluation.judge import PLACES
from tf_i2i.evaluation.measure import STYLES
from tf_i2i.evaluation.measure import Measure
from tf_i2i.evaluation.measure import Output
from tf_i2i.metrics.perceptual import diversity
from tf_i2i.metrics.retrieval import retrieval


def compute(judge, candidate):
    """Returns the diversity of the outputs, and their recall at 5."""
    e = judge.evidence
    taps = [judge.features.taps(outputs) for outputs in candidate.several]
    partners = e.truth if e.truth is not None else e.inputs
    partners = judge.vectors(partners, PLACES)[: candidate.several.shape[1]]
    found = [
        retrieval(judge.vectors(outputs, PLACES), partners)["r@5"]
        for outputs in candidate.several
    ]
    return {
        "diversity": diversity(taps, judge.features.tap_weights),
        "styled_r@5": np.mean(found),
    }


MEASURE = Measure(
    name="diversity",
    compute=compute,
    needs=("several",),
    outputs=(
        Output(
            "diversity",
            STYLES,
            "higher",
            "Mean distance between outputs of one input with several styles. "
            "This distance is also high if the outputs are noise. With "
            "--features=lpips:ALEXNET.pth it is LPIPS.",
            in_terminal=True,
        ),
        Output(
            "styled_r@5",
            STYLES,
            "higher",
            "Share of the outputs with several styles for which the "
            "ground-truth image of their own input is among the five nearest "
            "ground-truth images. This "
            "share measures whether content is kept when the style changes. "
            "If ground-truth images are not known, the inputs are used "
            "instead.",
            in_terminal=True,
        ),
    ),
)
