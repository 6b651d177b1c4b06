"""Learns to read the code of an avatar from a photo.

    python heads.py maps             # writes cache/views.npz (see views.py)
    python heads.py fit DRAWER NAME  # writes runs/NAME_heads.npz

A small network finds the parts of a photo (background, hair, skin and clothes)
in frozen feature maps. Linear heads learn the codes that rules give to the
training photos (codes.py). The heads read the feature maps, the parts and the
mean colours of the parts. All views of a photo have the photo's code.
`tf_i2i.networks.sprites.SpriteReader` computes the same in one network; ship.py
copies the weights into it.
"""

import sys
from typing import NamedTuple

import codes
import keras
import numpy as np
import pseudo as p
import sprites
import teach
import yardstick as y
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model import Ridge
from views import pooled
from views import write_views

from tf_i2i.networks.sprites import CELLS
from tf_i2i.networks.sprites import CHIN
from tf_i2i.networks.sprites import EYES
from tf_i2i.networks.sprites import PARTS
from tf_i2i.networks.sprites import PARTS_WIDTH
from tf_i2i.networks.sprites import cheeks_of

# The vectors that heads read, with the number of principal components of each.
COMPONENTS = {
    "deep": 150,
    "eyes": 150,
    "chin": 150,
    "shape": 60,
    "thumb": 60,
    "colours": 24,
    "strands": 152,
    "cheeks": 18,
}
# For each classifier, the vectors that it reads, and the inverse of its L2
# weight.
CLASSIFIERS = {
    "kind": (("deep", "shape", "strands"), 0.003),
    "glasses": (("eyes",), 0.003),
    "beard": (("chin",), 0.02),
    "mouth": (("chin",), 0.01),
    "tint": (("colours",), 0.1),
    "clothes": (("colours", "thumb"), 0.02),
}
# A photo's weight is (number of photos / number of photos of its class) to this
# power. The power is 0 for classifiers that are not named here.
BALANCE = {"tint": 0.4, "beard": 0.3, "glasses": 0.6}
# For each head that predicts numbers, the vectors that it reads, and its L2
# weight.
NUMBERS = {
    "cheeks": (("deep", "shape", "thumb"), 20.0),
    "tone": (("cheeks", "colours", "thumb", "deep"), 1000.0),
    "clothes_colour": (("colours", "thumb", "deep"), 20.0),
}
# Weight of a photo that has only one view (see `views.write_views`).
OTHERS = 3.0
# The logit of a kind of hair, times this factor, is added to the logits of the
# options of this kind.
KIND_WEIGHT = 4
# Inverse L2 weight of the classifiers of options.
OPTION_C = 0.003
# Logits of classes that no photo has, and of options that are not used.
NEVER, NOT_USED = -20.0, -60.0
# Numbers of views and of cells on which the network of parts is trained.
PARTS_VIEWS, PARTS_CELLS = 1500, 300000


# Parts.


def cell_inputs(maps):
    """Returns the inputs of the network that finds parts.

    Args:
        maps: dictionary of `s3`, `s5` and `rgb` (see `views.described`).

    Returns:
        float64 `[N, 24, 24, 40 + 112 + 3 + 2]`: for each cell, both feature
        maps, the colour in [-1, 1], and row and column in [-1, 1].
    """
    small = np.repeat(np.repeat(maps["s5"], 2, 1), 2, 2)
    steps = np.linspace(-1, 1, CELLS)
    place = np.stack(np.meshgrid(steps, steps, indexing="ij"), -1)
    place = np.broadcast_to(place, (len(small), CELLS, CELLS, 2))
    return np.concatenate(
        [
            maps["s3"].astype(np.float32),
            small.astype(np.float32),
            maps["rgb"].astype(np.float32) / 127.5 - 1,
            place,
        ],
        -1,
    )


class Parts(NamedTuple):
    """A network with one hidden layer that finds parts in cells.

    Attributes:
        w1, b1, w2, b2: kernels and biases of the two layers, `[157, 48]`,
            `[48]`, `[48, 4]` and `[4]`. The first layer also standardizes
            its inputs.
    """

    w1: np.ndarray
    b1: np.ndarray
    w2: np.ndarray
    b2: np.ndarray

    def find(self, maps):
        """Returns the probability of each part in each cell, `[N, 24, 24, 4]`.

        Args:
            maps: dictionary of `s3`, `s5` and `rgb` (see `views.described`).
        """
        out = []
        for i in range(0, len(maps["s3"]), 100):
            some = {k: v[i : i + 100] for k, v in maps.items()}
            hidden = np.maximum(cell_inputs(some) @ self.w1 + self.b1, 0)
            logits = hidden @ self.w2 + self.b2
            shares = np.exp(logits - logits.max(-1, keepdims=True))
            out.append(shares / shares.sum(-1, keepdims=True))
        return np.concatenate(out)


