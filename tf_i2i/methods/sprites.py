r"""Sprites: a photo is translated to a code, and the code to a drawing.

    a --reader--> code_a --drawer--> fake_b
    b --reader--> code_b --drawer--> same_b

A drawing consists of slots: hair, glasses, mouth, ... Each slot has options,
and each option is a sprite, which is learned. Hair, skin and clothes each have
one colour. Monnier et al. 2021 (arXiv:2104.14575) and MarioNette (Smirnov et
al. 2021, arXiv:2104.14553) decompose images of one domain into such sprites.
The translation through a code that both domains share, and the identity loss on
B, are those of DTN (Taigman et al. 2016, arXiv:1611.02200).

What differs from these papers:
- Sprites are not layers with opacity. The colour of a pixel is a weighted mean
  of the colours of a palette. The weights are the softmax of logits, which are
  the sum of the logits of the options at this pixel. Therefore the order of
  layers need not be learned. The palette is computed from the code's three
  colours.
- The reader learns the codes of photos from annotations, which a program can
  compute by simple rules. No critic is needed, because all drawings consist of
  sprites that were learned from drawings.
- There is no translation from B to A.
"""

import tensorflow as tf

from tf_i2i import losses
from tf_i2i.errors import UserError
from tf_i2i.methods.base import UnpairedTranslator
from tf_i2i.methods.capabilities import Annotated
from tf_i2i.methods.capabilities import Reconstructing
from tf_i2i.networks.sprites import COLOURS
from tf_i2i.networks.sprites import SpriteDrawer
from tf_i2i.networks.sprites import SpriteReader
from tf_i2i.networks.sprites import weights_of
from tf_i2i.values import Count
from tf_i2i.values import Seed
from tf_i2i.values import Weight

# Slots of a model for tests; see `SpriteTranslator.slots`.
TINY_SLOTS = {
    "hair": ((0, 8, 0, 8), 3, (0, 1)),
    "glasses": ((2, 4, 1, 7), 2, (2, 3)),
    "mouth": ((5, 6, 3, 5), 2, (1, 3)),
}


