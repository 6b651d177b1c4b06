"""Finds the options of avatars by clustering, and learns to draw them.

    python sprites.py parts          # writes cache/parts.npz and parts.png
    python sprites.py train NAME     # writes runs/NAME_drawer.npz
    python sprites.py options NAME   # writes options.png

An avatar is a sum of sprites, one option for each slot: hair, clothes, beard,
eyes, brows, mouth and glasses. `parts` writes each avatar as indices of a small
palette, and clusters the avatars in each slot. `train` learns a sprite for each
cluster, by the L1 error of the drawings. After each round but the last it moves
each avatar, in each slot, to the option with the smallest error, as k-means
does. `options` draws every option, so that a person can name it (see codes.py).

`train` uses the drawing of `tf_i2i.networks.sprites.SpriteDrawer`, but takes
the chosen sprites by their indices, which is faster than mixing all of them.
"""

import json
import sys
import time

import cv2
import keras
import numpy as np
import pseudo as p
import tensorflow as tf
import yardstick as y
from regions import GROUND
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

S = 128  # Side of the sprites in cells, one cell for 2 x 2 pixels.
# Box of each slot (top, bottom, left, right in shares of the side), and number
# of options.
SLOTS = {
    "hair": ((0.0, 1.0, 0.0, 1.0), 22),
    "clothes": ((0.62, 1.0, 0.0, 1.0), 9),
    "beard": ((0.47, 0.74, 0.24, 0.76), 6),
    "eyes": ((0.38, 0.47, 0.34, 0.66), 10),
    "brows": ((0.33, 0.41, 0.32, 0.68), 8),
    "mouth": ((0.52, 0.63, 0.40, 0.60), 8),
    "glasses": ((0.32, 0.50, 0.22, 0.78), 4),
}
# Entries of the palette (see `palette`) that the options of a slot may use.
USES = {
    "hair": (5, 6, 7),
    "clothes": (1, 2, 4, 8, 9, 10, 11, 12, 13),
    "beard": (1, 2, 5, 6, 7, 13, 14),
    "eyes": (1, 2, 3, 4, 11, 12, 13, 14),
    "brows": (1, 2, 3, 4, 13, 14),
    "mouth": (1, 2, 3, 4, 11, 12, 13, 14, 16, 17),
    "glasses": (1, 2, 3, 4, 11, 12, 13, 14, 15),
}
# Avatars are clustered by where, in this box, a pixel has an entry of each
# group of entries of the palette.
CLUSTERED_BY = {
    "clothes": (
        (0.68, 0.98, 0.36, 0.64),
        ((8,), (9, 10), (11, 12), (13, 14), (1, 2, 3, 4)),
    ),
    "beard": ((0.50, 0.68, 0.34, 0.66), ((5, 6, 7),)),
    "eyes": ((0.40, 0.47, 0.36, 0.64), ((11, 12), (13, 14))),
    "brows": ((0.34, 0.40, 0.36, 0.64), ((13, 14, 4),)),
    "mouth": ((0.53, 0.62, 0.42, 0.58), ((11, 12), (13, 14), (16, 17))),
    "glasses": ((0.34, 0.48, 0.26, 0.74), ((13, 14, 15),)),
}
HAIR_ENTRIES = USES["hair"]
# Boxes that contain the beard, which has the colour of the hair, and the chin.
BEARD_BOX = (0.40, 0.78, 0.29, 0.71)
CHIN_BOX = (0.57, 0.66, 0.40, 0.60)
COMPONENTS = 40  # Principal components that are clustered.
# The last entries of the palette, which are the same in all avatars: white,
# light grey, dark grey, black, the grey of frames, and two reds of mouths.
CONSTANTS = np.float32(
    [
        [255, 255, 255],
        [230, 230, 230],
        [40, 40, 44],
        [0, 0, 0],
        [95, 98, 110],
        [255, 79, 109],
        [150, 60, 70],
    ]
)
ROUNDS, PASSES = 3, 4  # Passes over all avatars in each round.
BATCH = 32
RATE = 0.15
# Colours of skin, hair and clothes on the sheet of options.
USUAL_COLOURS = ([[237, 185, 138]], [[114, 65, 51]], [[80, 140, 220]])


