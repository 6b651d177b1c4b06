"""Segments hair, skin and clothes of photos, and measures the hair.

Rules about the person mask, the landmarks and colours label the pixels whose
class is clear. A small network, whose inputs are colours and frozen feature
maps, learns these labels from all photos together. Therefore the mistakes of a
rule on one photo have little effect. No label of the data set is read.

    python hair.py segments   # writes cache/segments.npz and segments.png
    python hair.py shapes     # writes cache/geometry.npz and cache/aligned.npz

Both commands need regions.npz (see regions.py).
"""

import sys

import cv2
import keras
import numpy as np
import tensorflow as tf
import yardstick as y
from regions import OVAL
from regions import TEMPLATE
from regions import anchors
from regions import patch
from skimage.color import rgb2lab

from tf_i2i.features import load_features
from tf_i2i.networks.sprites import PARTS
from tf_i2i.networks.sprites import READ

SIDE, CELLS = 256, 64  # Sides of a photo in pixels, and of a map in cells.
STEP = SIDE // CELLS
ALIGNED = 32  # Side of the aligned maps in cells.
GROUND, HAIR, SKIN, CLOTHES = range(len(PARTS))
UNCLEAR = 255
TAPS = ("stage2", "stage3", "stage5")
# The least share of a cell's pixels that the rules must give to one class.
CLEAR_SHARE = 0.7
# Weights of L, a and b in distances between colours. L has the lowest weight,
# because lightness varies with the light in the photo.
LAB_WEIGHTS = np.array([0.6, 1, 1])
CHEEKS = (50, 280, 117, 346, 4)  # Landmarks on cheeks and nose.
# CIELAB colour that is assumed for clothes that a photo does not show.
USUAL_CLOTHES = np.array([30.0, 0, 0])
# Number of cells of each class that are sampled to train the network.
CELLS_PER_CLASS = 120000
PAINTS = np.float32(
    [[240, 240, 240], [200, 30, 30], [250, 200, 160], [40, 80, 200]]
)


def distance(tones, colour):
    """Returns weighted CIELAB distances `[S, S]` of pixels to a colour."""
    return np.sqrt((((tones - colour) * LAB_WEIGHTS) ** 2).sum(-1))


def face_size(points):
    """Returns width and height of a face in the unit of its landmarks."""
    return (
        np.linalg.norm(points[234] - points[454]),
        np.linalg.norm(points[10] - points[152]),
    )


def face_hull(points):
    """Returns the mask of a face without its hair, uint8 `[S, S]`, 0 or 1."""
    hull = np.zeros((SIDE, SIDE), np.uint8)
    return cv2.fillPoly(hull, [points[OVAL].astype(np.int32)], 1)


def joined_with(mask, seeds):
    """Returns the connected parts of a mask that touch the seeds.

    Args:
        mask: bool `[S, S]`. Lines thinner than 3 pixels are removed first.
        seeds: bool `[S, S]`.

    Returns:
        bool `[S, S]`.
    """
    kernel = np.ones((3, 3))
    mask = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, kernel)
    _, parts = cv2.connectedComponents(mask)
    touched = np.unique(parts[seeds & (mask > 0)])
    return np.isin(parts, [i for i in touched if i])


def seeds(image, mask, points):
    """Labels the pixels of a photo whose class is clear.

    Args:
        image: uint8 `[S, S, 3]`.
        mask: person mask, uint8 `[S, S]`, 255 where the person is certain.
        points: landmarks `[468, 2]` in pixels.

    Returns:
        The classes of pixels, uint8 `[S, S]`, `UNCLEAR` where no rule applies;
        the pixels' colours in CIELAB, `[S, S, 3]`; and a tuple of the colours
        of skin, hair and clothes in CIELAB, `[3]` each.
    """
    tones = rgb2lab(image)
    width, height = face_size(points)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    hull = face_hull(points)
    inner = cv2.erode(hull, np.ones((7, 7)))
    person = mask > 170
    outside = person & (hull == 0)
    forehead_x, forehead_y = points[10]
    chin_x, chin_y = points[152]

    skin = np.median(patch(tones, points, CHEEKS, 4), 0)
    to_skin = distance(tones, skin)
    above = (
        outside
        & (rows < forehead_y - 0.04 * height)
        & (rows > forehead_y - 0.45 * height)
        & (np.abs(columns - forehead_x) < 0.5 * width)
    )
    top = above & (to_skin > 16)
    is_hairy = top.sum() > 0.25 * max(above.sum(), 1) and top.sum() > 40
    hair = _hair_colour(tones, top if is_hairy else above, skin)
    to_hair = distance(tones, hair)
    body = person & (rows > chin_y + 0.35 * height)
    clothes = _clothes_colour(tones, body & (to_skin > 14))
    to_clothes = distance(tones, clothes)

    out = np.full((SIDE, SIDE), UNCLEAR, np.uint8)
    out[mask < 60] = GROUND
    out[(inner > 0) & (to_skin < 22)] = SKIN
    out[outside & (to_skin < 9) & (to_hair > 16)] = SKIN
    if is_hairy:
        looks_so = (
            person
            & (inner == 0)
            & (to_hair < np.minimum(18, 0.7 * to_skin))
            & (rows < chin_y + 0.75 * height)
            & (np.abs(columns - chin_x) < 1.1 * width)
        )
        out[joined_with(looks_so, top)] = HAIR
        out[top & (to_hair < 30) & (rows < forehead_y - 0.08 * height)] = HAIR
    else:
        out[above & (to_skin < 16)] = SKIN
    out[body & (to_hair > 26) & (to_skin > 16)] = CLOTHES
    out[body & (to_clothes < 14) & (to_hair > 16) & (to_skin > 14)] = CLOTHES
    return out, tones, (skin, hair, clothes)


