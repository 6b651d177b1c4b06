"""Scores avatars by attributes, skin colour, style and copies.

A small network is trained to classify hair, hair colour, glasses and facial
hair from avatars and their labels *only*. It then classifies translations of
photos whose true attributes are known. No photo or translation is used to train
this network, and the network is not used to train translators.

    python yardstick.py baselines
    python yardstick.py score NAME IMAGES.npy   # uint8 [196, S, S, 3]

The environment variable TF_I2I_DATA names the folder that contains
`synthfaces`. FACES_WORK names the folder for everything that these scripts
write.
"""

import csv
import json
import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image

DATA = Path(os.environ.get("TF_I2I_DATA", "data")) / "synthfaces"
WORK = Path(os.environ.get("FACES_WORK", "runs/faces"))
for _folder in ("cache", "runs"):
    (WORK / _folder).mkdir(parents=True, exist_ok=True)
SIDE = 64
BATCH = 28  # A seventh of the test photos.
HEADS = ("hair", "hair_color", "glasses", "facial_hair")
# Boxes of avatars that show nothing but skin: rows and columns in shares of the
# side.
CHEEKS = (
    (0.47, 0.5, 0.35, 0.42),
    (0.47, 0.5, 0.58, 0.65),
    (0.41, 0.45, 0.48, 0.52),
)


def load(domain, split, side=SIDE):
    """Returns images, uint8 `[N, side, side, 3]`, and file names, in order."""
    cache = WORK / "cache" / f"{domain}_{split}_{side}.npz"
    if not cache.exists():
        files = sorted((DATA / domain / split).iterdir())
        images = [
            np.asarray(
                Image.open(f).convert("RGB").resize((side, side), Image.BOX)
            )
            for f in files
        ]
        np.savez(cache, x=np.stack(images), f=np.array([f.name for f in files]))
    kept = np.load(cache)
    return kept["x"], kept["f"]


def table(name, split):
    """Returns a dictionary from file names to rows of a CSV file."""
    with open(DATA / name, newline="", encoding="utf-8") as file:
        return {
            r["file"]: r for r in csv.DictReader(file) if r["split"] == split
        }


def annotations(split):
    """Returns an annotator's labels of photos.

    Returns:
        A dictionary from file names to rows of annotations_SPLIT.csv. All test
        photos and a sample of the training photos are annotated. In the rows,
        "grey" is spelled as in the labels of avatars, and stubble is "none",
        because avatars have no stubble.
    """
    path = Path(__file__).with_name(f"annotations_{split}.csv")
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if row["hair_color"] == "gray":
            row["hair_color"] = "grey"
        if row["facial_hair"] == "stubble":
            row["facial_hair"] = "none"
    return {row["file"]: row for row in rows}


def translated(model, photos):
    """Returns the avatars into which a translator turns photos.

    Args:
        model: the translator.
        photos: uint8 `[N, S, S, 3]`.

    Returns:
        uint8 `[N, S, S, 3]`.
    """
    import tensorflow as tf

    translate = tf.function(lambda x: model.translate(x, "a_to_b"))
    made = [
        translate(photos[i : i + BATCH].astype(np.float32) / 127.5 - 1).numpy()
        for i in range(0, len(photos), BATCH)
    ]
    made = (np.concatenate(made) + 1) * 127.5
    return np.clip(made + 0.5, 0, 255).astype(np.uint8)


def classes():
    rows = table("avatar_labels.csv", "train").values()
    return {h: sorted({r[h] for r in rows}) for h in HEADS}


def resized(images, side=SIDE):
    if images.shape[1] == side:
        return images
    how = Image.BOX if images.shape[1] > side else Image.BICUBIC
    return np.stack(
        [
            np.asarray(Image.fromarray(i).resize((side, side), how))
            for i in images
        ]
    )


