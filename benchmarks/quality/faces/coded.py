"""Translates faces to avatars by a discrete code that both domains share.

    photo --frozen EfficientNet-Lite0--> maps --heads--> code --drawer--> avatar

The code describes a person by the outline of the hair (one of CUTS classes),
glasses, facial hair, mouth (one of MOUTHS classes), and the colours of skin,
hair and clothes. The heads are classifiers and regressions that predict the
code of a photo. They are trained on pseudo pairs (pseudo.py). The drawer is a
network that computes soft masks and colours of PARTS parts of the avatar. It is
trained on avatars alone.

    python coded.py heads NAME
    python coded.py drawer NAME key=value ...
    python coded.py compose NAME
    python coded.py test NAME HEADS DRAWER SIZE WIDTH
"""

import json
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import cv2
import keras
import numpy as np
import tensorflow as tf
import yardstick as y
from pseudo import NAMES
from pseudo import PALETTE
from pseudo import avatar_kinds
from pseudo import painted
from pseudo import plainness
from regions import lab
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model import Ridge

from tf_i2i import losses

CUTS, MOUTHS, BEARDS = 20, 4, 4
PARTS = 14
GLASSES = ("none", "glasses", "sunglasses")
TINTS = 7  # Number of hair colours.
KINDS = {"cut": CUTS, "glasses": 3, "beard": BEARDS, "mouth": MOUTHS}
# Which features each linear head reads, and the inverse of its L2 weight.
HEADS = {
    "cut": (("deep", "thumb"), 0.01),
    "glasses": (("eyes",), 0.02),
    "beard": (("chin",), 0.02),
    "mouth": (("chin",), 0.01),
    "tint": (("thumb", "deep"), 0.02),
}
COLOURS = ("skin", "hair", "clothes")


def codes():
    """Returns codes and images of all pseudo partners, and caches them."""
    path = y.WORK / "cache" / "codes.npz"
    if path.exists():
        return dict(np.load(path))
    p = np.load(y.WORK / "cache" / "pairs.npz")
    targets = np.concatenate([p["train"], p["test"]])
    d = np.load(y.WORK / "cache" / "described.npz")
    a = {k[13:]: d[k] for k in d.files if k.startswith("avatar_train_")}
    chosen = p["chosen"]
    outline = a["hair_map"][chosen].reshape(len(chosen), -1)
    bald = a["bald"][chosen] > 0.5
    cut = KMeans(CUTS - 1, n_init=4, random_state=0).fit_predict(outline) + 1
    cut[bald] = 0
    images, _ = y.load("avatar", "train", 64)
    mine = images[chosen].astype(np.float32)
    skin = a["skin"][chosen][:, None, None]
    mouth = (mine[:, 33:38, 27:37] - skin).reshape(len(chosen), -1)
    facial = np.array(
        [["none", "moustache", "beard"].index(f) for f in p["facial"]]
    )
    mouth_kind = np.zeros(len(chosen), int)
    mouth_kind[:] = KMeans(MOUTHS, n_init=4, random_state=0).fit_predict(mouth)
    # Beards by what they cover: two kinds.
    chin = (
        (np.abs(mine[:, 30:46, 18:46] - skin).max(-1) > 25)
        .reshape(len(chosen), -1)
        .astype(float)
    )
    beard = facial.copy()
    has = facial == 2
    beard[has] = 2 + KMeans(2, n_init=4, random_state=0).fit_predict(chin[has])
    glasses = np.array(
        [["none", "glasses", "sunglasses"].index(g) for g in p["glasses"]]
    )
    # Colours as painted.
    t = targets.astype(np.float32)
    new_skin = np.median(t[:, 53:57, 62:66].reshape(len(t), -1, 3), 1)
    hair = PALETTE[[list(NAMES).index(c) for c in p["colour"]]]
    hair = np.where(bald[:, None] & (facial == 0)[:, None], new_skin, hair)
    clothes = np.median(t[:, 118:127, 28:44].reshape(len(t), -1, 3), 1)
    out = {
        "cut": cut,
        "glasses": glasses,
        "beard": beard,
        "mouth": mouth_kind,
        "skin": new_skin,
        "hair": hair,
        "clothes": clothes,
        "targets": targets,
        "n": len(p["train"]),
    }
    np.savez(path, **out)
    return out


