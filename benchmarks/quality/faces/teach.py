"""Reads the kind of hair from photos without labels, and checks all readings.

Rules about the place (hair.py) and the texture (texture.py) of the hair give
each kind a probability. A linear classifier learns the clearest cases of all
kinds. Rules and classifier together then decide, so that each kind has its
share of the photos.

    python teach.py   # prints how often rules and an annotator agree
"""

import numpy as np
import pseudo as p
import yardstick as y
from pseudo import z
from sklearn.linear_model import LogisticRegression
from texture import load_texture

# Share of photos with each kind of hair, approximately as in
# annotations_train.csv.
SHARES = {"bald": 0.05, "short": 0.53, "bob": 0.15, "long": 0.14, "curly": 0.13}
KINDS = tuple(SHARES)
# The rounds of self-training, and the share of each kind's photos, those with
# the clearest scores, from which the classifier learns.
ROUNDS, CLEAR = 3, 0.7
# Colours that annotators do not tell apart.
ANNOTATED_AS = {"dark_brown": "brown", "auburn": "brown"}
# Annotations that say nothing about the attribute.
UNKNOWN = ("", "unknown", "other")


def chance(score, share, sharpness, n):
    """Returns the probability of an attribute that a share of photos has.

    Args:
        score: scores of a rule, `[N]`.
        share: share of the photos that have the attribute. A photo whose rank
            is at this share has the probability .5.
        sharpness: how fast the probability changes with the logit of the rank.
        n: number of training photos, which determine the ranks.
    """
    rank = (p.quantile(score, n) * n + 0.5) / (n + 1)
    above = np.log(rank / (1 - rank)) - np.log((1 - share) / share)
    return 1 / (1 + np.exp(-sharpness * above))


def by_rules(q, n):
    """Returns the logarithms of the probabilities of `KINDS`, `[N, 5]`.

    Args:
        q: dictionary of z-scores (see `hair.geometry` and `texture.measured`).
        n: number of training photos.
    """
    bald = -(2 * q["covered_brow"] + 0.5 * q["covered_top"])
    bald -= 0.5 * (q["area_brow"] + q["area"])
    curly = -(q["parallel_all_0.8"] + q["parallel_all_2.0"]) + q["width_cheek"]
    curly += 0.5 * (q["energy_top_0.8"] + q["head_width"] + q["area"])
    falls = 2 * q["ears"] + q["jaw"] + q["area_cheek"]
    falls += 0.5 * (q["neck"] + q["vertical_side_2.0"] + q["parallel_all_0.8"])
    long = q["area_neck"] + q["area_chest"] + q["area_jaw"]
    long = z(long + 0.5 * (q["vertical_side_2.0"] + q["deep"]))

    is_bald = chance(bald, 0.05, 2, n)
    is_curly = chance(curly, 0.15, 1.5, n)
    hangs = chance(falls, 0.36, 1.5, n)
    # Half of the hair that hangs is long.
    middle = np.median(long[:n][p.quantile(falls, n)[:n] > 0.6])
    is_long = 1 / (1 + np.exp(-2 * (long - middle)))
    straight = (1 - is_bald) * (1 - is_curly)
    chances = {
        "bald": is_bald,
        "short": straight * (1 - hangs),
        "bob": straight * hangs * (1 - is_long),
        "long": straight * hangs * is_long,
        "curly": (1 - is_bald) * is_curly,
    }
    return np.log(np.stack([chances[k] for k in KINDS], 1) + 1e-6)


def offsets(scores):
    """Returns what to add to scores so that `SHARES` of them are the highest.

    Args:
        scores: `[N, 5]`, in the order of `KINDS`.

    Returns:
        `[5]`.
    """
    wanted = np.array([SHARES[k] for k in KINDS])
    found = np.zeros(len(KINDS))
    for _ in range(300):
        highest = (scores + found).argmax(1)
        shares = np.bincount(highest, minlength=len(KINDS)) / len(scores)
        found += 0.3 * np.log((wanted + 0.01) / (shares + 0.01))
    return found


