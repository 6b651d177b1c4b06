r"""Own style: the sprites of a drawing style are learned from few drawings.

    a --reader--> code_a --drawer--> fake_b
    b --search--> code_b --drawer--> same_b

The reader, which predicts the codes of photos, is taken from a trained
`SpriteTranslator`, and is not trained further. Only the drawer is trained. Its
initial sprites are those of the trained model.

The codes of drawings are not predicted by the reader but found by a search. A
drawing consists of slots, such as the hair. For each slot there are options,
each of which is a sprite (see `SpriteTranslator`). In each slot, the option is
chosen with which the drawing has the highest likelihood. If words about the
drawing are known, only the options of these words are compared. The three
colours are computed by least squares. Options and sprites improve in turns, as
clusters and their centres do in k-means. Monnier et al. 2021 (arXiv:2104.14575)
also choose sprites by their reconstruction error.

What differs from that paper:
- Every pixel is a mixture of the entries of a palette, so that its likelihood
  is that of a mixture of Laplace distributions. In contrast to the gradient of
  an L1 error, the gradient of this likelihood does not vanish where a sprite
  has the wrong colour with a probability near 1.
- In each step, some drawings train a randomly sampled option instead of the
  best one. Thereby options that are best for no drawing become the mean of the
  drawings that have their word. If no drawing has their word, they become the
  mean of all drawings.
"""

import tensorflow as tf

from tf_i2i import losses
from tf_i2i.errors import UserError
from tf_i2i.methods.base import UnpairedTranslator
from tf_i2i.methods.capabilities import UNKNOWN_WORD
from tf_i2i.methods.capabilities import Described
from tf_i2i.methods.sprites import TINY_SLOTS
from tf_i2i.methods.sprites import check_slots
from tf_i2i.networks.sprites import COLOURS
from tf_i2i.networks.sprites import SpriteDrawer
from tf_i2i.networks.sprites import SpriteReader
from tf_i2i.networks.sprites import weights_of
from tf_i2i.values import Count
from tf_i2i.values import Seed
from tf_i2i.values import Weight

# Scale of the Laplace distributions, for colours in [-1, 1].
SCALE = 0.08
# Usual colours of skin, hair and clothes, RGB in [-1, 1]. In the least-squares
# fit of these colours, each of them has the weight of `PRIOR_PIXELS` pixels of
# the drawing.
USUAL_COLOURS = ((0.76, 0.33, 0.02), (-0.29, -0.53, -0.65), (-0.06, 0.1, 0.41))
PRIOR_PIXELS = 8.0
# How many times the colours and then the options of a drawing are searched.
SEARCHES = 2
# Share of the drawings that train a random option of each slot, and share of
# the drawings that train a random option among those with the drawing's word.
ANY_OPTION, ANY_OF_WORD = 0.05, 0.15
# In slots with more rows than this, the search uses every second row and column
# only.
FINE_ROWS = 40


