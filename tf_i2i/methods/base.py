"""The contract of a method: what its class defines, and what it inherits.

Names of tensors end with their domain: `fake_a` is a generated image of
domain A, whatever it was translated from.
"""

import abc

import tensorflow as tf

from tf_i2i.domains import DIRECTIONS
from tf_i2i.domains import other_domain
from tf_i2i.domains import reverse
from tf_i2i.errors import UserError
from tf_i2i.methods.capabilities import Reconstructing
from tf_i2i.methods.capabilities import encodes_styles
from tf_i2i.methods.capabilities import style_shape
from tf_i2i.methods.training_step import TwoSidedModel
from tf_i2i.sizes import height_width
from tf_i2i.sizes import image_shape
from tf_i2i.values import checked


class UnpairedTranslator(TwoSidedModel):
    """Base class of all methods.

    A method defines:

    - `translators`, `critics`: names of the attributes that hold its
      networks. One optimizer updates the variables of all translators, and a
      second one updates those of all critics.
    - `updates`: the updates of one training step, in the paper's order. Each
      update is "both" (one forward pass and an optimizer step of translators
      and critics), "critic", "translator", or "neither" (a forward pass without
      an optimizer step). The updates of one kind use different images of the
      batch. If the most frequent kind has m updates, the n-th update of each
      kind uses the images with the numbers n, n + m, n + 2 m and so on.
    - `size_multiple` or `fixed_size`: the sizes of the images that
      `translate` supports.
    - `translate`, `forward`, `translator_losses`, `critic_losses`.
    - `measures`: names of the measures by which `evaluate` scores a run. A
      method defines them only if its paper makes claims that the default
      measures do not test.

    The constructor of a method ends with `self.build_networks()`. For each
    further ability, a method inherits a capability class before this class;
    see `methods.capabilities`. The training step is implemented in
    `methods.training_step`.

    Args:
        image_size: side of the largest images in pixels. A method that can be
            trained on rectangles annotates it as `sizes.Size`, and takes a
            pair (height, width), too.
        average_kimg: half-life of the moving averages of the network weights,
            in thousands of images.
        seed: seed of all random numbers in training steps.
        name: name of the Keras model.
    """

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            setattr(cls, "__init__", checked(cls.__init__))  # noqa: B010

    translators: tuple[str, ...] = ()
    critics: tuple[str, ...] = ()
    updates: tuple[str, ...] = ("both",)
    # The directions that `translate` supports.
    directions: tuple[str, ...] = DIRECTIONS
    # Whether `translate` takes only images of `image_size`.
    fixed_size = False
    # Arguments of `optimizers.adam`, from the method's paper. They are used
    # unless `compile` or a .gin file gives others. A method may state only some
    # of the arguments. All others have the values below.
    adam = {"learning_rate": 1e-3, "beta_1": 0.5, "beta_2": 0.99}
    # Whether the inputs of critics are images. If they are not, `compile`
    # raises an error when an augmentation for critics is given.
    critics_take_images = True
    # Names of the measures by which `evaluate` scores a run. The measures are
    # defined in `tf_i2i.evaluation.measures`.
    measures: tuple[str, ...] = (
        *("score", "style", "content", "copying", "checks"),
        *("labels", "paired", "round_trip", "outlines"),
    )
    # Arguments with which tests call the constructor. They make the model
    # small and fast.
    tiny: dict = {}
    # Variants of the model that are tested. A key is the name of a variant,
    # and its value is a dictionary of further arguments. The argument "stage"
    # is passed to `enter_phase`, and all others to the constructor.
    tiny_variants: dict = {"": {}}

    # A method defines or overrides the following members.

    @property
    def size_multiple(self):
        """Number that divides all sides of images that `translate` supports."""
        if self.fixed_size:
            return self.image_size
        name = type(self).__name__
        raise UserError(
            f"`{name}.size_multiple` must be defined, or `fixed_size` must be "
            "True. Received: neither"
        )

    @property
    def sizes(self):
        """Image sizes of the phases of training, in ascending order."""
        return (self.image_size,)

    @abc.abstractmethod
    def translate(self, images, direction, style=None):
        """Returns translations of images, with the networks' current weights.

        Args:
            images: `[N, height, width, 3]`, float in [-1, 1]; height and
                width are multiples of `size_multiple`.
            direction: "a_to_b" or "b_to_a".
            style: `[N, *style_shape]` for methods with styles, or
                None.

        Returns:
            float32 in [-1, 1], shape of `images`.

        Raises:
            UserError: the direction is unknown, or a style is given and the
                direction takes none.
        """

    @abc.abstractmethod
    def forward(self, a, b, training):
        """Returns a dictionary of the tensors from which losses are computed.

        `self.active_sides` holds the sides that this update trains:
        "translator", "critic" or both. Tensors that are not needed for the
        losses of these sides may be left out.

        Args:
            a, b: images of A and B, `[N, height, width, 3]`, float in [-1, 1].
            training: whether to normalize by the statistics of the batch.

        Returns:
            A flat dictionary. Its keys are names, its values are tensors.
        """

    @abc.abstractmethod
    def translator_losses(self, tensors):
        """Returns a dictionary of the translators' weighted scalar losses."""

    @abc.abstractmethod
    def critic_losses(self, tensors):
        """Returns a dictionary of the critics' weighted scalar losses."""

    def observations(self, tensors):
        """Returns a dictionary of scalars that are logged and not optimized.

        Observations are computed in updates of the translators. Their names
        must differ from the names of losses.
        """
        return {}

    def alarms(self, means):
        """Returns a list of warnings, each of which is printed once.

        Args:
            means: dictionary of mean values over some thousands of images.
                The keys are names of losses and observations.
        """
        return []

    # Classes of methods inherit the following members.

    def call(self, images):
        return self.translate(images, "a_to_b")

    def cycle(self, images, domain):
        """Returns images translated to the other domain and back.

        If the translation back takes a style, the style of the original image
        is used.

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
        if encodes_styles(self, back):
            style = self.encode_style(images, back)
        return self.translate(self.translate(images, there), back, style)

    def sample_rows(self, images, domain):
        """Returns the rows that a sample grid shows below the given images.

        The first row holds the translations, unless the method does not
        translate images of this domain. The last row holds the reconstructions
        or, for methods that are not `Reconstructing`, the result of `cycle`. If
        the method is not `Reconstructing` and has only one direction, the last
        row holds the given images. If a direction takes styles, one style is
        sampled for each column. The same styles are used in every grid of a
        run.

        Args:
            images: `[N, size, size, 3]`, float in [-1, 1].
            domain: "a" or "b", the domain of the images.

        Returns:
            List of batches, each with the shape of `images`.
        """
        rows = []
        direction = f"{domain}_to_{other_domain(domain)}"
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

    @classmethod
    def adam_values(cls):
        """Returns the arguments of `optimizers.adam` for this method."""
        return UnpairedTranslator.adam | cls.adam

    def check_direction(self, direction, style=None):
        """Raises an error for an unknown direction or an unsupported style.

        Raises:
            UserError: the direction is unknown, or `style` is given although
                the direction takes none.
        """
        if direction not in self.directions:
            raise UserError(
                f"`direction` must be one of {', '.join(self.directions)} "
                f"for {type(self).__name__}. Received: direction={direction!r}"
            )
        if style is not None and style_shape(self, direction) is None:
            raise UserError(
                f"`style` must be None, because this {type(self).__name__} "
                f"takes no style for {direction}. "
                f"Received: style of shape {tuple(style.shape)}"
            )

    def check_size(self, divisor, unshuffle=1):
        """Raises an error unless the networks support `image_size`.

        Args:
            divisor: number by which the sides of the networks' input must be
                divisible.
            unshuffle: side of the blocks of pixels that the networks see as
                one pixel.

        Raises:
            UserError: `image_size` is not a multiple of `divisor * unshuffle`.
        """
        divisor *= unshuffle
        sides = height_width(self.image_size)
        if any(side < divisor or side % divisor for side in sides):
            raise UserError(
                f"`image_size` must be a multiple of {divisor} for "
                f"{type(self).__name__}. Received: {self.image_size}"
            )

    def require_size(self, images):
        """Returns `images` as a tensor with the static size `image_size`.

        Raises:
            UserError: the images have another height or width.
        """
        shape, images = (
            image_shape(self.image_size),
            tf.convert_to_tensor(images),
        )
        if not images.shape[1:3].is_compatible_with(shape[:2]):
            height, width, _ = shape
            raise UserError(
                f"`images` must be {height} x {width} pixels for "
                f"{type(self).__name__}. Received: {tuple(images.shape)}"
            )
        return tf.ensure_shape(images, [None, *shape])
