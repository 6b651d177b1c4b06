"""Three signs of a failed training; see `metrics.checks`."""

from tf_i2i.evaluation.measure import ALARMS
from tf_i2i.evaluation.measure import Measure
from tf_i2i.evaluation.measure import Output
from tf_i2i.metrics.checks import COLLAPSED_BELOW
from tf_i2i.metrics.checks import IDENTITY_BELOW
from tf_i2i.metrics.checks import INVERTED_BELOW
from tf_i2i.metrics.checks import collapsed
from tf_i2i.metrics.checks import identity
from tf_i2i.metrics.checks import inverted


def compute(judge, candidate):
    """Returns the outputs' diversity, change and luminance correlation."""
    pair = candidate.outputs, judge.evidence.inputs
    return {
        "spread": collapsed(*pair),
        "change": identity(*pair),
        "light": inverted(*pair),
    }


MEASURE = Measure(
    name="checks",
    compute=compute,
    needs=("aligned",),
    quick=True,
    outputs=(
        Output(
            "spread",
            ALARMS,
            "",
            "Diversity of the outputs, divided by the diversity of the "
            f"inputs. If the quotient is below {COLLAPSED_BELOW}, the "
            "translator has collapsed.",
            by_features=False,
        ),
        Output(
            "change",
            ALARMS,
            "",
            "Mean absolute change of the pixel values, in levels (0 to 255). "
            f"If the change is below {IDENTITY_BELOW:g}, the translator "
            "copies its input.",
            by_features=False,
        ),
        Output(
            "light",
            ALARMS,
            "",
            "Correlation of the outputs' luminance with that of the inputs. "
            f"If the correlation is below {INVERTED_BELOW}, light and dark "
            "are exchanged.",
            by_features=False,
        ),
    ),
)