def reader():
    """Returns the classifier and class names; trains it at the first use."""
    import keras
    import tensorflow as tf

    names = classes()
    x = inp = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1)(x)
    for c, s in ((24, 2), (48, 2), (64, 1), (96, 2), (128, 2)):
        x = keras.layers.Conv2D(c, 3, s, "same", use_bias=False)(x)
        x = keras.layers.BatchNormalization(momentum=0.9)(x)
        x = keras.layers.ReLU()(x)
    x = keras.layers.Dropout(0.3)(keras.layers.Flatten()(x))
    x = keras.layers.Dense(128, "relu")(x)
    outs = {h: keras.layers.Dense(len(names[h]), name=h)(x) for h in HEADS}
    net = keras.Model(inp, outs)
    path = WORK / "cache" / "reader.weights.h5"
    if path.exists():
        net.load_weights(path)
        return net, names

    images, files = load("avatar", "train")
    labels = table("avatar_labels.csv", "train")
    y = {
        h: np.array([names[h].index(labels[f][h]) for f in files])
        for h in HEADS
    }

    def view(image, label):
        """Randomly blurs, mirrors, shifts and recolours an image.

        Translations may differ from avatars in the same ways.
        """
        image = tf.cast(image, tf.float32)
        side = tf.random.uniform((), 20, SIDE + 30, tf.int32)
        side = tf.minimum(side, SIDE)
        image = tf.image.resize(image, [side, side], antialias=True)
        image = tf.image.resize(image, [SIDE, SIDE], "bicubic")
        image = tf.image.random_flip_left_right(image)
        image = tf.pad(image, [[4, 4], [4, 4], [0, 0]], "SYMMETRIC")
        image = tf.image.random_crop(image, [SIDE, SIDE, 3])
        image *= tf.random.uniform((1, 1, 3), 0.94, 1.06)
        image += tf.random.normal((SIDE, SIDE, 3)) * tf.random.uniform((), 0, 8)
        return tf.clip_by_value(image, 0, 255), label

    data = tf.data.Dataset.from_tensor_slices((images, y)).shuffle(2400, seed=0)
    data = data.map(view, 2).batch(48).prefetch(2)
    net.compile(
        keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(2e-3, 24 * 50)
        ),
        {h: keras.losses.SparseCategoricalCrossentropy(True) for h in HEADS},
    )
    net.fit(data, epochs=24, verbose=0)
    net.save_weights(path)
    return net, names


def read(net, names, images):
    """Returns a dictionary from attributes to names of predicted classes."""
    out = net.predict(resized(images).astype(np.float32), 128, verbose=0)
    return {h: np.array(names[h])[out[h].argmax(1)] for h in HEADS}


def lightness(rgb):
    return rgb @ np.array([0.299, 0.587, 0.114])


def photo_cheeks(split="test"):
    """Returns cheek colours of photos `[N, 3]`, and which faces were seen."""
    r = np.load(WORK / "cache" / "regions.npz")
    images, _ = load("face", split, 256)
    found = []
    for image, points in zip(images, r[f"{split}_points"], strict=True):
        eyes = np.linalg.norm(points[33] - points[263])
        patch = []
        for i in (50, 280):
            x, y = np.clip(points[i], 0, 255).astype(int)
            n = max(int(eyes * 0.07), 1)
            patch.append(
                image[max(y - n, 0) : y + n, max(x - n, 0) : x + n].reshape(
                    -1, 3
                )
            )
        found.append(np.median(np.concatenate(patch), 0))
    return np.stack(found), r[f"{split}_seen"] > 0


def avatar_cheeks(images):
    side = images.shape[1]
    found = []
    for box in CHEEKS:
        y0, y1, x0, x1 = (round(v * side) for v in box)
        part = images[:, y0:y1, x0:x1]
        found.append(part.reshape(len(images), -1, 3))
    return np.median(np.concatenate(found, 1), 1)