def _hair_colour(tones, where, skin):
    """Returns the median CIELAB colour, or that of the skin if bald."""
    return np.median(tones[where], 0) if where.sum() > 40 else skin


def _clothes_colour(tones, where):
    return np.median(tones[where], 0) if where.sum() > 60 else USUAL_CLOTHES


def cell_classes(classes):
    """Returns the class of each cell from those of its pixels.

    Args:
        classes: uint8 `[SIDE, SIDE]`.

    Returns:
        uint8 `[CELLS, CELLS]`, `UNCLEAR` where no class has `CLEAR_SHARE`.
    """
    pixels = classes.reshape(CELLS, STEP, CELLS, STEP).transpose(0, 2, 1, 3)
    pixels = pixels.reshape(CELLS, CELLS, -1)
    counts = [(pixels == c).sum(-1) for c in range(len(PARTS))]
    counts = np.stack(counts, -1)
    best = counts.argmax(-1)
    best[counts.max(-1) < CLEAR_SHARE * STEP * STEP] = UNCLEAR
    return best.astype(np.uint8)


def shrunk(image, side):
    """Returns an image, float32, resized to a side by area averaging."""
    image = np.ascontiguousarray(image, np.float32)
    return cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)


def cell_features(image, mask, points, deep):
    """Returns the features and the classes of the cells of a photo.

    Args:
        image, mask, points: see `seeds`.
        deep: frozen feature maps `[CELLS, CELLS, F]`.

    Returns:
        float16 `[CELLS, CELLS, F + 16]` and uint8 `[CELLS, CELLS]`. The
        features are the frozen ones, the colour, its differences from skin,
        hair and clothes, the person mask, and the place relative to the face.
    """
    classes, tones, known = seeds(image, mask, points)
    small = shrunk(tones, CELLS)
    person = shrunk(mask, CELLS)[..., None] / 255
    width, height = face_size(points)
    rows, columns = (np.mgrid[0:CELLS, 0:CELLS] + 0.5) * STEP
    nose_x, forehead_y = points[1][0], points[10][1]
    place = np.stack(
        [
            (columns - nose_x) / width,
            (rows - forehead_y) / height,
            np.abs(columns - nose_x) / width,
        ],
        -1,
    )
    colours = np.concatenate([(small - c) / 20 for c in known], -1)
    features = [deep, small / 50, colours, person, place]
    features = np.concatenate(features, -1).astype(np.float16)
    return features, cell_classes(classes)


def inputs(images, masks, points, look):
    """Returns the features and the classes of the cells of photos.

    Args:
        images, masks, points: arrays of the arguments of `seeds`.
        look: EfficientNet-Lite0, a `Features`.

    Returns:
        See `cell_features`; both arrays have a first axis of photos.
    """

    @tf.function(autograph=False)
    def maps(x):
        x = tf.cast(x, tf.float32)
        x = tf.image.resize(x, [READ, READ], antialias=True)
        taps = look(x / 127.5 - 1)
        return tf.concat(
            [tf.image.resize(taps[t], [CELLS, CELLS]) for t in TAPS], -1
        )

    found = []
    for i in range(0, len(images), 32):
        at = slice(i, i + 32)
        batch = (images[at], masks[at], points[at], maps(images[at]).numpy())
        found += [cell_features(*photo) for photo in zip(*batch, strict=True)]
    features, classes = zip(*found, strict=True)
    return np.stack(features), np.stack(classes)


