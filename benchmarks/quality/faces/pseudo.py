"""Pseudo pairs: for each photo, an avatar that might be of that person.

The pairs are made without labels. Rules about landmarks, mask and colours find
the clearest cases of glasses, beards and other attributes. A linear classifier
of frozen features of the crop is trained on these cases (self-training) and
ranks all photos. The photos ranked first get the attribute, by the fraction in
SHARES, which a person estimated from a hundred photos. The attributes of
avatars are read from their flat colours. Of the avatars that share the most
attributes, the one with the most similar outline of the hair, clothes and mouth
is taken. Its skin and hair get the colours that are nearest to those of the
photo.

    python pseudo.py

The command writes cache/pairs.npz, with targets of 128 px, and prints how often
the attributes agree with the labels.
"""

import functools
import sys
import warnings

import cv2
import numpy as np
import yardstick as y
from regions import lab
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

warnings.filterwarnings("ignore")
SHARES = {
    "sunglasses": 0.052,
    "glasses": 0.08,
    "beard": 0.13,
    "moustache": 0.025,
    "bald": 0.085,
    "curly": 0.10,
    "long": 0.27,
    "bob": 0.08,
}
S = 256


def z(v):
    v = (v - np.median(v)) / (
        1.4826 * np.median(np.abs(v - np.median(v))) + 1e-6
    )
    return np.clip(v, -3, 3)


def quantile(v, n):
    """Returns the share of the first n values that are below each value."""
    return np.searchsorted(np.sort(v[:n]), v) / n


def photos():
    """Returns arrays about all photos, and the number of training photos.

    In the arrays the training photos come first, then the test photos.
    """
    d = np.load(y.WORK / "cache" / "described.npz")
    f = {
        k[11:]: np.nan_to_num(
            np.concatenate([d[k], d[k.replace("train", "test")]])
        )
        for k in d.files
        if k.startswith("face_train_")
    }
    return f, len(d["face_train_skin"])


def deep(n):
    d = np.load(y.WORK / "cache" / "deep.npz")
    out = {}
    for k in ("eyes", "chin", "head"):
        x = np.concatenate([d["train_" + k], d["test_" + k]])
        x = (x - x[:n].mean(0)) / (x[:n].std(0) + 1e-3)
        x = PCA(96, random_state=0).fit(x[:n]).transform(x)
        out[k] = x / x.std()
    return out


def taught(score, features, n, top, bottom, rounds=3):
    """Returns the scores of a linear classifier trained on the clear cases.

    The clear cases are the first n elements with the highest scores (the share
    `top`) and the lowest scores (the share `bottom`).
    """
    for _ in range(rounds):
        q = score[:n].argsort().argsort() / n
        yes, no = q > 1 - top, q < bottom
        m = LogisticRegression(C=0.003, class_weight="balanced", max_iter=300)
        m.fit(features[:n][yes | no], yes[yes | no])
        score = m.decision_function(features)
    return score


def kinds(f, n):
    """Returns the kinds of hair, glasses and facial hair of the photos.

    The fourth result is `quantile` with its argument n.
    """
    e = deep(n)
    nose = f["nose_l"] + 8
    sun = -z(np.minimum(f["lens"], f["under"]) / nose) - z(f["under"] / nose)
    rim = z(f["bridge"]) + 0.6 * z(f["temple"]) + 0.5 * z(f["rim"])
    beard = (
        -z(f["chin_d"][:, 1])
        - z(f["chin_d"][:, 2])
        - 0.7 * z(f["jaw_d"][:, 1])
        - 0.5 * z(f["lip_d"][:, 0])
        - 0.5 * z(f["low"])
    )
    moustache = -z(f["lip_d"][:, 2]) - z(f["lip_d"][:, 0]) - z(f["lip_d"][:, 1])
    bald = (
        -z(f["width"])
        - z(f["hair_to_skin"])
        - z(f["texture"])
        - z(f["ear"])
        - z(f["band"])
    )
    low = z(f["low"]) + z(f["lower"]) + z(f["ear"])
    afro = z(f["width"]) + 0.5 * z(f["height"])
    sun = taught(sun, e["eyes"], n, 0.05, 0.7)
    rim = taught(rim, e["eyes"], n, 0.05, 0.6)
    beard = taught(beard, e["chin"], n, 0.08, 0.6)
    moustache = z(moustache) + 0.5 * z(
        taught(moustache, e["chin"], n, 0.03, 0.6)
    )
    # Beards hang as low as hair.
    low = low - 1.5 * np.maximum(z(beard), 0)
    long = z(taught(low, e["head"], n, 0.2, 0.5)) + 0.15 * z(low)
    afro = z(afro) + z(taught(afro, e["head"], n, 0.04, 0.7))

    def q(v):
        return quantile(v, n)

    def top(score, share, free):
        """Returns the mask of the best free photos, a share of all photos."""
        cut = np.sort(score[:n][free[:n]])[::-1][int(share * n)]
        return free & (score > cut)

    glasses = np.full(len(nose), "none", "U12")
    worn = top(
        z(rim) + z(sun),
        SHARES["sunglasses"] + SHARES["glasses"],
        np.ones(len(nose), bool),
    )
    # Among these, eyes that are dark for a face are behind dark glass.
    dark = -np.minimum(f["lens"], f["under"]) / nose - f["under"] / nose
    m, fit = dark[:n][worn[:n]], e["eyes"][:n][worn[:n]]
    for _ in range(2):
        r = m.argsort().argsort() / len(m)
        known = (r < 0.35) | (r > 0.65)
        model = LogisticRegression(C=0.01, max_iter=300).fit(
            fit[known], r[known] > 0.5
        )
        m = model.decision_function(fit)
    m = model.decision_function(e["eyes"])
    glasses[worn] = "glasses"
    glasses[top(z(m) + z(sun), SHARES["sunglasses"], worn)] = "sunglasses"
    facial = np.full(len(nose), "none", "U12")
    has = top(beard, SHARES["beard"], np.ones(len(nose), bool))
    facial[has] = "beard"
    facial[top(moustache, SHARES["moustache"], ~has)] = "moustache"
    hair = np.full(len(nose), "short", "U12")
    no = top(bald, SHARES["bald"], np.ones(len(nose), bool))
    hair[no] = "bald"
    wide = top(afro, SHARES["curly"], ~no)
    hair[wide] = "curly"
    falls = top(long, SHARES["long"] + SHARES["bob"], ~no & ~wide)
    bobs = falls & ~top(z(f["lower"]) + 0.5 * z(long), SHARES["long"], falls)
    hair[falls] = "long"
    hair[bobs] = "bob"
    return hair, glasses, facial, q


