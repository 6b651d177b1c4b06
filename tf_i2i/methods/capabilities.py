"""Capabilities: base classes for what a method does besides translation.

A method inherits a class for each of its capabilities:

    class UNIT(Embedding, Prior, UnpairedTranslator):

Callers check `isinstance(model, Embedding)`. A capability declares abstract
methods and attributes without a value. A class that inherits the capability
must define all of them; otherwise its constructor raises an error (see
`check_parts`).
"""

import abc

from tf_i2i.domains import DIRECTIONS
from tf_i2i.errors import UserError


class StyleSampling:
    """A method whose `translate` takes a style that can be sampled.

    A style is one float32 tensor for each image. A style determines those
    properties of the translation that the input image does not determine.
    Styles have a prior distribution whose mean is zero. `style=None` stands
    for this mean, so `style_or_mean` replaces None by zeros.

    Images have no styles unless the method is also `Styled`.

    A method defines:

    - `style_shape`: shape of one style; None for a model that was built
      without styles.
    - `styled_directions`: the directions that take a style; both by default.
    - `sample_style`, if styles are not samples of N(0, I).
    - `blend_styles`, if a weighted mean of two styles is not a valid style.
    """

    style_shape: tuple[int, ...] | None
    styled_directions: tuple[str, ...] = DIRECTIONS

    def sample_style(self, count, seed):
        """Returns styles sampled from the prior, N(0, I) by default.

        Args:
            count: number of styles to sample.
            seed: integer; the same seed gives the same styles.

        Returns:
            float32 `[count, *style_shape]`.
        """
        import tensorflow as tf

        shape = (count, *(self.style_shape or ()))
        return tf.random.stateless_normal(shape, (seed, 0))

    def blend_styles(self, first, last, count):
        """Returns linear interpolations between two styles.

        Args:
            first, last: styles `[1, *style_shape]`, which are the ends of
                the result.
            count: number of styles to return, at least 2.

        Returns:
            `[count, *style_shape]`.
        """
        import tensorflow as tf

        share = tf.linspace(0.0, 1.0, count)
        share = tf.reshape(share, [-1] + [1] * (len(first.shape) - 1))
        return (1.0 - share) * first + share * last

    def style_or_mean(self, style, images):
        """Returns `style`; if it is None, the mean style for each image.

        Args:
            style: `[N, *style_shape]`, or None.
            images: `[N, ...]`, the batch that determines the number of
                styles.

        Returns:
            `[N, *style_shape]`, zeros if `style` is None. If the model has no
            styles, the result is None.
        """
        if style is not None or self.style_shape is None:
            return style
        import tensorflow as tf

        return tf.zeros([tf.shape(images)[0], *self.style_shape])


class Styled(StyleSampling):
    """A method with styles that can be sampled, or encoded from images."""

    @abc.abstractmethod
    def encode_style(self, images, direction):
        """Returns the styles of reference images.

        Args:
            images: `[N, height, width, 3]`, float in [-1, 1], images of the
                target domain of `direction`.
            direction: one of `styled_directions`.

        Returns:
            float32 `[N, *style_shape]`.

        Raises:
            UserError: the direction takes no style.
        """


class Embedding:
    """A method with one encoder for the images of both domains."""

    @abc.abstractmethod
    def embed(self, images, domain):
        """Returns the shared encoder's codes of images.

        Args:
            images: `[N, height, width, 3]`, float in [-1, 1].
            domain: "a" or "b", the domain of the images.

        Returns:
            float32 `[N, D]`.
        """


class Reconstructing:
    """A method that can encode an image and decode it in its own domain."""

    @abc.abstractmethod
    def reconstruct(self, images, domain):
        """Returns images encoded and decoded within their own domain.

        `UnpairedTranslator.cycle`, in contrast, translates images to the
        other domain and back.

        Args:
            images: `[N, height, width, 3]`, float in [-1, 1].
            domain: "a" or "b", the domain of the images.

        Returns:
            float32 in [-1, 1], shape of `images`.
        """


class Prior:
    """A method whose codes can be sampled and decoded into both domains."""

    @abc.abstractmethod
    def sample_codes(self, count, seed):
        """Returns codes sampled from the prior.

        Args:
            count: number of codes to sample.
            seed: integer; the same seed gives the same codes.

        Returns:
            float32 `[count, ...]`, an input of `decode`.
        """

    @abc.abstractmethod
    def decode(self, codes):
        """Returns an image in each domain for each code.

        Args:
            codes: `[N, ...]`, for example from `sample_codes`.

        Returns:
            Dictionary with the keys "a" and "b"; its values are float32
            `[N, S, S, 3]` in [-1, 1].
        """