def score(images, split="test", photos=False):
    """Returns all scores of translations of a split's faces, in their order."""
    from scipy.stats import spearmanr

    from tf_i2i.features import load_features
    from tf_i2i.metrics.copying import copying_scores
    from tf_i2i.metrics.probes import linear_probe
    from tf_i2i.metrics.probes import share_called_b

    net, names = reader()
    _, files = load("face", split)
    truth = table("face_truth.csv", split)
    got = read(net, names, images)
    out = {}
    for h in HEADS:
        at = [i for i, f in enumerate(files) if f in truth and truth[f][h]]
        want = np.array([truth[files[i]][h] for i in at])
        out[h] = float(np.mean(got[h][at] == want))
        per = [np.mean(got[h][at][want == w] == w) for w in np.unique(want)]
        out[h + "_bal"] = float(np.mean(per))
        out[h + "_n"] = len(at)
        if h in ("glasses", "facial_hair"):
            rest = [i for i in range(len(files)) if i not in set(at)]
            out[h + "_elsewhere"] = float(np.mean(got[h][rest] != "none"))
    cheeks, seen = photo_cheeks(split)
    mine = cheeks if photos else avatar_cheeks(images)
    out["skin"] = float(
        spearmanr(lightness(cheeks)[seen], lightness(mine)[seen])[0]
    )
    look = load_features("random-conv")

    def vectors(x):
        return look.embed(resized(x))

    b, _ = load("avatar", "train")
    real, _ = load("avatar", "test")
    cache = WORK / "cache" / "style_vectors.npy"
    if not cache.exists():
        a, _ = load("face", "train")
        np.save(cache, np.concatenate([vectors(a[:300]), vectors(b[:300])]))
    probe = linear_probe(np.load(cache), np.repeat([0, 1], 300))
    out["style"] = share_called_b(probe, vectors(images))

    def flat(x):
        return resized(x, 32).reshape(len(x), -1).astype(np.float32) / 255

    c = copying_scores(flat(images), flat(b), flat(real))
    out["copy"] = c["copy_rate"]
    out["to_train"] = c["to_train"]
    out["real_to_train"] = c["real"]
    return out


COLUMNS = (
    *("hair", "hair_bal", "hair_color", "hair_color_bal", "glasses"),
    *("glasses_elsewhere", "facial_hair", "facial_hair_bal"),
    *("facial_hair_elsewhere", "skin", "style", "copy", "to_train"),
)


def show(name, scores):
    cells = " | ".join(f"{scores[c]:.2f}" for c in COLUMNS)
    print(f"| {name} | {cells} |", flush=True)
    with open(WORK / "scores.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps({"name": name, **scores}) + "\n")


def grid(rows, path, side=96, count=8):
    """Writes rows of uint8 images as one image file."""
    sheet = Image.new("RGB", (count * side, len(rows) * side))
    for j, row in enumerate(rows):
        for i in range(count):
            how = Image.LANCZOS if row[i].shape[0] > side else Image.NEAREST
            cell = Image.fromarray(row[i]).resize((side, side), how)
            sheet.paste(cell, (i * side, j * side))
    sheet.save(path, quality=88, optimize=True)


def pairs_of(photos, made, path):
    """Writes eight photos and their avatars, at 256 px, in two double rows."""
    rows = [photos[:4], made[:4], photos[4:8], made[4:8]]
    grid(rows, path, 256, 4)


def main():
    what = sys.argv[1]
    if what == "baselines":
        net, names = reader()
        x, files = load("avatar", "test")
        labels = table("avatar_labels.csv", "test")
        for side in (64, 32):
            got = read(net, names, resized(resized(x, side), 64))
            accuracy = {
                h: np.mean(got[h] == np.array([labels[f][h] for f in files]))
                for h in HEADS
            }
            print("test avatars at", side, accuracy)
        photos, _ = load("face", "test")
        train, _ = load("avatar", "train")
        rng = np.random.default_rng(0)
        print(
            "| | " + " | ".join(COLUMNS) + " |\n|" + "---|" * (len(COLUMNS) + 1)
        )
        runs = [score(x[rng.permutation(400)[:196]]) for _ in range(3)]
        show(
            "random test avatar, mean of 3",
            {k: np.mean([r[k] for r in runs]) for k in runs[0]},
        )
        a, b = (
            resized(v, 8).reshape(len(v), -1).astype(float)
            for v in (photos, train)
        )
        near = ((a[:, None] - b[None]) ** 2).sum(-1).argmin(1)
        show("nearest avatar in colour, 8 x 8", score(train[near]))
        show("the photo itself", score(photos, photos=True))
    else:
        show(sys.argv[2], score(np.load(sys.argv[3])))


if __name__ == "__main__":
    main()
