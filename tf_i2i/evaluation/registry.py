"""All measures, found by scanning a folder, and what follows from them."""

import functools
import importlib
import pkgutil

from tf_i2i.errors import UserError
from tf_i2i.evaluation import measures as folder
from tf_i2i.evaluation.measure import GROUPS
from tf_i2i.evaluation.measure import Output
from tf_i2i.evaluation.measure import has_field

# For numbers that no measure explains.
UNKNOWN = Output("*", "Others", "", "")


@functools.cache
def all_measures():
    """The measures by name, one for each file of `evaluation/measures/`."""
    modules = [
        importlib.import_module(f"{folder.__name__}.{file.name}")
        for file in pkgutil.iter_modules(folder.__path__)
    ]
    return {module.MEASURE.name: module.MEASURE for module in modules}


def find_measures(names):
    """The `Measure` objects of these names, each once, in this order.

    Raises:
        UserError: there is no measure of one of the names.
    """
    known = all_measures()
    for name in names:
        if name not in known:
            raise UserError(
                f"`measures` must be of {', '.join(known)}. Received: {name!r}"
            )
    return [known[name] for name in dict.fromkeys(names)]


def needs_of(names):
    """All fields that measures of these names need, as a set."""
    return {need for measure in find_measures(names) for need in measure.needs}


def find_recipe(name, argument="recipe"):
    """The names of the measures of a recipe.

    Args:
        name: "quick", "full" (all measures), or the name of a method, whose
            attribute `measures` has them.
        argument: what an error calls the name.

    Raises:
        UserError: there is no such recipe.
    """
    known = all_measures().values()
    if name == "full":
        return tuple(measure.name for measure in known)
    if name == "quick":
        return tuple(measure.name for measure in known if measure.quick)
    from tf_i2i.methods.registry import methods

    if name not in methods():
        names = ", ".join(("quick", "full", *methods()))
        raise UserError(
            f"`{argument}` must be one of {names}. Received: {name!r}"
        )
    return methods()[name].measures


def add_automatic(names, evidence):
    """Adds the automatic measures for which the evidence has the fields.

    Args:
        names: of measures.
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
    """The `Output` objects of all measures, in the order of the tables."""
    outputs = [
        output
        for measure in all_measures().values()
        for output in measure.outputs
    ]
    groups = [*dict.fromkeys((*GROUPS, *(o.group for o in outputs)))]
    return sorted(outputs, key=lambda output: groups.index(output.group))


def measure_of(output):
    """The `Measure` that an `Output` is of."""
    return next(m for m in all_measures().values() if output in m.outputs)


def explain(name):
    """The `Output` that explains a number, `UNKNOWN` where there is none."""
    found = [output for output in all_outputs() if output.matches(name)]
    # A name in full goes before a pattern, a long pattern before a short one.
    return max(
        found, key=lambda o: (o.name == name, len(o.name)), default=UNKNOWN
    )


def in_order(names):
    """Names of numbers without repetition, in the order of the tables."""
    places = {output: place for place, output in enumerate(all_outputs())}
    return sorted(
        dict.fromkeys(names), key=lambda n: places.get(explain(n), len(places))
    )


def terminal_columns(names):
    """Those of some numbers' names that the terminal shows, in order."""
    return [name for name in in_order(names) if explain(name).in_terminal]


def lower_is_better(name):
    """Whether a smaller number of this name is a better one."""
    return explain(name).better == "lower"


def full_name(name, features):
    """A number's name with what must agree for two to be comparable.

    `fd` becomes `fd[random-conv-0/native/1a2b3c4d]`. Names of numbers that
    depend on no feature network stay as they are.

    Args:
        name: of a number.
        features: label of the feature network.
    """
    return f"{name}[{features}]" if explain(name).by_features else name
