"""Says how a translator treats different people, and whether it is steady.

    python whom.py MODEL_FOLDER

It prints how often hair, glasses and facial hair of the drawing are those that
an annotator saw (annotations_test.csv), by sex, age and skin; how much lighter
or darker the drawn skin is than the photographed skin; and how far the
drawings of two views of one photo are from each other, beside the drawings of
two people.
"""

import csv
import sys
from pathlib import Path

import cv2
import numpy as np
import tensorflow as tf
import yardstick as y

from tf_i2i import runs
from tf_i2i.features import load_features

HERE = Path(__file__).parent
SEEN_AS = {"stubble": "none", "gray": "grey"}


def draw(model, photos):
    """Returns the drawings of photos, uint8 `[N, S, S, 3]`."""
    translate = tf.function(lambda x: model.translate(x, "a_to_b"))
    made = [
        translate(photos[i : i + 28].astype(np.float32) / 127.5 - 1).numpy()
        for i in range(0, len(photos), 28)
    ]
    made = np.concatenate(made)
    return np.clip((made + 1) * 127.5 + 0.5, 0, 255).astype(np.uint8)


def annotations():
    """Returns rows of the annotations of test faces, by file name."""
    with open(HERE / "annotations_test.csv", newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


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
    pairs = (
        ("hair", "truth_hair"),
        ("glasses", "glasses"),
        ("facial_hair", "facial_hair"),
    )
    found = {}
    for i, name in enumerate(files):
        row = rows[name]
        for head, column in pairs:
            want = SEEN_AS.get(row[column], row[column])
            if head == "hair" and (row["hat"] == "yes" or not want):
                continue
            for group in groups(row):
                hits = found.setdefault(group, {}).setdefault(head, [])
                hits.append(read[head][i] == want)
    print("| who | hair | glasses | facial hair |\n| --- | --- | --- | --- |")
    for group, heads in found.items():
        cells = (
            f"{np.mean(heads[h]):.2f} ({len(heads[h])})" if h in heads else ""
            for h, _ in pairs
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
    """Returns pairs of views: names, and photos that were cut or exposed."""

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
        again = look.embed(y.resized(draw(model, others)))
        same = np.linalg.norm(first - again, axis=1)
        print(
            f"{name}: distance {same.mean() / strangers:.2f} of that between "
            f"strangers; the same drawing for {np.mean(same < 0.02 * strangers):.2f}"
        )


def main():
    model = runs.load_translator(Path(sys.argv[1])).model
    photos, files = y.load("face", "test", 256)
    made = draw(model, photos)
    net, names = y.reader()
    print_attributes(annotations(), files, y.read(net, names, made))
    cheeks, _ = y.photo_cheeks("test")
    print_shift(cheeks, made)
    print_steadiness(model, photos, made)


if __name__ == "__main__":
    main()