def tints(hair):
    """Returns the index of the palette's colour nearest to each hair colour."""

    return ((hair[:, None].astype(float) - PALETTE) ** 2).sum(-1).argmin(1)


def one_hot(c, at):
    parts = [np.eye(m, dtype=np.float32)[c[k][at]] for k, m in KINDS.items()]
    parts += [c[k][at].astype(np.float32) / 127.5 - 1 for k in COLOURS]
    return np.concatenate(parts, 1)


WIDE = sum(KINDS.values()) + 3 * len(COLOURS)


def conv(x, n, k=3, norm=True):
    x = keras.layers.Conv2D(
        n, k, 1, "same", use_bias=not norm, kernel_initializer="he_normal"
    )(x)
    if norm:
        x = keras.layers.BatchNormalization(momentum=0.95)(x)
        x = keras.layers.LeakyReLU(0.1)(x)
    return x


def drawer(size, width=1.0):
    def n(c):
        return int(c * width)

    code = keras.Input((WIDE,))
    g = keras.layers.Dense(256, "leaky_relu", kernel_initializer="he_normal")(
        code
    )
    x = keras.layers.Dense(
        8 * 8 * n(64), use_bias=False, kernel_initializer="he_normal"
    )(g)
    x = keras.layers.Reshape((8, 8, n(64)))(x)
    x = conv(x, n(96))
    x = conv(keras.layers.UpSampling2D()(x), n(96))
    x = conv(keras.layers.UpSampling2D()(x), n(64))
    x = conv(x, n(64))
    if size >= 128:
        x = conv(keras.layers.UpSampling2D()(x), n(48))
    # Small things of other colours: what the parts leave.
    rest = keras.layers.Conv2D(12, 3, 1, "same", kernel_initializer="zeros")(x)
    x = conv(x, 4 * PARTS, 3, norm=False)
    masks = keras.layers.Lambda(
        lambda v: tf.nn.softmax(tf.cast(tf.nn.depth_to_space(v, 2), tf.float32))
    )(x)
    # Colours: those that the code says and shades of them, ink, white, and
    # learned ones.
    own = code[:, -9:]
    skin, worn = own[:, :3], own[:, 6:]
    ink = keras.layers.Lambda(
        lambda v: tf.ones_like(v) * tf.constant([-0.72, -0.66, -0.64])
    )(skin)
    white = keras.layers.Lambda(lambda v: tf.ones_like(v))(skin)
    shade = keras.layers.Concatenate()(
        [
            own,
            0.84 * skin - 0.16,
            0.4 * skin - 0.6,
            0.9 * skin - 0.1,
            0.84 * worn - 0.16,
            ink,
            white,
        ]
    )
    learned = keras.layers.Dense((PARTS - 9) * 3, "tanh")(g)
    palette = keras.layers.Reshape((PARTS, 3))(
        keras.layers.Concatenate()([shade, learned])
    )
    drawn = keras.layers.Lambda(
        lambda v: (
            tf.einsum("nhwk,nkc->nhwc", v[0], v[1])
            + tf.nn.depth_to_space(v[2], 2)
        )
    )([masks, palette, rest])
    return keras.Model(code, drawn)


def settings(defaults):
    c = dict(defaults)
    for pair in sys.argv[3:]:
        if "=" in pair:
            k, v = pair.split("=")
            c[k] = type(c[k])(v)
    return c


def keep(name, minutes, c):
    with open(y.WORK / "fits.jsonl", "a", encoding="utf-8") as file:
        file.write(
            json.dumps({"name": name, "minutes": round(minutes, 1), **c}) + "\n"
        )
    print(f"{minutes:.1f} minutes", flush=True)


