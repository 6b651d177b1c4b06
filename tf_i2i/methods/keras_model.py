"""The methods of `keras.Model` that a model with two optimizers overrides."""

from typing import Any

import keras
import tensorflow as tf

from tf_i2i.errors import UserError
from tf_i2i.layers import augment
from tf_i2i.methods.batches import FollowRate
from tf_i2i.methods.batches import as_batches
from tf_i2i.methods.keras_config import KerasSaved
from tf_i2i.methods.likeness import LikenessLoss
from tf_i2i.networks.recompute import Recomputable
from tf_i2i.optimizers import LossScaling
from tf_i2i.optimizers import adam
from tf_i2i.sizes import image_shape
from tf_i2i.values import Count
from tf_i2i.values import checked


class KerasModel(KerasSaved):
    """The part of a method that Keras calls: `compile`, `fit` and others."""

    # The argument `critic_augmentation` of `compile`.
    critic_augmentation: tuple[str, ...] = ()
    # The training step as a graph; None if it must be traced first.
    train_function: Any
    # The `tf.function` that `train_function` calls.
    _step_graph: Any
    # The argument `accumulate` of `compile`.
    accumulate: int = 1
    # The argument `recompute` of `compile`.
    recompute: bool = False
    # The `LikenessLoss`, if `compile` was given a `Likeness`.
    likeness: LikenessLoss | None = None

    @checked
    def compile(
        self,
        translator_optimizer=None,
        critic_optimizer=None,
        jit_compile=False,
        critic_augmentation=(),
        likeness=None,
        run_eagerly=False,
        accumulate: Count = 1,
        recompute: bool = False,
    ):
        """Sets the optimizers, and options of the training step.

        Args:
            translator_optimizer, critic_optimizer: two different instances of
                Keras optimizers, or names of optimizers. None selects Adam
                with the settings of the method's paper. If the model was
                built with the dtype policy "mixed_float16", each of them is
                wrapped in a `LossScaling`.
            jit_compile: whether XLA compiles the training steps. On CPUs,
                XLA's convolutions are slower.
            critic_augmentation: tuple with some of "color", "translation" and
                "cutout". All input images of critics are augmented in these
                ways (see `layers.augment`), which improves results for small
                data sets.
            likeness: `methods.likeness.Likeness`, a loss of the translators
                that is added to those of the method; None for no such loss.
            run_eagerly: whether training steps are executed eagerly and not as
                graphs, which is slower and helps to find errors.
            accumulate: number of parts into which the batch of each update is
                divided. The networks process one part after the other, and the
                update uses the mean of the parts' gradients. The result is the
                same as with 1, unless a layer or a loss uses statistics of the
                batch, or critics are trained on pools of earlier images.
            recompute: whether to keep only the inputs of residual blocks in
                memory and not the feature maps within them, which are computed
                again for the gradients; see `networks.recompute`. Training
                needs less memory and more time. The result is the same.

        Raises:
            UserError: an augmentation or an optimizer is unknown, the inputs
                of the method's critics are not images, `accumulate` is not an
                integer of at least 1, the method does not compute the images
                that `likeness` compares, or `recompute` is True and the
                networks have no residual blocks.
        """
        self.accumulate = accumulate
        self._set_recompute(recompute)
        self.likeness = likeness and LikenessLoss(likeness, self)
        self.critic_augmentation = augment.check_kinds(critic_augmentation)
        if self.critic_augmentation and not self.critics_take_images:
            raise UserError(
                f"`critic_augmentation` must be (), because critics of "
                f"{type(self).__name__} take no images. "
                f"Received: {self.critic_augmentation}"
            )
        translator_optimizer, critic_optimizer = (
            self._scaled(_optimizer(given or adam(**self.adam_values())))
            for given in (translator_optimizer, critic_optimizer)
        )
        super().compile(
            optimizer=translator_optimizer,
            jit_compile=jit_compile,
            run_eagerly=run_eagerly,
            auto_scale_loss=False,
        )
        self.critic_optimizer = critic_optimizer
        self.optimizer.build(self.owned("translator"))
        self.critic_optimizer.build(self.owned("critic"))
        self.train_function = self.test_function = None

    @property
    def recomputable(self):
        """List of the layers that the argument `recompute` applies to."""
        return [
            layer
            for layer in self._flatten_layers()
            if isinstance(layer, Recomputable)
        ]

    def _set_recompute(self, recompute):
        if recompute and not self.recomputable:
            raise UserError(
                f"`recompute` must be False, because the networks of "
                f"{type(self).__name__} have no residual blocks. Received: True"
            )
        self.recompute = recompute
        for layer in self.recomputable:
            layer.recompute = recompute

    def _scaled(self, optimizer):
        """Returns an optimizer that scales its loss if the networks need it."""
        scales = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        if scales or self.dtype_policy.name != "mixed_float16":
            return optimizer
        return LossScaling(optimizer)

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        *,
        validation_data=None,
        shuffle=True,
        **kwargs,
    ):
        """Trains the model as `keras.Model.fit` does, and takes its arguments.

        Args:
            x: dataset of batches `(a, b)` with images of two domains, for
                example from `data.unpaired`; or the images of A as an array
                `[N, S, S, 3]`, float in [-1, 1], with those of B in `y`; or a
                tuple of arrays `(a, b)` or `(a, b, labels)`. A last batch that
                is smaller than the others is filled with repetitions of its
                own images.
            y: images of B, if `x` is an array. The domains may have different
                numbers of images. The smaller domain is repeated.
            batch_size: number of images of each domain in a batch of arrays.
            callbacks: list of Keras callbacks. If they change the learning rate
                of `model.optimizer`, which belongs to the translators, the rate
                of the critics is multiplied by the same factor.
            validation_data: data for `evaluate`, in the same forms as `x`, or a
                tuple `(x, y)`.
            shuffle: whether to shuffle arrays.

        Raises:
            UserError: the dataset is endless and `steps_per_epoch` is not
                given, or its images have another size or other values than
                the model takes.
        """
        self._check_end(x, kwargs.get("steps_per_epoch"))
        if validation_data is not None:
            validation_data = as_batches(
                self, validation_data, None, batch_size
            )
        return self.fit_batches(
            as_batches(self, x, y, batch_size, shuffle),
            epochs=epochs,
            verbose=verbose,
            callbacks=[*(callbacks or ()), FollowRate()],
            validation_data=validation_data,
            **kwargs,
        )

    def fit_batches(self, x, **kwargs):
        """Trains as `fit` does, but on any dataset, which is not checked.

        The learning rate of the critics does not follow that of
        `model.optimizer`.
        """
        return super().fit(x, shuffle=False, **kwargs)

    def _check_end(self, x, steps):
        if not isinstance(x, tf.data.Dataset):
            return
        if steps is None and x.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise UserError(
                "`steps_per_epoch` must be given, because the dataset is "
                "endless. Received: None"
            )

    def evaluate(self, x=None, y=None, batch_size=None, **kwargs):
        """Returns the mean losses, as `keras.Model.evaluate` does.

        The losses are those of the current weights. Within
        `with model.averaged():` they are those of the averaged weights.

        Args:
            x, y, batch_size: as in `fit`.
        """
        if x is not None:
            x = as_batches(self, x, y, batch_size)
        return super().evaluate(x, **kwargs)

    def test_step(self, batch):
        a, b, *labels = batch
        tensors = self.forward(a, b, False, *labels)
        losses = self._all_losses(tensors)
        if self.likeness:
            losses |= self.likeness.losses(tensors)
        for metric in self.metrics:
            metric.update_state(losses[metric.name])
        return losses

    def export(
        self,
        filepath,
        format="tf_saved_model",
        verbose=None,
        input_signature=None,
        **kwargs,
    ):
        """Exports the translation from A to B, as `keras.Model.export` does.

        `python -m tf_i2i.export` writes both directions, and more formats.

        Args:
            input_signature: `keras.InputSpec` of the images; None for any
                number of images of the size of the current phase.
            filepath, format, verbose, **kwargs: as in `keras.Model.export`.
        """
        spec = keras.InputSpec("float32", (None, *image_shape(self.size)))
        super().export(
            filepath, format, verbose, input_signature or [spec], **kwargs
        )

    def make_test_function(self, force=False):
        if self.likeness:
            # The network is loaded before its operations are traced.
            self.likeness.load()
        return super().make_test_function(force)

    @property
    def optimizers(self):
        """Dictionary of the optimizers; its keys are the two `SIDES`."""
        return {
            "translator": self.optimizer,
            "critic": self.critic_optimizer,
        }

    @property
    def metrics(self):
        if not self.built:
            return []
        found = [
            self.loss_metrics[name]
            for name in self._loss_names_in[str(self.stage)]
        ]
        if self.likeness:
            found += self.likeness.metrics.values()
        return found

    def _get_metrics_result_or_logs(self, logs):
        """Returns the metrics that Keras passes to callbacks.

        Keras' own implementation passes the return value of the training
        step, which is an empty dictionary here.
        """
        return self.get_metrics_result()

    def make_train_function(self, force=False):
        """Returns the training step as a graph that runs in every strategy.

        Keras' own implementation reduces the outputs of a step over the
        replicas, which is not possible with several workers. The step needs
        no outputs here, because losses are read from `metrics`.

        The start and the length of the phase are arguments of the graph. A
        later phase of the same size and stage therefore uses the same graph.
        """
        if self.train_function is not None and not force:
            return self.train_function
        if self.likeness:
            # The network is loaded before its operations are traced.
            self.likeness.load()

        def train(batch, *span):
            self.current_update.span = span
            try:
                self.train_step(batch)
            finally:
                self.current_update.span = None

        def run(iterator, *span):
            batch = next(iterator)
            self.distribute_strategy.run(train, args=(batch, *span))

        if not self.run_eagerly:
            run = tf.function(run, autograph=False)

        def train_function(iterator):
            run(*self._step_arguments(iterator))
            return {}

        self._step_graph = run
        self.train_function = train_function
        return train_function

    def _step_arguments(self, iterator):
        """Returns the arguments of `_step_graph`."""
        start, images = self.phase_start, self.phase_images
        if images is not None:
            images = tf.constant(images, tf.float32)
        return iterator, tf.constant(start, tf.int64), images

    def trace_train_function(self, batches):
        """Traces the training step of this phase, without running it.

        Otherwise the step is traced when it is run for the first time.

        Args:
            batches: dataset of batches of the shapes and types that the step
                will be run with. Its batches are not used.
        """
        if self.run_eagerly:
            return
        self.make_train_function()
        self._step_graph.get_concrete_function(
            *self._step_arguments(iter(batches))
        )

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Does nothing, because all networks are built already.

        Keras would run the networks on a first batch and average the results
        over the replicas, which is not possible with several workers.
        """


def _optimizer(given):
    """Returns a Keras optimizer; `given` is the optimizer or its name."""
    try:
        return keras.optimizers.get(given)
    except ValueError as error:
        raise UserError(
            "`translator_optimizer` and `critic_optimizer` must be Keras "
            f"optimizers or their names. Received: {given!r}"
        ) from error