def palette(skin, hair, clothes):
    """Returns the palettes of avatars.

    Args:
        skin, hair, clothes: RGB in 0 to 255, `[N, 3]`.

    Returns:
        float32 `[N, 18, 3]`, RGB, about 0 to 255, the entries of the palette:
        background, four skin tones, three hair tones, three clothes tones, and
        `CONSTANTS`.
    """
    n = len(skin)
    own = [
        np.tile(np.float32(GROUND), (n, 1)),
        *(skin, 0.84 * skin, 0.90 * skin, 0.6 * skin),
        *(hair, 0.85 * hair, hair + 20),
        *(clothes, 0.84 * clothes, 0.7 * clothes),
    ]
    own = np.stack([np.asarray(colour, np.float32) for colour in own], 1)
    return np.concatenate([own, np.tile(CONSTANTS, (n, 1, 1))], 1)


def place(box):
    """Returns the slices of rows and columns of a box in shares of the side."""
    top, bottom, left, right = (round(v * S) for v in box)
    return slice(top, bottom), slice(left, right)


def indexed(images, palettes):
    """Returns the nearest entry of the palette for each pixel.

    Args:
        images: uint8 `[N, H, W, 3]`.
        palettes: `[N, P, 3]`.

    Returns:
        uint8 `[N, H, W]`.
    """
    out = np.zeros(images.shape[:3], np.uint8)
    for i, image in enumerate(images):
        away = image[..., None, :].astype(np.float32) - palettes[i]
        out[i] = (away**2).sum(-1).argmin(-1)
    return out


def shrunk(images, side):
    """Returns images `[N, side, side]` or with channels, by means of areas."""
    how = cv2.INTER_AREA
    return np.stack(
        [cv2.resize(image, (side, side), interpolation=how) for image in images]
    )


def beard_colour(image, skin, otherwise):
    """Returns the colour of the beard of an avatar that is bald.

    Args:
        image: uint8 `[S, S, 3]`.
        skin: its skin colour, `[3]`.
        otherwise: the colour to return if there is no beard.
    """
    rows, columns = place(CHIN_BOX)
    pixels = image[rows, columns].reshape(-1, 3).astype(int)
    pixels = pixels[np.abs(pixels - skin).max(-1) > 25]
    if len(pixels) <= 30:
        return otherwise
    keys, counts = np.unique(pixels @ (65536, 256, 1), return_counts=True)
    if counts.max() <= 12:
        return otherwise
    key = keys[counts.argmax()]
    return key >> 16, key >> 8 & 255, key & 255


def looks_of(slot, index, bald):
    """Returns the features by which avatars are clustered in a slot, `[N, F]`.

    Args:
        slot: name.
        index: entries of the palette, `[N, S, S]`.
        bald: bool `[N]`.
    """
    if slot == "hair":
        is_hair = np.isin(index, HAIR_ENTRIES) & ~bald[:, None, None]
        rows, columns = place(BEARD_BOX)
        is_hair[:, rows, columns] = 0
        looks = shrunk(is_hair.astype(np.float32), 32)
    else:
        box, groups = CLUSTERED_BY[slot]
        rows, columns = place(box)
        here = index[:, rows, columns]
        looks = np.stack([np.isin(here, group) for group in groups], -1)
    return looks.astype(np.float32).reshape(len(index), -1)


def clustered(looks, count):
    """Returns the cluster of each avatar, `[N]`, from its looks `[N, F]`."""
    found = PCA(COMPONENTS, random_state=0).fit_transform(looks)
    return KMeans(count, n_init=6, random_state=0).fit_predict(found)


def merged(options, is_none):
    """Renumbers options, so that all options that draw nothing become option 0.

    Args:
        options: `[N]`.
        is_none: bool `[N]`, avatars without a beard or without glasses. The
            options in which more than half of the avatars are such are joined.

    Returns:
        `[N]`, options with new numbers.
    """
    every = range(options.max() + 1)
    empty = [c for c in every if is_none[options == c].mean() > 0.5]
    order = empty + [c for c in every if c not in empty]
    new = {c: max(0, i - len(empty) + 1) for i, c in enumerate(order)}
    return np.array([new[c] for c in options])


def write_parts():
    """Writes cache/parts.npz and parts.png.

    In the file, `images` are the avatars, uint8 `[N, S, S, 3]`, `index` are
    their entries of the palette, uint8 `[N, S, S]`, `skin`, `hair` and
    `clothes` are their colours, `[N, 3]`, and `slot_SLOT` are their options,
    `[N]`.
    """
    a = p.avatars()
    bald = a["bald"] > 0.5
    images = shrunk(y.load("avatar", "train", 256)[0], S)
    skin, hair, clothes = a["skin"], a["hair"].copy(), a["clothes"]
    for i in np.flatnonzero(bald):
        hair[i] = beard_colour(images[i], skin[i], otherwise=hair[i])
    index = indexed(images, palette(skin, hair, clothes))
    _, glasses, beards = p.avatar_kinds(a)
    without = {"glasses": glasses == "none", "beard": beards == "none"}
    options = {}
    for slot, (_, count) in SLOTS.items():
        found = clustered(looks_of(slot, index, bald), count)
        if slot in without:
            found = merged(found, without[slot])
        options[slot] = found
        print(slot, np.bincount(found), flush=True)
    np.savez(
        y.WORK / "cache" / "parts.npz",
        index=index,
        images=images,
        skin=skin,
        hair=hair,
        clothes=clothes,
        **{f"slot_{slot}": found for slot, found in options.items()},
    )
    show_means(images, options)