def cells(x, count):
    """Returns means over `count` x `count` cells, `[N, count * count * C]`."""
    s = x.shape[1] // count
    x = x.astype(np.float32).reshape(len(x), count, s, count, s, -1)
    return x.mean((2, 4)).reshape(len(x), -1)


def flat(x):
    return x.astype(np.float32).reshape(len(x), -1)


def features(a, b, thumbs):
    """Returns the inputs of `HEADS`: vectors of face, eyes, chin and colours.

    Args:
        a, b: maps of stage3 `[N, 24, 24, 40]` and stage5 `[N, 12, 12, 112]`.
        thumbs: uint8 `[N, 16, 16, 3]`, the images reduced to thumbnails.
    """
    low = a[:, 12:20, 7:17].astype(np.float32)
    low = low.reshape(len(a), 4, 2, 5, 2, -1).mean((2, 4))
    return {
        "deep": np.concatenate([cells(a, 6), cells(b, 6)], 1),
        "eyes": np.concatenate(
            [flat(a[:, 9:13, 6:18]), flat(b[:, 4:7, 3:9])], 1
        ),
        "chin": np.concatenate([flat(low), flat(b[:, 6:10, 3:9])], 1),
        "thumb": flat(thumbs) / 255,
    }


def fit_heads(name, views=4):
    """Fits heads; writes their outputs for test faces to runs/NAME_test.npz."""
    with np.load(y.WORK / "cache" / "maps.npz") as file:
        m = dict(file)
    k = codes()
    n, at = int(k["n"]), np.tile(m["who"], views)
    parts = (m[f"train_{q}"][:views] for q in ("stage3", "stage5", "thumb"))
    train = features(*(v.reshape(-1, *v.shape[2:]) for v in parts))
    test_ = features(*(m[f"test_{q}"] for q in ("stage3", "stage5", "thumb")))
    small = {}
    for f, x in train.items():
        mean, scale = x.mean(0), x.std(0) + 1e-3
        p = PCA(150, svd_solver="randomized", random_state=0)
        fitted = p.fit((x[::2] - mean) / scale).transform((x - mean) / scale)
        other = p.transform((test_[f] - mean) / scale)
        small[f] = fitted / fitted.std(), other / fitted.std()

    def join(names):
        return (np.concatenate([small[f][i] for f in names], 1) for i in (0, 1))

    wanted = {h: k[h] for h in KINDS} | {"tint": tints(k["hair"])}
    out = {}
    for h, (names, strength) in HEADS.items():
        x, z = join(names)
        model = LogisticRegression(C=strength, max_iter=120)
        model.fit(x, wanted[h][at])
        count = KINDS.get(h, TINTS)
        out[h] = np.full((len(z), count), -99.0, np.float32)
        out[h][:, model.classes_] = model.decision_function(z)
        print(h, np.mean(out[h].argmax(1) == wanted[h][n:]), flush=True)
    x, z = join(("thumb", "deep"))
    for h in ("skin", "clothes"):
        r = Ridge(20.0).fit(x, k[h][at] / 127.5 - 1)
        out[h] = np.clip(r.predict(z), -1, 1).astype(np.float32)
    np.savez(y.WORK / "runs" / f"{name}_test.npz", **out)


