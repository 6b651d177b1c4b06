"""Networks that translate a photo to a code, and a code to a drawing.

A code describes a drawing. It consists of the weights of the options of each
slot (hair, glasses, mouth, ...), and of the colours of skin, hair and clothes.
Each option is a sprite, a small learned image. Sprites are described in Monnier
et al. 2021 (arXiv:2104.14575) and in Smirnov et al. 2021 (arXiv:2104.14553).
"""

import keras
import numpy as np
import tensorflow as tf

from tf_i2i.layers import upsample
from tf_i2i.networks.base import Network
from tf_i2i.networks.lite_trunk import LiteTrunk

# The colours of a code, in this order.
COLOURS = ("skin", "hair", "clothes")
SKIN_TONES, HAIR_COLOURS = 5, 7
# Side of the input images of `LiteTrunk`, and side of its larger feature map.
READ, CELLS = 192, 24
# Classes of the cells of a photo ("ground" is the background), and the number
# of channels of the layer that classifies the cells.
PARTS = ("ground", "hair", "skin", "clothes")
PARTS_WIDTH = 48
# Boxes of the feature maps that the linear heads for the eyes and the chin
# read: top, bottom, left, right in cells of the larger and of the smaller map.
EYES = ((9, 13, 6, 18), (4, 7, 3, 9))
CHIN = ((12, 20, 7, 17), (6, 10, 3, 9))
# Slots whose linear head reads the box of the eyes or of the chin. The linear
# heads of all other slots read the whole maps.
AT_EYES, AT_CHIN = ("glasses", "eyes", "brows"), ("beard", "mouth")
# Names of the vectors that describe the whole photo.
_WHOLE = ("large", "small", "parts", "images", "colours")
# Number of outputs of the linear head that predicts the coordinates of the two
# cheeks. The outputs are the two columns, then the two rows, from -1 at the
# left or upper edge of the photo to 1 at the opposite edge.
CHEEKS = 4
# Standard deviations of the Gaussian windows in which the colour of a cheek is
# measured, in the unit of the cheeks' coordinates.
CHEEK_SPREADS = (1 / 32, 1 / 8)
# Lower limit of the logarithms of a window's weights. Without it, int8 would
# represent the logarithms imprecisely, because their range would be large.
_FAR = -8.0
# Number that is added to the share of skin in each pixel. Otherwise the weights
# of a window without skin would all be 0.
_NO_SKIN = 0.02
# Linear heads that predict colours as numbers, and their numbers of outputs.
_SHADES = {"tone": 1, "clothes_colour": 3}
# Logits are multiplied by this factor before the softmax, so that nearly always
# one option is drawn, and not a mixture of options.
SHARPNESS = 100.0