def learn_parts(maps):
    """Trains a network on the segments of hair.py, and returns it as `Parts`.

    Args:
        maps: dictionary of the maps of training views (see `views.described`).
    """
    rng = np.random.default_rng(0)
    at = rng.choice(len(maps["s3"]), PARTS_VIEWS, replace=False)
    some = {k: v[at] for k, v in maps.items()}
    x = cell_inputs(some)
    x = x.reshape(-1, x.shape[-1])
    wanted = some["seg"].astype(np.float32).reshape(-1, len(PARTS))
    at = rng.choice(len(x), PARTS_CELLS, replace=False)
    mean, deviation = x[at].mean(0), x[at].std(0) + 1e-3

    keras.utils.set_random_seed(0)
    net = keras.Sequential(
        [
            keras.Input((x.shape[-1],)),
            keras.layers.Dense(PARTS_WIDTH, "relu"),
            keras.layers.Dense(len(PARTS)),
        ]
    )
    net.compile(
        keras.optimizers.Adam(2e-3), keras.losses.CategoricalCrossentropy(True)
    )
    standard = (x[at] - mean) / deviation
    net.fit(standard, wanted[at], batch_size=1024, epochs=6, verbose=0)
    w1, b1, w2, b2 = (weight.numpy() for weight in net.weights)
    w1 = w1 / deviation[:, None]
    return Parts(w1, b1 - mean @ w1, w2, b2)


def hair_iou(shares, wanted):
    """Returns the intersection over union of hair in two segmentations.

    Args:
        shares, wanted: probabilities of the parts, `[N, 24, 24, 4]`.
    """
    hair = PARTS.index("hair")
    a, b = shares[..., hair] > 0.5, wanted[..., hair] > 0.5
    return np.sum(a & b) / np.sum(a | b)


# Vectors.


def colours(shares, rgb):
    """Returns the vector "colours", computed from hair, skin and clothes.

    Args:
        shares: shares of the parts, `[N, 24, 24, 4]`.
        rgb: uint8 `[N, 24, 24, 3]`.

    Returns:
        `[N, 24]`: the mean colours of hair, skin and clothes (nine numbers),
        the squares of these numbers, the products of the colours of hair and
        skin, and the areas of hair, skin and clothes.
    """
    x = rgb.astype(np.float32) / 127.5 - 1
    weights = shares[..., 1:4] ** 2
    sums = (weights[..., None] * x[..., None, :]).sum((1, 2))
    means = sums / (weights.sum((1, 2))[..., None] + 1.0)
    means = means.reshape(len(x), 9)
    products = means[:, :3] * means[:, 3:6]
    areas = weights.mean((1, 2))
    return np.concatenate([means, means * means, products, areas], 1)