def taught(x, wanted):
    """Returns a trained network that classifies cells.

    Args:
        x: features `[N, F]` of clear cells, float32, standardized.
        wanted: their classes `[N]`.
    """
    net = keras.Sequential(
        [
            keras.Input((x.shape[-1],)),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(64, "relu"),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(len(PARTS)),
        ]
    )
    net.compile(
        keras.optimizers.Adam(2e-3),
        keras.losses.SparseCategoricalCrossentropy(True),
        metrics=["accuracy"],
    )
    net.fit(x, wanted, batch_size=512, epochs=4, verbose=2)
    return net


def segmented(features, classes, n):
    """Returns the probabilities of the classes in all photos.

    Args:
        features, classes: results of `inputs`, training photos first.
        n: number of training photos. The network is trained on them alone.

    Returns:
        float16 `[N, CELLS, CELLS, 4]`.
    """
    cells = features.reshape(-1, features.shape[-1])
    some = cells[::97].astype(np.float32)
    mean, deviation = some.mean(0), some.std(0) + 1e-3
    of_training = classes[:n].ravel()
    rng = np.random.default_rng(0)
    at = [
        rng.choice(np.flatnonzero(of_training == c), CELLS_PER_CLASS)
        for c in range(len(PARTS))
    ]
    at = np.concatenate(at)
    rng.shuffle(at)
    keras.utils.set_random_seed(0)
    x = (cells[at].astype(np.float32) - mean) / deviation
    net = taught(x, of_training[at])
    out = np.zeros((*classes.shape, len(PARTS)), np.float16)
    for i in range(0, len(features), 50):
        x = (features[i : i + 50].astype(np.float32) - mean) / deviation
        logits = net(x.reshape(-1, x.shape[-1]), training=False)
        shares = tf.nn.softmax(logits).numpy()
        out[i : i + 50] = shares.reshape(-1, CELLS, CELLS, len(PARTS))
    return out


def painted(shares):
    """Returns a uint8 image `[SIDE, SIDE, 3]` of shares `[H, W, 4]`."""
    image = (shares.astype(np.float32) @ PAINTS).astype(np.uint8)
    return cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)


def show_segments(images, classes, shares):
    """Writes segments.png: photos, clear cells and segments, 24 of each."""
    clear = np.eye(UNCLEAR + 1, len(PARTS))[classes]
    at = np.linspace(0, len(images) - 1, 24).astype(int)
    rows = []
    for some in (at[:12], at[12:]):
        rows.append([images[i] for i in some])
        rows += [[painted(x[i]) for i in some] for x in (clear, shares)]
    y.grid(rows, y.WORK / "segments.png", 110, 12)


def write_segments():
    """Writes cache/segments.npz and segments.png.

    In the file, `p` are the shares of `PARTS` in cells (see `segmented`), and
    `n` is the number of training photos.
    """
    look = load_features("efficientnet-lite0")
    images, found = [], []
    with np.load(y.WORK / "cache" / "regions.npz") as r:
        for split in ("train", "test"):
            photos, _ = y.load("face", split, SIDE)
            regions = (r[f"{split}_masks"], r[f"{split}_points"])
            found.append(inputs(photos, *regions, look))
            images.append(photos)
    n = len(images[0])
    features, classes = (np.concatenate(v) for v in zip(*found, strict=True))
    shares = segmented(features, classes, n)
    np.savez(y.WORK / "cache" / "segments.npz", p=shares, n=n)
    show_segments(images[1], classes[n:], shares[n:])


def load_segments():
    """Returns shares of `PARTS` in cells, and the number of training photos.

    Returns:
        float32 `[N, CELLS, CELLS, 4]`, training photos first; and an integer.
    """
    with np.load(y.WORK / "cache" / "segments.npz") as file:
        return file["p"].astype(np.float32), int(file["n"])


def all_points():
    """Returns landmarks of all photos, training photos first, `[N, 468, 2]`."""
    with np.load(y.WORK / "cache" / "regions.npz") as r:
        return np.concatenate([r["train_points"], r["test_points"]])


