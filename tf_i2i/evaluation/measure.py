"""The classes that describe a measure and its numbers.

Each file of `tf_i2i/evaluation/measures/` defines one `Measure` with the name
`MEASURE`. There is no other list of measures: tables, reports, recipes and
docs/measures.md are made from these objects.
"""

import dataclasses
import fnmatch
from collections.abc import Callable
from typing import Literal

# Headings of the report, in the order of its tables. If a measure has a heading
# that is not in `GROUPS`, this heading comes after all others.
SUMMARY = "Summary"
STYLE = "Do the outputs look like the target domain?"
PATCHES = "Sliced Wasserstein distance of image patches"
CONTENT = "Does each output belong to its input?"
LABELS = "Are the attributes of the inputs kept?"
COPYING = "Are outputs copies of training images?"
PAIRED = "Difference from the ground-truth images"
MAPS = "Label maps as outputs, each pixel classified by its nearest colour"
SEEN = "Photos translated from label maps, segmented by a trained probe"
ROUND_TRIP = "Translation to the other domain and back"
STYLES = "Outputs of one input with several styles"
CODES = "Codes of the translator's shared encoder"
CLASSES = "The translator's own classifier"
ALARMS = "Signs of a failed training"
SENSITIVITY = "Error of the translation back after a disturbance"
GROUPS = (
    *(SUMMARY, STYLE, PATCHES, CONTENT, LABELS, COPYING, PAIRED, MAPS, SEEN),
    *(ROUND_TRIP, STYLES, CODES, CLASSES, ALARMS, SENSITIVITY),
)


@dataclasses.dataclass(frozen=True)
class Output:
    """Describes a number that a measure computes, or several such numbers.

    Attributes:
        name: name of the number in tables. A pattern such as `swd_*` stands
            for all names that match it.
        group: heading of the report's table that contains the number; one of
            `GROUPS`, or a new heading.
        better: "higher" or "lower", whichever is better, or "" if neither is.
        text: sentences that explain the number in the report.
        by_features: whether the number depends on the feature network. Such
            numbers are comparable only if the network is the same.
        in_terminal: whether `evaluate` prints the number on the terminal. The
            report shows all numbers.
    """

    name: str
    group: str
    better: Literal["higher", "lower", ""]
    text: str
    by_features: bool = True
    in_terminal: bool = False

    def matches(self, name):
        """Returns whether this object describes the number called `name`."""
        return fnmatch.fnmatchcase(name, self.name)


@dataclasses.dataclass(frozen=True)
class Measure:
    """A group of numbers that are computed together.

    Attributes:
        name: name of the measure in recipes and in methods.
        outputs: an `Output` for each number, in the order of the tables.
        compute: function of a `Judge` and a `Candidate` that returns a
            dictionary from names of scores to floats.
        needs: names of the fields of `Candidate` and `Evidence` that the
            measure needs. If one of them is None, False or empty, the measure
            gives no numbers. `Translations` computes only those fields of a
            candidate that a measure of the recipe needs.
        combine: function of a `Judge`, the scores of one row and the table of
            all rows' scores, which returns a dictionary of further numbers of
            the row. The function is not called for the row "floor".
        quick: whether the recipe "quick" includes the measure.
        automatic: whether every recipe includes the measure, provided that
            the evidence has the fields that it needs.
        by_name: whether the recipe "full" leaves the measure out, so that it
            is computed only if its name is given.
        settings: class of the settings of the measure, or None. In .gin files
            the class has the name of the measure. `registry.settings_of`
            returns the settings.
    """

    name: str
    outputs: tuple[Output, ...]
    compute: Callable | None = None
    needs: tuple[str, ...] = ()
    combine: Callable | None = None
    quick: bool = False
    automatic: bool = False
    by_name: bool = False
    settings: Callable | None = None


def has_field(name, *holders):
    """Returns whether a field has a value that is not None, False or empty.

    Args:
        name: name of the field.
        *holders: objects that may have the field. The value of the first object
            that has the field is used.

    Raises:
        AttributeError: none of the objects has such a field.
    """
    holder = next((h for h in holders if hasattr(h, name)), holders[-1])
    value = getattr(holder, name)
    if isinstance(value, (bool, dict)):
        return bool(value)
    return value is not None