class OwnStyle(Described, UnpairedTranslator):
    """Translates photos of faces to drawings in a style with few examples.

    Args:
        image_size: side of photos and drawings, in pixels.
        slots, cells, palette, detailed_reader: see `SpriteTranslator`. The
            numbers of options, the sizes of the boxes and `detailed_reader`
            must be those of the trained model.
        options: dictionary from the name of a slot to a tuple with one word for
            each option, such as ("short", "short", "long"). The labels of B
            describe drawings by these words. Slots without words may be left
            out.
        likelihood_weight: weight of the negative log-likelihood of the
            drawings, a mean over pixels.
        identity_weight: weight of L1 between an image of B and the drawing of
            its code.
        average_kimg, seed, name: see `UnpairedTranslator`.

    Raises:
        UserError: `image_size` is not a multiple of `cells`, there are no
            slots, a slot does not lie in the cells, or a slot does not have one
            word for each option.
    """

    translators = ("reader", "drawer")
    updates = ("translator",)
    adam = {"learning_rate": 0.1, "beta_1": 0.9, "beta_2": 0.99}
    measures = ("score", "style", "content", "copying", "checks")
    critics_take_images = False
    directions = ("a_to_b",)
    fixed_size = True
    tiny = {
        "image_size": 16,
        "slots": TINY_SLOTS,
        "cells": 8,
        "palette": 4,
        "options": {"hair": ("short", "short", "long")},
    }

    def __init__(
        self,
        image_size: Count = 256,
        slots: dict[str, tuple[int | tuple[int, ...], ...]] | None = None,
        cells: Count = 128,
        palette: Count = 18,
        detailed_reader: bool = True,
        options: dict[str, tuple[str, ...]] | None = None,
        likelihood_weight: Weight = 1.0,
        identity_weight: Weight = 5.0,
        average_kimg: Weight = 1.0,
        seed: Seed = 0,
        name: str | None = "own_style",
    ):
        super().__init__(image_size, average_kimg, seed, name)
        self.check_size(cells)
        slots = check_slots(slots, cells, palette, "OwnStyle")
        counts = {slot: count for slot, (_, count, _) in slots.items()}
        self.words, self._allowed = _words_of(options or {}, counts)
        self.likelihood_weight = likelihood_weight
        self.identity_weight = identity_weight
        self.reader = SpriteReader(counts, detailed_reader, name="reader")
        self.reader.trainable = False
        self.drawer = SpriteDrawer(
            image_size, slots, cells, palette, name="drawer"
        )
        # The shades of skin, hair and clothes stay those of the trained model.
        # Until they are loaded, all entries of the palette are constant.
        self.drawer.mixture.trainable = False
        self.drawer.mixture.assign(tf.zeros((palette, len(COLOURS))))
        # No training step calls the networks, so they are built here.
        self.translate(tf.zeros((1, image_size, image_size, 3)), "a_to_b")
        self.build_networks()

    # Inference.

    def translate(self, images, direction, style=None):
        self.check_direction(direction, style)
        logits, colours = self.reader(self.require_size(images))
        drawn = self.drawer(weights_of(logits), colours)
        return tf.clip_by_value(drawn, -1.0, 1.0)

    # Training.

    def forward(self, a, b, training, labels=None):
        side = self.image_size // self.drawer.cells
        b = tf.nn.avg_pool2d(b, side, side, "VALID")
        allowed = self._allowed_options(labels, b.shape[0])
        chosen, colours = self._search(b, allowed)
        if training:
            chosen = self._explore(chosen, allowed)
        chosen, colours = tf.nest.map_structure(
            tf.stop_gradient, (chosen, colours)
        )
        total = self.drawer.logits(chosen)
        palette = self._palette(colours)
        same_b = self.drawer.paint(tf.nn.softmax(total), palette)
        return {
            "b": b,
            "same_b": same_b,
            "unlikely_b": _unlikely(total, palette, b),
        }

    def translator_losses(self, s):
        return {
            "likelihood": self.likelihood_weight
            * tf.reduce_mean(s["unlikely_b"]),
            "identity": self.identity_weight * losses.l1(s["b"], s["same_b"]),
        }

    def critic_losses(self, s):
        return {}

    def _palette(self, colours):
        """Returns palettes of codes. Only their constant entries are trained.

        If the shades of skin, hair and clothes were trained too, the colours of
        drawings would no longer be comparable with those that the reader
        predicts.
        """
        drawer = self.drawer
        depends = tf.reduce_any(drawer.mixture != 0.0, 1, keepdims=True)
        moving = tf.where(depends, 0.0, drawer.offset)
        fixed = tf.stop_gradient(drawer.offset - moving)
        return fixed + moving + drawer.mix(colours)

    def _allowed_options(self, labels, count):
        """Returns which options the words of drawings allow.

        Args:
            labels: see `Described`.
            count: number of drawings.

        Returns:
            Dictionary from slots to float32 `[count, options]`, 1 or 0.
        """
        allowed = {
            slot: tf.ones((count, options))
            for slot, (_, options, _) in self.drawer.slots.items()
        }
        if labels is None:
            return allowed
        for i, slot in enumerate(self.words):
            word = tf.cast(labels[:, i], tf.int32)
            # The last row of the table is for words that are not known.
            last = len(self.words[slot])
            row = tf.where(word == UNKNOWN_WORD, last, word)
            allowed[slot] = tf.gather(self._allowed[slot], row)
        return allowed

    def _search(self, b, allowed):
        """Returns the most likely codes of drawings, with one-hot options.

        Args:
            b: drawings `[N, cells, cells, 3]`.
            allowed: result of `_allowed_options`.

        Returns:
            Options and colours, the arguments of `SpriteDrawer`.
        """
        chosen = {
            slot: x / tf.reduce_sum(x, 1, keepdims=True)
            for slot, x in allowed.items()
        }
        for _ in range(SEARCHES):
            palette = self._palette(self._measure(b, chosen))
            for slot in chosen:
                chosen[slot] = self._choose(slot, b, chosen, allowed, palette)
        return chosen, self._measure(b, chosen)

    def _choose(self, slot, b, chosen, allowed, palette):
        """Returns the best option of a slot, one-hot `[N, options]`."""
        box, count, _ = self.drawer.slots[slot]
        rest = {k: v for k, v in chosen.items() if k != slot}
        rest = _in_box(self.drawer.logits(rest), box)
        b = _in_box(b, box)
        costs = []
        for option in range(count):
            sprite = self.drawer.place(slot, tf.one_hot([option], count))
            unlikely = _unlikely(rest + _in_box(sprite, box), palette, b)
            costs.append(tf.reduce_sum(unlikely, (1, 2)))
        costs = tf.where(allowed[slot] > 0.0, tf.stack(costs, 1), b.dtype.max)
        return tf.one_hot(tf.argmin(costs, 1), count)

    def _measure(self, b, chosen):
        """Returns the colours of drawings by least squares, `[N, 3, 3]`."""
        shares = tf.nn.softmax(self.drawer.logits(chosen))[:, ::2, ::2]
        b = b[:, ::2, ::2]
        pixels, entries = b.shape[1] * b.shape[2], shares.shape[-1]
        shares = tf.reshape(shares, [-1, pixels, entries])
        wanted = tf.reshape(b, [-1, pixels, 3]) - shares @ self.drawer.offset
        known = shares @ self.drawer.mixture
        usual = tf.constant(USUAL_COLOURS)
        eye = tf.eye(len(COLOURS))
        colours = tf.linalg.solve(
            tf.matmul(known, known, transpose_a=True) + PRIOR_PIXELS * eye,
            tf.matmul(known, wanted, transpose_a=True) + PRIOR_PIXELS * usual,
        )
        return tf.clip_by_value(colours, -1.0, 1.0)

    def _explore(self, chosen, allowed):
        """Returns the options, some of them replaced by random options."""
        explored = {}
        for slot, best in chosen.items():
            drawn = self.noise(best.shape, f"option/{slot}", "uniform")
            chance = self.noise(
                (best.shape[0], 1), f"explore/{slot}", "uniform"
            )
            count = best.shape[1]
            any_option = tf.one_hot(tf.argmax(drawn, 1), count)
            any_of_word = tf.argmax((drawn + 1.0) * allowed[slot], 1)
            any_of_word = tf.one_hot(any_of_word, count)
            explored[slot] = tf.where(
                chance < ANY_OPTION,
                any_option,
                tf.where(chance < ANY_OPTION + ANY_OF_WORD, any_of_word, best),
            )
        return explored


