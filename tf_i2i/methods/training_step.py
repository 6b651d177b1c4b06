"""The mechanics of a training step, the same for all methods.

Networks belong to one of two sides, translators and critics, and each side
has its own optimizer. `TwoSidedModel` builds the networks, takes the steps in
the order that a method states, checks that everything is finite, averages the
translators' weights and makes all random numbers.
"""

import contextlib
import itertools
import zlib

import keras
import tensorflow as tf

from tf_i2i.errors import UserError
from tf_i2i.layers import augment
from tf_i2i.layers.replicas import replica_position
from tf_i2i.methods.capabilities import Classifying
from tf_i2i.methods.capabilities import check_parts
from tf_i2i.methods.capabilities import stages
from tf_i2i.optimizers import adam

NOT_FINITE = "not finite:"  # How the message of a failed check begins.
SIDES = ("translator", "critic")
_SIDES_OF = {  # Update -> sides that step in it.
    "translator": ("translator",),
    "critic": ("critic",),
    "both": SIDES,
    "neither": (),
}


class TwoSidedModel(keras.Model):
    """A Keras model whose translators and critics have an optimizer each.

    `tf_i2i.UnpairedTranslator` adds what a method defines; its arguments are
    those of this class.
    """

    # The sides that step in the current update; see `forward`.
    active_sides: tuple[str, ...] = SIDES
    critic_augmentation: tuple[str, ...] = ()  # See `compile`.

    def __init__(self, image_size, average_kimg=10.0, seed=0, name=None):
        super().__init__(name=name)
        self.image_size = image_size
        self.average_kimg = average_kimg
        self.seed = seed
        self.step = self._counter("step")
        self.images_shown = self._counter("images_shown")
        # The current phase of a run; see `enter_phase`.
        self.size = image_size
        self.stage = None
        self.fading = False
        self.phase_start = 0
        self.phase_images = None

    # Construction.

    def build_networks(self):
        """Builds all networks by one step on blank images, and the averages.

        Raises:
            UserError: the method lacks a part of its contract or of its
                capabilities.
            ValueError: a trainable variable is owned by no side, or by both.
        """
        check_parts(self)
        self._loss_names_in = {}  # By text: SavedModels take no other keys.
        for stage in stages(self):
            self.stage = stage
            self._loss_names_in[str(stage)] = sorted(self._build_at_each_size())
        self.updates = self.updates_in(self.stage)
        self._check_owners()
        self._make_averages()
        names = {*itertools.chain(*self._loss_names_in.values())}
        self.loss_metrics = {
            name: keras.metrics.Mean(name=name) for name in sorted(names)
        }
        self.built = True

    def _build_at_each_size(self):
        """Runs a blank step at each size; returns the losses of the last."""
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
        """Returns the labels of a blank batch, if there are any, in a tuple."""
        if not isinstance(self, Classifying):
            return ()
        return (tf.zeros(count, tf.int32),)

    def _counter(self, name):
        return self.add_weight(
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            name=name,
        )

    def _check_owners(self):
        owners: dict[int, set[str]] = {}
        for side in SIDES:
            for variable in self.owned(side):
                owners.setdefault(id(variable), set()).add(f"{side}s")
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
        """Returns the trainable variables of a side, each once.

        Args:
            side: "translator" or "critic".
        """
        names = self.translators if side == "translator" else self.critics
        variables = {
            id(variable): variable  # Networks may share layers.
            for name in names
            for variable in getattr(self, name).trainable_variables
        }
        return list(variables.values())

    # Averaged weights.

    @property
    def averaged_networks(self):
        """Names of the networks that are used at inference."""
        return self.translators

    def _make_averages(self):
        averaged = {
            id(variable): variable  # Networks may share layers.
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

    @property
    def average_pairs(self):
        """`(average, variable)` for all variables of `averaged_networks`."""
        return zip(self.averages, self.averaged_variables, strict=True)

    def _update_averages(self, images):
        """Moves the averages towards the weights, after a step.

        The decay is min(0.5 ** (images / half-life), (1 + n) / (10 + n)),
        where n is the number of the step.
        """
        n = tf.cast(tf.convert_to_tensor(self.step), tf.float32)
        decay = 0.5 ** (images / (1000.0 * max(self.average_kimg, 1e-9)))
        decay = tf.minimum(decay, (1.0 + n) / (10.0 + n))
        for average, variable in self.average_pairs:
            live = tf.cast(tf.convert_to_tensor(variable), tf.float32)
            average.assign_add((1.0 - decay) * (live - average))

    @contextlib.contextmanager
    def averaged(self):
        """Context in which the networks have their averaged weights."""
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

    # As a Keras model.

    def compile(
        self,
        translator_optimizer=None,
        critic_optimizer=None,
        jit_compile=False,
        critic_augmentation=(),
    ):
        """Sets the two optimizers and the augmentation for critics.

        Args:
            translator_optimizer, critic_optimizer: Keras optimizers, one
                instance each, or their names; None for Adam with the
                settings of the method's paper.
            jit_compile: whether XLA compiles the steps. On CPUs that is
                slower for convolutions.
            critic_augmentation: some of "color", "translation", "cutout":
                augmentations of all images that critics judge (see
                `layers.augment`), which help where images are few.

        Raises:
            UserError: an unknown augmentation, or critics that judge no
                images.
        """
        self.critic_augmentation = augment.check_kinds(critic_augmentation)
        if self.critic_augmentation and not self.critics_take_images:
            raise UserError(
                f"`critic_augmentation` must be (): critics of "
                f"{type(self).__name__} judge no images. "
                f"Received: {self.critic_augmentation}"
            )
        translator_optimizer, critic_optimizer = (
            keras.optimizers.get(given or adam(**self.adam))
            for given in (translator_optimizer, critic_optimizer)
        )
        super().compile(optimizer=translator_optimizer, jit_compile=jit_compile)
        self.critic_optimizer = critic_optimizer
        self.optimizer.build(self.owned("translator"))
        self.critic_optimizer.build(self.owned("critic"))
        self.train_function = None

    def fit(self, x, *args, shuffle=False, **kwargs):
        """Trains as `keras.Model.fit` does, with the same callbacks.

        Args:
            x: batches of two domains, from `data.unpaired`.
            shuffle: left to the data.

        Raises:
            UserError: endless batches without `steps_per_epoch`, or images
                of another size.
        """
        self._check_batches(x, kwargs.get("steps_per_epoch"))
        return super().fit(x, *args, shuffle=shuffle, **kwargs)

    def _check_batches(self, x, steps):
        if not isinstance(x, tf.data.Dataset):
            return  # A strategy's distributed dataset.
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

    def _get_metrics_result_or_logs(self, logs):
        """Gives Keras' callbacks the metrics: the step returns nothing."""
        return self.get_metrics_result()

    def make_train_function(self, force=False):
        """Returns a step as one graph for every strategy.

        Keras' own function reduces the outputs of a step over the replicas,
        which several workers cannot do. This one has no outputs: losses are
        read from `metrics`.
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
        """Does nothing: all is built already.

        Keras would average a first batch over the replicas, which several
        workers cannot do.
        """

    # Phases of a run.

    def updates_in(self, stage):
        """Returns what `updates` is in a stage; see `Staged`."""
        return self.updates

    def batches_in(self, stage):
        """Returns how many batches one training step reads in a stage."""
        return _count_batches(self.updates_in(stage))

    @property
    def batches_per_step(self):
        """How many batches one training step reads."""
        return _count_batches(self.updates)

    def enter_phase(self, size, start=0, images=None, fading=False, stage=None):
        """Sets the size or stage to train, and the clock of fades.

        Args:
            size: side of the images, one of `sizes`.
            start: `images_shown` when the phase began.
            images: images of each domain that the phase shows, or None.
            fading: whether the block at `size` is being faded in.
            stage: one of the stages of a `Staged` method; None for the last.

        Raises:
            UserError: the model was not built for this size or stage.
        """
        if size not in self.sizes:
            raise UserError(
                f"`size` must be one that the model was built for: "
                f"{list(self.sizes)}. Received: size={size}"
            )
        known = stages(self)
        if stage not in (None, *known):
            raise UserError(
                f"`stage` must be one of {', '.join(map(str, known))}. "
                f"Received: {stage!r}"
            )
        self.size, self.fading = size, fading
        self.stage = stage or known[-1]
        self.updates = self.updates_in(self.stage)
        self.phase_start, self.phase_images = start, images
        self.train_function = None  # It was traced for the phase before.

    def begin_phase(self):
        """Is called once, before the first step of a phase."""

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
        """Weight of the newest block, in [0, 1]; None when it is not fading."""
        return self.phase_progress if self.fading else None

    # Random numbers.

    def noise(self, shape, name, distribution="normal"):
        """Returns random numbers for each image of a batch.

        They are a function of the seed, the step and the name. Replicas
        sample for the whole batch and take their share of it: two devices
        together get the numbers that one would.

        Args:
            shape: tuple; the first entry is this replica's batch size.
            name: text, another one for each use in a step.
            distribution: "normal" (N(0, 1)) or "uniform" ([0, 1)).

        Returns:
            float32 tensor.
        """
        replica, replicas = replica_position()
        batch, rest = shape[0], shape[1:]
        numbers = self.draw((replicas * batch, *rest), name, distribution)
        return numbers[replica * batch : (replica + 1) * batch]

    def draw(self, shape, name, distribution="normal"):
        """Returns random numbers that are the same on every replica.

        Args:
            shape, name, distribution: as in `noise`, but for the whole
                shape.
        """
        draw = {
            "normal": tf.random.stateless_normal,
            "uniform": tf.random.stateless_uniform,
        }[distribution]
        seed = tf.constant(_named_seed(self.seed, name), tf.int64)
        return draw(shape, tf.stack([seed, tf.convert_to_tensor(self.step)]))

    def augment_for_critic(self, images, name):
        """Returns what a critic sees of images: see `compile`.

        All images that a critic judges go through here, real and fake ones,
        each batch with a name of its own.

        Args:
            images: `[N, S, S, 3]`.
            name: another one for each use in a step; batches of one name
                are augmented alike.
        """
        if not self.critic_augmentation:
            return images
        shape = (images.shape[0], augment.DRAWS)
        draws = self.noise(shape, f"augment/{name}", "uniform")
        return augment.augment(images, draws, self.critic_augmentation)

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
            self._update_averages(images)
            self.step.assign_add(1)
            self.images_shown.assign_add(images)
            for name, value in losses.items():
                self.loss_metrics[name].update_state(tf.identity(value))
        return {}

    def global_batch(self, images):
        """Returns the batch size over all replicas."""
        _, replicas = replica_position()
        return images.shape[0] * replicas

    def _update(self, update, *batch):
        """Makes one forward pass and the optimizer step of one or both sides.

        Returns:
            The losses by name, and an operation that asserts that losses and
            gradients are finite.
        """
        sides = _SIDES_OF[update]
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
            # Only this part: XLA leaves out assertions.
            compute = tf.function(compute, jit_compile=True, autograph=False)
        losses, gradients = compute(*batch)
        check = self._check_finite(losses, gradients)
        with tf.control_dependencies([check]):
            for side in sides:
                checked = [tf.identity(g) for g in gradients[side]]
                self.optimizers[side].apply(checked, trained[side])
        return losses, check

    def _losses_and_gradients(self, sides, a, b, *labels):
        """Returns losses by name, and by side pairs `(gradient, variable)`."""
        losses: dict[str, dict[str, tf.Tensor]] = {}
        with tf.GradientTape(persistent=True) as tape:
            self.active_sides = sides
            tensors = self.forward(a, b, True, *labels)
            self.active_sides = SIDES
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
        """Returns pairs `(gradient, variable)` of a side, on this path."""
        variables = self.owned(side)
        pairs = zip(tape.gradient(total, variables), variables, strict=True)
        # Dense: for slices that repeat a row, Adam would sum the squares
        # instead of squaring the sum. None: the variable is not on the path.
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
        # In eager mode it has raised already, and there is no operation.
        return tf.no_op() if check is None else check


def _count_batches(updates):
    """Returns how often the most frequent of the updates occurs."""
    return max(updates.count(update) for update in updates)


def _named_seed(seed, name):
    """Returns an integer for each seed and name, below 2**63."""
    return (seed % 2**31) << 32 | zlib.crc32(name.encode())
