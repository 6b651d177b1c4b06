"""Computes the codes of photos by rules.

A code has an option for each slot, and three colours. A person wrote `OPTIONS`
and `EYES_AND_BROWS` after looking at the options of the drawer s3 (`python
sprites.py options s3`).
"""

from typing import NamedTuple

import numpy as np
import pseudo as p
import sprites
import teach
import yardstick as y
from hair import all_points
from hair import load_aligned
from regions import lab

# For each slot, a dictionary from each kind to the numbers of the options that
# show this kind. Other options are not used.
OPTIONS = {
    "hair": {
        "bald": [14],
        "short": [0, 6, 9, 15, 16, 17, 21],
        "bob": [12],
        "long": [2, 4, 5, 8, 13],
        "curly": [1, 3, 7, 10],
    },
    "glasses": {"none": [0], "glasses": [3], "sunglasses": [1]},
    "beard": {"none": [0], "moustache": [2], "beard": [1, 3]},
    "mouth": {"open": [4], "smile": [7], "neutral": [3]},
    "clothes": {"dark": [2], "light": [3], "colourful": [6], "other": [5]},
}
# For each option of glasses, the options of eyes and of brows that are drawn
# with it. They do not depend on the photo otherwise.
EYES_AND_BROWS = {0: (5, 2), 1: (6, 1), 3: (5, 1)}
# Cells of an aligned map of hair (see `hair.aligned`) where the face is:
# outlines are not compared there.
FACE = (slice(12, 21), slice(10, 22))
OUTLINE = 32  # Side of an outline in cells.
# Value of the outlines of options that no avatar has. These outlines are so far
# from all others that the options are never chosen.
NO_OUTLINE = 9.0
# Shares of photos whose skin is darker than each tone of `pseudo.SKINS`.
SKIN_SHARES = [0, 0.3, 0.5, 0.75, 1]
# For each kind of hair, the share of its photos that count as clear. These are
# the photos with the largest difference between the two highest scores.
CLEAR_HAIR = 0.6
# Mouths are drawn open or smiling, and beards full, for photos that are above
# this share of the training photos in the measured openness, smile or darkness.
NOT_OPEN, NOT_SMILING, NOT_FULL = 0.72, 0.45, 0.5


class Codes(NamedTuple):
    """Codes of all photos; training photos come first.

    Attributes:
        options: dictionary from slots to options of the drawer, int `[N]`.
        tint: indices into `pseudo.HAIR_COLOURS`, `[N]`.
        tone: position of the skin's colour between `pseudo.SKINS`, `[N]`, 0 to
            4.
        clothes: colour of the clothes, RGB in 0 to 255, `[N, 3]`.
        clear: indices of the training photos whose kind of hair is clear.
        n: number of training photos.
    """

    options: dict
    tint: np.ndarray
    tone: np.ndarray
    clothes: np.ndarray
    clear: np.ndarray
    n: int


def kind_of(slot):
    """Returns a dictionary from the options of a slot to their kinds."""
    return {o: kind for kind, own in OPTIONS[slot].items() for o in own}


def outlines(drawer):
    """Returns the mean outline of each option of hair, `[options, 32, 32]`.

    Args:
        drawer: name of the run of sprites.py.
    """
    with np.load(y.WORK / "cache" / "parts.npz") as file:
        is_hair = np.isin(file["index"], sprites.HAIR_ENTRIES)
    shapes = sprites.shrunk(is_hair.astype(np.float32), OUTLINE)
    options = sprites.load_drawer(drawer)["slot_hair"]
    return np.stack(
        [
            shapes[options == c].mean(0)
            if (options == c).any()
            else np.full((OUTLINE, OUTLINE), NO_OUTLINE)
            for c in range(options.max() + 1)
        ]
    )