class Classifying:
    """A method that learns from labels of A to classify images of A and B.

    Training batches are tuples `(a, b, labels of a)`. The fourth argument of
    `forward` is `labels`, int32 `[N]` or None.

    A method defines `classes`, the number of classes, and `classify`.
    """

    classes: int

    @abc.abstractmethod
    def classify(self, images, domain):
        """Returns the logits of the classes.

        Args:
            images: `[N, height, width, 3]`, float in [-1, 1].
            domain: "a" or "b", the domain of the images.

        Returns:
            float32 `[N, classes]`.
        """


class Annotated:
    """A method that learns from numbers that describe each image of A.

    Training batches are tuples `(a, b, annotations of a)`. The fourth argument
    of `forward` is `labels`, float32 `[N, len(annotations)]`, or None.

    A method defines `annotations`, the names of the columns from which the
    numbers are read. The setting `train.labels_a` names the file of the labels.
    """

    @property
    @abc.abstractmethod
    def annotations(self):
        """Names of the columns, a tuple of strings."""


# Stands for a word that is not known, in the labels of a `Described` method.
# `data.labels.word_numbers` makes these labels.
UNKNOWN_WORD = -1


class Described:
    """A method that learns from words that describe each image of B.

    Training batches are tuples `(a, b, words of b)`. The fourth argument of
    `forward` is `labels`, float32 `[N, len(words)]`, or None. The entries of
    `labels` are the indices of the words. An entry is `UNKNOWN_WORD`, -1, if
    the word is not known.

    A method defines `words`, a dictionary from the names of columns to the
    words that the column may contain. The setting `train.labels_b` names the
    file of the words. Cells, columns and the whole file may be missing.
    """

    words: dict[str, tuple[str, ...]]


class Staged:
    """A method that trains its networks in several stages.

    `self.stage` is the name of the stage that is being trained. `enter_phase`
    sets it.

    A method defines `updates_in` and `stages`, the names of the stages in the
    order of training. All networks are trained after the last stage. The first
    stages, after which the model cannot translate images yet, are named in
    `preparing_stages`. The name of the last stage may be None. Phases without a
    stage then train this stage, so that the stages before it can be left out.
    """

    stages: tuple
    preparing_stages: tuple[str, ...] = ()

    @abc.abstractmethod
    def updates_in(self, stage):
        """Returns the value of `updates` during one of the `stages`."""


def style_shape(model, direction):
    """Returns the shape of the styles of a direction.

    Args:
        model: any `UnpairedTranslator`.
        direction: "a_to_b" or "b_to_a".

    Returns:
        A tuple of integers, or None if the direction takes no style.
    """
    if not isinstance(model, StyleSampling):
        return None
    return model.style_shape if direction in model.styled_directions else None


def encodes_styles(model, direction):
    """Returns whether images of the target domain have styles.

    Args:
        model: any `UnpairedTranslator`.
        direction: "a_to_b" or "b_to_a".
    """
    return isinstance(model, Styled) and bool(style_shape(model, direction))


def stages(model):
    """Returns the stages of any model; `(None,)` if it is not `Staged`."""
    return model.stages if isinstance(model, Staged) else (None,)


def check_parts(model):
    """Raises an error if a method does not define all required parts.

    Required parts are the abstract functions of the base classes, and the
    attributes that a capability declares without a value.

    Raises:
        UserError: a part is missing; the message names it and the class that
            requires it.
    """
    missing = {
        part: kind.__name__
        for kind in reversed(type(model).__mro__)
        for part in _parts(kind)
        if _is_missing(model, part)
    }
    if not missing:
        return
    name = type(model).__name__
    part, kind = next(iter(missing.items()))
    raise UserError(
        f"`{name}.{part}` must be defined, because {name} inherits {kind}. "
        f"Received: a class without {', '.join(missing)}"
    )


def _parts(kind):
    """Yields the names of what a class requires its subclasses to define."""
    if kind.__module__ == __name__:
        yield from kind.__annotations__
    for name, value in vars(kind).items():
        if getattr(value, "__isabstractmethod__", False):
            yield name


def _is_missing(model, part):
    if part not in dir(type(model)):
        # The class does not define the part, but the constructor may have set
        # it as an attribute of the instance.
        return not hasattr(model, part)
    found = getattr(type(model), part)
    return getattr(found, "__isabstractmethod__", False)
