"""Effect of invisible noise in translations on their translation back.
See `metrics.robustness`.
"""

from tf_i2i.evaluation.measure import ROUND_TRIP
from tf_i2i.evaluation.measure import SENSITIVITY
from tf_i2i.evaluation.measure import Measure
from tf_i2i.evaluation.measure import Output
from tf_i2i.metrics.robustness import add_noise
from tf_i2i.metrics.robustness import sensitivity

_SIGMA = 2  # Standard deviation of invisible noise, in levels (0 to 255).


def compute(judge, candidate):
    """Returns the errors after disturbed translations are translated back."""
    images = candidate.exact
    curve = sensitivity(
        candidate.back,
        images,
        truth=judge.evidence.inputs[: len(images)],
        # All images are in one batch, because `back` translates the i-th image
        # of a batch with the style of input i.
        batch_size=len(images),
        seed=judge.seed,
        multiple=candidate.back_multiple,
    )
    scores = {f"back_{name}": value for name, value in curve.items()}
    back = candidate.back_sampled
    noisy = back(add_noise(images, _SIGMA, judge.seed))
    change = noisy.astype(float) - back(images)
    return scores | {
        "hidden": curve[f"noise_{_SIGMA}"] - curve["noise_0"],
        "changed": float(abs(change).mean()),
    }


MEASURE = Measure(
    name="sensitivity",
    compute=compute,
    needs=("back", "exact"),
    outputs=(
        Output(
            "hidden",
            ROUND_TRIP,
            "lower",
            "Increase of the error of the translation back, in levels (0 to "
            "255), if noise with a standard deviation of 2 levels is first "
            "added to the translation.",
            by_features=False,
            in_terminal=True,
        ),
        Output(
            "changed",
            ROUND_TRIP,
            "lower",
            "Mean difference, in levels (0 to 255), between two translations "
            "back: that of the translation, and that of the translation with "
            "added noise (standard deviation: 2 levels). Methods with styles "
            "translate back in a sampled style (AsymGAN, Figure 9).",
            by_features=False,
        ),
        Output(
            "back_*",
            SENSITIVITY,
            "lower",
            "Mean error of the translation back, in levels (0 to 255), if the "
            "translation is disturbed first. If the error jumps at noise of "
            "1 or 2 levels, or at rounding to 8 bits, the translation hides "
            "information about the input in invisible differences.",
            by_features=False,
        ),
    ),
)
