"""Checks of settings by the annotations of their parameters.

The type and the range of a setting are stated once, in the annotation of the
parameter:

    @checked
    def adam(learning_rate: Positive, beta_1: Decay = 0.5): ...

The checks are needed because .gin files contain literals of any type. For
example, the text 'False' counts as true in Python.
"""

import dataclasses
import functools
import inspect
import math
import numbers
import types
import typing
from collections.abc import Callable
from typing import Annotated

from tf_i2i.errors import UserError

# The largest number that float32 can hold. Networks compute in float32.
_LARGEST = 3.4028235e38


@dataclasses.dataclass(frozen=True)
class Range:
    """Range of a number, as part of an annotation.

    Attributes:
        low, high: smallest and largest allowed number.
        above: whether the number must be larger than `low`.
        below: whether the number must be smaller than `high`.
    """

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    below: bool = False

    def allows(self, value):
        """Returns whether a number is in the range."""
        low = value > self.low if self.above else value >= self.low
        high = value < self.high if self.below else value <= self.high
        return low and high

    def __str__(self):
        low = f"{'above' if self.above else 'of at least'} {self.low}"
        high = f"{'below' if self.below else 'at most'} {self.high}"
        return low if self.high == math.inf else f"{low} and {high}"


@dataclasses.dataclass(frozen=True)
class OneOf:
    """Allowed values, as part of an annotation."""

    values: tuple

    def allows(self, value):
        """Returns whether a value is one of the allowed ones."""
        return value in self.values

    def __str__(self):
        return f"one of {', '.join(map(str, self.values))}"


Count = Annotated[int, Range(1)]
CountOrZero = Annotated[int, Range(0)]
# The generators of random numbers take no larger seeds.
Seed = Annotated[int, Range(0, 2**31 - 1)]
Weight = Annotated[float, Range(0)]
Positive = Annotated[float, Range(0, above=True)]
Share = Annotated[float, Range(0, 1)]
Decay = Annotated[float, Range(0, 1, below=True)]


def checked(function, owner=None):
    """Decorator that checks the arguments of each call by the annotations.

    Error messages call the argument of a function `function.argument`, and the
    argument of a class `Class.argument`. Parameters without annotation are not
    checked.

    Args:
        function: function, or `__init__` of a class.
        owner: name in .gin files; None for the name of the function or class.

    Returns:
        The function, which raises a `UserError` for an argument that has
        another type or is outside of its range.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError:
            # Python's own message about missing or unknown arguments is better.
            return function(*args, **kwargs)
        is_class = function.__name__ == "__init__"
        name = type(args[0]).__name__ if is_class else function.__name__
        check_values(function, given, owner or name)
        return function(*args, **kwargs)

    # Some libraries read the parameters of the wrapper, and not the parameters
    # of the function in it.
    wrapper.__signature__ = signature  # type: ignore[attr-defined]
    return wrapper


def check_values(annotated, values, owner):
    """Raises an error for a value that does not fit its annotation.

    Args:
        annotated: function or class with the annotations.
        values: dictionary from names to values. Values whose names have no
            annotation are not checked.
        owner: name of the function or class in .gin files.

    Raises:
        UserError: a value has another type or is outside of its range.
    """
    hints = _hints_of(annotated)
    for name, value in values.items():
        if name in hints and not _fits(value, hints[name]):
            raise UserError(
                f"`{owner}.{name}` must be {_describe(hints[name])}. "
                f"Received: {value!r}"
            )


@functools.cache
def _hints_of(annotated):
    return typing.get_type_hints(annotated, include_extras=True)


def _fits(value, hint):
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        kind, *rules = arguments
        return _fits(value, kind) and all(rule.allows(value) for rule in rules)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, one) for one in arguments)
    if origin is tuple:
        # gin reads both (1, 2) and [1, 2].
        if not isinstance(value, (tuple, list)):
            return False
        if arguments[-1] is Ellipsis:
            return all(_fits(one, arguments[0]) for one in value)
        return len(value) == len(arguments) and all(
            map(_fits, value, arguments)
        )
    if origin is dict:
        return isinstance(value, dict) and all(
            _fits(key, arguments[0]) and _fits(one, arguments[1])
            for key, one in value.items()
        )
    if hint in (int, float):
        return _is_number(value, hint)
    if hint is Callable:
        return _is_reference(value)
    return isinstance(value, hint)


def _is_number(value, kind):
    """Returns whether a value is a number of type `kind`.

    Whole numbers also count as float. True and False are not numbers.
    """
    wanted = numbers.Integral if kind is int else numbers.Real
    return (
        isinstance(value, wanted)
        and not isinstance(value, bool)
        and abs(float(value)) <= _LARGEST
    )


def _is_reference(value):
    """Returns whether a value is a function or class, not the result of one."""
    return isinstance(value, (type, functools.partial)) or inspect.isroutine(
        value
    )


_WORDS = {
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    str: "a text",
    type(None): "None",
    Callable: "a function or class (in a .gin file @NAME, without parentheses)",
}


def _describe(hint):
    """Returns what an annotation allows, in words for an error message."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        kind, *rules = arguments
        if any(isinstance(rule, OneOf) for rule in rules):
            return str(rules[0])
        return " ".join([_describe(kind), *map(str, rules)])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(map(_describe, arguments))
    if origin is tuple:
        parts = "a tuple" if arguments[-1] is Ellipsis else "a pair"
        return f"{parts}, each part {_describe(arguments[0])}"
    if origin is dict:
        key, one = map(_describe, arguments)
        return f"a dictionary from {key} to {one}"
    return _WORDS.get(hint) or (
        f"made by {hint.__name__} (in a .gin file @{hint.__name__}(), with "
        "parentheses)"
    )
