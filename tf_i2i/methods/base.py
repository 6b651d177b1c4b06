"""The contract of a method: what its class defines, and what it inherits.

Names of tensors end with the domain that they live in: `fake_a` is an image
*in* A, whatever it was made from.
"""

import abc

import tensorflow as tf

from tf_i2i.domains import DIRECTIONS
from tf_i2i.domains import other_domain
from tf_i2i.domains import reverse
from tf_i2i.errors import UserError
from tf_i2i.methods.capabilities import Reconstructing
from tf_i2i.methods.capabilities import style_shape
from tf_i2i.methods.training_step import TwoSidedModel


class UnpairedTranslator(TwoSidedModel):
    """Base class of all methods.

    A method defines:

    - `translators`, `critics`: names of the attributes that hold its
      networks. They say which of the two optimizers owns a variable.
    - `updates`: which side takes an optimizer step, in the paper's order:
      "both" (one forward pass for both sides), "critic", "translator", or
      "neither" (a forward pass without an optimizer step). The n-th update
      of a side takes the n-th slice of the batch.
    - `size_multiple` or `fixed_size`: which sizes of images it translates.
    - `translate`, `forward`, `translator_losses`, `critic_losses`.
    - `measures`, if its paper claims more than the default ones measure: the
      names of what `evaluate` scores a run by.

    Its constructor ends with `self.build_networks()`. What else a method can
    do it says by the capabilities that it inherits before this class: see
    `methods.capabilities`. What a training step does is in
    `methods.training_step`.

    Args:
        image_size: side of the largest images, pixels.
        average_kimg: half-life of the averaged weights, thousands of images.
        seed: seed of all random numbers in training steps.
        name: name of the Keras model.
    """

    translators: tuple[str, ...] = ()
    critics: tuple[str, ...] = ()
    updates: tuple[str, ...] = ("both",)
    directions: tuple[str, ...] = DIRECTIONS  # Those of `translate`.
    # Whether `translate` takes only images of `image_size`.
    fixed_size = False
    # Arguments of `optimizers.adam`, from the method's paper: for `compile` and
    # .gin files that give no others.
    adam = {"learning_rate": 1e-3, "beta_1": 0.5, "beta_2": 0.99}
    # Whether critics judge images; if not, `compile` refuses to augment.
    critics_take_images = True
    # What a run is scored by: names of `tf_i2i.evaluation.measures`.
    measures: tuple[str, ...] = (
        *("score", "style", "content", "copying", "checks"),
        *("labels", "paired", "round_trip", "outlines"),
    )
    # Settings that make the method small and quick, for tests: arguments of
    # the constructor.
    tiny: dict = {}
    # Name -> further arguments, for a test of each; "stage" is that of
    # `enter_phase`.
    tiny_variants: dict = {"": {}}

    # What a method defines.

    @property
    def size_multiple(self):
        """Heights and widths that `translate` takes are multiples of this."""
        if self.fixed_size:
            return self.image_size
        raise NotImplementedError

    @property
    def sizes(self):
        """Image sizes that a phase may train, ascending."""
        return (self.image_size,)

    @abc.abstractmethod
    def translate(self, images, direction, style=None):
        """Returns translations of images, by the networks as they are.

        Args:
            images: `[N, height, width, 3]`, float in [-1, 1], sides
                multiples of `size_multiple`.
            direction: "a_to_b" or "b_to_a".
            style: `[N, *style_shape]` for methods that are `Styled`, or
                None.

        Returns:
            float32 in [-1, 1], shape of `images`.

        Raises:
            UserError: the direction is unknown or takes no style.
        """

    @abc.abstractmethod
    def forward(self, a, b, training):
        """Returns every tensor of a step by name, in a flat dictionary.

        `self.active_sides` holds the sides that will step: tensors that none
        of their losses reads may be left out.

        Args:
            a, b: `[N, size, size, 3]`, float in [-1, 1].
            training: whether normalization uses the batch's statistics.
        """

    @abc.abstractmethod
    def translator_losses(self, tensors):
        """Returns the translators' weighted losses: name -> scalar."""

    @abc.abstractmethod
    def critic_losses(self, tensors):
        """Returns the critics' weighted losses: name -> scalar."""

    def observations(self, tensors):
        """Returns scalars by name that are logged and not optimized.

        They are computed when translators step. No loss has the same name.
        """
        return {}

    def alarms(self, means):
        """Returns warnings for the log, sentences that are printed once each.

        Args:
            means: means of losses and observations by name, over some
                thousands of images.
        """
        return []

    # What a method inherits.

    def call(self, images):
        return self.translate(images, "a_to_b")

    def cycle(self, images, domain):
        """Returns images translated to the other domain and back.

        If the way back takes a style, each image's own style is used.

        Args:
            images: `[N, height, width, 3]`, float in [-1, 1].
            domain: "a" or "b", the domain of the images.

        Returns:
            float32 in [-1, 1], shape of `images`.

        Raises:
            UserError: the method translates in one direction only.
        """
        there = f"{domain}_to_{other_domain(domain)}"
        back = reverse(there)
        style = None
        if style_shape(self, back):
            style = self.encode_style(images, back)
        return self.translate(self.translate(images, there), back, style)

    def sample_rows(self, images, domain):
        """Returns the rows of a sample grid below the given images.

        These are the translations, and the reconstructions or, for methods
        that are not `Reconstructing`, the result of `cycle`. Where a
        direction takes styles, each image gets another sampled style, the
        same in all grids.

        Args:
            images: `[N, size, size, 3]`, float in [-1, 1].
            domain: "a" or "b", the domain of the images.

        Returns:
            List of batches of the shape of `images`.
        """
        rows = []
        direction = DIRECTIONS["ab".index(domain)]
        if direction in self.directions:
            style = None
            if style_shape(self, direction):
                style = self.sample_style(len(images), 0)
            rows.append(self.translate(images, direction, style))
        if isinstance(self, Reconstructing):
            return [*rows, self.reconstruct(images, domain)]
        if self.directions == DIRECTIONS:
            return [*rows, self.cycle(images, domain)]
        return [*rows, images]

    def check_direction(self, direction, style=None):
        """Refuses an unknown direction, and a style that it does not take.

        Raises:
            UserError: either of them.
        """
        if direction not in self.directions:
            raise UserError(
                f"`direction` must be one of {', '.join(self.directions)}, "
                f"for {type(self).__name__}. Received: direction={direction!r}"
            )
        if style is not None and style_shape(self, direction) is None:
            raise UserError(
                f"`style` must be left out: this {type(self).__name__} has "
                f"no styles for {direction}. "
                f"Received: style of shape {tuple(style.shape)}"
            )

    def check_size(self, divisor):
        """Refuses an `image_size` that is no multiple of `divisor`.

        Raises:
            UserError: it is none.
        """
        if self.image_size < divisor or self.image_size % divisor:
            raise UserError(
                f"`image_size` must be a multiple of {divisor}, for "
                f"{type(self).__name__}. Received: {self.image_size}"
            )

    def require_size(self, images):
        """Returns `images` as a tensor whose sides are known.

        Raises:
            UserError: the sides are not `image_size`.
        """
        side, images = self.image_size, tf.convert_to_tensor(images)
        if not images.shape[1:3].is_compatible_with([side, side]):
            raise UserError(
                f"`images` must be {side} x {side} pixels, for "
                f"{type(self).__name__}. Received: {tuple(images.shape)}"
            )
        return tf.ensure_shape(images, [None, side, side, 3])
