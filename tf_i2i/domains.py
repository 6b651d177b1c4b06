"""Names of the two domains and of the two directions of translation."""

import re

from tf_i2i.errors import UserError

DOMAINS = ("a", "b")
DIRECTIONS = ("a_to_b", "b_to_a")
_NAME = re.compile(r"[^\W_]+(?:[-_][^\W_]+)*")


def check_names(names):
    """Returns the user's names of the two domains as a tuple, checked.

    The names appear in logs and file names, and `--direction` accepts them.
    In the code the domains are always called "a" and "b".

    Args:
        names: user's names of the domains, a pair of strings.

    Raises:
        UserError: the names are not two different words that are allowed in
            a file name.
    """
    given = tuple(names) if isinstance(names, (tuple, list)) else (names,)
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
    """Returns a text with the user's names in place of "a" and "b".

    Args:
        text: name of a domain or of a direction, or a text in which such a
            name follows an underscore and ends at a slash or at the end of
            the text, as in "gan_a" and "validation_a_to_b/score".
        names: pair of the user's names of the domains.
    """
    given = dict(zip(DOMAINS, names, strict=True))
    return re.sub(
        r"(?<![^/_])[ab](?:_to_[ab])?(?=/|$)",
        lambda found: "_to_".join(given[d] for d in found[0].split("_to_")),
        text,
    )


def ends(direction):
    """Returns the source and the target domain of a direction."""
    source, target = direction.split("_to_")
    return source, target


def reverse(direction):
    """Returns the opposite direction: "b_to_a" for "a_to_b"."""
    source, target = ends(direction)
    return f"{target}_to_{source}"


def other_domain(domain):
    """Returns the other domain: "b" for "a", and "a" for "b"."""
    return DOMAINS[1 - DOMAINS.index(domain)]


def find_direction(text, names=DOMAINS):
    """Returns the direction that a user's text means, "a_to_b" or "b_to_a".

    Args:
        text: "a_to_b" or "b_to_a", or the same with the user's names.
        names: pair of the user's names of the domains.

    Raises:
        UserError: the text is no direction; the message lists all
            directions.
    """
    known = {named(direction, names): direction for direction in DIRECTIONS}
    known |= {direction: direction for direction in DIRECTIONS}
    if text in known:
        return known[text]
    raise UserError(
        f"`--direction` must be one of {', '.join(known)}. Received: {text}"
    )