def clear_cases(scores, share):
    """Returns kinds of photos, `[N]`, and the indices of the clear ones.

    Args:
        scores: `[N, 5]`, in the order of `KINDS`.
        share: share of the photos of each kind that are clear. These are the
            photos with the largest distances between the two highest scores.
    """
    kinds = scores.argmax(1)
    ordered = np.sort(scores, 1)
    margin = ordered[:, -1] - ordered[:, -2]
    clear = []
    for kind in range(len(KINDS)):
        own = np.flatnonzero(kinds == kind)
        count = max(int(share * len(own)), 12)
        clear.append(own[margin[own].argsort()[::-1][:count]])
    return kinds, np.concatenate(clear)


def unit(scores):
    """Returns centred scores `[N, 5]` with a standard deviation of 1."""
    scores = scores - scores.mean(1, keepdims=True)
    return scores / scores.std()


def hair_scores(f, n):
    """Returns the scores of `KINDS` for all photos, `[N, 5]`.

    The highest score decides. `SHARES` of the training photos have each kind.

    Args:
        f, n: results of `pseudo.photos`.
    """
    with np.load(y.WORK / "cache" / "geometry.npz") as file:
        numbers = {k: file[k] for k in file.files if k != "n"}
    numbers |= load_texture()
    numbers |= {"head_width": f["width"], "head_height": f["height"]}
    q = {k: z(v) for k, v in numbers.items()}
    rules = by_rules(q, n)
    measured = 0.6 * np.stack(list(q.values()), 1)
    features = np.concatenate([p.deep(n)["head"], measured], 1)
    scores = rules
    for _ in range(ROUNDS):
        kinds, clear = clear_cases(scores[:n] + offsets(scores[:n]), CLEAR)
        model = LogisticRegression(C=0.01, max_iter=200)
        model.fit(features[clear], kinds[clear])
        scores = model.decision_function(features)
    scores = unit(scores) + unit(rules)
    return scores + offsets(scores[:n])


def hair_kinds(scores):
    """Returns the names in `KINDS` of the highest scores, `[N]`."""
    return np.array(KINDS)[scores.argmax(1)]


def report(hair, glasses, facial_hair, colour, n):
    """Prints how often readings agree with the annotator, and all confusions.

    Args:
        hair, glasses, facial_hair, colour: names that were read, `[N]` each,
            training photos first. People with hats are left out.
        n: number of training photos.
    """
    read = (
        ("hair", "truth_hair", hair),
        ("glasses", "glasses", glasses),
        ("facial hair", "facial_hair", facial_hair),
        ("colour", "hair_color", colour),
    )
    for split, first in (("train", 0), ("test", n)):
        rows = y.annotations(split)
        _, files = y.load("face", split, 256)
        at = [
            i
            for i, file in enumerate(files)
            if file in rows and rows[file]["hat"] != "yes"
        ]
        for name, column, got in read:
            pairs = [(rows[files[i]][column], got[first + i]) for i in at]
            # "none" is an answer, except for the colour of hair.
            no_answer = (*UNKNOWN, "none") if name == "colour" else UNKNOWN
            pairs = [
                (want, ANNOTATED_AS.get(str(g), str(g)))
                for want, g in pairs
                if want not in no_answer
            ]
            print(split, name, agreement(pairs), flush=True)


def agreement(pairs):
    """Returns a line about pairs of (annotated, read) names.

    The line has the number of pairs, the share that agrees, the mean of this
    share over the annotated names ("balanced"), and all confusions.
    """
    confusions = {}
    for want, got in sorted(pairs):
        row = confusions.setdefault(want, {})
        row[got] = row.get(got, 0) + 1
    accuracy = np.mean([want == got for want, got in pairs])
    shares = [r.get(w, 0) / sum(r.values()) for w, r in confusions.items()]
    return (
        f"{len(pairs)} accuracy {accuracy:.2f} "
        f"balanced {np.mean(shares):.2f} {confusions}"
    )


def main():
    f, n = p.photos()
    glasses, facial_hair = p.kinds(f, n)
    colour = p.HAIR_NAMES[p.hair_colour(f)]
    report(hair_kinds(hair_scores(f, n)), glasses, facial_hair, colour, n)


if __name__ == "__main__":
    main()
