"""Feature maps, colours and segments of augmented views of the photos.

The views are what the heads are trained on (see heads.py).
"""

import csv

import cv2
import numpy as np
import tensorflow as tf
import yardstick as y
from hair import PAINTS
from hair import SIDE
from hair import STEP
from hair import load_segments
from hair import shrunk

from tf_i2i.features import load_features
from tf_i2i.networks.sprites import CELLS
from tf_i2i.networks.sprites import READ

VIEWS = 6  # Number of views of a training photo. The first is the photo.
JITTER = 0.08  # Largest change of contrast and saturation, as a share.
# Faces that are turned further than this are left out: logarithm of the ratio
# of the distances from the nose to both ears.
MOST_YAW = 1.3
CHEEKS = (50, 280)  # Landmarks on the left and the right cheek.
NEAR_WHITE = np.array([243, 244, 247.0])


def placement(rng):
    """Returns a random matrix `[2, 3]` that scales, turns and shifts a photo.

    The photo is made 6 % smaller to 19 % larger, turned by up to 6 degrees,
    and shifted by up to 5 % of its side.
    """
    scale = rng.uniform(0.84, 1.06)
    turn = rng.uniform(-6, 6)
    centre = (SIDE / 2, SIDE / 2)
    matrix = cv2.getRotationMatrix2D(centre, turn, 1 / scale)
    matrix[:, 2] += rng.uniform(-0.05, 0.05, 2) * SIDE
    return matrix


def warped(image, matrix, **options):
    """Returns an image mapped by a matrix `[2, 3]`, with mirrored edges.

    Args:
        image: `[H, W, ...]`.
        matrix: affine map in pixels of the image.
        options: further arguments of `cv2.warpAffine`.
    """
    side = image.shape[:2]
    border = cv2.BORDER_REFLECT
    return cv2.warpAffine(image, matrix, side, borderMode=border, **options)


def view(image, mask, other, matrix, rng):
    """Returns an augmented view of a photo, uint8 `[S, S, 3]`.

    Half of the views get another background: a light one, one of any colour,
    or another photo.

    Args:
        image: uint8 `[S, S, 3]`.
        mask: person mask, uint8 `[S, S]`, 255 where the person is certain.
        other: the photo that may become the background, uint8 `[S, S, 3]`.
        matrix: result of `placement`.
        rng: NumPy generator.
    """
    soft = cv2.GaussianBlur(image, (0, 0), 0.8)
    seen = warped(soft, matrix, flags=cv2.INTER_AREA).astype(np.float32)
    how = rng.uniform()
    if how < 0.5:
        person = warped(mask, matrix, flags=cv2.INTER_AREA)[..., None] / 255.0
        behind = other
        if how < 0.15:
            behind = NEAR_WHITE
        elif how < 0.3:
            behind = rng.uniform(0, 255, 3)
        seen = seen * person + behind * (1 - person)
    return recoloured(seen, rng)


def recoloured(image, rng):
    """Returns an image with a random contrast, brightness and colour, uint8."""
    mean = image.mean()
    contrast = rng.uniform(1 - JITTER, 1 + JITTER)
    image = (image - mean) * contrast + mean + rng.uniform(-90, 90) * JITTER
    grey = image.mean(-1, keepdims=True)
    image = grey + (image - grey) * rng.uniform(1 - JITTER, 1 + JITTER)
    image *= rng.uniform(1 - JITTER / 4, 1 + JITTER / 4, 3)
    return np.clip(image, 0, 255).astype(np.uint8)


def usable(files):
    """Returns the indices of the training photos that heads learn from.

    Photos without a found face, faces from the side and hats are left out. The
    hats are those of `face_labels.csv`, which is read for nothing else.

    Args:
        files: names of the training photos.
    """
    with np.load(y.WORK / "cache" / "regions.npz") as file:
        seen = file["train_seen"] > 0
    with np.load(y.WORK / "cache" / "described.npz") as file:
        frontal = np.abs(file["face_train_yaw"]) < MOST_YAW
    with open(y.DATA / "face_labels.csv", newline="", encoding="utf-8") as file:
        hats = {
            row["file"]
            for row in csv.DictReader(file)
            if row["split"] == "train" and row["attribute"] == "Hats"
        }
    bare = np.array([name not in hats for name in files])
    return np.flatnonzero(seen & frontal & bare)


def views_of(photos, masks, segments, points, who, k, rng):
    """Returns the k-th views of photos, and the segments of the views.

    Views with an odd k are mirrored.

    Args:
        photos: all training photos, uint8 `[N, S, S, 3]`. Any of them may
            become the background.
        masks: person masks, uint8 `[N, S, S]`.
        segments: shares of the parts, float32 `[N, 64, 64, 4]`.
        points: landmarks `[N, 468, 2]` in pixels.
        who: indices of the photos to view, `[K]`.
        k: number of the view. Views 0 are the photos themselves.
        rng: NumPy generator.

    Returns:
        uint8 `[K, S, S, 3]`, a list of K arrays `[64, 64, 4]`, and the places
        of the cheeks in the views, `[K, 4]` (see `places`).
    """
    images, parts, cheeks = [], [], []
    for i in who:
        # View 0 does not use this photo. It is sampled all the same, so that
        # the random numbers are those with which earlier heads were made.
        other = photos[rng.integers(len(photos))]
        image, part, cheek = photos[i], segments[i], points[i][list(CHEEKS)]
        if k > 0:
            matrix = placement(rng)
            image = view(image, masks[i], other, matrix, rng)
            cheek = cheek @ matrix[:, :2].T + matrix[:, 2]
            matrix[:, 2] /= STEP
            part = warped(part, matrix)
        if k % 2 == 1:
            image, part = image[:, ::-1], part[:, ::-1]
            cheek = cheek[::-1] * (-1, 1) + (SIDE, 0)
        images.append(image)
        parts.append(part)
        cheeks.append(places(cheek))
    return np.stack(images), parts, np.stack(cheeks)