class SpriteDrawer(Network):
    """Returns the drawing that a code describes.

    The colour of a pixel is a weighted mean of the colours of a palette. The
    weights are the softmax of logits. The logits of the background and of the
    chosen options are added. Therefore an option covers another option if it
    has larger logits.

    Args:
        image_size: side of the drawings in pixels.
        slots: dictionary from the name of a slot to a tuple of its box (top,
            bottom, left, right in cells), the number of its options, and the
            entries of the palette that its options use.
        cells: side of the sprites in cells. The logits are interpolated from
            cells to pixels.
        palette: number of entries of the palette.
        name: name of the layer.
    """

    def __init__(self, image_size, slots, cells, palette, name=None):
        super().__init__(name, dtype="float32")
        self.image_size, self.slots, self.cells = image_size, slots, cells
        self.ground = self.add_weight(
            shape=(cells, cells, palette), initializer="zeros", name="ground"
        )
        self.sprites = {
            slot: self.add_weight(
                shape=(count, bottom - top, right - left, len(uses)),
                initializer=keras.initializers.RandomNormal(0.01, seed=i),
                name=f"sprites_{slot}",
            )
            for i, (slot, ((top, bottom, left, right), count, uses)) in (
                enumerate(slots.items())
            )
        }
        # The colour of an entry is a mixture of the code's three colours plus
        # an offset.
        self.mixture = self.add_weight(
            shape=(palette, len(COLOURS)),
            initializer=keras.initializers.RandomNormal(0.3, seed=101),
            name="mixture",
        )
        self.offset = self.add_weight(
            shape=(palette, 3),
            initializer=keras.initializers.RandomNormal(0.3, seed=102),
            name="offset",
        )

    def call(self, options, colours):
        """Returns the drawings of codes.

        Args:
            options: dictionary from each slot to the weights of its options,
                `[N, options]`, which are not negative and sum to 1.
            colours: `[N, 3, 3]`, RGB in [-1, 1] of each of `COLOURS`.

        Returns:
            float32 `[N, image_size, image_size, 3]`. The values are
            approximately in [-1, 1].
        """
        total = self.logits(options)
        size = (self.image_size, self.image_size)
        if size[0] != self.cells:
            total = tf.image.resize(total, size)
        return self.paint(tf.nn.softmax(total), self.palette(colours))

    def logits(self, options):
        """Returns the logits of the palette's entries, `[N, cells, cells, P]`.

        Args:
            options: see `call`. Slots that are missing add nothing.
        """
        total = self.ground[None]
        for slot, weights in options.items():
            total += self.place(slot, weights)
        return total

    def palette(self, colours):
        """Returns a palette for each code, `[N, P, 3]`."""
        return self.offset + self.mix(colours)

    def mix(self, colours):
        """Returns palettes without the offsets of their entries."""
        return tf.add_n(
            [
                self.mixture[:, i : i + 1] * colours[:, i : i + 1]
                for i in range(len(COLOURS))
            ]
        )

    @staticmethod
    def paint(shares, palette):
        """Returns images `[N, H, W, 3]` that mix the entries of palettes.

        Args:
            shares: `[N, H, W, P]`, the shares of the entries in each pixel.
            palette: `[N, P, 3]`.
        """
        _, height, width, entries = shares.shape
        flat = tf.reshape(shares, [-1, height * width, entries])
        return tf.reshape(flat @ palette, [-1, height, width, 3])

    def place(self, slot, weights):
        """Returns the logits that the options of a slot add, for all cells."""
        (top, bottom, left, right), count, uses = self.slots[slot]
        sprites = self.sprites[slot]
        logits = weights @ tf.reshape(sprites, [count, -1])
        logits = tf.reshape(logits, [-1, len(uses)])
        palette = self.ground.shape[-1]
        logits @= tf.constant(np.eye(palette, dtype=np.float32)[list(uses)])
        logits = tf.reshape(logits, [-1, bottom - top, right - left, palette])
        rows = [top, self.cells - bottom]
        columns = [left, self.cells - right]
        return tf.pad(logits, [[0, 0], rows, columns, [0, 0]])


class _Standardize(keras.layers.Layer):
    """Scales and shifts each feature; the weights are set, not trained.

    The resulting features have about the same magnitude. Therefore one int8
    scale is precise enough for all of them.
    """

    def build(self, shape):
        for name, value in (("scale", "ones"), ("shift", "zeros")):
            weight = self.add_weight(
                shape=shape[-1:], initializer=value, trainable=False, name=name
            )
            setattr(self, name, weight)

    def call(self, x):
        return x * self.scale + self.shift


class _Heads(Network):
    """Linear heads that read the same vectors.

    Each head has one linear layer for each vector, and adds their outputs.
    Therefore vectors of different kinds are quantized separately.

    Args:
        counts: dictionary from the name of each head to the number of its
            outputs.
        vectors: names of the vectors.
        name: name of the layer.
    """

    def __init__(self, counts, vectors, name=None):
        super().__init__(name)
        self.counts = counts
        self.standardize = {
            v: _Standardize(dtype="float32", name=f"of_{v}") for v in vectors
        }
        self.linear = {
            v: keras.layers.Dense(
                sum(counts.values()),
                use_bias=v == vectors[0],
                dtype="float32",
                name=v,
            )
            for v in vectors
        }

    def call(self, vectors):
        """Returns a dictionary from names of heads to `[N, outputs]`."""
        found = [
            self.linear[v](self.standardize[v](x)) for v, x in vectors.items()
        ]
        outputs = tf.split(tf.add_n(found), list(self.counts.values()), 1)
        return dict(zip(self.counts, outputs, strict=True))