def show_means(images, options):
    """Writes parts.png: the mean avatar of each option, a row for each slot."""
    rows = []
    for found in options.values():
        row = [images[found == c].mean(0) for c in range(found.max() + 1)]
        rows.append(filled([mean.astype(np.uint8) for mean in row], 24))
    y.grid(rows, y.WORK / "parts.png", 80, 24)


def filled(row, count):
    """Returns a row of images that white images fill up to the count."""
    white = np.full((S, S, 3), 255, np.uint8)
    return row + [white] * (count - len(row))


class Drawer:
    """Draws avatars from the indices of their options.

    Args:
        counts: dictionary from slots to numbers of options.
        entries: number of entries of the palette.
    """

    def __init__(self, counts, entries):
        self.ground = tf.Variable(tf.zeros([S, S, entries]))
        self.sprites = {}
        for slot, (box, _) in SLOTS.items():
            rows, columns = place(box)
            high, wide = rows.stop - rows.start, columns.stop - columns.start
            shape = [counts[slot], high, wide, len(USES[slot])]
            self.sprites[slot] = tf.Variable(tf.zeros(shape))

    def variables(self):
        return [self.ground, *self.sprites.values()]

    def spread(self, slot, sprites):
        """Returns logits of all entries from those that a slot uses."""
        entries = np.eye(self.ground.shape[-1], dtype=np.float32)
        return tf.matmul(sprites, tf.constant(entries[list(USES[slot])]))

    def logits(self, options, without=None):
        """Returns the logits of the palette's entries, `[N, S, S, P]`.

        Args:
            options: dictionary from slots to int32 `[N]`.
            without: name of a slot that is left out, or None.
        """
        total = self.ground[None]
        for slot, (box, _) in SLOTS.items():
            if slot == without:
                continue
            rows, columns = place(box)
            sprites = tf.gather(self.sprites[slot], options[slot])
            above_below = [rows.start, S - rows.stop]
            beside = [columns.start, S - columns.stop]
            total += tf.pad(
                self.spread(slot, sprites),
                [[0, 0], above_below, beside, [0, 0]],
            )
        return total

    def draw(self, options, palettes):
        """Returns drawings `[N, S, S, 3]`, in the unit of the palettes."""
        shares = tf.nn.softmax(self.logits(options))
        return tf.einsum("nhwp,npc->nhwc", shares, palettes)

    def errors(self, slot, options, palettes, images):
        """Returns the L1 error of each option of a slot, `[N, options]`.

        Args:
            slot: name of the slot whose options are compared.
            options: the present options, int32 `[N]` for each slot.
            palettes: `[N, P, 3]`.
            images: `[N, S, S, 3]`.
        """
        rows, columns = place(SLOTS[slot][0])
        # Every second cell is enough for large slots.
        step = 2 if slot in ("hair", "clothes") else 1
        rest = self.logits(options, without=slot)[:, rows, columns]
        return _errors(
            rest[:, ::step, ::step],
            palettes,
            images[:, rows, columns][:, ::step, ::step],
            self.spread(slot, self.sprites[slot][:, ::step, ::step]),
        )


@tf.function(autograph=False)
def _errors(rest, palettes, images, sprites):
    """Returns `Drawer.errors` within the box of the slot.

    Args:
        rest: logits without the slot, `[N, H, W, P]`.
        palettes: `[N, P, 3]`.
        images: `[N, H, W, 3]`.
        sprites: logits of the options, `[options, H, W, P]`.
    """
    out = []
    for option in range(sprites.shape[0]):
        shares = tf.nn.softmax(rest + sprites[option])
        drawn = tf.einsum("nhwp,npc->nhwc", shares, palettes)
        out.append(tf.reduce_sum(tf.abs(drawn - images), (1, 2, 3)))
    return tf.stack(out, 1)


def shares_of(index, entries):
    """Returns how often a pixel has each entry, `[H, W, P]`, of `[N, H, W]`."""
    return np.stack([(index == e).mean(0) for e in range(entries)], -1)


