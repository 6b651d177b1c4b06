r"""Distillation: a small network is trained to imitate a trained translator.

Distillation was introduced by Hinton, Vinyals and Dean, 2015,
arXiv:1503.02531. The loss is the first of the losses of Aguinaldo et al.,
2019, arXiv:1902.00159, who distil GANs.

    a --teacher--> wanted_b
    a --student--> fake_b

The translations of the teacher are the targets, so neither paired images nor
critics are needed. The teacher translates the same augmented images as the
student.
"""

from collections.abc import Callable

import tensorflow as tf

from tf_i2i import losses
from tf_i2i.domains import DIRECTIONS
from tf_i2i.domains import ends
from tf_i2i.errors import UserError
from tf_i2i.features.translator import tiny_translator
from tf_i2i.layers.shuffle import Block
from tf_i2i.methods.base import UnpairedTranslator
from tf_i2i.networks.mobile import STRIDE
from tf_i2i.networks.mobile import MobileGenerator
from tf_i2i.sizes import Size
from tf_i2i.values import Count
from tf_i2i.values import Positive
from tf_i2i.values import Seed
from tf_i2i.values import Weight


class Student(UnpairedTranslator):
    """A small network for each direction, trained to imitate a teacher.

    Args:
        image_size: side of images, or their height and width, which are
            multiples of `8 * unshuffle` pixels.
        teacher: function without arguments that returns the teacher. The
            teacher is a function that takes images `[N, S, S, 3]` in [-1, 1]
            and a direction, and returns translations. The teacher is called in
            training only.
        ways: tuple of the directions to learn.
        width: factor on the channel counts.
        blocks: number of residual blocks.
        unshuffle: side of the blocks of pixels that the network processes as
            one pixel (default 1). With 2, the feature maps for images of 128
            pixels are as large as with 1 for images of 64 pixels. See
            `layers.pixel_unshuffle`.
        average_kimg, seed, name: see `UnpairedTranslator`.

    Raises:
        UserError: `image_size` is not a multiple of `8 * unshuffle`, there
            is no teacher, or a direction is unknown.
    """

    updates = ("translator",)
    measures = (*UnpairedTranslator.measures, "swd", "sensitivity")
    # There are no critics, so images cannot be augmented for them.
    critics_take_images = False
    tiny = {"image_size": 16, "width": 0.05, "blocks": 1}
    tiny_variants = {
        "": {"teacher": tiny_translator},
        "unshuffle": {"teacher": tiny_translator, "unshuffle": 2},
    }

    def __init__(
        self,
        image_size: Size = 128,
        teacher: Callable | None = None,
        ways: tuple[str, ...] = ("a_to_b",),
        width: Positive = 1.0,
        blocks: Count = 4,
        unshuffle: Block = 1,
        average_kimg: Weight = 10.0,
        seed: Seed = 0,
        name: str = "student",
    ):
        super().__init__(image_size, average_kimg, seed, name)
        self.check_size(STRIDE, unshuffle)
        self.unshuffle = unshuffle
        if teacher is None:
            raise UserError(
                "`Student.teacher` must be a function that returns a "
                "translator. `python -m tf_i2i.distill` sets it to the "
                "translator of a run. Received: None"
            )
        if not ways or set(ways) - set(DIRECTIONS):
            raise UserError(
                "`Student.ways` must be a tuple of one or both of "
                f"{', '.join(map(repr, DIRECTIONS))}. "
                f"Received: {ways!r}"
            )
        self.directions = tuple(way for way in DIRECTIONS if way in ways)
        self.teach = teacher()
        self.translators = tuple(f"student_{way}" for way in self.directions)
        for network in self.translators:
            student = MobileGenerator(width, blocks, network, unshuffle)
            setattr(self, network, student)
        self.build_networks()

    @property
    def size_multiple(self):
        return STRIDE * self.unshuffle

    def translate(self, images, direction, style=None):
        self.check_direction(direction, style)
        made = getattr(self, f"student_{direction}")(images)
        return tf.clip_by_value(made, -1.0, 1.0)

    def forward(self, a, b, training):
        s = {"a": a, "b": b}
        for direction in self.directions:
            source, target = ends(direction)
            network = getattr(self, f"student_{direction}")
            made = network(s[source], training=training)
            s[f"fake_{target}"] = made
            s[f"wanted_{target}"] = made
            if training:
                s[f"wanted_{target}"] = tf.stop_gradient(
                    self.teach(s[source], direction)
                )
        return s

    def translator_losses(self, s):
        return {
            f"distance_{way[-1]}": losses.l1(
                s[f"wanted_{way[-1]}"], s[f"fake_{way[-1]}"]
            )
            for way in self.directions
        }

    def critic_losses(self, s):
        return {}
