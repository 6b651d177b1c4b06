"""The implementation of a training step, which is the same for all methods.

Each network belongs to one of two sides, translators and critics, and each
side has its own optimizer. `TwoSidedModel` builds the networks, makes the
updates in the order that a method states, and checks that losses and gradients
are finite. It inherits the moving averages of the weights, the current phase,
the random numbers and `compile`, `fit` and `evaluate` from classes in files of
their own.
"""

import itertools
import re
import threading

import keras
import tensorflow as tf

from tf_i2i.errors import UserError
from tf_i2i.layers.replicas import replica_position
from tf_i2i.methods.averages import AveragedWeights
from tf_i2i.methods.capabilities import UNKNOWN_WORD
from tf_i2i.methods.capabilities import Annotated
from tf_i2i.methods.capabilities import Classifying
from tf_i2i.methods.capabilities import Described
from tf_i2i.methods.capabilities import check_parts
from tf_i2i.methods.capabilities import stages
from tf_i2i.methods.current_phase import CurrentPhase
from tf_i2i.methods.keras_model import KerasModel
from tf_i2i.methods.random_numbers import RandomNumbers
from tf_i2i.sizes import Size
from tf_i2i.sizes import image_shape
from tf_i2i.sizes import shortest
from tf_i2i.sizes import size_text
from tf_i2i.values import Seed
from tf_i2i.values import Weight
from tf_i2i.values import checked

# The beginning of the error message about a value that is not finite.
NOT_FINITE = "not finite:"
# Texts in errors of Keras and TensorFlow about images that are smaller than a
# network's kernels or their padding.
_TOO_SMALL = re.compile(
    "output size would be zero or negative|"
    "paddings must be (no|less) (greater )?than"
)
SIDES = ("translator", "critic")
# The sides that each kind of update trains.
_SIDES_OF = {
    "translator": ("translator",),
    "critic": ("critic",),
    "both": SIDES,
    "neither": (),
}


class CurrentUpdate(threading.local):
    """The update of a training step that a replica is performing.

    The replicas of a `tf.distribute` strategy are threads. While one replica
    waits in the middle of `forward`, another one may end its update. Therefore
    each thread has its own values.

    Attributes:
        sides: the sides that the update trains.
        index: position of the update in `updates`; 0 outside of a training
            step.
        span: the tensors `(start, images)` of the phase; None if the values
            that `enter_phase` received are used. The compiled training step
            takes these tensors as arguments, so that it need not be traced
            again for each phase.
        part: index of the part of the update's batch, if `compile` was given
            `accumulate`; 0 outside of a training step.
    """

    sides: tuple[str, ...] = SIDES
    index: int = 0
    span: tuple | None = None
    part: int = 0