def initialize(drawer, index, options):
    """Sets a drawer's logits to the logarithms of the entries' shares.

    Sprites get the logarithm of the share among the avatars of the option,
    relative to the share among all avatars.

    Args:
        drawer: `Drawer`.
        index: entries of the palette, `[N, S, S]`.
        options: dictionary from slots to int32 `[N]`.
    """
    entries = drawer.ground.shape[-1]
    usual = shares_of(index, entries)
    drawer.ground.assign(np.log(usual + 1e-3))
    for slot, (box, _) in SLOTS.items():
        rows, columns = place(box)
        here = usual[rows, columns]
        for option in range(drawer.sprites[slot].shape[0]):
            mine = index[options[slot] == option][:, rows, columns]
            if not len(mine):
                continue
            # As if two more avatars with the usual shares had this option.
            shares = shares_of(mine, entries) * len(mine) + here * 2
            shares /= len(mine) + 2
            logits = np.log(shares + 1e-3) - np.log(here + 1e-3)
            drawer.sprites[slot][option].assign(logits[..., list(USES[slot])])


def some(options, at):
    """Returns the options of some avatars, as tensors."""
    return {slot: tf.constant(v[at]) for slot, v in options.items()}


def moved(drawer, slot, options, palettes, images):
    """Returns the options with the smallest errors in a slot, int32 `[N]`."""
    best = np.empty(len(images), np.int32)
    for i in range(0, len(images), 80):
        at = slice(i, i + 80)
        errors = drawer.errors(
            slot, some(options, at), palettes[at], images[at]
        )
        best[at] = errors.numpy().argmin(1)
    return best


def stepper(drawer, steps):
    """Returns a function that trains a drawer on a batch.

    Args:
        drawer: `Drawer`.
        steps: number of steps that the learning rate falls over.

    Returns:
        A function of options, palettes and images, which returns the L1 error.
    """
    rate = keras.optimizers.schedules.CosineDecay(RATE, steps, alpha=0.05)
    optimizer = keras.optimizers.Adam(rate, 0.8, 0.99)
    optimizer.build(drawer.variables())

    @tf.function(autograph=False)
    def step(options, palettes, images):
        with tf.GradientTape() as tape:
            drawn = drawer.draw(options, palettes)
            loss = tf.reduce_mean(tf.abs(drawn - images))
        gradients = tape.gradient(loss, drawer.variables())
        optimizer.apply(gradients, drawer.variables())
        return loss

    return step