class SpriteReader(Network):
    """Predicts the code of a photo of a face.

    A frozen network computes feature maps. A small network finds the parts of
    the photo (hair, skin, clothes) in these maps, and the mean colour of each
    part is computed. Linear heads predict the options and the colours of the
    code from the maps, the parts and the mean colours.

    Args:
        counts: dictionary from the names of slots to numbers of options.
        detailed: whether the heads have two further inputs. The linear heads of
            the whole photo also read the mean features of the hair. The heads
            of colours also read the colours of the cheeks, whose positions are
            predicted by one more head.
        name: name of the layer.
    """

    def __init__(self, counts, detailed=True, name=None):
        super().__init__(name, dtype="float32")
        self.slots, self.detailed = tuple(counts), detailed
        self.trunk = LiteTrunk(name="trunk")
        self.parts = _Parts(name="parts")
        whole = (*_WHOLE, "strands") if detailed else _WHOLE
        self.eyes, self.chin, self.whole = (
            _Heads(
                {s: n for s, n in counts.items() if _view(s) == view} | more,
                vectors,
                name=view,
            )
            for view, more, vectors in (
                ("eyes", {}, ("large", "small")),
                ("chin", {}, ("large", "small")),
                ("whole", {"tint": HAIR_COLOURS}, whole),
            )
        )
        # The outputs of the heads `places` and `shades` differ from logits in
        # magnitude. In one int8 tensor with logits, they would lose their
        # precision.
        shades = whole
        if detailed:
            self.places = _Heads({"cheeks": CHEEKS}, whole, name="places")
            shades = (*whole, "cheeks")
        self.shades = _Heads(_SHADES, shades, name="shades")
        self.skins = self.add_weight(
            shape=(SKIN_TONES, 3),
            initializer=keras.initializers.RandomUniform(-1, 1, seed=103),
            trainable=False,
            name="skins",
        )
        self.tints = self.add_weight(
            shape=(HAIR_COLOURS, 3),
            initializer=keras.initializers.RandomUniform(-1, 1, seed=104),
            trainable=False,
            name="tints",
        )

    def call(self, images):
        """Returns the code of each image: logits of options, and colours.

        Args:
            images: `[N, S, S, 3]`, float in [-1, 1].

        Returns:
            A pair: a dictionary from each slot to its logits `[N, options]`,
            and the colours `[N, 3, 3]`, RGB in [-1, 1] of each of `COLOURS`.
        """
        images = tf.image.resize(tf.cast(images, tf.float32), (READ, READ))
        # Heads and drawings are computed in float32 with every dtype policy.
        large, small = (tf.cast(x, tf.float32) for x in self.trunk(images))
        fine = _pool(images, READ // CELLS // 2)
        images = _pool(fine, 2)
        parts = self.parts(large, small, images)
        found = self.eyes(
            {
                "large": _flat(_crop(large, EYES[0])),
                "small": _flat(_crop(small, EYES[1])),
            }
        )
        found |= self.chin(
            {
                "large": _flat(_pool(_crop(large, CHIN[0]), 2)),
                "small": _flat(_crop(small, CHIN[1])),
            }
        )
        vectors = (
            _flat(_pool(large, 4)),
            _flat(_pool(small, 2)),
            _flat(_pool(parts[..., 1:3], 2)),
            _flat(_pool(images, 2)),
            _colours_of(parts, images),
        )
        whole = dict(zip(_WHOLE, vectors, strict=True))
        cheeks = {}
        if self.detailed:
            whole["strands"] = _strands_of(parts[..., 1], large, small)
            places = self.places(whole)["cheeks"]
            cheeks["cheeks"] = cheeks_of(fine, parts[..., 2:3], places)
        found |= self.whole(whole) | self.shades(whole | cheeks)
        colours = [
            self._skin(found["tone"]),
            tf.nn.softmax(SHARPNESS * found["tint"]) @ self.tints,
            found["clothes_colour"],
        ]
        return (
            {slot: found[slot] for slot in self.slots},
            tf.clip_by_value(tf.stack(colours, 1), -1.0, 1.0),
        )

    def _skin(self, tone):
        """Returns the skin's colour, a mixture of two neighbouring tones."""
        tone = tf.clip_by_value(tone, 0.0, SKIN_TONES - 1.0)
        steps = tf.range(SKIN_TONES, dtype=tf.float32)
        return tf.nn.relu(1.0 - tf.abs(tone - steps)) @ self.skins


class _Parts(Network):
    """Finds the `PARTS` of a photo in each cell."""

    def __init__(self, name=None):
        super().__init__(name, dtype="float32")
        self.large, self.small, self.images, self.logits = (
            keras.layers.Conv2D(
                count,
                1,
                use_bias=bias,
                data_format="channels_last",
                dtype="float32",
                name=layer,
            )
            for layer, count, bias in (
                ("large", PARTS_WIDTH, False),
                ("small", PARTS_WIDTH, False),
                ("images", PARTS_WIDTH, False),
                ("logits", len(PARTS), True),
            )
        )
        self.place = self.add_weight(
            shape=(CELLS, CELLS, PARTS_WIDTH), initializer="zeros", name="place"
        )

    def call(self, large, small, images):
        """Returns the share of each part in each cell, `[N, 24, 24, 4]`."""
        x = self.large(large) + upsample(self.small(small))
        x = tf.nn.relu(x + self.images(images) + self.place)
        return tf.nn.softmax(self.logits(x))


def _colours_of(parts, images):
    """Returns the mean colours and the areas of three parts.

    The parts are hair, skin and clothes. The result also contains the squares
    of the colours, and products of two colours, so that linear heads can
    compute simple quadratic functions.
    """
    weights = tf.reshape(parts[..., 1:4] ** 2, [-1, CELLS**2, 3])
    pixels = tf.reshape(images, [-1, CELLS**2, 3])
    sums = tf.matmul(weights, pixels, transpose_a=True)
    area = tf.reduce_sum(weights, 1)
    means = _flat(sums / (area[..., None] + 1.0))
    products = (means * means, means[:, :3] * means[:, 3:6])
    return tf.concat([means, *products, area / CELLS**2], 1)


def _strands_of(hair, large, small):
    """Returns the means of both feature maps, weighted by the share of hair.

    Args:
        hair: share of hair in each cell, `[N, 24, 24]`.
        large, small: feature maps, `[N, 24, 24, C]` and `[N, 12, 12, D]`.

    Returns:
        `[N, C + D]`.
    """
    weights = hair[..., None] ** 2
    means = []
    for maps, shares, few in (
        (large, weights, 4.0),
        (small, _pool(weights, 2), 1.0),
    ):
        side, channels = maps.shape[1], maps.shape[-1]
        shares = tf.reshape(shares, [-1, side**2, 1])
        maps = tf.reshape(maps, [-1, side**2, channels])
        sums = tf.matmul(shares, maps, transpose_a=True)[:, 0]
        means.append(sums / (tf.reduce_sum(shares, 1) + few))
    return tf.concat(means, 1)


def cheeks_of(images, skin, places):
    """Returns the colours of the skin of the cheeks.

    Args:
        images: `[N, S, S, 3]`.
        skin: share of skin in each cell, `[N, S / 2, S / 2, 1]`.
        places: coordinates of the cheeks, `[N, 4]`; see `CHEEKS`.

    Returns:
        `[N, 18]`. For each of `CHEEK_SPREADS`: the mean of the colours of both
        cheeks, their absolute difference, and the square of the mean.
    """
    side = images.shape[1]
    centres = (np.arange(side, dtype=np.float32) + 0.5) / side * 2 - 1
    away = places[..., None] - centres
    pixels = tf.reshape(images, [-1, side**2, 3])
    skin = tf.reshape(upsample(skin) + _NO_SKIN, [-1, 1, side, side])
    found = []
    for spread in CHEEK_SPREADS:
        near = tf.exp(tf.maximum(-0.5 / spread**2 * away * away, _FAR))
        columns, rows = tf.split(near, 2, 1)
        window = rows[..., None] * columns[:, :, None] * skin
        window = tf.reshape(window, [-1, 2, side**2])
        total = tf.reduce_sum(window, 2, keepdims=True)
        left, right = tf.unstack(window @ pixels / (total + 1e-3), axis=1)
        mean = (left + right) / 2
        found += [mean, tf.abs(left - right), mean * mean]
    return tf.concat(found, 1)


def weights_of(logits):
    """Returns the weights of options, from their logits."""
    return {slot: tf.nn.softmax(SHARPNESS * x) for slot, x in logits.items()}


def _view(slot):
    if slot in AT_EYES:
        return "eyes"
    return "chin" if slot in AT_CHIN else "whole"


def _flat(x):
    return tf.reshape(x, [-1, np.prod(x.shape[1:])])


def _pool(x, side):
    return tf.nn.avg_pool2d(x, side, side, "VALID")


def _crop(x, box):
    top, bottom, left, right = box
    return x[:, top:bottom, left:right]