class TwoSidedModel(AveragedWeights, CurrentPhase, RandomNumbers, KerasModel):
    """A Keras model with one optimizer for translators and one for critics.

    `tf_i2i.UnpairedTranslator` derives from this class and declares what a
    method must define. The constructors of both classes have the same
    arguments.
    """

    @checked
    def __init__(
        self,
        image_size: Size,
        average_kimg: Weight = 10.0,
        seed: Seed = 0,
        name: str | None = None,
    ):
        super().__init__(name=name)
        self.current_update = CurrentUpdate()
        self.image_size = shortest(image_size)
        self.average_kimg = average_kimg
        self.seed = seed
        self.step = self._counter("step")
        self.images_shown = self._counter("images_shown")
        # The following attributes describe the phase; see `CurrentPhase`.
        self.size = self.image_size
        self.stage = None
        self.fading = False
        self.phase_start = 0
        self.phase_images = None

    @property
    def active_sides(self):
        """The sides that the current update trains; `forward` may read them."""
        return self.current_update.sides

    # The following methods build the networks.

    def build_networks(self):
        """Builds all networks, and the variables that average their weights.

        The networks are built by one forward pass with blank images.

        Raises:
            UserError: the method does not define a part that its base class
                or one of its capabilities requires.
            ValueError: a trainable variable belongs to no side, or to both.
        """
        check_parts(self)
        # The keys of this dictionary are converted to text, because a
        # SavedModel supports only text as keys.
        self._loss_names_in = {}
        images_in = []
        for stage in stages(self):
            self.stage = stage
            tensors = self._build_at_each_size()
            self._loss_names_in[str(stage)] = sorted(self._all_losses(tensors))
            if {*self.updates_in(stage)} & {"both", "translator"}:
                images_in.append(
                    {n for n, x in tensors.items() if _are_images(x, self.size)}
                )
        # Names of the tensors of `forward` that are RGB images in every stage
        # that trains translators.
        self.image_names = sorted(set.intersection(*images_in))
        self.updates = self.updates_in(self.stage)
        self._check_owners()
        self._make_averages()
        names = {*itertools.chain(*self._loss_names_in.values())}
        self.loss_metrics = {
            name: keras.metrics.Mean(name=name) for name in sorted(names)
        }
        self.built = True

    def _build_at_each_size(self):
        """Runs a forward pass with blank images of each size.

        Returns:
            Dictionary of the tensors at the last size.
        """
        for size in self.sizes:
            self.size = size
            blank = tf.zeros((2, *image_shape(self.size)))
            try:
                tensors = self.forward(
                    blank, blank, False, *self.blank_labels(len(blank))
                )
            except (ValueError, tf.errors.InvalidArgumentError) as error:
                if not _TOO_SMALL.search(str(error)):
                    raise
                raise UserError(
                    f"`{type(self).__name__}.image_size` must be larger, or "
                    "the networks must have fewer layers of stride 2, because "
                    "a feature map becomes too small. "
                    f"Received: images of {size_text(size)} pixels"
                ) from error
        return tensors

    def _all_losses(self, tensors):
        """Returns a dictionary of all losses and observations."""
        return {
            **self.translator_losses(tensors),
            **self.critic_losses(tensors),
            **self.observations(tensors),
        }

    def blank_labels(self, count):
        """Returns the labels of a blank batch of `count` images, in a tuple.

        The tuple is empty if the method takes no labels.
        """
        if isinstance(self, Classifying):
            return (tf.zeros(count, tf.int32),)
        if isinstance(self, Annotated):
            return (tf.zeros((count, len(self.annotations))),)
        if isinstance(self, Described):
            return (tf.fill((count, len(self.words)), float(UNKNOWN_WORD)),)
        return ()

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
                    "Each trainable variable must belong to a network that "
                    "is named in `translators` or in `critics`, and not in "
                    f"both. Received: {variable.path}, owned by "
                    f"{' and '.join(sorted(sides)) or 'neither'}"
                )

    def owned(self, side):
        """Returns the trainable variables of a side, each of them once.

        Args:
            side: "translator" or "critic".
        """
        names = self.translators if side == "translator" else self.critics
        variables = {
            # Variables that several networks share are included only once.
            id(variable): variable
            for name in names
            for variable in getattr(self, name).trainable_variables
        }
        return list(variables.values())

    def decay_loss(self, side, weight):
        """Returns a dictionary with the loss of weight decay of a side.

        It is an L2 loss whose gradient is `weight` times each network weight,
        as in PyTorch's Adam. The dictionary is empty if `weight` is 0.

        Args:
            side: "translator" or "critic".
            weight: weight of half the sum of squares of the network weights.
        """
        if not weight:
            return {}
        squares = [
            tf.nn.l2_loss(tf.convert_to_tensor(w)) for w in self.owned(side)
        ]
        return {f"decay_{side}": weight * tf.add_n(squares)}

    # The following methods make a training step.

    def updates_in(self, stage):
        """Returns the value of `updates` in a stage; see `Staged`."""
        return self.updates

    def batches_in(self, stage):
        """Returns the number of parts into which a stage's batch is divided.

        Each update of a step has its own part of the images, and with
        `accumulate` this part is divided further.
        """
        return self.accumulate * _count_batches(self.updates_in(stage))

    @property
    def batches_per_step(self):
        """Number of parts into which a training step divides its batch."""
        return self.accumulate * _count_batches(self.updates)

    def train_step(self, batch):
        slices = _count_batches(self.updates)
        done = dict.fromkeys(self.updates, 0)
        losses: dict[str, tf.Tensor] = {}
        checks = []
        for index, update in enumerate(self.updates):
            self.current_update.index = index
            part = _every(slices, done[update], batch)
            named, check = self._update(update, *part)
            losses |= named
            checks.append(check)
            done[update] += 1
        self.current_update.index = 0
        images = self.global_batch(batch[0])
        with tf.control_dependencies(checks):
            self._update_averages(images)
            self.step.assign_add(1)
            self.images_shown.assign_add(images)
            metrics = {metric.name: metric for metric in self.metrics}
            for name, value in losses.items():
                metrics[name].update_state(tf.identity(value))
        return {}

    def global_batch(self, images):
        """Returns the number of images in the batches of all replicas.

        Args:
            images: `[N, ...]`, the part of the batch on this replica.
        """
        _, replicas = replica_position()
        return images.shape[0] * replicas

    def _update(self, update, *batch):
        """Makes one forward pass and the optimizer steps of an update.

        Args:
            update: "both", "critic", "translator" or "neither".
            *batch: images of A and B, and labels for `Classifying` or
                `Annotated` methods.

        Returns:
            A dictionary of the losses, and an operation that asserts that
            losses, gradients and the updated weights are finite.
        """
        sides = _SIDES_OF[update]
        # The variables that have a gradient, for each side.
        trained = {}

        def compute(part, *batch):
            self.current_update.part = part
            losses, gradients = self._losses_and_gradients(sides, *batch)
            self.current_update.part = 0
            for side, pairs in gradients.items():
                trained[side] = [variable for _, variable in pairs]
            return losses, {
                side: [gradient for gradient, _ in pairs]
                for side, pairs in gradients.items()
            }

        if self.jit_compile:
            # Only `compute` is compiled. XLA removes assertions, so it must not
            # compile the check below.
            compute = tf.function(compute, jit_compile=True, autograph=False)
        losses, gradients = self._mean_over_parts(compute, batch)
        check = self._check_finite(losses, gradients)
        with tf.control_dependencies([check]):
            for side in sides:
                checked = [tf.identity(g) for g in gradients[side]]
                self.optimizers[side].apply(checked, trained[side])
            return losses, self._check_updated(trained)

    def _mean_over_parts(self, compute, batch):
        """Returns the mean of losses and gradients over the parts of a batch.

        Args:
            compute: function that takes the index of a part and the tensors
                of the part, and returns a structure of tensors.
            batch: tuple of tensors `[N, ...]`.
        """
        parts = self.accumulate
        total = compute(0, *_every(parts, 0, batch))
        for number in range(1, parts):
            # A part begins when the previous one has ended, so that only one
            # of them is in memory.
            with tf.control_dependencies(tf.nest.flatten(total)):
                part = [tf.identity(x) for x in _every(parts, number, batch)]
            total = tf.nest.map_structure(tf.add, total, compute(number, *part))
        if parts == 1:
            return total
        return tf.nest.map_structure(lambda x: x / parts, total)

    def _losses_and_gradients(self, sides, a, b, *labels):
        """Returns the losses, and the gradients of each side.

        Returns:
            Two dictionaries. The first holds losses and observations. The
            second holds a list of pairs `(gradient, variable)` for each side.
            Gradients are multiplied by the scale of the side's optimizer, if it
            has one.
        """
        losses: dict[str, dict[str, tf.Tensor]] = {}
        with tf.GradientTape(persistent=True) as tape:
            self.current_update.sides = sides
            tensors = self.forward(a, b, True, *labels)
            self.current_update.sides = SIDES
            for side in sides:
                losses[side] = getattr(self, f"{side}_losses")(tensors)
            if self.likeness and "translator" in sides:
                losses["translator"] |= self.likeness.losses(tensors)
            # Losses are divided by the number of replicas, because optimizers
            # sum the gradients of all replicas, and the mean is needed.
            _, replicas = replica_position()
            totals = {
                side: self.optimizers[side].scale_loss(
                    tf.add_n(list(losses[side].values())) / replicas
                )
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
        """Returns pairs `(gradient, variable)` of a side.

        Variables on which the losses of the side do not depend are left out.
        """
        variables = self.owned(side)
        pairs = zip(tape.gradient(total, variables), variables, strict=True)
        # Sparse gradients are made dense, because Adam would sum the squares
        # of repeated rows instead of squaring their sum.
        return [(tf.convert_to_tensor(g), v) for g, v in pairs if g is not None]

    def _check_finite(self, losses, gradients):
        """Returns an operation that fails if a value is not finite.

        Its message names the first loss or gradient that is not finite. A
        gradient that is scaled by more than 1 is not checked, because its
        optimizer then makes no update and lowers the scale.
        """
        values = dict(losses)
        for side, of_side in gradients.items():
            norm = tf.linalg.global_norm(of_side)
            optimizer = self.optimizers[side]
            if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
                scale = tf.convert_to_tensor(optimizer.dynamic_scale)
                norm = tf.where(scale > 1.0, 0.0, norm)
            values[f"the gradient of the {side}s"] = norm
        return self._assert_finite(values)

    def _check_updated(self, trained):
        """Returns an operation that fails if a new weight is not finite.

        Weights can become infinite although the gradient is finite, for example
        because the learning rate is too high.

        Args:
            trained: dictionary of the variables that were updated, for each
                side.
        """
        values = {
            f"the norm of the weights of the {side}s": tf.linalg.global_norm(
                [tf.convert_to_tensor(variable) for variable in variables]
            )
            for side, variables in trained.items()
            if variables
        }
        return self._assert_finite(values)

    def _assert_finite(self, values):
        """Returns an operation that fails if a value is not finite.

        Args:
            values: dictionary of numbers, tensors of shape (). The keys are
                the names for the error message.
        """
        if not values:
            return tf.no_op()
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
        # In eager mode, `Assert` checks immediately and returns None instead of
        # an operation.
        return tf.no_op() if check is None else check


def _are_images(values, size):
    """Returns whether `values` is a batch of RGB images of a size."""
    return tf.is_tensor(values) and values.shape[1:] == image_shape(size)


def _count_batches(updates):
    """Returns the number of occurrences of the most frequent update."""
    return max(updates.count(update) for update in updates)


def _every(count, first, batch):
    """Returns one of `count` equal parts of a batch, a list of tensors.

    The part has every `count`-th image from the image `first` on. Replicas have
    consecutive images of a batch, so that the part of the whole batch is the
    same on one device and on several.
    """
    if count == 1:
        return list(batch)
    return [tensor[first::count] for tensor in batch]