def places(cheeks):
    """Returns places as `SpriteReader` predicts them, `[..., 4]`.

    Args:
        cheeks: left and right cheek in pixels, `[..., 2, 2]`.

    Returns:
        x of the left and of the right cheek, then y of both, in [-1, 1].
    """
    cheeks = np.swapaxes(cheeks, -1, -2) * (2 / SIDE) - 1
    return cheeks.reshape(*cheeks.shape[:-2], 4)


def described(images, parts, maps):
    """Returns what heads read of images.

    Args:
        images: uint8 `[N, S, S, 3]`.
        parts: shares of the parts, N arrays `[64, 64, 4]`.
        maps: function that returns feature maps of images.

    Returns:
        A dictionary:
        - `s3`: float16 `[N, 24, 24, 40]`, feature maps of stage 3.
        - `s5`: float16 `[N, 12, 12, 112]`, feature maps of stage 5.
        - `fine`: uint8 `[N, 48, 48, 3]`, mean colours of small cells.
        - `rgb`: uint8 `[N, 24, 24, 3]`, mean colours of larger cells.
        - `seg`: float16 `[N, 24, 24, 4]`, shares of the parts.
    """
    found = [maps(images[i : i + 32]) for i in range(0, len(images), 32)]
    large, small = zip(*found, strict=True)
    how = cv2.INTER_AREA
    twice = (2 * CELLS, 2 * CELLS)
    fine = np.stack([cv2.resize(i, twice, interpolation=how) for i in images])
    return {
        "s3": np.concatenate(large).astype(np.float16),
        "s5": np.concatenate(small).astype(np.float16),
        "fine": fine,
        "rgb": pooled(fine, CELLS).astype(np.uint8),
        "seg": np.stack([shrunk(v, CELLS) for v in parts]).astype(np.float16),
    }


def pooled(x, count):
    """Returns means of the cells of maps.

    Args:
        x: `[N, H, H, C]`.
        count: number of cells on a side, a divisor of H.

    Returns:
        float32 `[N, count, count, C]`.
    """
    side = x.shape[1] // count
    cells = x.astype(np.float32).reshape(len(x), count, side, count, side, -1)
    return cells.mean((2, 4))


def write_views():
    """Writes cache/views.npz, and a sheet of views and their segments.

    The arrays are those of `described`, after a first axis of views: one of
    test photos (`test_s3`, ...), and `VIEWS` of training photos (`train_s3`,
    ...), with the places of the cheeks (`train_cheeks`). `who` are the indices
    of the training photos. `other` are those of training photos of which only
    the places of the cheeks and the colours are learned, because the faces are
    seen from the side or wear hats. They have one view (`other_s3`, ...).
    """
    look = load_features("efficientnet-lite0")

    @tf.function(autograph=False)
    def maps(x):
        x = tf.image.resize(tf.cast(x, tf.float32), [READ, READ])
        taps = look(x / 127.5 - 1)
        return taps["stage3"], taps["stage5"]

    segments, n = load_segments()
    photos, files = y.load("face", "train", SIDE)
    test_photos, _ = y.load("face", "test", SIDE)
    with np.load(y.WORK / "cache" / "regions.npz") as file:
        masks, points = file["train_masks"], file["train_points"]
        seen = np.flatnonzero(file["train_seen"] > 0)
    who = usable(files)
    print(len(who), "faces of", len(files), flush=True)
    rng = np.random.default_rng(0)
    test = described(test_photos, segments[n:], maps)
    beside = np.setdiff1d(seen, who)
    other = described(photos[beside], segments[beside], maps)
    other["cheeks"] = places(points[beside][:, list(CHEEKS)])
    out = {"who": who, "other": beside}
    for split, found in (("test", test), ("other", other)):
        out |= {f"{split}_{k}": v[None] for k, v in found.items()}
    kept = []
    for k in range(VIEWS):
        images, parts, cheeks = views_of(
            photos, masks, segments, points, who, k, rng
        )
        kept.append(described(images, parts, maps) | {"cheeks": cheeks})
        print("view", k, flush=True)
    show_views(images, parts)
    for name in kept[0]:
        out[f"train_{name}"] = np.stack([v[name] for v in kept])
    np.savez(y.WORK / "cache" / "views.npz", **out)


def show_views(images, parts):
    """Writes views.png: twelve views, and their segments below them."""
    painted = [
        cv2.resize((v @ PAINTS).astype(np.uint8), (SIDE, SIDE))
        for v in parts[:12]
    ]
    y.grid([list(images[:12]), painted], y.WORK / "views.png", 100, 12)