class SpriteTranslator(Annotated, Reconstructing, UnpairedTranslator):
    """Translates photos of faces to drawings that consist of sprites.

    Args:
        image_size: side of photos and drawings, in pixels.
        slots: dictionary from the name of a slot to a tuple of its box (top,
            bottom, left, right, in cells of the sprites), the number of its
            options, and the entries of the palette that its options use.
        cells: side of the sprites in cells.
        palette: number of entries of the palette.
        detailed_reader: whether the reader also uses the colours of the cheeks
            and the mean features of the hair; see `detailed` of `SpriteReader`.
        identity_weight: weight of L1 between an image of B and the drawing of
            its code.
        code_weight: weight of the losses of A's codes: cross-entropy of the
            options, and L1 of the colours.
        average_kimg, seed, name: see `UnpairedTranslator`.

    Raises:
        UserError: there are no slots, the box of a slot is not within the
            `cells` x `cells` grid, or a slot has no options.
    """

    translators = ("reader", "drawer")
    updates = ("translator",)
    adam = {"learning_rate": 1e-4, "beta_1": 0.9, "beta_2": 0.999}
    measures = (
        *("score", "style", "content", "copying", "checks"),
        *("labels", "paired"),
    )
    critics_take_images = False
    directions = ("a_to_b",)
    fixed_size = True
    tiny = {"image_size": 16, "slots": TINY_SLOTS, "cells": 8, "palette": 4}

    def __init__(
        self,
        image_size: Count = 256,
        slots: dict[str, tuple[int | tuple[int, ...], ...]] | None = None,
        cells: Count = 128,
        palette: Count = 18,
        detailed_reader: bool = True,
        identity_weight: Weight = 1.0,
        code_weight: Weight = 1.0,
        average_kimg: Weight = 10.0,
        seed: Seed = 0,
        name: str | None = "sprites",
    ):
        super().__init__(image_size, average_kimg, seed, name)
        slots = check_slots(slots, cells, palette, "SpriteTranslator")
        self.slots = tuple(slots)
        self.identity_weight = identity_weight
        self.code_weight = code_weight
        counts = {slot: count for slot, (_, count, _) in slots.items()}
        self.reader = SpriteReader(counts, detailed_reader, name="reader")
        self.drawer = SpriteDrawer(
            image_size, slots, cells, palette, name="drawer"
        )
        self.build_networks()

    @property
    def annotations(self):
        """Columns of A's labels: an option per slot, and RGB in 0 to 255."""
        rgb = (f"{c}_{channel}" for c in COLOURS for channel in "rgb")
        return (*self.slots, *rgb)

    # Inference.

    def translate(self, images, direction, style=None):
        self.check_direction(direction, style)
        return self._draw(*self.reader(self.require_size(images)))

    def reconstruct(self, images, domain):
        """Returns the drawings of the codes of images of either domain."""
        del domain
        return self._draw(*self.reader(self.require_size(images)))

    def _draw(self, logits, colours):
        drawn = self.drawer(weights_of(logits), colours)
        return tf.clip_by_value(drawn, -1.0, 1.0)

    # Training.

    def forward(self, a, b, training, labels=None):
        logits, colours = self.reader(tf.concat([a, b], 0))
        s = {"b": b, "labels": labels}
        of_b = {}
        for slot, values in logits.items():
            s[f"{slot}_a"], of_b[slot] = tf.split(values, 2)
        s["colours_a"], colours_b = tf.split(colours, 2)
        s["same_b"] = self.drawer(weights_of(of_b), colours_b)
        return s

    def translator_losses(self, s):
        options, rgb = tf.split(s["labels"], [len(self.slots), -1], 1)
        terms = {
            f"code_{slot}": self.code_weight
            * tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(
                    tf.cast(options[:, i], tf.int32), s[f"{slot}_a"]
                )
            )
            for i, slot in enumerate(self.slots)
        }
        wanted = tf.reshape(rgb / 127.5 - 1.0, [-1, len(COLOURS), 3])
        terms["colours"] = self.code_weight * losses.l1(wanted, s["colours_a"])
        terms["identity"] = self.identity_weight * losses.l1(
            s["b"], s["same_b"]
        )
        return terms

    def critic_losses(self, s):
        return {}


def check_slots(slots, cells, palette, method):
    """Returns `slots`, sorted from top to bottom, or raises an error.

    The variables of a model are in the order of its slots, and the order of a
    dictionary is lost in the config.gin of a run. Therefore slots are sorted by
    the upper edges of their boxes.

    Args:
        slots, cells, palette: see `SpriteTranslator`.
        method: name of the class, for the error message.
    """
    if not slots:
        raise UserError(
            f"`{method}.slots` must name at least one slot. Received: {slots!r}"
        )
    for slot, value in slots.items():
        if not _is_slot(value):
            raise UserError(
                f"`{method}.slots` must have three parts for each slot: a "
                "box of four numbers, the number of options, and the entries "
                f"of the palette. Received: {value!r} for {slot}"
            )
        (top, bottom, left, right), count, uses = value
        inside = 0 <= top < bottom <= cells and 0 <= left < right <= cells
        if not inside or count < 1 or not {*uses} <= {*range(palette)}:
            raise UserError(
                f"`{method}.slots` must have boxes within "
                f"{cells} x {cells} cells, one option or more, and entries of "
                f"the palette below {palette}. Received: {slots[slot]!r} for "
                f"{slot}"
            )
    return dict(sorted(slots.items(), key=lambda item: item[1][0]))


def _is_slot(value):
    """Returns whether a value has the parts of a slot, of the right lengths."""
    return (
        len(value) == 3
        and [isinstance(part, int) for part in value] == [False, True, False]
        and len(value[0]) == 4
    )