def strands(hair, maps):
    """Returns the means of both feature maps over the hair, `[N, 40 + 112]`.

    Args:
        hair: probability of hair in each cell, `[N, 24, 24]`.
        maps: dictionary of `s3` and `s5` (see `views.described`).
    """
    weights = hair[..., None] ** 2
    means = []
    for x, shares, few in (
        (maps["s3"], weights, 4.0),
        (maps["s5"], pooled(weights, CELLS // 2), 1.0),
    ):
        sums = (x.astype(np.float32) * shares).sum((1, 2))
        means.append(sums / (shares.sum((1, 2)) + few))
    return np.concatenate(means, 1)


def cheek_colours(maps, shares, places):
    """Returns the vector "cheeks", which the head "tone" reads, `[N, 18]`.

    Args:
        maps: dictionary of `fine` (see `views.described`).
        shares: shares of the parts, `[N, 24, 24, 4]`.
        places: positions of the cheeks, `[N, 4]` (see `views.places`).
    """
    found = []
    for i in range(0, len(places), 200):
        at = slice(i, i + 200)
        images = maps["fine"][at].astype(np.float32) / 127.5 - 1
        skin = shares[at, ..., PARTS.index("skin")][..., None]
        found.append(cheeks_of(images, np.float32(skin), places[at]))
    return np.concatenate(found)


def vectors(maps, shares):
    """Returns the vectors that heads read, a dictionary of arrays `[N, F]`.

    `cheek_colours` computes the vector "cheeks", which is missing here.

    Args:
        maps: dictionary of `s3`, `s5` and `rgb` (see `views.described`).
        shares: shares of the parts, `[N, 24, 24, 4]`.
    """
    large, small = maps["s3"], maps["s5"]
    chin = cropped(large, CHIN[0]).astype(np.float32)
    n, high, wide, _ = chin.shape
    chin = chin.reshape(n, high // 2, 2, wide // 2, 2, -1).mean((2, 4))
    both = {
        "deep": (pooled(large, 6), pooled(small, 6)),
        "eyes": (cropped(large, EYES[0]), cropped(small, EYES[1])),
        "chin": (chin, cropped(small, CHIN[1])),
    }
    both = {k: np.concatenate([*map(flat, v)], 1) for k, v in both.items()}
    return both | {
        "shape": flat(pooled(shares[..., 1:3], 12)),
        "thumb": flat(pooled(maps["rgb"], 12)) / 127.5 - 1,
        "colours": colours(shares, maps["rgb"]),
        "strands": strands(shares[..., PARTS.index("hair")], maps),
    }


def cropped(x, box):
    """Returns the cells of a box (top, bottom, left, right) of maps."""
    top, bottom, left, right = box
    return x[:, top:bottom, left:right]


def flat(x):
    """Reshapes an array `[N, ...]` to float32 `[N, F]`."""
    return x.astype(np.float32).reshape(len(x), -1)


class Reduced(NamedTuple):
    """Principal components of a vector, and how they are computed.

    Attributes:
        train, other, test: components of training views, of other training
            photos and of test photos, `[N, K]`.
        mean, deviation: mean and standard deviation of the features of the
            training views, `[F]`.
        kernel, bias: components are standardized features @ kernel + bias.
    """

    train: np.ndarray
    other: np.ndarray
    test: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    kernel: np.ndarray
    bias: np.ndarray


def reduced(x, count):
    """Fits principal components on training views, and returns `Reduced`.

    All components are divided by one number, the standard deviation of all
    their values. Therefore their relative sizes stay the same.

    Args:
        x: dictionary from the splits "train", "other" and "test" to the vectors
            of the split, `[N, F]`.
        count: largest number of components.
    """
    train = x["train"]
    mean, deviation = train.mean(0), train.std(0) + 1e-3
    pca = PCA(
        min(count, train.shape[1]), svd_solver="randomized", random_state=0
    )
    pca.fit((train[::2] - mean) / deviation)
    found = pca.transform((train - mean) / deviation)
    unit = found.std()
    kernel = pca.components_.T / unit
    bias = -(pca.mean_ @ pca.components_.T) / unit
    others = {
        split: ((x[split] - mean) / deviation) @ kernel + bias
        for split in ("other", "test")
    }
    return Reduced(
        train=found / unit,
        **others,
        mean=mean,
        deviation=deviation,
        kernel=kernel.astype(np.float32),
        bias=bias,
    )


# Heads.


class Head(NamedTuple):
    """A linear head: components @ kernel.T + bias.

    Attributes:
        reads: names of the vectors whose components the head reads.
        kernel: `[outputs, components]`.
        bias: `[outputs]`.
    """

    reads: tuple
    kernel: np.ndarray
    bias: np.ndarray

    def of(self, found, split):
        """Returns the outputs for a split, `[N, outputs]`."""
        return joined(found, self.reads, split) @ self.kernel.T + self.bias

    def arrays(self, name, found):
        """Returns the arrays of the head that are written to the file of `fit`.

        The kernels are for standardized vectors instead of components.

        Args:
            name: name of the head.
            found: dictionary from names of vectors to `Reduced`.
        """
        out, bias, start = {}, self.bias.copy(), 0
        for vector in self.reads:
            kernel, shift = found[vector].kernel, found[vector].bias
            own = self.kernel[:, start : start + kernel.shape[1]]
            start += kernel.shape[1]
            out[f"{name}_{vector}"] = kernel @ own.T
            bias = bias + own @ shift
        return {f"{name}_b": bias} | out


def joined(found, names, split):
    """Returns the concatenated components of vectors, `[N, components]`."""
    return np.concatenate([getattr(found[name], split) for name in names], 1)


def classifier(found, name, classes, count, among=slice(None)):
    """Fits a classifier, and returns its `Head`.

    Args:
        found: dictionary from names of vectors to `Reduced`.
        name: name of the head, a key of `CLASSIFIERS`.
        classes: classes of the training views, int `[N]`; at least three
            different classes.
        count: number of outputs.
        among: bool `[N]`, which training views are used; all by default.
    """
    reads, c = CLASSIFIERS[name]
    x, classes = joined(found, reads, "train")[among], classes[among]
    photos = np.maximum(np.bincount(classes), 1)[classes]
    weights = (len(classes) / photos) ** BALANCE.get(name, 0.0)
    weights /= weights.mean()
    model = LogisticRegression(C=c, max_iter=150)
    model.fit(x, classes, sample_weight=weights)
    if len(model.classes_) < 3:
        raise ValueError(f"{name}: the photos show less than three classes")
    kernel = np.zeros((count, x.shape[1]))
    bias = np.full(count, NEVER)
    kernel[model.classes_] = model.coef_
    bias[model.classes_] = model.intercept_
    return Head(reads, kernel, bias)


def hair_head(found, of_kinds, options, count):
    """Returns the `Head` that predicts the option of hair.

    The logit of an option is the sum of two terms: the logit of its kind, times
    `KIND_WEIGHT`, and the logit of the option among the options of its kind.

    Args:
        found: dictionary from names of vectors to `Reduced`.
        of_kinds: `Head` of the kinds of hair.
        options: index of the true option of each training view, int `[N]`.
        count: number of options.
    """
    x = joined(found, of_kinds.reads, "train")
    kernel = np.zeros((count, x.shape[1]))
    bias = np.full(count, NOT_USED)
    for kind, own in enumerate(codes.OPTIONS["hair"].values()):
        if len(own) == 1:
            bias[own] = 0
        else:
            mine = np.isin(options, own)
            among = option_classifier(x[mine], options[mine])
            for option, k, b in zip(*among, strict=True):
                kernel[option], bias[option] = k, b
        used = [option for option in own if bias[option] != NOT_USED]
        kernel[used] += KIND_WEIGHT * of_kinds.kernel[kind]
        bias[used] += KIND_WEIGHT * of_kinds.bias[kind]
    return Head(of_kinds.reads, kernel, bias)


def option_classifier(x, options):
    """Fits a classifier of the options of one kind of hair.

    Args:
        x: components `[N, components]`.
        options: index of the true option of each view, int `[N]`.

    Returns:
        The options that occur, their kernels `[options, components]`, and their
        biases `[options]`.
    """
    model = LogisticRegression(
        C=OPTION_C, max_iter=100, class_weight="balanced"
    )
    model.fit(x, options)
    kernel, bias = model.coef_, model.intercept_
    if len(model.classes_) == 2:  # The only logit is for the second class.
        kernel = np.concatenate([-kernel, kernel]) / 2
        bias = np.concatenate([-bias, bias]) / 2
    return model.classes_, kernel, bias


def number_head(found, name, wanted):
    """Fits a linear regression, and returns its `Head`.

    Args:
        found: dictionary from names of vectors to `Reduced`.
        name: name of the head, a key of `NUMBERS`.
        wanted: the true numbers of the training views, followed by those of the
            other photos, `[N]` or `[N, outputs]`.
    """
    reads, l2 = NUMBERS[name]
    x = [joined(found, reads, split) for split in ("train", "other")]
    weights = np.repeat([1.0, OTHERS], [len(v) for v in x])
    model = Ridge(l2).fit(np.concatenate(x), wanted, weights)
    kernel, bias = np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)
    return Head(reads, kernel, bias)


def fit_heads(found, code, views, drawer):
    """Fits all heads except the head "cheeks".

    Args:
        found: dictionary from names of vectors to `Reduced`.
        code: `codes.Codes`.
        views: `Views`.
        drawer: name of the run of sprites.py.

    Returns:
        A dictionary from names to `Head`.
    """
    saved = sprites.load_drawer(drawer)
    counts = {slot: len(saved[f"w_{slot}"]) for slot in code.options}
    counts |= {"kind": len(teach.KINDS), "tint": len(p.HAIR_COLOURS)}
    wanted = wanted_classes(code)
    among = {"kind": np.isin(views.at, code.clear)}
    heads = {
        name: classifier(
            found,
            name,
            wanted[name][views.at],
            counts[name],
            among.get(name, slice(None)),
        )
        for name in CLASSIFIERS
    }
    hair = code.options["hair"][views.at]
    heads["hair"] = hair_head(found, heads["kind"], hair, counts["hair"])
    everybody = np.concatenate([views.at, views.others])
    numbers = {"tone": code.tone, "clothes_colour": code.clothes / 127.5 - 1}
    return heads | {
        name: number_head(found, name, of_photos[everybody])
        for name, of_photos in numbers.items()
    }


def wanted_classes(code):
    """Returns a dictionary from slots, "kind" and "tint" to true classes.

    The classes are an int array `[N]` with an element for each photo.
    """
    kinds = codes.kind_of("hair")
    kind = np.array([teach.KINDS.index(kinds[o]) for o in code.options["hair"]])
    return code.options | {"kind": kind, "tint": code.tint}


def report(heads, found, code, who):
    """Prints how often heads agree with the rules and with the annotator.

    Args:
        heads: result of `fit_heads`.
        found: dictionary from names of vectors to `Reduced`.
        code: `codes.Codes`.
        who: indices of the training photos that have views. The first views
            in `found` are in this order.
    """
    wanted = wanted_classes(code)
    read = {}
    for name in CLASSIFIERS:
        test = heads[name].of(found, "test").argmax(1)
        agree = np.mean(test == wanted[name][code.n :])
        print(f"{name} agrees with the rules on test photos {agree:.2f}")
        # The first view of each photo is the photo itself.
        train = wanted[name][: code.n].copy()
        train[who] = heads[name].of(found, "train")[: len(who)].argmax(1)
        read[name] = np.concatenate([train, test])
    named = {
        slot: np.array([codes.kind_of(slot)[o] for o in read[slot]])
        for slot in ("glasses", "beard")
    }
    teach.report(
        np.array(teach.KINDS)[read["kind"]],
        named["glasses"],
        named["beard"],
        p.HAIR_NAMES[read["tint"]],
        code.n,
    )


class Views(NamedTuple):
    """The inputs of heads, and the photos to which they belong.

    Attributes:
        maps: dictionary from the splits "train", "other" and "test" to
            dictionaries of arrays whose first axis is that of views (see
            `views.write_views`).
        at: index of the photo of each training view. The first views of all
            photos come first, then the second views of all photos, and so on.
        who: indices of the photos that have training views, without repetition.
        others: indices of the other training photos.
    """

    maps: dict
    at: np.ndarray
    who: np.ndarray
    others: np.ndarray


def load_views():
    """Reads `Views` from cache/views.npz."""
    maps = {split: {} for split in ("train", "other", "test")}
    with np.load(y.WORK / "cache" / "views.npz") as file:
        who, others = file["who"], file["other"]
        for key in file.files:
            split, _, name = key.partition("_")
            if name:
                x = file[key]
                maps[split][name] = x.reshape(-1, *x.shape[2:])
    at = np.tile(who, len(maps["train"]["s3"]) // len(who))
    return Views(maps, at, who, others)


def reduced_all(maps, parts):
    """Reduces all vectors, and fits the `Head` that finds the cheeks.

    Args:
        maps: `Views.maps`.
        parts: `Parts`.

    Returns:
        A dictionary from names of vectors to `Reduced`, and the `Head`.
    """
    shares = {split: parts.find(v) for split, v in maps.items()}
    iou = hair_iou(shares["test"], maps["test"]["seg"])
    print(f"hair IoU with segments {iou:.2f}")
    x = {split: vectors(v, shares[split]) for split, v in maps.items()}
    found = {
        name: reduced({split: v[name] for split, v in x.items()}, count)
        for name, count in COMPONENTS.items()
        if name in x["train"]
    }
    wanted = [maps[split]["cheeks"] for split in ("train", "other")]
    cheeks = number_head(found, "cheeks", np.concatenate(wanted))
    colours_of = {
        split: cheek_colours(v, shares[split], cheeks.of(found, split))
        for split, v in maps.items()
    }
    found["cheeks"] = reduced(colours_of, COMPONENTS["cheeks"])
    return found, cheeks


def fit(drawer, name):
    """Fits all heads and writes runs/NAME_heads.npz.

    The file contains these arrays:
    - the attributes of `Parts`, by their names;
    - for each vector, the mean and the standard deviation of its features,
      called `{vector}_mean` and `{vector}_sd`;
    - for each head, the bias `{head}_b`, and a kernel `{head}_{vector}` for
      each standardized vector that the head reads.

    Args:
        drawer: name of the run of sprites.py.
        name: name of the heads.
    """
    views = load_views()
    code = codes.photo_codes(drawer)
    parts = learn_parts(views.maps["train"])
    found, cheeks = reduced_all(views.maps, parts)
    heads = {"cheeks": cheeks} | fit_heads(found, code, views, drawer)
    arrays = parts._asdict()
    for k, v in found.items():
        arrays |= {f"{k}_mean": v.mean, f"{k}_sd": v.deviation}
    for k, head in heads.items():
        arrays |= head.arrays(k, found)
    np.savez(y.WORK / "runs" / f"{name}_heads.npz", **arrays)
    report(heads, found, code, views.who)


def main():
    commands = {"maps": write_views, "fit": fit}
    commands[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    main()
