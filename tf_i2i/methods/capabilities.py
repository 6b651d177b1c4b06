"""What a method can do beside translating, as classes that it inherits.

    class UNIT(Embedding, Prior, UnpairedTranslator):

The class line says what a model can be asked, and callers ask
`isinstance(model, Embedding)`. A capability has abstract parts and attributes
without a value: a method must define all of them, and one that does not is
refused at the end of its construction (see `missing_parts`).
"""

import abc

from tf_i2i.domains import DIRECTIONS
from tf_i2i.errors import UserError


class Styled:
    """A method whose translations take a style.

    A style is one float32 tensor for each image, which says what the
    translation shall look like where the input does not decide it. Styles
    follow a prior whose mean is zero. `style=None` means that mean: zeros,
    which `style_or_mean` makes.

    A method defines:

    - `style_shape`: shape of one style; None for a model that was built
      without styles.
    - `styled_directions`: the directions that take a style (both).
    - `encode_style`, `sample_style`; `blend_styles` where a weighted mean of
      two styles is no style.
    """

    style_shape: tuple[int, ...] | None
    styled_directions: tuple[str, ...] = DIRECTIONS

    @abc.abstractmethod
    def encode_style(self, images, direction):
        """Returns the styles of reference images.

        Args:
            images: `[N, height, width, 3]`, float in [-1, 1], in the domain
                that `direction` leads to.
            direction: one of `styled_directions`.

        Returns:
            float32 `[N, *style_shape]`.

        Raises:
            UserError: the direction takes no style.
        """

    @abc.abstractmethod
    def sample_style(self, count, seed):
        """Returns styles sampled from the prior.

        Args:
            count: how many.
            seed: integer; the same seed gives the same styles.

        Returns:
            float32 `[count, *style_shape]`.
        """

    def blend_styles(self, first, last, count):
        """Returns styles on the straight line between two, ends included.

        Args:
            first, last: `[1, *style_shape]`.
            count: how many, at least 2.

        Returns:
            `[count, *style_shape]`.
        """
        import tensorflow as tf

        share = tf.linspace(0.0, 1.0, count)
        share = tf.reshape(share, [-1] + [1] * (len(first.shape) - 1))
        return (1.0 - share) * first + share * last

    def style_or_mean(self, style, images):
        """Returns `style`, or zeros for each of the images where it is None.

        Args:
            style: `[N, *style_shape]`, or None.
            images: `[N, ...]`.

        Returns:
            `[N, *style_shape]`; None for a model without styles.
        """
        if style is not None or self.style_shape is None:
            return style
        import tensorflow as tf

        return tf.zeros([tf.shape(images)[0], *self.style_shape])


class Embedding:
    """A method with an encoder that both domains share."""

    @abc.abstractmethod
    def embed(self, images, domain):
        """Returns the shared encoder's vectors of images.

        Args:
            images: `[N, height, width, 3]`, float in [-1, 1].
            domain: "a" or "b", the domain of the images.

        Returns:
            float32 `[N, D]`.
        """


class Reconstructing:
    """A method that can encode an image and decode it in the same domain."""

    @abc.abstractmethod
    def reconstruct(self, images, domain):
        """Returns images encoded and decoded without leaving their domain.

        `UnpairedTranslator.cycle` is the other way: to the other domain and
        back.

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
            count: how many.
            seed: integer; the same seed gives the same codes.

        Returns:
            float32 `[count, ...]`, for `decode`.
        """

    @abc.abstractmethod
    def decode(self, codes):
        """Returns the pair of images that each code stands for.

        Args:
            codes: `[N, ...]`, as `sample_codes` returns them.

        Returns:
            Dictionary: "a", "b" -> float32 `[N, S, S, 3]` in [-1, 1].
        """


class Classifying:
    """A method that learns to classify images from the labels of A.

    Training batches are `(a, b, labels of a)`: `forward` takes `labels`,
    int32 `[N]`, as its fourth argument (None where there are none).

    A method defines `classes`, their number, and `classify`.
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


class Staged:
    """A method whose networks are trained one after the other.

    `self.stage` is the stage that is being trained; `enter_phase` sets it.

    A method defines `stages`, their names in the order of training, of which
    the last is the whole translator, and `updates_in`.
    """

    stages: tuple[str, ...]

    @abc.abstractmethod
    def updates_in(self, stage):
        """Returns what `updates` is in one of `stages`."""


def style_shape(model, direction):
    """Returns the shape of the style that a direction takes, or None.

    Args:
        model: any `UnpairedTranslator`.
        direction: "a_to_b" or "b_to_a".
    """
    if not isinstance(model, Styled):
        return None
    return model.style_shape if direction in model.styled_directions else None


def stages(model):
    """Returns the stages of any model: `(None,)` where it is trained whole."""
    return model.stages if isinstance(model, Staged) else (None,)


def check_parts(model):
    """Refuses a method that lacks a part.

    Parts are methods that are abstract in one of its classes, and attributes
    that one of its capabilities declares without a value.

    Raises:
        UserError: a part is missing; names it, and the class that asks for it.
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
        f"`{name}.{part}` must be defined, for {kind}. "
        f"Received: a class without {', '.join(missing)}"
    )


def _parts(kind):
    """Names of the parts that a class asks of those that inherit from it."""
    if kind.__module__ == __name__:
        yield from kind.__annotations__
    for name, value in vars(kind).items():
        if getattr(value, "__isabstractmethod__", False):
            yield name


def _is_missing(model, part):
    if part not in dir(type(model)):
        return not hasattr(model, part)  # An attribute of the constructor.
    found = getattr(type(model), part)
    return getattr(found, "__isabstractmethod__", False)
