"""Sliced Wasserstein distance of image patches, at each level of a pyramid.

Source: Karras et al., 2018, arXiv:1710.10196, section 5.
"""

from tf_i2i.evaluation.measure import PATCHES
from tf_i2i.evaluation.measure import Measure
from tf_i2i.evaluation.measure import Output
from tf_i2i.metrics.sliced_wasserstein import sliced_wasserstein


def compute(judge, candidate):
    """Returns the distance at each level of the image pyramid, times 1000."""
    found = sliced_wasserstein(
        judge.evidence.target_test, candidate.outputs, seed=judge.seed
    )
    return {f"swd_{level}": value for level, value in found.items()}


MEASURE = Measure(
    name="swd",
    compute=compute,
    outputs=(
        Output(
            "swd_*",
            PATCHES,
            "lower",
            "Sliced Wasserstein distance of patches, times 1000, at one "
            "level of the image pyramid. The name ends with the side of that "
            "level in pixels. The distance ignores brightness and contrast, "
            "and decreases with the number of images.",
            by_features=False,
            in_terminal=True,
        ),
        Output(
            "swd_average",
            PATCHES,
            "lower",
            "Mean of the distances at all levels. For images of 128 pixels, "
            "these are the levels of Table 2 of the TwinGAN paper.",
            by_features=False,
            in_terminal=True,
        ),
    ),
)
