"""A model's translations of test images, and what else it is scored by."""

import functools

import numpy as np
import tensorflow as tf

from tf_i2i.domains import DIRECTIONS
from tf_i2i.evaluation.judge import SENSITIVITY_IMAGES
from tf_i2i.evaluation.judge import Candidate
from tf_i2i.images import to_float
from tf_i2i.images import to_uint8
from tf_i2i.methods.capabilities import Classifying
from tf_i2i.methods.capabilities import Embedding
from tf_i2i.methods.capabilities import style_shape

STYLES = 5
STYLED_INPUTS = 32
_BATCH = 32


class Translations:
    """A model's translations of arrays, in the weights that it carries.

    Args:
        model: `UnpairedTranslator`, which keeps the phase that it is in.
        seed: of styles, for methods that have them; an image's style depends
            on its place in the set.
    """

    def __init__(self, model, seed=0):
        self.model = model
        self.seed = seed
        self._translate = tf.function(
            lambda images, style, direction: model.translate(
                images, direction, style
            ),
            autograph=False,
            reduce_retracing=True,
        )
        self._encode_style = tf.function(
            lambda images, direction: model.encode_style(
                to_float(images), direction
            ),
            autograph=False,
            reduce_retracing=True,
        )
        self._classify = tf.function(
            lambda images, domain: tf.argmax(
                model.classify(to_float(images), domain), 1
            ),
            autograph=False,
            reduce_retracing=True,
        )
        self._embed = tf.function(
            lambda images, domain: model.embed(to_float(images), domain),
            autograph=False,
            reduce_retracing=True,
        )

    def candidate(self, evidence, direction, measures=()):
        """What the model makes of a direction's inputs.

        Args:
            evidence: `Evidence` of the direction.
            direction: "a_to_b" or "b_to_a".
            measures: names of `evaluation.judge.MEASURES`, which say what is
                needed beside the translations.
        """
        source, target = direction.split("_to_")
        inputs = evidence.inputs
        back = self._way_back(inputs, _reverse(direction))
        outputs = self.translate(inputs, direction)
        made = Candidate(outputs)
        if "round_trip" in measures and back:
            made.returned = back(outputs)
        if "sensitivity" in measures and back:
            made.back = back
            few = inputs[:SENSITIVITY_IMAGES]
            made.exact = self.translate(few, direction, rounded=False)
        if "embedding" in measures and isinstance(self.model, Embedding):
            made.codes = (
                self.embed(inputs, source),
                self.embed(outputs, target),
                self.embed(evidence.target_test, target),
            )
        learned = isinstance(self.model, Classifying) and source == "a"
        if "accuracy" in measures and learned:
            made.predicted = self.classify(evidence.target_test, target)
        if "diversity" in measures and style_shape(self.model, direction):
            few = inputs[:STYLED_INPUTS]
            made.several = np.stack(
                [
                    self.translate(few, direction, self.seed + 1 + i)
                    for i in range(STYLES)
                ]
            )
        return made

    def _way_back(self, inputs, direction):
        """Function from translations of the first inputs to where they came
        from, or None. Where that way takes a style it is the input's own:
        a round trip asks whether anything was lost.
        """
        if direction not in self.model.directions:
            return None
        if style_shape(self.model, direction) is None:
            return functools.partial(self.translate, direction=direction)
        styles = _in_batches(self._encode_style, inputs, direction)
        return lambda images: self.translate(
            images, direction, style=styles[: len(images)]
        )

    def translate(self, images, direction, seed=None, style=None, rounded=True):
        """Images, uint8 or float in [-1, 1] -> translations.

        Args:
            images: `[N, S, S, 3]`.
            direction: "a_to_b" or "b_to_a".
            seed: of styles that are drawn.
            style: `[N, *style_shape]`; None: they are drawn, where the
                direction takes one.
            rounded: whether to uint8, or float32 in [-1, 1].
        """
        if style is None and style_shape(self.model, direction):
            seed = self.seed if seed is None else seed
            style = self.model.sample_style(len(images), seed)
        parts = []
        for i in range(0, len(images), _BATCH):
            part = images[i : i + _BATCH]
            part = to_float(part) if part.dtype == np.uint8 else part
            few = None if style is None else style[i : i + _BATCH]
            made = self._translate(tf.constant(part), few, direction)
            parts.append((to_uint8(made) if rounded else made).numpy())
        return np.concatenate(parts)

    def embed(self, images, domain):
        """uint8 images -> codes `[N, D]` of the shared encoder."""
        return _in_batches(self._embed, images, domain)

    def classify(self, images, domain):
        """uint8 images -> classes `[N]`, by the model's own classifier."""
        return _in_batches(self._classify, images, domain)


def _in_batches(function, images, domain):
    parts = [
        function(tf.constant(images[i : i + _BATCH]), domain).numpy()
        for i in range(0, len(images), _BATCH)
    ]
    return np.concatenate(parts)


def _reverse(direction):
    return DIRECTIONS[1 - DIRECTIONS.index(direction)]
