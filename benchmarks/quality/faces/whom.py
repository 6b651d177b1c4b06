"""Measures a translator for groups of people, and for changed photos.

    python whom.py MODEL_FOLDER

It prints how often hair, glasses and facial hair of the drawing are those that
an annotator saw (annotations_test.csv), by sex, age and skin; how much lighter
or darker the drawn skin is than the photographed skin; and the distance between
the drawings of two views of one photo, compared with the distance between the
drawings of two people. It also writes failures.jpg: the eight photos whose
drawings differ most from what the annotator saw, and their drawings.
"""

import sys
from pathlib import Path

import cv2
import numpy as np
import yardstick as y

from tf_i2i import runs
from tf_i2i.features import load_features

# Drawings count as the same if their distance is below this share of the
# distance between drawings of different people.
ALIKE = 0.02
# Attributes of the drawing, and the columns of annotations_test.csv.
PAIRS = (
    ("hair", "truth_hair"),
    ("glasses", "glasses"),
    ("facial_hair", "facial_hair"),
)
# Colours of hair of the drawings that the annotator calls brown.
BROWN = ("dark_brown", "auburn")
# Colours of the annotator that no drawing has.
UNKNOWN = ("", "unknown", "none", "other")


def groups(row):
    """Returns the groups that a face belongs to."""
    skin = {"1": "light", "2": "light", "3": "medium", "4": "medium"}
    return (
        "all",
        {"f": "women", "m": "men"}.get(row["sex"], "sex unclear"),
        row["age"],
        f"{skin.get(row['skin'], 'dark')} skin",
    )


def print_attributes(rows, files, read):
    """Prints how often each attribute of the drawing is the annotator's."""
    found = {}
    for i, name in enumerate(files):
        row = rows[name]
        for head, column in PAIRS:
            want = row[column]
            if head == "hair" and (row["hat"] == "yes" or not want):
                continue
            for group in groups(row):
                hits = found.setdefault(group, {}).setdefault(head, [])
                hits.append(read[head][i] == want)
    print("| who | hair | glasses | facial hair |\n| --- | --- | --- | --- |")
    for group, heads in found.items():
        cells = (
            f"{np.mean(heads[h]):.2f} ({len(heads[h])})" if h in heads else ""
            for h, _ in PAIRS
        )
        print(f"| {group} | {' | '.join(cells)} |")


def print_shift(photos_cheeks, made):
    """Prints by how many levels drawn skin is lighter than the photo's."""
    light = y.lightness(photos_cheeks)
    shift = y.lightness(y.avatar_cheeks(made)) - light
    cuts = np.quantile(light, (1 / 3, 2 / 3))
    thirds = np.digitize(light, cuts)
    for third, name in enumerate(("darkest", "middle", "lightest")):
        mine = shift[thirds == third]
        print(f"{name} third: mean shift {mine.mean():+.0f} of 255 levels")


def views(photos):
    """Returns a dictionary from the names of changes to changed photos."""

    def cut(image, dx, dy, scale):
        side = image.shape[0]
        m = np.float32([[1 / scale, 0, dx * side], [0, 1 / scale, dy * side]])
        m[:, 2] += side * (1 - 1 / scale) / 2
        border = {"borderMode": cv2.BORDER_REFLECT}
        return cv2.warpAffine(image, m, (side, side), **border)

    crops = np.stack([cut(x, 0.02, -0.02, 0.95) for x in photos])
    lighter = np.clip(photos * 1.2, 0, 255).astype(np.uint8)
    return {"another crop": crops, "20 % lighter": lighter}


def print_steadiness(model, photos, made):
    """Prints distances between drawings of one person and of strangers."""
    look = load_features("random-conv")
    first = look.embed(y.resized(made))
    strangers = np.linalg.norm(first - np.roll(first, 1, 0), axis=1).mean()
    for name, others in views(photos).items():
        again = look.embed(y.resized(y.translated(model, others)))
        same = np.linalg.norm(first - again, axis=1)
        alike = np.mean(same < ALIKE * strangers)
        print(
            f"{name}: distance {same.mean() / strangers:.2f} of that between "
            f"strangers; the same drawing for {alike:.2f}"
        )


def mistakes(row, read, i):
    """Returns in how many attributes drawing `i` differs from the annotator.

    A hat counts as one, because no drawing has a hat.
    """
    found = row["hat"] == "yes"
    for head, column in PAIRS:
        want = row[column]
        found += want != "" and read[head][i] != want
    colour = read["hair_color"][i]
    drawn = "brown" if colour in BROWN else colour
    return found + (row["hair_color"] not in (*UNKNOWN, drawn))


def write_failures(rows, files, read, photos, made):
    """Writes failures.jpg."""
    counts = [mistakes(rows[f], read, i) for i, f in enumerate(files)]
    worst = sorted(np.argsort(-np.array(counts), kind="stable")[:8])
    y.pairs_of(photos[worst], made[worst], y.WORK / "failures.jpg")


def main():
    model = runs.load_translator(Path(sys.argv[1])).model
    photos, files = y.load("face", "test", 256)
    made = y.translated(model, photos)
    net, names = y.reader()
    rows, read = y.annotations("test"), y.read(net, names, made)
    print_attributes(rows, files, read)
    write_failures(rows, files, read, photos, made)
    cheeks, _ = y.photo_cheeks("test")
    print_shift(cheeks, made)
    print_steadiness(model, photos, made)


if __name__ == "__main__":
    main()
