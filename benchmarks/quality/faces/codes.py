"""Computes the codes of photos by rules.

A code has an option for each slot, and three colours. The tables `OPTIONS` and
`EYES_AND_BROWS` were written by hand, from the drawings of all options of the
drawer s3 (`python sprites.py options s3`).
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

# For each slot, a dictionary from kinds (such as "long" hair) to the indices of
# the options that show this kind. Options that are not in the table are not
# used.
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
# with it. Eyes and brows depend on nothing else.
EYES_AND_BROWS = {0: (5, 2), 1: (6, 1), 3: (5, 1)}
# The cells of an aligned map of hair (see `hair.aligned`) in which the face is.
# In these cells, outlines are not compared.
FACE = (slice(12, 21), slice(10, 22))
OUTLINE = 32  # Side of an outline in cells.
# Value of the outlines of options that no avatar has. These outlines are so far
# from all others that the options are never chosen.
NO_OUTLINE = 9.0
# For each tone of `pseudo.SKINS`, the share of photos whose skin is darker.
SKIN_SHARES = [0, 0.3, 0.5, 0.75, 1]
# For each kind of hair, the share of its photos that count as clear. These are
# the photos with the largest difference between the two highest scores.
CLEAR_HAIR = 0.6
# A mouth is drawn open, or smiling, and a beard is drawn full, if the measured
# openness, smile, or darkness of the chin is larger than in this share of the
# training photos.
NOT_OPEN, NOT_SMILING, NOT_FULL = 0.72, 0.45, 0.5


class Codes(NamedTuple):
    """Codes of all photos; training photos come first.

    Attributes:
        options: dictionary from slots to options of the drawer, int `[N]`.
        tint: indices into `pseudo.HAIR_COLOURS`, `[N]`.
        tone: position of the colour of the skin in `pseudo.SKINS`, a number
            from 0 to 4 that may lie between two tones, `[N]`.
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
    """Returns the mean mask of each option of hair, `[options, 32, 32]`.

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
        kinds: name of the kind of hair of each photo, `[N]`. Only options of
            this kind are compared.
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
    """Returns for each name of a kind its first option in a slot, int `[N]`."""
    return np.array([OPTIONS[slot][kind][0] for kind in kinds])


def beard_options(facial_hair, darkness):
    """Returns the option of the slot "beard" for each photo, `[N]`.

    People with a beard and a dark chin get the full beard.

    Args:
        facial_hair: name of the kind of facial hair of each photo, `[N]`.
        darkness: share of the photos whose chin is lighter than that of the
            photo, `[N]`.
    """
    found = first_options("beard", facial_hair)
    for i, kind in enumerate(facial_hair):
        own = OPTIONS["beard"][kind]
        if len(own) > 1 and darkness[i] >= NOT_FULL:
            found[i] = own[1]
    return found


def mouths(openness, smiles, n):
    """Returns the kind of mouth of each photo, `[N]`.

    Args:
        openness: distance between the lips, `[N]`.
        smiles: result of `smile`.
        n: number of training photos.
    """
    is_open = p.quantile(openness, n) > NOT_OPEN
    is_smiling = p.quantile(smiles, n) > NOT_SMILING
    return np.where(is_open, "open", np.where(is_smiling, "smile", "neutral"))


def smile(points):
    """Returns how far the corners of mouths are above the middle, `[N]`.

    The distances are in widths of the mouth.

    Args:
        points: landmarks `[N, 468, 2]`.
    """
    left, right = points[:, 61], points[:, 291]
    middle = (points[:, 13, 1] + points[:, 14, 1]) / 2
    width = np.linalg.norm(left - right, axis=1)
    return (middle - (left[:, 1] + right[:, 1]) / 2) / width


def clothes_kinds(rgb):
    """Returns the kind of clothes of each photo, `[N]`, by the colour alone.

    Photos of faces show little of the clothes.

    Args:
        rgb: mean colours of clothes, `[N, 3]`, 0 to 255.
    """
    light, a, b = lab(rgb).T
    chroma = np.hypot(a, b)
    kinds = np.full(len(rgb), "other", "U10")
    kinds[light < 32] = "dark"
    kinds[light > 62] = "light"
    kinds[chroma > 24] = "colourful"
    return kinds


def skin_tones(n):
    """Returns the position of each photo's skin in `pseudo.SKINS`, `[N]`.

    Photos are ranked by the lightness of the cheeks. The ranks are mapped to
    tones in such a way that each tone is about as frequent as among avatars.

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
