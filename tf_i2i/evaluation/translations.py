"""Computes the outputs of a model for test images, to be scored by measures."""

import functools

import numpy as np
import tensorflow as tf

from tf_i2i.domains import ends
from tf_i2i.domains import reverse
from tf_i2i.evaluation.judge import Candidate
from tf_i2i.evaluation.registry import needs_of
from tf_i2i.images import check_finite
from tf_i2i.images import to_float
from tf_i2i.images import to_uint8
from tf_i2i.methods.capabilities import Classifying
from tf_i2i.methods.capabilities import Embedding
from tf_i2i.methods.capabilities import encodes_styles
from tf_i2i.methods.capabilities import style_shape
from tf_i2i.methods.frozen import frozen

STYLES = 5  # Number of styles for each input in `Candidate.several`.
# Number of inputs whose translations in several styles are computed.
STYLED_INPUTS = 32
EXACT_INPUTS = 64  # Number of images in `Candidate.exact`.
STEPS_BETWEEN = 7  # Number of images in an interpolation.
_BATCH = 32


class Translations:
    """Translates arrays of images with the current weights of a model.

    Args:
        model: `UnpairedTranslator`; its phase is not changed.
        seed: seed of sampled styles, for methods with styles. The sampled style
            of an image depends on the seed and on the image's index.
        fixed: whether the model's weights will not change; see
            `methods.frozen`.
    """

    def __init__(self, model, seed=0, fixed=False):
        self.model = model
        self.seed = seed
        compiled = (
            frozen(model)
            if fixed
            else functools.partial(
                tf.function, autograph=False, reduce_retracing=True
            )
        )
        self._translate = compiled(
            lambda images, style, direction: model.translate(
                images, direction, style
            )
        )
        self._encode_style = compiled(
            lambda images, direction: model.encode_style(
                to_float(images), direction
            )
        )
        self._classify = compiled(
            lambda images, domain: tf.argmax(
                model.classify(to_float(images), domain), 1
            )
        )
        self._embed = compiled(
            lambda images, domain: model.embed(to_float(images), domain)
        )

    def candidate(self, evidence, direction, measures=()):
        """Returns the model's translations, and further outputs for measures.

        Args:
            evidence: `Evidence` of the direction.
            direction: "a_to_b" or "b_to_a".
            measures: names of measures.

        Returns:
            A `Candidate` with the fields that the measures need. Fields that
            the model cannot compute are None.

        Raises:
            UserError: one of the names is not the name of a measure.
        """
        needs = needs_of(measures)
        inputs = evidence.inputs
        back = self._way_back(inputs, reverse(direction))
        made = Candidate(self.translate(inputs, direction))
        if "returned" in needs and back:
            made.returned = back(made.outputs)
        if "back" in needs and back:
            made.back = back
            made.back_sampled = functools.partial(
                self.translate, direction=reverse(direction)
            )
            if not self.model.fixed_size:
                made.back_multiple = self.model.size_multiple
        if "exact" in needs:
            few = inputs[:EXACT_INPUTS]
            made.exact = self.translate(few, direction, rounded=False)
        if "codes" in needs:
            made.codes = self._codes(evidence, made.outputs, direction)
        if "predicted" in needs:
            self._predict(made, evidence, direction)
        if "several" in needs:
            made.several = self._several(inputs, direction)
        return made

    def _codes(self, evidence, outputs, direction):
        """Returns `Candidate.codes`, or None if there is no shared encoder."""
        if not isinstance(self.model, Embedding):
            return None
        source, target = ends(direction)
        return (
            self.embed(evidence.inputs, source),
            self.embed(outputs, target),
            self.embed(evidence.target_test, target),
        )

    def _predict(self, made, evidence, direction):
        """Sets the model's classes of real images of B in a `Candidate`.

        The classes stay None for models without a classifier. They also stay
        None for the direction to A, because the classifier was trained on the
        labels of A.
        """
        if not isinstance(self.model, Classifying) or direction != "a_to_b":
            return
        images = evidence.target_test
        made.predicted = self.classify(images, "b")
        made.predicted_by_source = self.classify(images, "a")
        made.predicted_inverted = self.classify(255 - images, "b")

    def _several(self, inputs, direction):
        """Returns translations of each input with several styles.

        The result is the value of `Candidate.several`. It is None if the
        direction has no styles.
        """
        if style_shape(self.model, direction) is None:
            return None
        few = inputs[:STYLED_INPUTS]
        return np.stack(
            [
                self.translate(few, direction, self.seed + 1 + i)
                for i in range(STYLES)
            ]
        )

    def _way_back(self, inputs, direction):
        """Returns a function that translates translations back.

        If the translation back takes a style, it is given the style of the
        input. A difference between an input and its translation back is then
        due to information that the translation has lost.

        Args:
            inputs: uint8 `[N, S, S, 3]`, the inputs that were translated.
            direction: the direction back.

        Returns:
            Function that takes the translations of the first n inputs, and
            returns them translated back. None if the model cannot translate
            in that direction.
        """
        if direction not in self.model.directions:
            return None
        if not encodes_styles(self.model, direction):
            return functools.partial(self.translate, direction=direction)
        styles = _in_batches(self._encode_style, inputs, direction)
        return lambda images: self.translate(
            images, direction, style=styles[: len(images)]
        )

    def translate(self, images, direction, seed=None, style=None, rounded=True):
        """Returns translations of images.

        Args:
            images: `[N, S, S, 3]`, uint8 or float in [-1, 1].
            direction: "a_to_b" or "b_to_a".
            seed: seed of sampled styles; None for the seed of this object.
            style: styles `[N, *style_shape]`. If it is None and the direction
                takes a style, styles are sampled.
            rounded: whether to return uint8 instead of float32 in [-1, 1].

        Returns:
            `[N, S, S, 3]`.
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
            check_finite(made)
            parts.append((to_uint8(made) if rounded else made).numpy())
        return np.concatenate(parts)

    def interpolate(self, inputs, direction):
        """Returns interpolations of two inputs, and their translations.

        Inputs are interpolated pixel by pixel. All translations have the same
        style.

        Args:
            inputs: uint8 `[N, S, S, 3]`. The first two pairs of consecutive
                images are interpolated.
            direction: "a_to_b" or "b_to_a".

        Returns:
            List of uint8 `[STEPS_BETWEEN, S, S, 3]`: for each pair the
            interpolations, followed by their translations.
        """
        share = np.linspace(0, 1, STEPS_BETWEEN, dtype=np.float32)
        share = share[:, None, None, None]
        style = None
        if style_shape(self.model, direction):
            style = self.model.sample_style(1, 0)
            style = tf.repeat(style, STEPS_BETWEEN, axis=0)
        frames = []
        for first, last in zip(inputs[:4:2], inputs[1:4:2], strict=False):
            mixed = (1 - share) * to_float(first) + share * to_float(last)
            made = self.translate(mixed, direction, style=style)
            frames += [np.asarray(to_uint8(mixed)), made]
        return frames

    def embed(self, images, domain):
        """Returns the shared encoder's codes `[N, D]` of uint8 images."""
        return _in_batches(self._embed, images, domain)

    def classify(self, images, domain):
        """Returns classes `[N]` of uint8 images, by the model's classifier."""
        return _in_batches(self._classify, images, domain)


def _in_batches(function, images, domain):
    parts = [
        function(tf.constant(images[i : i + _BATCH]), domain).numpy()
        for i in range(0, len(images), _BATCH)
    ]
    return np.concatenate(parts)