def avatar_kinds(a):
    """Returns the kinds of hair, glasses and facial hair of avatars."""
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


PALETTE = np.array(
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


def hair_colour(f):
    """Returns the index of the palette's colour for the hair of each photo."""
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
    out[(light > 75) & (a > 9)] = 5  # Skin, or nearly.
    out[(chroma <= 9.3) & (light > 36)] = 6
    return out


def skin_tone(f, q):
    """Returns skin colours for photos, interpolated between the `SKINS`.

    The position between them is the rank of the photo's skin by lightness.
    """
    cheeks = np.concatenate([y.photo_cheeks(s)[0] for s in ("train", "test")])
    tone = lab(cheeks)[:, 0] * 0.8 + f["nose_l"] * 0.2
    # Shares of the five skins among the avatars, dark to light.
    at = np.interp(
        q(tone), [0, 0.1, 0.3, 0.5, 0.75, 0.95, 1], [0, 0, 1, 2, 3, 4, 4]
    )
    return np.stack([np.interp(at, range(5), SKINS[:, c]) for c in range(3)], 1)


@functools.lru_cache(400)
def _flattened(raw):
    return flattened(np.frombuffer(raw, np.uint8).reshape(S, S, 3))


def flattened(image):
    """Returns the image as indices of its frequent colours, and the colours."""
    keys = image.astype(np.int64) @ (65536, 256, 1)
    values, counts = np.unique(keys, return_counts=True)
    main = values[counts > 110]
    main = np.stack([main >> 16, main >> 8 & 255, main & 255], 1)
    flat = image.reshape(-1, 3).astype(np.float32)
    d = (
        (flat**2).sum(1)[:, None]
        - 2 * flat @ main.T.astype(np.float32)
        + (main**2).sum(1)
    )
    return d.argmin(1).reshape(S, S), main.astype(np.float32)


YY, XX = np.mgrid[0:S, 0:S] / S
EYES = (YY > 0.34) & (YY < 0.475) & (XX > 0.34) & (XX < 0.66)


def painted(image, skin, hair, new_skin, new_hair):
    """Returns an avatar with new colours of skin and, unless None, of hair."""
    index, main = _flattened(image.tobytes())
    out = main[index]
    s = (main @ skin) / (skin @ skin)
    on_skin = (
        (np.abs(main - s[:, None] * skin).max(1) < 9) & (s > 0.25) & (s < 1.04)
    )
    is_hair = np.zeros(len(main), bool)
    if new_hair is not None:
        d = main - hair
        light = d.mean(1)
        same = np.abs(d - light[:, None]).max(1) < 5
        t = (main @ hair) / (hair @ hair)
        shade = (
            (np.abs(main - t[:, None] * hair).max(1) < 6)
            & (t > 0.7)
            & (t < 1.01)
        )
        is_hair = (same & (light > -3) & (light < 24)) | shade
        light = np.where(same, light, 0.0)
        base = (
            np.where(shade & ~same, t, 1.0)[:, None] * new_hair + light[:, None]
        )
        paint = np.where(is_hair[:, None], base, main)
        here = is_hair[index] & ~EYES
        out = np.where(here[..., None], paint[index], out)
    else:
        here = np.zeros((S, S), bool)
    face = on_skin[index] & ~here & (YY < 0.80)
    out = np.where(face[..., None], (s[:, None] * new_skin)[index], out)
    return np.clip(out, 0, 255).astype(np.uint8)


def plainness(images, a_glasses):
    """Returns how much eyes and brows differ from the usual ones, `[N]`."""
    # A large value means that the eyes and brows of a face are unusual: it is
    # the difference between their brightness and the median brightness.
    light = images[:, 84:122, 80:176].astype(np.float32).max(-1)
    light /= light.max((1, 2), keepdims=True)
    plain = np.zeros(len(images))
    for g in np.unique(a_glasses):
        mine = a_glasses == g
        plain[mine] = np.abs(light[mine] - np.median(light[mine], 0)).mean(
            (1, 2)
        )
    plain /= plain.std()
    # Very wide eyes are rare. The share of white pixels around the eyes is
    # added as a penalty.
    plain += 30 * (images[:, 92:118, 80:176].min(-1) > 235).mean((1, 2))
    return plain


def pairs(limit=None):
    f, n = photos()
    hair, glasses, facial, q = kinds(f, n)
    colour, skins = hair_colour(f), skin_tone(f, q)
    d = np.load(y.WORK / "cache" / "described.npz")
    a = {k[13:]: d[k] for k in d.files if k.startswith("avatar_train_")}
    a_hair, a_glasses, a_facial = avatar_kinds(a)
    images, _ = y.load("avatar", "train", S)
    plain = plainness(images, a_glasses)
    # Outlines of hair, each side centred: photos have longer faces.
    outline = f["hair_map"].reshape(len(hair), -1)
    a_outline = a["hair_map"].reshape(len(a_hair), -1)
    clothes, a_clothes = lab(f["clothes"]), lab(a["clothes"])
    mouth, a_mouth = q(f["mouth"]), quantile(a["mouth"], len(a_hair))
    chosen, targets = [], []
    for i in range(len(hair) if limit is None else limit):
        fits = (
            (a_hair == hair[i]).astype(float) * 3
            + (a_glasses == glasses[i]) * 3
            + (a_facial == facial[i]) * 3
        )
        shape = np.abs(outline[i] - a_outline).mean(1)
        cost = -10 * fits + 12 * shape + 1.0 * plain
        cost += 0.02 * np.linalg.norm(clothes[i] - a_clothes, axis=1)
        cost += 0.7 * np.abs(mouth[i] - a_mouth)
        # To be painted well: hair that is told from skin.
        best = cost.argmin()
        chosen.append(best)
        new = PALETTE[colour[i]].astype(np.float32)
        plain_bald = hair[i] == "bald" and facial[i] == "none"
        targets.append(
            cv2.resize(
                painted(
                    images[best],
                    a["skin"][best],
                    a["hair"][best]
                    if a["bald"][best] < 0.5
                    else np.array([-99.0, 0, 0]),
                    skins[i],
                    None if plain_bald or a["bald"][best] > 0.5 else new,
                ),
                (128, 128),
                interpolation=cv2.INTER_AREA,
            )
        )
    return (
        np.array(chosen),
        np.stack(targets),
        n,
        (hair, glasses, facial, colour),
    )


NAMES = np.array(
    ["black", "dark_brown", "brown", "auburn", "red", "blonde", "grey"]
)


def report(hair, glasses, facial, colour, n):
    for split, at in (("train", slice(0, n)), ("test", slice(n, None))):
        truth = y.table("face_truth.csv", split)
        _, files = y.load("face", split)
        for h, got in (
            ("hair", hair[at]),
            (
                "hair_color",
                np.where(hair[at] == "bald", "none", NAMES[colour[at]]),
            ),
            ("glasses", glasses[at]),
            ("facial_hair", facial[at]),
        ):
            known = [
                i for i, x in enumerate(files) if x in truth and truth[x][h]
            ]
            want = np.array([truth[files[i]][h] for i in known])
            print(
                split,
                h,
                round(float(np.mean(got[known] == want)), 2),
                {
                    str(w): {
                        str(g): int(((want == w) & (got[known] == g)).sum())
                        for g in np.unique(got[known][want == w])
                    }
                    for w in np.unique(want)
                },
            )
    # Of avatars' rules.
    d = np.load(y.WORK / "cache" / "described.npz")
    a = {k[13:]: d[k] for k in d.files if k.startswith("avatar_train_")}
    labels = y.table("avatar_labels.csv", "train")
    _, files = y.load("avatar", "train")
    for h, got in zip(
        ("hair", "glasses", "facial_hair"), avatar_kinds(a), strict=True
    ):
        want = np.array([labels[x][h] for x in files])
        print(
            "avatars",
            h,
            np.mean(got == want),
            {
                str(w): {
                    str(g): int(((want == w) & (got == g)).sum())
                    for g in np.unique(got)
                }
                for w in np.unique(want)
            },
        )


def main():
    if sys.argv[1:] == ["kinds"]:
        f, n = photos()
        hair, glasses, facial, _ = kinds(f, n)
        report(hair, glasses, facial, hair_colour(f), n)
        return
    chosen, targets, n, (hair, glasses, facial, colour) = pairs()
    np.savez(
        y.WORK / "cache" / "pairs.npz",
        chosen=chosen,
        train=targets[:n],
        test=targets[n:],
        hair=hair,
        glasses=glasses,
        facial=facial,
        colour=NAMES[colour],
    )
    report(hair, glasses, facial, colour, n)


if __name__ == "__main__":
    main()
