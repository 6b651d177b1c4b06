"""Computes EfficientNet-Lite0 feature maps of the faces in photos.

The network is frozen. Test faces are not augmented. Each training face has
VIEWS augmented views, which are shifted, rotated, scaled and recoloured; every
second view is mirrored. The background is the photo's own, a single colour or
another photo. The maps are written to cache/maps.npz.
"""

import csv
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import cv2
import numpy as np
import tensorflow as tf
import yardstick as y

from tf_i2i.features import load_features

VIEWS = int(os.environ.get("VIEWS", 6))
IN = int(os.environ.get("IN", 192))
JITTER = float(os.environ.get("JITTER", 0.05))  # Of colours.
TAPS = ("stage3", "stage5")


def view(image, mask, ground, rng, mirrored):
    """Returns an augmented view of a photo, uint8 `[IN, IN, 3]`."""
    side = image.shape[0]
    scale = rng.uniform(0.84, 1.06)
    turn = rng.uniform(-6, 6)
    m = cv2.getRotationMatrix2D((side / 2, side / 2), turn, 1 / scale)
    m[:, 2] += rng.uniform(-0.05, 0.05, 2) * side
    m = m * (IN / side)

    def warp(x):
        border = {"borderMode": cv2.BORDER_REFLECT}
        return cv2.warpAffine(x, m, (IN, IN), flags=cv2.INTER_AREA, **border)

    small = warp(cv2.GaussianBlur(image, (0, 0), 0.8)).astype(np.float32)
    how = rng.uniform()
    if how < 0.5:
        a = warp(mask)[..., None] / 255.0
        back = (
            np.array([243, 244, 247.0])
            if how < 0.15
            else rng.uniform(0, 255, 3)
            if how < 0.3
            else cv2.resize(ground, (IN, IN))
        )
        small = small * a + back * (1 - a)
    mean = small.mean()
    small = (
        (small - mean) * rng.uniform(1 - JITTER, 1 + JITTER)
        + mean
        + rng.uniform(-90, 90) * JITTER
    )
    grey = small.mean(-1, keepdims=True)
    small = grey + (small - grey) * rng.uniform(1 - JITTER, 1 + JITTER)
    small *= rng.uniform(1 - JITTER / 4, 1 + JITTER / 4, 3)
    if mirrored:
        small = small[:, ::-1]
    return np.clip(small, 0, 255).astype(np.uint8)


def thumbs(images):
    return np.stack(
        [cv2.resize(i, (16, 16), interpolation=cv2.INTER_AREA) for i in images]
    )


def main():
    look = load_features("efficientnet-lite0")

    @tf.function(autograph=False)
    def maps(images):
        taps = look(tf.cast(images, tf.float32) / 127.5 - 1.0)
        return [tf.cast(taps[t], tf.float16) for t in TAPS]

    def run(images):
        parts = [
            maps(tf.constant(images[i : i + 32]))
            for i in range(0, len(images), 32)
        ]
        return [
            np.concatenate([p[j].numpy() for p in parts])
            for j in range(len(TAPS))
        ]

    r = np.load(y.WORK / "cache" / "regions.npz")
    out = {}
    test, _ = y.load("face", "test", 256)
    small = np.stack(
        [
            cv2.resize(
                cv2.GaussianBlur(i, (0, 0), 0.8),
                (IN, IN),
                interpolation=cv2.INTER_AREA,
            )
            for i in test
        ]
    )
    for name, value in zip(TAPS, run(small), strict=True):
        out[f"test_{name}"] = value
    out["test_thumb"] = thumbs(small)
    images, files = y.load("face", "train", 256)
    # Left out: nobody seen, faces from the side, and hats by their labels.
    d = np.load(y.WORK / "cache" / "described.npz")
    hats = set()
    with open(y.DATA / "face_labels.csv", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["split"] == "train" and row["attribute"] == "Hats":
                hats.add(row["file"])
    keep = (r["train_seen"] > 0) & (np.abs(d["face_train_yaw"]) < 1.3)
    keep &= np.array([f not in hats for f in files])
    who = np.flatnonzero(keep)
    masks = r["train_masks"]
    print(len(who), "faces of", len(files), flush=True)
    rng = np.random.default_rng(0)
    kept = {t: [] for t in (*TAPS, "thumb")}
    for v in range(VIEWS):
        views = np.stack(
            [
                view(
                    images[i],
                    masks[i],
                    images[rng.integers(len(images))],
                    rng,
                    v % 2 == 1,
                )
                for i in who
            ]
        )
        if v == 0:
            y.grid(
                [list(views[k : k + 12]) for k in (0, 12, 24, 36)],
                y.WORK / "views.png",
                96,
                12,
            )
        for name, value in zip(TAPS, run(views), strict=True):
            kept[name].append(value)
        kept["thumb"].append(thumbs(views))
        print("view", v, flush=True)
    out |= {f"train_{t}": np.stack(x) for t, x in kept.items()}
    out["who"] = who
    np.savez(y.WORK / "cache" / "maps.npz", **out)


if __name__ == "__main__":
    main()