def hair_options(kinds, drawer):
    """Returns the option of hair with the nearest outline for each photo.

    Args:
        kinds: names of the kinds of hair, `[N]`. An option of this kind is
            chosen.
        drawer: name of the run of sprites.py.
    """
    known = outlines(drawer)
    seen = load_aligned()[..., 0]
    weights = np.ones((OUTLINE, OUTLINE))
    weights[FACE] = 0
    found = np.zeros(len(kinds), int)
    for i, kind in enumerate(kinds):
        options = np.array(OPTIONS["hair"][kind])
        away = np.abs((known[options] - seen[i]) * weights).mean((1, 2))
        found[i] = options[away.argmin()]
    return found


def first_options(slot, kinds):
    """Returns the first option of each kind, int `[N]`."""
    return np.array([OPTIONS[slot][kind][0] for kind in kinds])


def beard_options(facial_hair, darkness):
    """Returns options of beards, `[N]`; the full beard for a dark chin.

    Args:
        facial_hair: names of the kinds, `[N]`.
        darkness: share of photos with a lighter chin, `[N]`.
    """
    found = first_options("beard", facial_hair)
    for i, kind in enumerate(facial_hair):
        own = OPTIONS["beard"][kind]
        if len(own) > 1 and darkness[i] >= NOT_FULL:
            found[i] = own[1]
    return found


def mouths(openness, smiles, n):
    """Returns the kinds of mouths, `[N]`.

    Args:
        openness: distance of the lips, `[N]`.
        smiles: result of `smile`.
        n: number of training photos.
    """
    is_open = p.quantile(openness, n) > NOT_OPEN
    is_smiling = p.quantile(smiles, n) > NOT_SMILING
    return np.where(is_open, "open", np.where(is_smiling, "smile", "neutral"))


def smile(points):
    """Returns how far the corners of mouths are above their middle, `[N]`.

    The unit of the result is the width of the mouth.

    Args:
        points: landmarks `[N, 468, 2]`.
    """
    left, right = points[:, 61], points[:, 291]
    middle = (points[:, 13, 1] + points[:, 14, 1]) / 2
    width = np.linalg.norm(left - right, axis=1)
    return (middle - (left[:, 1] + right[:, 1]) / 2) / width


def clothes_kinds(rgb):
    """Returns kinds of clothes, `[N]`, by their colours, `[N, 3]`, alone.

    Photos of faces show little of the clothes.
    """
    light, a, b = lab(rgb).T
    chroma = np.hypot(a, b)
    kinds = np.full(len(rgb), "other", "U10")
    kinds[light < 32] = "dark"
    kinds[light > 62] = "light"
    kinds[chroma > 24] = "colourful"
    return kinds


def skin_tones(n):
    """Returns positions between the tones of `pseudo.SKINS`, `[N]`.

    Photos are ranked by the lightness of the cheeks. The ranks become tones so
    that tones are about as frequent as among the avatars.

    Args:
        n: number of training photos.
    """
    cheeks = [y.photo_cheeks(split)[0] for split in ("train", "test")]
    ranks = p.quantile(y.lightness(np.concatenate(cheeks)), n)
    return np.interp(ranks, SKIN_SHARES, range(len(SKIN_SHARES)))


def photo_codes(drawer):
    """Returns the `Codes` of all photos, from rules without labels.

    Args:
        drawer: name of the run of sprites.py.
    """
    f, n = p.photos()
    glasses, facial_hair = p.kinds(f, n)
    darkness = p.quantile(-f["chin_d"][:, 0], n)
    hair = teach.hair_scores(f, n)
    options = {
        "hair": hair_options(teach.hair_kinds(hair), drawer),
        "glasses": first_options("glasses", glasses),
        "beard": beard_options(facial_hair, darkness),
        "mouth": first_options(
            "mouth", mouths(f["mouth"], smile(all_points()), n)
        ),
        "clothes": first_options("clothes", clothes_kinds(f["clothes"])),
    }
    return Codes(
        options=options,
        tint=p.hair_colour(f),
        tone=skin_tones(n),
        clothes=f["clothes"],
        clear=teach.clear_cases(hair[:n], CLEAR_HAIR)[1],
        n=n,
    )
