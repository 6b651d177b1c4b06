"""What all unpaired translators share: the mechanics of a training step.

Names of tensors end with the domain that they live in: `fake_a` is an image
*in* A, whatever it was made from.
"""

import abc
import contextlib
import itertools
import zlib

import keras
import tensorflow as tf

from tf_i2i.domains import DIRECTIONS
from tf_i2i.errors import UserError
from tf_i2i.layers import augment
from tf_i2i.layers.replicas import replica_position
from tf_i2i.methods.capabilities import Classifying
from tf_i2i.methods.capabilities import Reconstructing
from tf_i2i.methods.capabilities import missing_parts
from tf_i2i.methods.capabilities import stages
from tf_i2i.methods.capabilities import style_shape

NOT_FINITE = "not finite:"  # How a failed check of a step begins.
_STREAMS = 4096  # Of random numbers, in a step.
_SEEN = 2048  # From here on, those of what critics see.
_SIDES = {
    "translator": ("translator",),
    "critic": ("critic",),
    "both": ("translator", "critic"),
    "neither": (),
}


class UnpairedTranslator(keras.Model):
    """Base class of all methods.

    A method states:

    - `translators`, `critics`: names of the attributes that hold its
      networks. They say which of the two optimizers owns a variable.
    - `updates`: who steps in one training step, in the paper's order:
      "both" (one forward pass for both sides), "critic", "translator", or
      "neither" (a forward pass, for what it measures).
      The n-th update of a side takes the n-th slice of the batch.
    - `translate(images, direction, style=None)`: the inference path.
    - `forward(a, b, training)`: every tensor of the step by name.
    - `translator_losses(tensors)`, `critic_losses(tensors)`: weighted
      scalars by name.
    - `measures`, if its paper claims more than these measure: the names of
      what `evaluate` scores a run by.
    - `observations(tensors)`, if something beside the losses is worth
      watching: scalars by name.

    What else a method can do it says by the capabilities that it inherits
    before this class: see `methods.capabilities`. It calls
    `self.build_networks()` at the end of its constructor.

    Args:
        image_size: side of the largest images, pixels.
        average_kimg: half-life of the averaged weights, thousands of images.
        seed: of everything random in a step.
        name: of the model.
    """

    translators: tuple[str, ...] = ()
    critics: tuple[str, ...] = ()
    updates: tuple[str, ...] = ("both",)
    # The sides whose step `forward` are made for, so that it need not make
    # what none of their losses asks for.
    active_sides: tuple[str, ...] = ("translator", "critic")
    directions: tuple[str, ...] = DIRECTIONS  # That `translate` knows.
    # Of Keras' Adam where `compile` is given no optimizer.
    adam = {"learning_rate": 1e-3, "beta_1": 0.5, "beta_2": 0.99}
    critic_augmentation: tuple[str, ...] = ()  # See `compile`.
    # Whether `translate` takes images of `image_size` only.
    fixed_size = False
    # What a run is scored by: names of `tf_i2i.evaluation.measures`.
    measures: tuple[str, ...] = (
        *("score", "style", "content", "copying", "checks"),
        *("labels", "paired", "round_trip", "outlines"),
    )
    critics_take_images = True  # Whether critics do; else nothing is augmented.

    def __init__(self, image_size, average_kimg=10.0, seed=0, name=None):
        super().__init__(name=name)
        self.image_size = image_size
        self.average_kimg = average_kimg
        self.seed = seed
        self.step = self._counter("step")
        self.images_shown = self._counter("images_shown")
        # Where a run of several phases stands; see `enter_phase`.
        self.size = image_size
        self.stage = None
        self.fading = False
        self.phase_start = 0
        self.phase_images = None

    # What a method states.

    @property
    def sizes(self):
        """Image sizes that a phase may train, ascending."""
        return (self.image_size,)

    @property
    def size_multiple(self):
        """Sides of images to translate are multiples of this, in pixels."""
        if self.fixed_size:
            return self.image_size
        raise NotImplementedError

    @abc.abstractmethod
    def translate(self, images, direction, style=None):
        """Translates images on the networks as they stand.

        Args:
            images: `[N, height, width, 3]`, float in [-1, 1], sides
                multiples of `size_multiple`.
            direction: "a_to_b" or "b_to_a".
            style: `[N, *style_shape]`, for methods that are `Styled`.

        Returns:
            float32 in [-1, 1], shape of `images`.

        Raises:
            UserError: for an unknown direction, or a style where the method
                has none.
        """

    def cycle(self, images, domain):
        """Returns images translated to the other domain and back.

        Where the way back takes a style it is the images' own.

        Args:
            images: `[N, height, width, 3]`, float in [-1, 1].
            domain: "a" or "b", the domain of the images.

        Returns:
            float32 in [-1, 1], shape of `images`.

        Raises:
            UserError: the method translates in one direction only.
        """
        there, back = DIRECTIONS if domain == "a" else DIRECTIONS[::-1]
        style = None
        if style_shape(self, back):
            style = self.encode_style(images, back)
        return self.translate(self.translate(images, there), back, style)

    def sample_rows(self, images, domain):
        """Returns the rows that a grid of samples shows of images.

        The translations, and then the images reconstructed, or translated
        there and back where the method reconstructs nothing. A direction
        that takes styles gets another one for each image, the same in all
        grids.

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

    @abc.abstractmethod
    def forward(self, a, b, training):
        """Every tensor of a step by name; a flat dictionary.

        Args:
            a, b: `[N, size, size, 3]`, float in [-1, 1].
            training: whether statistics are taken from the batch.
        """

    @abc.abstractmethod
    def translator_losses(self, tensors):
        """Weighted scalars by name."""

    @abc.abstractmethod
    def critic_losses(self, tensors):
        """Weighted scalars by name."""

    def observations(self, tensors):
        """Scalars by name that are logged with the losses, not optimized.

        Asked when translators step. Names are no loss's.
        """
        return {}

    def alarms(self, means):
        """What the log says of training: sentences, each to be told once.

        Args:
            means: of losses and observations by name, over some thousand
                images.
        """
        return []

    # What every method shares.

    def call(self, images):
        return self.translate(images, "a_to_b")

    def check_direction(self, direction, style=None):
        """Refuses an unknown direction and a style that nothing would read."""
        if direction not in self.directions:
            raise UserError(
                f"`direction` must be one of {', '.join(self.directions)}, "
                f"for {type(self).__name__}. Received: direction={direction!r}"
            )
        if style is not None and style_shape(self, direction) is None:
            raise UserError(
                f"`style`: this {type(self).__name__} was built without a "
                f"style for {direction}; leave it out. "
                f"Received: style of shape {tuple(style.shape)}"
            )

    def check_size(self, divisor):
        """Refuses an `image_size` that is no multiple of `divisor`."""
        if self.image_size < divisor or self.image_size % divisor:
            raise UserError(
                f"`image_size` must be a multiple of {divisor}, for "
                f"{type(self).__name__}. Received: {self.image_size}"
            )

    def sized(self, images):
        """`images`, for networks that take those of `image_size` alone.

        Raises:
            UserError: they are of another size.
        """
        side, images = self.image_size, tf.convert_to_tensor(images)
        if not images.shape[1:3].is_compatible_with([side, side]):
            raise UserError(
                f"`images` must be {side} x {side} pixels, for "
                f"{type(self).__name__}. Received: {tuple(images.shape)}"
            )
        return tf.ensure_shape(images, [None, side, side, 3])

    def build_networks(self):
        """Builds all networks, checks owners, makes averages.

        Raises:
            UserError: the method lacks a part.
        """
        self._check_parts()
        self._loss_names_in = {}  # By words: SavedModels take no other keys.
        for stage in stages(self):
            self.stage = stage
            self._loss_names_in[str(stage)] = sorted(self._build_at_each_size())
        self.updates = self.updates_in(self.stage)
        self._check_owners()
        # By identity: networks may share layers.
        averaged = {
            id(variable): variable
            for name in self.averaged_networks
            for variable in getattr(self, name).variables
        }
        self.averaged_variables = list(averaged.values())
        self.averages = [
            self.add_weight(
                shape=variable.shape,
                dtype="float32",
                trainable=False,
                # Path, not name: names repeat from layer to layer.
                name="average_" + variable.path.replace("/", "."),
            )
            for variable in self.averaged_variables
        ]
        for average, variable in self.average_pairs:
            average.assign(variable)
        self.loss_metrics = {
            name: keras.metrics.Mean(name=name)
            for name in sorted(
                {*itertools.chain(*self._loss_names_in.values())}
            )
        }
        self.built = True

    def _check_parts(self):
        if missing := missing_parts(self):
            name = type(self).__name__
            raise UserError(
                f"`{name}.{missing[0]}` must be defined: "
                f"{name} inherits from {_declaring(self, missing[0])}. "
                f"Received: a {name} without {', '.join(missing)}"
            )

    def _build_at_each_size(self):
        """One blank step at each size; returns the losses of the last."""
        for size in self.sizes:
            self.size = size
            blank = tf.zeros((2, self.size, self.size, 3))
            tensors = self.forward(
                blank, blank, False, *self.blank_labels(len(blank))
            )
        return {
            **self.translator_losses(tensors),
            **self.critic_losses(tensors),
            **self.observations(tensors),
        }

    def blank_labels(self, count):
        """What a batch of `count` has beside the images, if anything."""
        if not isinstance(self, Classifying):
            return ()
        return (tf.zeros(count, tf.int32),)

    @property
    def averaged_networks(self):
        """Names of the networks that are asked after training."""
        return self.translators

    def _counter(self, name):
        return self.add_weight(
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            name=name,
        )

    @property
    def average_pairs(self):
        """`(average, variable)` for all that `averaged_networks` hold."""
        return zip(self.averages, self.averaged_variables, strict=True)

    def _check_owners(self):
        owners: dict[int, set[str]] = {}
        for side in ("translators", "critics"):
            for name in getattr(self, side):
                for variable in getattr(self, name).trainable_variables:
                    owners.setdefault(id(variable), set()).add(side)
        for variable in self.trainable_variables:
            sides = owners.get(id(variable), set())
            if len(sides) != 1:
                raise ValueError(
                    "Each trainable variable must be owned by `translators` "
                    "or by `critics`, through a network that one of them "
                    f"names. Received: {variable.path}, owned by "
                    f"{' and '.join(sorted(sides)) or 'neither'}"
                )

    def owned(self, side):
        """Trainable variables of "translator" or "critic", each once."""
        names = self.translators if side == "translator" else self.critics
        variables = {}
        for name in names:
            for variable in getattr(self, name).trainable_variables:
                variables[id(variable)] = variable
        return list(variables.values())

    def compile(
        self,
        translator_optimizer=None,
        critic_optimizer=None,
        jit_compile=False,
        critic_augmentation=(),
    ):
        """Sets the two optimizers, and what critics see.

        Args:
            translator_optimizer, critic_optimizer: Keras optimizers, one
                instance each, or their names; None for Adam as the method's
                paper has it.
            jit_compile: XLA. On CPUs it is slower for convolutions.
            critic_augmentation: some of "color", "translation", "cutout":
                all that critics judge is changed so (see `layers.augment`),
                which helps where images are few.

        Raises:
            UserError: another augmentation, or critics of no images.
        """
        self.critic_augmentation = augment.check_kinds(critic_augmentation)
        if self.critic_augmentation and not self.critics_take_images:
            raise UserError(
                f"`critic_augmentation` must be (): critics of "
                f"{type(self).__name__} judge no images. "
                f"Received: {self.critic_augmentation}"
            )
        translator_optimizer, critic_optimizer = (
            keras.optimizers.get(given or keras.optimizers.Adam(**self.adam))
            for given in (translator_optimizer, critic_optimizer)
        )
        super().compile(optimizer=translator_optimizer, jit_compile=jit_compile)
        self.critic_optimizer = critic_optimizer
        self.optimizer.build(self.owned("translator"))
        self.critic_optimizer.build(self.owned("critic"))
        self.train_function = None

    def fit(self, x, *args, shuffle=False, **kwargs):
        """`fit` of `keras.Model`, with its callbacks.

        Args:
            x: batches of two domains, as `data.unpaired` makes them.
            shuffle: left to the batches' maker.

        Raises:
            UserError: no end was given, or images are of another size.
        """
        self._check_batches(x, kwargs.get("steps_per_epoch"))
        return super().fit(x, *args, shuffle=shuffle, **kwargs)

    def _check_batches(self, x, steps):
        if not isinstance(x, tf.data.Dataset):
            return  # Of a strategy.
        if steps is None and x.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise UserError(
                "`steps_per_epoch` must be given, since batches never end. "
                "Received: none"
            )
        shape = x.element_spec[0].shape[1:3]
        if not shape.is_compatible_with([self.size, self.size]):
            raise UserError(
                f"`image_size` of the batches must be {self.size}, as of the "
                f"{type(self).__name__}. Received: {shape[0]}"
            )

    def _get_metrics_result_or_logs(self, logs):
        """The step returns nothing: Keras' callbacks read the metrics."""
        return self.get_metrics_result()

    @property
    def optimizers(self):
        """The optimizers by the side that they update."""
        return {
            "translator": self.optimizer,
            "critic": self.critic_optimizer,
        }

    @property
    def metrics(self):
        if not self.built:
            return []
        return [
            self.loss_metrics[name]
            for name in self._loss_names_in[str(self.stage)]
        ]

    def updates_in(self, stage):
        """Returns what `updates` is in a stage; see `Staged`."""
        return self.updates

    def batches_in(self, stage):
        """Returns how many batches one training step reads in a stage."""
        return _most(self.updates_in(stage))

    @property
    def batches_per_step(self):
        """Batches that one training step reads."""
        return _most(self.updates)

    def enter_phase(self, size, start=0, images=None, fading=False, stage=None):
        """Sets the path of the networks and the clock of fades.

        Args:
            size: side of the images, one of `sizes`.
            start: `images_shown` when the phase began.
            images: images of each domain that the phase shows, or None.
            fading: whether the block at `size` is being faded in.
            stage: one of the stages of a `Staged` method; None for the last.

        Raises:
            UserError: if the model was not built for this size or stage.
        """
        if size not in self.sizes:
            raise UserError(
                f"`size` must be one that the model was built for: "
                f"{list(self.sizes)}. Received: size={size}"
            )
        self.size, self.fading = size, fading
        known = stages(self)
        self.stage = stage or known[-1]
        if self.stage not in known:
            raise UserError(
                f"`stage` must be one of {', '.join(map(str, known))}. "
                f"Received: {stage!r}"
            )
        self.updates = self.updates_in(self.stage)
        self.phase_start, self.phase_images = start, images
        self.train_function = None  # Traced for the phase before.

    def begin_phase(self):
        """Called once, before the first step of a phase."""

    @property
    def images_in_phase(self):
        """Images of each domain shown since the phase began; float32."""
        shown = tf.convert_to_tensor(self.images_shown) - self.phase_start
        return tf.cast(shown, tf.float32)

    @property
    def phase_progress(self):
        """Share of the phase that is done, in [0, 1]; 1 without phases."""
        if self.phase_images is None:
            return tf.constant(1.0)
        return tf.clip_by_value(
            self.images_in_phase / self.phase_images, 0.0, 1.0
        )

    @property
    def fade(self):
        """Share of the newest block, in [0, 1]; None where it is whole."""
        return self.phase_progress if self.fading else None

    def noise(self, shape, stream, distribution="normal"):
        """Random numbers that are a function of (seed, step, stream).

        All replicas draw for the whole batch and take their share: two
        devices see the noise that one would.

        Args:
            shape: tuple; the first entry is this replica's batch.
            stream: any integer, another one for each use in a step.
            distribution: "normal" (N(0, 1)) or "uniform" ([0, 1)).

        Returns:
            float32 tensor.
        """
        replica, replicas = replica_position()
        batch, rest = shape[0], shape[1:]
        numbers = self.draw((replicas * batch, *rest), stream, distribution)
        return numbers[replica * batch : (replica + 1) * batch]

    def augment_for_critic(self, images, name):
        """What critics see of images: see `compile`.

        All that a critic judges comes through here, reals and fakes alike,
        each with numbers of its own.

        Args:
            images: `[N, S, S, 3]`.
            name: another one for each use in a step; images of one name are
                changed alike.
        """
        if not self.critic_augmentation:
            return images
        stream = _SEEN + zlib.crc32(name.encode()) % (_STREAMS - _SEEN)
        shape = (images.shape[0], augment.DRAWS)
        draws = self.noise(shape, stream, "uniform")
        return augment.augmented(images, draws, self.critic_augmentation)

    def draw(self, shape, stream, distribution="normal"):
        """The same random numbers on every replica; see `noise`."""
        draw = {
            "normal": tf.random.stateless_normal,
            "uniform": tf.random.stateless_uniform,
        }[distribution]
        seed = tf.stack(
            [
                tf.constant(self.seed * _STREAMS + stream, tf.int64),
                tf.convert_to_tensor(self.step),
            ]
        )
        return draw(shape, seed)

    # The training step.

    def train_step(self, batch):
        slices = self.batches_per_step
        parts = [tf.split(part, slices) for part in batch]
        done = dict.fromkeys(self.updates, 0)
        losses: dict[str, tf.Tensor] = {}
        checks = []
        for update in self.updates:
            at = done[update]
            named, check = self._update(update, *(part[at] for part in parts))
            losses |= named
            checks.append(check)
            done[update] += 1
        images = slices * self.global_batch(parts[0][0])
        with tf.control_dependencies(checks):
            self._move_averages(images)
            self.step.assign_add(1)
            self.images_shown.assign_add(images)
            for name, value in losses.items():
                self.loss_metrics[name].update_state(tf.identity(value))
        return {}

    def _update(self, update, *batch):
        """One forward pass and the step of one side, or of both.

        Returns:
            The losses by name, and the operation that finds them finite.
        """
        sides = _SIDES[update]
        trained = {}  # Variables on the path of this phase, by side.

        def compute(*batch):
            losses, gradients = self._losses_and_gradients(sides, *batch)
            for side, pairs in gradients.items():
                trained[side] = [variable for _, variable in pairs]
            return losses, {
                side: [gradient for gradient, _ in pairs]
                for side, pairs in gradients.items()
            }

        if self.jit_compile:
            # The rest stays outside: XLA leaves out assertions.
            compute = tf.function(compute, jit_compile=True, autograph=False)
        losses, gradients = compute(*batch)
        check = self._check_finite(losses, gradients)
        with tf.control_dependencies([check]):
            for side in sides:
                checked = [tf.identity(g) for g in gradients[side]]
                self.optimizers[side].apply(checked, trained[side])
        return losses, check

    def _losses_and_gradients(self, sides, a, b, *labels):
        """Losses by name; by side, pairs `(gradient, variable)`."""
        losses: dict[str, dict[str, tf.Tensor]] = {}
        with tf.GradientTape(persistent=True) as tape:
            self.active_sides = sides
            tensors = self.forward(a, b, True, *labels)
            self.active_sides = type(self).active_sides
            for side in sides:
                losses[side] = getattr(self, f"{side}_losses")(tensors)
            # Gradients are summed over replicas.
            _, replicas = replica_position()
            totals = {
                side: tf.add_n(list(losses[side].values())) / replicas
                for side in sides
            }
        gradients = {
            side: self._gradients(tape, totals[side], side) for side in sides
        }
        named = {n: v for side in sides for n, v in losses[side].items()}
        if "translator" in sides:
            named |= self.observations(tensors)
        return named, gradients

    def _gradients(self, tape, total, side):
        """Pairs `(gradient, variable)` of a side, on this phase's path."""
        variables = self.owned(side)
        pairs = zip(tape.gradient(total, variables), variables, strict=True)
        # Dense: of slices that repeat a row, Adam would sum the squares in
        # place of squaring the sum. None: a block that the path leaves out.
        return [(tf.convert_to_tensor(g), v) for g, v in pairs if g is not None]

    def _check_finite(self, losses, gradients):
        """Asserts finite losses and gradients; names the first bad one."""
        if not losses:
            return tf.no_op()
        values = dict(losses)
        for side, of_side in gradients.items():
            name = f"the gradient of the {side}s"
            values[name] = tf.linalg.global_norm(of_side)
        stacked = tf.stack(list(values.values()))
        bad = tf.logical_not(tf.math.is_finite(stacked))
        first = tf.argmax(tf.cast(bad, tf.int32))
        check = tf.debugging.Assert(
            tf.logical_not(tf.reduce_any(bad)),
            [
                NOT_FINITE,
                tf.gather(tf.constant(list(values)), first),
                "step",
                tf.convert_to_tensor(self.step),
            ],
        )
        # Eager mode has raised already, and has no operation to wait for.
        return tf.no_op() if check is None else check

    def global_batch(self, images):
        """Images in a batch over all replicas."""
        _, replicas = replica_position()
        return images.shape[0] * replicas

    def _move_averages(self, images):
        """decay = min(half-life's, (1 + n)/(10 + n)), n the step."""
        n = tf.cast(tf.convert_to_tensor(self.step), tf.float32)
        decay = 0.5 ** (images / (1000.0 * max(self.average_kimg, 1e-9)))
        decay = tf.minimum(decay, (1.0 + n) / (10.0 + n))
        for average, variable in self.average_pairs:
            live = tf.cast(tf.convert_to_tensor(variable), tf.float32)
            average.assign_add((1.0 - decay) * (live - average))

    @contextlib.contextmanager
    def averaged(self):
        """Within this context the translators carry their averaged weights."""
        live = [variable.numpy() for _, variable in self.average_pairs]
        for average, variable in self.average_pairs:
            variable.assign(average)
        try:
            yield self
        finally:
            for (_, variable), value in zip(
                self.average_pairs, live, strict=True
            ):
                variable.assign(value)

    def make_train_function(self, force=False):
        """One graph for every strategy, multi-worker included.

        Keras' own reduces the step's outputs in a way that only some
        strategies can; here they are none: losses are read from `metrics`.
        """
        if self.train_function is not None and not force:
            return self.train_function

        @tf.function(autograph=False)
        def train_function(iterator):
            batch = next(iterator)
            self.distribute_strategy.run(self.train_step, args=(batch,))
            return {}

        self.train_function = train_function
        return train_function

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Nothing is left to build, and Keras would average a first batch
        over the replicas for it, which several workers cannot do.
        """


def _most(updates):
    """How often the most frequent of the updates is made."""
    return max(updates.count(update) for update in updates)


def _declaring(model, part):
    """Name of the class that asks for a part."""
    for kind in reversed(type(model).__mro__):
        if part in (*vars(kind), *vars(kind).get("__annotations__", ())):
            return kind.__name__
    raise AssertionError(part)