def geometry(shares, points, image):
    """Measures where hair is, relative to the face.

    Args:
        shares: shares of the parts in cells, `[CELLS, CELLS, 4]`.
        points: landmarks `[468, 2]` in pixels.
        image: the photo, uint8 `[S, S, 3]`.

    Returns:
        A dictionary of numbers. Beside the face: `ears`, `jaw`, `neck` and
        `deep` (below the neck) are the mean share of hair at that height.
        Above the face: `band` and `inface` are the mean shares of hair and of
        skin above the forehead. `top` is the area of the hair down to a tenth
        of the face below the forehead, and `area` that of all hair from half a
        face above the forehead to half a face below the chin, in areas of the
        face. `wide` and `height` are the width of the hair in widths of the
        face, and its height above the forehead in heights of the face. `tex` is
        the strength of edges in the hair, relative to its lightness.
    """
    hair, skin = shares[..., HAIR], shares[..., SKIN]
    width, height = face_size(points)
    rows, columns = (np.mgrid[0:CELLS, 0:CELLS] + 0.5) * STEP
    # Coordinates relative to the face: `across` is 0 in the middle, and `down`
    # is 0 at the forehead and 1 at the chin.
    between = (points[234] + points[454]) / 2
    across = (columns - (between[0] + points[1][0]) / 2) / width
    down = (rows - points[10][1]) / height

    def share(where):
        return hair[where].mean() if where.any() else 0.0

    def beside(low, high):
        """Returns the share of hair; the side with more hair counts more."""
        here = (down > low) & (down < high)
        left = share((across < -0.40) & (across > -0.85) & here)
        right = share((across > 0.40) & (across < 0.85) & here)
        return max(left, right) * 0.7 + min(left, right) * 0.3

    far = (np.abs(across) > 0.25) & (np.abs(across) < 0.95)
    above = (np.abs(across) < 0.35) & (down < -0.02) & (down > -0.2)
    bare = (np.abs(across) < 0.3) & (down < -0.02) & (down > -0.2)
    seen = (hair > 0.5) & (down < 0.6)
    has_hair = seen.sum() > 5
    area_of_face = width * height
    return {
        "jaw": beside(0.72, 1.0),
        "neck": beside(1.05, 1.3),
        "deep": share(far & (down > 1.3) & (down < 1.7)),
        "top": (hair * (down < 0.1)).sum() * STEP * STEP / area_of_face,
        "band": share(above),
        "wide": np.ptp(across[seen]) if has_hair else 0.9,
        "height": -down[seen].min() if has_hair else 0,
        "ears": beside(0.35, 0.65),
        "tex": texture(hair, image),
        "area": (hair * (np.abs(down - 0.5) < 1)).sum()
        * STEP
        * STEP
        / area_of_face,
        "inface": skin[bare].mean() if bare.any() else 0,
    }


def texture(hair, image):
    """Returns the mean strength of edges in hair, relative to lightness.

    Args:
        hair: shares of hair in cells, `[CELLS, CELLS]`.
        image: uint8 `[S, S, 3]`.
    """
    light = rgb2lab(image)[..., 0]
    smooth = cv2.GaussianBlur(light, (0, 0), 1.0)
    right = cv2.Sobel(smooth, cv2.CV_64F, 1, 0)
    down = cv2.Sobel(smooth, cv2.CV_64F, 0, 1)
    where = cv2.resize(hair, (SIDE, SIDE)) > 0.6
    if where.sum() <= 100:
        return 0
    return np.hypot(right, down)[where].mean() / (light[where].mean() + 10)


def aligned(shares, points):
    """Returns hair, skin and clothes, aligned with the faces of avatars.

    Args:
        shares: shares of the parts in cells, `[CELLS, CELLS, 4]`.
        points: landmarks `[468, 2]` in pixels.

    Returns:
        float32 `[ALIGNED, ALIGNED, 3]`.
    """
    m, _ = cv2.estimateAffinePartial2D(
        anchors(points) / STEP, TEMPLATE / (SIDE // ALIGNED)
    )
    return cv2.warpAffine(
        np.ascontiguousarray(shares[..., HAIR:]),
        m,
        (ALIGNED, ALIGNED),
        borderMode=cv2.BORDER_REPLICATE,
    )


def load_aligned():
    """Returns hair, skin and clothes of all photos, `[N, 32, 32, 3]`."""
    with np.load(y.WORK / "cache" / "aligned.npz") as file:
        return file["a"].astype(np.float32)


def write_shapes():
    """Writes cache/geometry.npz and cache/aligned.npz for all photos.

    The first has an array `[N]` for each number of `geometry`, and `n`, the
    number of training photos. The second has `a`, float16 `[N, 32, 32, 3]`
    (see `aligned`).
    """
    shares, n = load_segments()
    points = all_points()
    images = [y.load("face", split, SIDE)[0] for split in ("train", "test")]
    photos = zip(shares, points, np.concatenate(images), strict=True)
    rows = [geometry(*photo) for photo in photos]
    measured = {k: np.array([row[k] for row in rows]) for k in rows[0]}
    np.savez(y.WORK / "cache" / "geometry.npz", n=n, **measured)
    maps = [aligned(*photo) for photo in zip(shares, points, strict=True)]
    maps = np.stack(maps).astype(np.float16)
    np.savez(y.WORK / "cache" / "aligned.npz", a=maps)


def main():
    commands = {"segments": write_segments, "shapes": write_shapes}
    commands[sys.argv[1]]()


if __name__ == "__main__":
    main()
