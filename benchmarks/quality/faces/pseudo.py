"""Pseudo labels: glasses, facial hair and colour of hair, read without labels.

Rules about landmarks, person mask and colours (regions.py) find the clearest
cases of each attribute in photos. A linear classifier of frozen features of
the crop is trained on these cases (self-training) and ranks all photos. The
photos with the highest ranks get the attribute, and `SHARES` sets their share.
The attributes of avatars are read from their flat colours.

The kind of hair needs more rules: see teach.py.
"""

import numpy as np
import yardstick as y
from regions import lab
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

# Shares of photos with each attribute, about as in annotations_train.csv.
SHARES = {
    "sunglasses": 0.052,
    "glasses": 0.08,
    "beard": 0.13,
    "moustache": 0.025,
}
# Number of principal components of the features of a crop.
COMPONENTS = 96
# The colours of the avatars' hair and skin, RGB in 0 to 255. Skins are sorted
# from dark to light.
HAIR_NAMES = np.array(
    ["black", "dark_brown", "brown", "auburn", "red", "blonde", "grey"]
)
HAIR_COLOURS = np.array(
    [
        [44, 27, 24],
        [74, 49, 44],
        [114, 65, 51],
        [165, 87, 40],
        [201, 51, 5],
        [214, 179, 112],
        [184, 184, 184],
    ]
)
SKINS = np.array(
    [
        [97, 67, 53],
        [174, 93, 41],
        [208, 139, 91],
        [237, 185, 138],
        [255, 219, 180],
    ]
)


def z(v):
    """Returns robust z-scores of numbers `[N]`, clipped to [-3, 3].

    The centre is the median. The unit is the median distance from it, scaled
    to the standard deviation of a normal distribution.
    """
    v = (v - np.median(v)) / (
        1.4826 * np.median(np.abs(v - np.median(v))) + 1e-6
    )
    return np.clip(v, -3, 3)


def quantile(v, n):
    """Returns the share of the first n values that are below each value."""
    return np.searchsorted(np.sort(v[:n]), v) / n


def top(score, share, free, n):
    """Returns which free photos have the highest scores.

    Args:
        score: `[N]`.
        share: how many photos to choose, as a share of the training photos.
        free: bool `[N]`, the photos that may be chosen.
        n: number of training photos, which come first. They alone determine
            the threshold.

    Returns:
        bool `[N]`.
    """
    threshold = np.sort(score[:n][free[:n]])[::-1][int(share * n)]
    return free & (score > threshold)


def photos():
    """Returns measurements of all photos, and the number of training photos.

    Returns:
        A dictionary of arrays whose first axis is that of the photos, training
        photos first (see `regions.face`), and the number of training photos.
    """
    with np.load(y.WORK / "cache" / "described.npz") as file:
        measured = {
            k.removeprefix("face_train_"): np.nan_to_num(
                np.concatenate([file[k], file[k.replace("train", "test")]])
            )
            for k in file.files
            if k.startswith("face_train_")
        }
        return measured, len(file["face_train_skin"])


def avatars():
    """Returns measurements of the training avatars (see `regions.avatar`)."""
    prefix = "avatar_train_"
    with np.load(y.WORK / "cache" / "described.npz") as file:
        return {
            k.removeprefix(prefix): file[k]
            for k in file.files
            if k.startswith(prefix)
        }


def deep(n):
    """Returns principal components of frozen features of all photos.

    Args:
        n: number of training photos. The components are fitted on them.

    Returns:
        A dictionary from crops ("eyes", "chin", "head") to float32
        `[N, COMPONENTS]`, with a standard deviation of 1 over all numbers.
    """
    with np.load(y.WORK / "cache" / "deep.npz") as file:
        features = {
            crop: np.concatenate([file[f"train_{crop}"], file[f"test_{crop}"]])
            for crop in ("eyes", "chin", "head")
        }
    out = {}
    for crop, x in features.items():
        x = (x - x[:n].mean(0)) / (x[:n].std(0) + 1e-3)
        x = PCA(COMPONENTS, random_state=0).fit(x[:n]).transform(x)
        out[crop] = x / x.std()
    return out


def taught(score, features, n, highest, lowest, rounds=3):
    """Returns the scores of a linear classifier trained on the clear cases.

    Args:
        score: scores of a rule, `[N]`.
        features: `[N, F]`.
        n: number of training photos, which come first.
        highest: this share of the training photos, those with the highest
            scores, are examples with the attribute.
        lowest: this share of the training photos, those with the lowest
            scores, are examples without the attribute.
        rounds: number of rounds. The scores of a round's classifier determine
            the examples of the next round.

    Returns:
        `[N]`, logits.
    """
    for _ in range(rounds):
        rank = score[:n].argsort().argsort() / n
        yes, no = rank > 1 - highest, rank < lowest
        model = LogisticRegression(
            C=0.003, class_weight="balanced", max_iter=300
        )
        model.fit(features[:n][yes | no], yes[yes | no])
        score = model.decision_function(features)
    return score


def kinds(f, n):
    """Returns the kinds of glasses and of facial hair of the photos.

    Args:
        f, n: results of `photos`.

    Returns:
        Two arrays of names, `[N]`: "none", "glasses" or "sunglasses", and
        "none", "beard" or "moustache".
    """
    features = deep(n)
    return _glasses(f, features["eyes"], n), _facial_hair(f, features, n)


