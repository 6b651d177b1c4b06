"""What a measure is: how it is computed, and how its numbers are explained.

Each file of `tf_i2i/evaluation/measures/` holds one `Measure` by the name
`MEASURE`. Nothing else lists the measures: tables, reports, recipes and
docs/measures.md read these objects.
"""

import dataclasses
import fnmatch
from collections.abc import Callable
from typing import Literal

# Headings of the report, in the order of its tables. Headings of other
# measures come after these.
SUMMARY = "Summary"
STYLE = "Do the outputs look like the target domain?"
PATCHES = "Sliced Wasserstein distance of image patches"
CONTENT = "Does each output belong to its input?"
LABELS = "Are the attributes of the inputs kept?"
COPYING = "Are outputs copies of training images?"
PAIRED = "Difference to the hidden partners"
MAPS = "Label maps, read by the nearest colour"
SEEN = "Photos made of label maps, read by a segmenter"
ROUND_TRIP = "Translation to the other domain and back"
STYLES = "Outputs of one input under several styles"
CODES = "Codes of the translator's shared encoder"
CLASSES = "The translator's own classifier"
ALARMS = "Signs of a failed training"
SENSITIVITY = "Way back from disturbed translations"
GROUPS = (
    *(SUMMARY, STYLE, PATCHES, CONTENT, LABELS, COPYING, PAIRED, MAPS, SEEN),
    *(ROUND_TRIP, STYLES, CODES, CLASSES, ALARMS, SENSITIVITY),
)


@dataclasses.dataclass(frozen=True)
class Output:
    """One number that a measure gives, or a family of them.

    Attributes:
        name: the number's name in tables. A pattern such as `swd_*` stands
            for all names that match it.
        group: heading of the report's table that the number is in: one of
            `GROUPS`, or a new one.
        better: whether "higher" or "lower" numbers are better; "" for
            neither.
        text: sentences that explain the number in the report.
        by_features: whether it depends on the feature network. Two such
            numbers are comparable only if the network was the same.
        in_terminal: whether `evaluate` prints it on the terminal; the report
            shows all numbers.
    """

    name: str
    group: str
    better: Literal["higher", "lower", ""]
    text: str
    by_features: bool = True
    in_terminal: bool = False

    def matches(self, name):
        """Whether a number of this name is meant."""
        return fnmatch.fnmatchcase(name, self.name)


@dataclasses.dataclass(frozen=True)
class Measure:
    """A group of numbers that are computed together.

    Attributes:
        name: by which recipes and methods ask for it.
        outputs: an `Output` for each number, in the order of the tables.
        compute: function (judge, candidate) -> dictionary, name of a number
            -> float. See `Judge` and `Candidate`.
        needs: names of fields of `Candidate` and `Evidence`, without which
            the measure gives no numbers. A field is missing where it is
            None, False or empty. `Translations` makes the fields of the
            candidate that any measure of a recipe needs.
        combine: function (judge, scores, table) -> dictionary of more
            numbers of one row, made of the row's other scores and of those
            of all rows. It is not called for the row "floor".
        quick: whether the recipe "quick" has it.
        automatic: whether every evaluation takes it, whatever its recipe,
            if the evidence has what the measure needs.
    """

    name: str
    outputs: tuple[Output, ...]
    compute: Callable | None = None
    needs: tuple[str, ...] = ()
    combine: Callable | None = None
    quick: bool = False
    automatic: bool = False


def has_field(name, *holders):
    """Whether the first object with a field of this name has a value in it.

    Raises:
        AttributeError: none of the objects has such a field.
    """
    holder = next((h for h in holders if hasattr(h, name)), holders[-1])
    value = getattr(holder, name)
    if isinstance(value, (bool, dict)):
        return bool(value)
    return value is not None