def train(name, rounds=ROUNDS, passes=PASSES):
    """Learns sprites, and writes them, a log and a sheet of drawings.

    Args:
        name: name of the run. A line is added to runs/NAME.jsonl after each
            pass over the avatars. In it, `identity` is the mean L1 error of
            colours in [0, 1], which is half of the loss `identity` of
            `SpriteTranslator`, whose colours are in [-1, 1].
        rounds: number of rounds. Between two rounds, each avatar is assigned
            in each slot to the option with the smallest error.
        passes: number of passes over the avatars in each round.
    """
    with np.load(y.WORK / "cache" / "parts.npz") as file:
        f = dict(file)
    images = f["images"].astype(np.float32) / 255
    palettes = palette(f["skin"], f["hair"], f["clothes"]) / 255
    palettes = palettes.astype(np.float32)
    options = {slot: f[f"slot_{slot}"].astype(np.int32) for slot in SLOTS}
    counts = {slot: int(v.max()) + 1 for slot, v in options.items()}
    drawer = Drawer(counts, palettes.shape[1])
    initialize(drawer, f["index"], options)

    batches = len(images) // BATCH
    step = stepper(drawer, rounds * passes * batches)
    rng = np.random.default_rng(0)
    log = Log(y.WORK / "runs" / f"{name}.jsonl")
    for k in range(rounds):
        for _ in range(passes):
            order = rng.permutation(len(images))
            losses = []
            for i in range(0, batches * BATCH, BATCH):
                at = order[i : i + BATCH]
                loss = step(some(options, at), palettes[at], images[at])
                losses.append(float(loss))
            log.write(batches, float(np.mean(losses)))
        if k == rounds - 1:
            break
        for slot in SLOTS:
            new = moved(drawer, slot, options, palettes, images)
            print(f"{slot}: {(new != options[slot]).sum()} moved", flush=True)
            options[slot] = new
    save(name, drawer, options)
    at = np.arange(0, len(images), len(images) // 24)[:24]
    drawn = drawer.draw(some(options, at), palettes[at])
    show_drawn(name, f["images"][at], drawn)


class Log:
    """Writes a line of a .jsonl file after each pass over the avatars."""

    def __init__(self, path):
        self.path, self.steps, self.began = path, 0, time.time()
        path.unlink(missing_ok=True)

    def write(self, steps, identity):
        self.steps += steps
        row = {
            "step": self.steps,
            "images_shown": self.steps * BATCH,
            "phase": "sprites",
            "identity": round(identity, 5),
        }
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(row, f"{time.time() - self.began:.0f} s", flush=True)


def save(name, drawer, options):
    """Writes the background, sprites in float16, and options of the avatars."""
    np.savez(
        y.WORK / "runs" / f"{name}_drawer.npz",
        base=drawer.ground.numpy(),
        **{
            f"w_{slot}": v.numpy().astype(np.float16)
            for slot, v in drawer.sprites.items()
        },
        **{f"slot_{slot}": v for slot, v in options.items()},
    )


def load_drawer(name):
    """Returns the arrays of runs/NAME_drawer.npz, a dictionary.

    Returns:
        `base` is the background, float32 `[S, S, P]`: the logits of the P
        entries of the palette in each cell, to which sprites are added. For
        each slot, `w_SLOT` are its sprites, float16 `[options, H, W, entries]`,
        and `slot_SLOT` are the options of the training avatars, int32 `[N]`.
    """
    with np.load(y.WORK / "runs" / f"{name}_drawer.npz") as file:
        return dict(file)


def to_levels(drawn):
    """Returns uint8 images of drawings, a tensor in [0, 1]."""
    return np.clip(drawn.numpy() * 255 + 0.5, 0, 255).astype(np.uint8)


def show_drawn(name, images, drawn):
    """Writes NAME_drawn.png: 24 avatars, and their drawings below them."""
    drawn = to_levels(drawn)
    rows = [images[:12], drawn[:12], images[12:], drawn[12:]]
    path = y.WORK / f"{name}_drawn.png"
    y.grid([list(row) for row in rows], path, 128, 12)


def show_options(name):
    """Writes options.png, and prints the most frequent kind of each option.

    The image shows each option of each slot, beside the most frequent options
    of the other slots, with its number and the number of its avatars. Printed
    are, for three slots, the kind that the rules of pseudo.py see in most of
    the option's avatars, and the share of these avatars.
    """
    saved = load_drawer(name)
    options = {slot: saved[f"slot_{slot}"] for slot in SLOTS}
    counts = {slot: len(saved[f"w_{slot}"]) for slot in SLOTS}
    drawer = Drawer(counts, saved["base"].shape[-1])
    drawer.ground.assign(saved["base"])
    for slot, sprites in drawer.sprites.items():
        sprites.assign(saved[f"w_{slot}"].astype(np.float32))
    rows = []
    for slot, count in counts.items():
        drawn = drawn_options(drawer, slot, options)
        shown = np.bincount(options[slot], minlength=count)
        labels = [f"{i}:{shown[i]}" for i in range(count)]
        row = [labelled(*v) for v in zip(drawn, labels, strict=True)]
        rows += [filled(row[i : i + 13], 13) for i in range(0, count, 13)]
    y.grid(rows, y.WORK / "options.png", 118, 13)
    kinds = p.avatar_kinds(p.avatars())
    for slot, names in zip(("hair", "glasses", "beard"), kinds, strict=True):
        print(
            slot,
            [majority(names[options[slot] == c]) for c in range(counts[slot])],
        )


def drawn_options(drawer, slot, options):
    """Returns a drawing of each option of a slot, uint8 `[options, S, S, 3]`.

    Args:
        drawer: `Drawer`.
        slot: name.
        options: options of the training avatars, `[N]` for each slot. For the
            other slots, the most frequent option is drawn.
    """
    count = drawer.sprites[slot].shape[0]
    code = {
        other: tf.constant(np.full(count, np.bincount(v).argmax(), np.int32))
        for other, v in options.items()
    }
    code[slot] = tf.range(count)
    colours = palette(*(np.array(c) for c in USUAL_COLOURS)) / 255
    palettes = np.repeat(colours.astype(np.float32), count, 0)
    return to_levels(drawer.draw(code, palettes))


def labelled(image, text):
    """Returns a copy of an image with a red text at the top left."""
    image = image.copy()
    return cv2.putText(image, text, (2, 12), 0, 0.4, (200, 0, 0), 1)


def majority(names):
    """Returns the most frequent of names, and its share; "" of no names."""
    if not len(names):
        return "", 0.0
    found, counts = np.unique(names, return_counts=True)
    share = float(counts.max() / len(names))
    return str(found[counts.argmax()]), round(share, 2)


def main():
    commands = {"parts": write_parts, "train": train, "options": show_options}
    commands[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    main()
