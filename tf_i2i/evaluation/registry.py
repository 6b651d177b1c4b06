"""The registry of all measures, which are found by scanning a folder."""

import functools
import importlib
import pkgutil
from collections.abc import Callable

from tf_i2i.errors import UserError
from tf_i2i.evaluation import measures as folder
from tf_i2i.evaluation.measure import GROUPS
from tf_i2i.evaluation.measure import Output
from tf_i2i.evaluation.measure import has_field

# `UNKNOWN` is the description of numbers that no measure describes.
UNKNOWN = Output("*", "Others", "", "")
# Functions that make the settings of measures, by the name of the measure.
# These functions are used in place of `Measure.settings`. `configuration` adds
# the functions, which apply the settings of .gin files.
SETTINGS: dict[str, Callable] = {}


@functools.cache
def all_measures():
    """Returns a dictionary from names of measures to `Measure` objects.

    There is one measure for each file of `evaluation/measures/`.
    """
    modules = [
        importlib.import_module(f"{folder.__name__}.{file.name}")
        for file in pkgutil.iter_modules(folder.__path__)
    ]
    return {module.MEASURE.name: module.MEASURE for module in modules}


def find_measures(names):
    """Returns the measures with the given names, in this order, each once.

    Args:
        names: names of measures.

    Returns:
        List of `Measure`.

    Raises:
        UserError: one of the names is not the name of a measure.
    """
    known = all_measures()
    for name in names:
        if name not in known:
            raise UserError(
                f"`measures` must be some of {', '.join(known)}. "
                f"Received: {name!r}"
            )
    return [known[name] for name in dict.fromkeys(names)]


def needs_of(names):
    """Returns the names of the data fields that the given measures need.

    The fields belong to `Candidate` and `Evidence`; see `Measure.needs`.

    Args:
        names: names of measures.
    """
    return {need for measure in find_measures(names) for need in measure.needs}


def settings_of(measure):
    """Returns the settings of a measure, an object of `Measure.settings`.

    Args:
        measure: `Measure` that has settings.

    Raises:
        UserError: a value in a .gin file is not allowed.
    """
    return SETTINGS.get(measure.name, measure.settings)()


def find_recipe(name, argument="recipe"):
    """Returns the names of the measures of a recipe.

    Args:
        name: names, separated by commas. Each is "quick", "full" (all measures
            except those with `by_name`), the name of a method (all measures in
            the method's attribute `measures`), or the name of a measure.
        argument: name of the argument in the error message.

    Returns:
        Tuple of names of measures, each once.

    Raises:
        UserError: there is no such recipe.
    """
    found: list[str] = []
    for part in name.split(","):
        found += _measures_of(part.strip(), argument)
    return tuple(dict.fromkeys(found))


def _measures_of(name, argument):
    """Returns the names of measures for one name of a recipe."""
    known = all_measures()
    if name == "full":
        return [n for n, measure in known.items() if not measure.by_name]
    if name == "quick":
        return [n for n, measure in known.items() if measure.quick]
    if name in known:
        return [name]
    from tf_i2i.methods.registry import methods

    if name not in methods():
        names = ", ".join(("quick", "full", *methods(), *known))
        raise UserError(
            f"`{argument}` must be one of {names}, or several of them with "
            f"commas between. Received: {name!r}"
        )
    return methods()[name].measures


def add_automatic(names, evidence):
    """Returns `names`, and after them the automatic measures.

    An automatic measure is added if it can be computed from `evidence`.

    Args:
        names: names of measures.
        evidence: `Evidence`.

    Returns:
        Tuple of names.
    """
    added = [
        measure.name
        for measure in all_measures().values()
        if measure.automatic
        and all(
            has_field(need, evidence)
            for need in measure.needs
            if hasattr(evidence, need)
        )
    ]
    return tuple(dict.fromkeys((*names, *added)))


def all_outputs():
    """Returns the `Output` objects of all measures, in order of the tables."""
    outputs = [
        output
        for measure in all_measures().values()
        for output in measure.outputs
    ]
    groups = [*dict.fromkeys((*GROUPS, *(o.group for o in outputs)))]
    return sorted(outputs, key=lambda output: groups.index(output.group))


def measure_of(output):
    """Returns the `Measure` to which an `Output` belongs."""
    return next(m for m in all_measures().values() if output in m.outputs)


def explain(name):
    """Returns the `Output` that describes a number, or `UNKNOWN`.

    Args:
        name: name of the number.
    """
    found = [output for output in all_outputs() if output.matches(name)]
    # An `Output` with exactly this name has priority over patterns, and a long
    # pattern has priority over a short one.
    return max(
        found, key=lambda o: (o.name == name, len(o.name)), default=UNKNOWN
    )


def in_order(names):
    """Returns names of scores in the order of the tables, each once."""
    places = {output: place for place, output in enumerate(all_outputs())}
    return sorted(
        dict.fromkeys(names), key=lambda n: places.get(explain(n), len(places))
    )


def terminal_columns(names):
    """Returns the names of the numbers that the terminal shows, in order.

    Args:
        names: names of scores.
    """
    return [name for name in in_order(names) if explain(name).in_terminal]


def lower_is_better(name):
    """Returns whether a lower score is better.

    Args:
        name: name of the number.
    """
    return explain(name).better == "lower"


def full_name(name, features):
    """Returns the full name of a number, which contains its feature network.

    Two numbers are comparable if their full names are equal. For example, the
    full name of `fd` is `fd[random-conv-0/native/1a2b3c4d]`. If a number does
    not depend on the feature network, its full name is its name.

    Args:
        name: name of the number.
        features: label of the feature network.
    """
    return f"{name}[{features}]" if explain(name).by_features else name