def fit_drawer(name):
    c = settings(
        {
            "size": 64,
            "images": 16000,
            "batch": 16,
            "rate": 3e-3,
            "width": 1.0,
            "edges": 1.0,
            "start": "",
            "face": 3.0,
        }
    )
    k = codes()
    n = int(k["n"])
    goal = y.resized(k["targets"][:n], c["size"]).astype(np.float32) / 127.5 - 1
    code = one_hot(k, np.arange(n))
    net = drawer(c["size"], c["width"])
    if c["start"]:
        net.load_weights(y.WORK / "runs" / f"{c['start']}.weights.h5")
    steps = c["images"] // c["batch"]
    opt = keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(c["rate"], steps, alpha=0.02),
        0.8,
        0.99,
    )
    opt.build(net.trainable_variables)
    print(net.count_params(), "parameters", flush=True)
    # Where people differ, and where lines are: eyes are the same in all.
    spread = goal.std(0).mean(-1, keepdims=True)
    lines = np.abs(np.diff(goal[:200], axis=1, append=-1)).mean(
        (0, 3)
    ) + np.abs(np.diff(goal[:200], axis=2, append=-1)).mean((0, 3))
    side = c["size"]
    face = np.zeros((side, side), np.float32)
    face[
        int(0.33 * side) : int(0.62 * side), int(0.29 * side) : int(0.71 * side)
    ] = c["face"]
    area = (
        0.35
        + spread / spread.mean()
        + (lines / lines.mean())[..., None] * 0.5
        + face[..., None]
    )
    area = tf.constant(area[None], tf.float32)
    # Rare kinds more often.
    weight = np.ones(n)
    for h in KINDS:
        counts = np.bincount(k[h][:n], minlength=KINDS[h])
        weight *= (counts.max() / counts[k[h][:n]]) ** 0.3
    weight /= weight.sum()

    @tf.function(autograph=False)
    def step(x, want):
        with tf.GradientTape() as tape:
            out = net(x, training=True)
            l1 = tf.reduce_mean(tf.abs(out - want) * area)
            e = losses.l1(out[:, 1:] - out[:, :-1], want[:, 1:] - want[:, :-1])
            e += losses.l1(
                out[:, :, 1:] - out[:, :, :-1], want[:, :, 1:] - want[:, :, :-1]
            )
            total = l1 + c["edges"] * e
        opt.apply(
            tape.gradient(total, net.trainable_variables),
            net.trainable_variables,
        )
        return l1, e

    rng = np.random.default_rng(0)
    began, sums = time.time(), np.zeros(2)
    every = max(steps // 16, 1)
    for t in range(steps):
        i = rng.choice(n, c["batch"], p=weight)
        sums += [
            float(v) for v in step(tf.constant(code[i]), tf.constant(goal[i]))
        ]
        if (t + 1) % every == 0:
            print(
                f"{t + 1}/{steps} l1 {sums[0] / every:.4f}",
                f"edges {sums[1] / every:.4f}",
                f"{(t + 1) * c['batch'] / (time.time() - began):.1f} images/s",
                flush=True,
            )
            sums[:] = 0
    net.save_weights(y.WORK / "runs" / f"{name}.weights.h5")
    keep(name, (time.time() - began) / 60, c)


def sharpened(out, temperature=0.0):
    """Returns codes from the heads' outputs.

    With `temperature` 0 the most probable class of each kind is selected.
    Otherwise the probabilities of the classes are returned.
    """
    parts = []
    for h, m in KINDS.items():
        if temperature:
            s = out[h] / temperature
            s = np.exp(s - s.max(1, keepdims=True))
            parts.append(s / s.sum(1, keepdims=True))
        else:
            parts.append(np.eye(m, dtype=np.float32)[out[h].argmax(1)])

    skin = np.clip(out["skin"], -1, 1)
    hair = PALETTE[out["tint"].argmax(1)] / 127.5 - 1
    # Without hair or beard there is none of that colour.
    none = (out["cut"].argmax(1) == 0) & (out["beard"].argmax(1) == 0)
    hair = np.where(none[:, None], skin, hair)
    parts += [skin, hair, np.clip(out["clothes"], -1, 1)]
    return np.concatenate(parts, 1).astype(np.float32)


def test(name, heads, drawn_by, size, width):
    net = drawer(size, width)
    net.load_weights(y.WORK / "runs" / f"{drawn_by}.weights.h5")
    k = codes()
    n = int(k["n"])

    def to8(v):
        return np.clip((v + 1) * 127.5 + 0.5, 0, 255).astype(np.uint8)

    photos, _ = y.load("face", "test", 256)
    told = to8(
        net.predict(one_hot(k, np.arange(n, len(k["targets"]))), 64, verbose=0)
    )
    if heads != "none":
        out = dict(np.load(y.WORK / "runs" / f"{heads}_test.npz"))
        images = to8(net.predict(sharpened(out), 64, verbose=0))
        np.save(y.WORK / "runs" / f"{name}.npy", images)
        y.show(name, y.score(images))
    else:
        images = told
    y.show(name + ", codes of the pseudo pairs", y.score(told))
    y.grid(
        [list(photos[:8]), list(images[:8])],
        y.WORK / f"{name}_first8.png",
        128,
        8,
    )
    pick = np.linspace(0, 195, 36).astype(int)
    rows = []
    for j in range(0, 36, 12):
        rows += [
            list(photos[pick[j : j + 12]]),
            list(images[pick[j : j + 12]]),
            list(told[pick[j : j + 12]]),
        ]
    y.grid(rows, y.WORK / f"{name}_more.png", 100, 12)


def compose(name):
    """Draws the codes of runs/NAME_test.npz without a network.

    For each code, the training avatar that fits best is taken, and its skin and
    hair are recoloured. Writes runs/NAME_composed.npy and two sheets of images;
    prints scores.
    """
    out = dict(np.load(y.WORK / "runs" / f"{name}_test.npz"))
    k = codes()
    with np.load(y.WORK / "cache" / "described.npz") as file:
        a = {q[13:]: file[q] for q in file if q.startswith("avatar_train_")}
    chosen = np.load(y.WORK / "cache" / "pairs.npz")["chosen"]
    _, a_glasses, a_facial = avatar_kinds(a)
    images, _ = y.load("avatar", "train", 256)
    plain = plainness(images, a_glasses)
    outlines = a["hair_map"].reshape(len(images), -1)
    own = outlines[chosen]
    centres = np.stack([own[k["cut"] == c].mean(0) for c in range(CUTS)])
    cut = out["cut"].argmax(1)
    glasses = np.array(GLASSES)[out["glasses"].argmax(1)]
    facial = np.array(("none", "moustache", "beard", "beard"))
    facial = facial[out["beard"].argmax(1)]
    skin, clothes = ((out[h] + 1) * 127.5 for h in ("skin", "clothes"))
    a_clothes = lab(a["clothes"])
    made = []
    for i in range(len(cut)):
        fits = (a_glasses == glasses[i]) * 1.0 + (a_facial == facial[i])
        cost = plain - 10.0 * fits
        cost += 40 * np.abs(outlines - centres[cut[i]]).mean(1)
        cost += 20 * ((a["bald"] > 0.5) != (cut[i] == 0))
        away = lab(clothes[i])[0] - a_clothes
        cost += 0.02 * np.linalg.norm(away, axis=1)
        best = cost.argmin()
        new = PALETTE[out["tint"][i].argmax()].astype(np.float32)
        if a["bald"][best] > 0.5:
            new = None
        drawn = painted(
            images[best], a["skin"][best], a["hair"][best], skin[i], new
        )
        how = cv2.INTER_AREA
        made.append(cv2.resize(drawn, (128, 128), interpolation=how))
    made = np.stack(made)
    np.save(y.WORK / "runs" / f"{name}_composed.npy", made)
    photos, _ = y.load("face", "test", 256)
    first = y.WORK / f"{name}_composed_first8.png"
    y.grid([list(photos[:8]), list(made[:8])], first, 128, 8)
    pick = np.linspace(0, len(photos) - 1, 36).astype(int)
    rows = []
    for j in range(0, 36, 12):
        rows += [list(x[pick[j : j + 12]]) for x in (photos, made)]
    y.grid(rows, y.WORK / f"{name}_composed_more.png", 100, 12)
    y.show(f"{name}, composed", y.score(made))


if __name__ == "__main__":
    if sys.argv[1] == "heads":
        fit_heads(sys.argv[2])
    elif sys.argv[1] == "compose":
        compose(sys.argv[2])
    elif sys.argv[1] == "drawer":
        fit_drawer(sys.argv[2])
    else:
        name, heads, drawn_by, size, width = sys.argv[2:7]
        test(name, heads, drawn_by, int(size), float(width))
