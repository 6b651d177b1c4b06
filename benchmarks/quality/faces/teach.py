"""Reads the kind of hair from photos without labels, and checks all readings.

Rules about the segmented hair (hair.py) find the clearest cases of each kind.
Linear classifiers learn these cases and rank all photos (see pseudo.py).

    python teach.py   # prints how often rules and an annotator agree
"""

import numpy as np
import pseudo as p
import yardstick as y
from pseudo import z
from sklearn.decomposition import PCA

# Share of photos with each kind of hair, approximately as in
# annotations_train.csv. All others have short hair.
SHARES = {"bald": 0.05, "curly": 0.13, "long": 0.14, "bob": 0.15}
# Colours that annotators do not tell apart.
ANNOTATED_AS = {"dark_brown": "brown", "auburn": "brown"}
# Annotations that say nothing about the attribute.
UNKNOWN = ("", "unknown", "other")


def load_aligned():
    """Returns hair, skin and clothes of all photos, `[N, 32, 32, 3]`."""
    with np.load(y.WORK / "cache" / "aligned.npz") as file:
        return file["a"].astype(np.float32)


def components(maps, n, count=60):
    """Returns principal components `[N, count]` of maps `[N, H, W, C]`.

    They are fitted on the first n maps, and scaled to a standard deviation of
    1 over all numbers.
    """
    flat = maps.reshape(len(maps), -1)
    found = PCA(count, random_state=0).fit(flat[:n]).transform(flat)
    return found / found.std()


def hair_kinds(f, n):
    """Returns the kinds of hair of all photos.

    Args:
        f, n: results of `pseudo.photos`.

    Returns:
        `[N]`: "bald", "short", "bob", "long" or "curly".
    """
    with np.load(y.WORK / "cache" / "geometry.npz") as file:
        q = {k: z(file[k]) for k in file.files if k != "n"}
    head = p.deep(n)["head"]
    shape = 1.5 * components(load_aligned()[..., :2], n)
    measured = np.stack(list(q.values()), 1) * 0.6
    everything = np.concatenate([head, shape, measured], 1)

    bald = -(q["band"] + q["top"] + q["area"]) + q["inface"]
    bald = z(p.taught(bald, everything, n, 0.04, 0.6)) + 0.5 * z(bald)
    afro = z(f["width"]) + 0.5 * z(f["height"])
    afro = z(afro) + z(p.taught(afro, head, n, 0.04, 0.7))
    curly = q["wide"] + q["tex"] + 0.5 * q["height"] + 0.5 * q["top"]
    curly = z(curly) + z(afro)
    falls = 2 * q["ears"] + q["jaw"] + 0.5 * q["neck"]
    falls = z(p.taught(falls, head, n, 0.2, 0.5)) + 0.7 * z(falls)
    long = q["neck"] + 0.5 * q["deep"] + 0.5 * q["jaw"]

    every = np.ones(len(bald), bool)
    is_bald = p.top(bald, SHARES["bald"], every, n)
    is_curly = p.top(curly, SHARES["curly"], ~is_bald, n)
    share = SHARES["long"] + SHARES["bob"]
    hangs = p.top(falls, share, ~is_bald & ~is_curly, n)
    kind = np.full(len(bald), "short", "U8")
    kind[is_bald] = "bald"
    kind[is_curly] = "curly"
    kind[hangs] = "bob"
    kind[p.top(long, SHARES["long"], hangs, n)] = "long"
    return kind


def report(hair, glasses, facial_hair, colour, n):
    """Prints how often readings agree with the annotator, and which do not.

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
    report(hair_kinds(f, n), glasses, facial_hair, colour, n)


if __name__ == "__main__":
    main()