def _glasses(f, eyes, n):
    """Returns "none", "glasses" or "sunglasses" for each photo, `[N]`.

    Args:
        f, n: results of `photos`.
        eyes: features of the eyes, `[N, F]`.
    """
    nose = f["nose_l"] + 8
    dark = -np.minimum(f["lens"], f["under"]) / nose
    sun = z(dark) - z(f["under"] / nose)
    rim = z(f["bridge"]) + 0.6 * z(f["temple"]) + 0.5 * z(f["rim"])
    sun = taught(sun, eyes, n, 0.05, 0.7)
    rim = taught(rim, eyes, n, 0.05, 0.6)
    share = SHARES["sunglasses"] + SHARES["glasses"]
    worn = top(z(rim) + z(sun), share, np.ones(len(nose), bool), n)
    # People with glasses whose eyes are dark, compared with their faces, wear
    # sunglasses.
    tinted = _tinted(dark - f["under"] / nose, eyes, worn[:n])
    glasses = np.full(len(nose), "none", "U12")
    glasses[worn] = "glasses"
    dark_ones = top(z(tinted) + z(sun), SHARES["sunglasses"], worn, n)
    glasses[dark_ones] = "sunglasses"
    return glasses


def _tinted(darkness, eyes, worn):
    """Returns how much eyes look as if they were behind dark glass, `[N]`.

    Args:
        darkness: darkness of the eyes, `[N]`.
        eyes: features of the eyes, `[N, F]`.
        worn: bool `[n]`, training photos of people with glasses. A classifier
            is trained on the darkest and the lightest of their eyes.
    """
    n = len(worn)
    score, features = darkness[:n][worn], eyes[:n][worn]
    for _ in range(2):
        rank = score.argsort().argsort() / len(score)
        known = (rank < 0.35) | (rank > 0.65)
        model = LogisticRegression(C=0.01, max_iter=300)
        model.fit(features[known], rank[known] > 0.5)
        score = model.decision_function(features)
    return model.decision_function(eyes)


def _facial_hair(f, features, n):
    """Returns "none", "beard" or "moustache" for each photo, `[N]`."""
    beard = (
        -z(f["chin_d"][:, 1])
        - z(f["chin_d"][:, 2])
        - 0.7 * z(f["jaw_d"][:, 1])
        - 0.5 * z(f["lip_d"][:, 0])
        - 0.5 * z(f["low"])
    )
    lip = -z(f["lip_d"][:, 2]) - z(f["lip_d"][:, 0]) - z(f["lip_d"][:, 1])
    beard = taught(beard, features["chin"], n, 0.08, 0.6)
    moustache = taught(lip, features["chin"], n, 0.03, 0.6)
    moustache = z(lip) + 0.5 * z(moustache)
    facial = np.full(len(beard), "none", "U12")
    has = top(beard, SHARES["beard"], np.ones(len(beard), bool), n)
    facial[has] = "beard"
    facial[top(moustache, SHARES["moustache"], ~has, n)] = "moustache"
    return facial


def hair_colour(f):
    """Returns indices into `HAIR_COLOURS` for the hair of each photo, `[N]`.

    Args:
        f: first result of `photos`.
    """
    light, a, b = f["hair_lab"].T
    chroma = np.hypot(a, b)
    out = np.ones(len(light), int)  # Dark brown.
    out[
        (light < 17) | ((chroma < 8) & (light < 30)) | ((b < 0) & (light < 35))
    ] = 0
    out[(light > 22) & (chroma > 10)] = 2
    out[(light > 40) & (b > 9)] = 5
    out[(a > 9) & (b > 12) & (light > 22)] = 3
    out[(a > 14) | ((a > 9) & (b < 11) & (light < 30))] = 4
    out[(light > 75) & (a > 9)] = 5  # Close to skin.
    out[(chroma <= 9.3) & (light > 36)] = 6
    return out


def avatar_kinds(a):
    """Returns the kinds of hair, glasses and facial hair of avatars.

    Args:
        a: result of `avatars`.

    Returns:
        Three arrays of names, `[N]`. Hair that fits no kind well is "other".
    """
    glasses = np.where(
        a["bridge"] < 0.1,
        "none",
        np.where(
            a["lens"] < 0.66 * lab(a["skin"])[:, 0] - 3, "sunglasses", "glasses"
        ),
    )
    facial = np.where(
        a["chin"] > 0.5, "beard", np.where(a["lip"] > 0.6, "moustache", "none")
    )
    wide = a["width"] > 0.66
    hangs = a["low"] > 0.14
    hair = np.full(len(glasses), "other", "U12")
    hair[
        (a["low"] < 0.12)
        & (a["lower"] < 0.05)
        & (a["width"] < 0.53)
        & (a["height"] < 0.385)
    ] = "short"
    hair[hangs & (a["width"] < 0.61) & (a["low"] < 0.42)] = "long"
    hair[hangs & (a["width"] >= 0.61) & ~wide & (a["lower"] < 0.005)] = "bob"
    hair[wide] = "curly"
    hair[a["bald"] > 0.5] = "bald"
    return hair, glasses, facial