def _words_of(options, counts):
    """Returns the words of each slot, and the options that they allow.

    Args:
        options: see `OwnStyle`.
        counts: dictionary from slots to numbers of options.

    Returns:
        Two dictionaries whose keys are the slots with words. The values of the
        first are tuples of the different words. The values of the second are
        float32 `[words + 1, options]`: 1 where a word allows an option, and 1
        in the last row.

    Raises:
        UserError: a slot does not have one word for each option.
    """
    words, allowed = {}, {}
    for slot, of_options in options.items():
        if len(of_options) != counts.get(slot):
            raise UserError(
                "`OwnStyle.options` must have a word for each option of its "
                f"slots, {counts}. Received: {of_options!r} for {slot}"
            )
        words[slot] = tuple(dict.fromkeys(of_options))
        rows = [[o == word for o in of_options] for word in words[slot]]
        rows.append([True] * len(of_options))
        allowed[slot] = tf.constant(rows, tf.float32)
    return words, allowed


def _in_box(x, box):
    """Returns the part of `[N, cells, cells, ...]` that lies in a box.

    Of a large box, every second row and column is returned.
    """
    top, bottom, left, right = box
    step = 2 if bottom - top > FINE_ROWS else 1
    return x[:, top:bottom:step, left:right:step]


def _unlikely(logits, palette, images):
    """Returns the negative log-likelihood of each pixel, `[N, H, W]`.

    A constant that does not depend on the arguments is left out.

    Args:
        logits: logits of the palette's entries, `[N, H, W, P]`.
        palette: `[N, P, 3]`.
        images: `[N, H, W, 3]`.
    """
    away = tf.abs(images[..., None, :] - palette[:, None, None])
    away = tf.reduce_sum(away, -1) / SCALE
    return -tf.reduce_logsumexp(tf.nn.log_softmax(logits) - away, -1)
