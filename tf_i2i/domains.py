"""Names of the two domains, and of the ways between them."""

import re

from tf_i2i.errors import UserError

DOMAINS = ("a", "b")
DIRECTIONS = ("a_to_b", "b_to_a")
_NAME = re.compile(r"[^\W_]+(?:[-_][^\W_]+)*")


def check_names(names):
    """The names that a user gives the two domains, as a tuple.

    They are for people: in logs, file names and `--direction`. Inside, the
    domains are "a" and "b".

    Raises:
        UserError: not two different words that a file may be called by.
    """
    given = (names,) if isinstance(names, str) else tuple(names)
    words = [n for n in given if isinstance(n, str) and _NAME.fullmatch(n)]
    different = {word.casefold() for word in words}
    swapped = given != DOMAINS and different & {*DOMAINS}
    if not len(given) == len(words) == len(different) == 2 or swapped:
        raise UserError(
            "`train.domains` must be two different names of letters, digits, "
            f"- and _, such as ('selfie', 'anime'). Received: {names!r}"
        )
    return given


def named(text, names):
    """A text in which domains and directions carry the user's names.

    Args:
        text: the name of a domain, of a direction, or what ends in one after
            an underscore, up to a slash: "gan_a", "validation_a_to_b/score".
        names: pair of names.
    """
    given = dict(zip(DOMAINS, names, strict=True))
    return re.sub(
        r"(?<![^/_])[ab](?:_to_[ab])?(?=/|$)",
        lambda found: "_to_".join(given[d] for d in found[0].split("_to_")),
        text,
    )


def find_direction(text, names=DOMAINS):
    """The direction that a user means: "a_to_b" or "b_to_a".

    Args:
        text: one of them, or with the names in place of a and b.
        names: pair of names.

    Raises:
        UserError: it is neither; lists what is known.
    """
    known = {named(direction, names): direction for direction in DIRECTIONS}
    known |= {direction: direction for direction in DIRECTIONS}
    if text in known:
        return known[text]
    raise UserError(
        f"`--direction` must be one of {', '.join(known)}. Received: {text}"
    )
