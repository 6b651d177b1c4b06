"""Batches of images in each of the forms that `fit` and `evaluate` take."""

import math

import keras
import numpy as np
import tensorflow as tf

from tf_i2i.errors import UserError
from tf_i2i.methods.capabilities import Described
from tf_i2i.sizes import image_shape
from tf_i2i.sizes import size_text

# Default batch size for arrays, the same as in Keras.
BATCH_SIZE = 32
# How far values may lie outside of [-1, 1], because of rounding and resizing.
_TOLERANCE = 0.05


def as_batches(model, x, y=None, batch_size=None, shuffle=False):
    """Returns a dataset of batches that a training step can take.

    Args:
        model: `UnpairedTranslator`.
        x: `tf.data.Dataset` of batches `(a, b)` or `(a, b, labels)`, or a tuple
            of arrays of this form, or the array of the images of A. Other
            objects, such as distributed datasets, are returned as they are.
        y: array of the images of B, if `x` is an array.
        batch_size: number of images of each domain in a batch, for arrays;
            None for 32 or, if a domain has fewer images, for their number.
        shuffle: whether to shuffle arrays. Each domain is shuffled by itself.

    Returns:
        Dataset with a fixed batch size. A smaller last batch is filled with
        repetitions of its own images.

    Raises:
        UserError: images have another size or other values than the model
            takes, or the batches cannot be divided among the updates of a step.
    """
    if y is not None:
        x = (x, y)
    if isinstance(x, (tuple, list)):
        x = _from_arrays(model, x, batch_size, shuffle)
    if not isinstance(x, tf.data.Dataset):
        return x
    if not isinstance(x.element_spec, tuple) or len(x.element_spec) < 2:
        raise UserError(
            "`x` must be a dataset of tuples of images of A and images of B. "
            f"Received: elements {x.element_spec}"
        )
    first = next(iter(x.take(1)), None)
    if first is None:
        raise UserError("`x` must hold a batch. Received: no batches")
    _check_images(model, first[:2])
    _check_count(model, first[0].shape[0])
    return _of_one_size(x, first)


def _from_arrays(model, arrays, batch_size, shuffle):
    """Returns batches of arrays, which repeat images to fill the last batch."""
    if len(arrays) < 2:
        raise UserError(
            "`y` must hold the images of B. Received: images of A only"
        )
    a, b, *labels = map(np.asarray, arrays)
    # The labels belong to one of the domains and are shuffled with it.
    sides = [(a,), (b, *labels)] if isinstance(model, Described) else None
    sides = sides or [(a, *labels), (b,)]
    count = batch_size or min(BATCH_SIZE, len(a), len(b))
    streams = []
    for i, side in enumerate(sides):
        stream = tf.data.Dataset.from_tensor_slices(side)
        if shuffle:
            stream = stream.shuffle(len(side[0]), seed=model.seed + i)
        streams.append(stream.repeat())
    pairs = tf.data.Dataset.zip(*streams).map(
        lambda a, b: (a[0], b[0], *a[1:], *b[1:])
    )
    steps = math.ceil(max(len(a), len(b)) / count)
    return pairs.batch(count, drop_remainder=True).take(steps)


def _check_images(model, domains):
    shape = image_shape(model.size)
    for images in domains:
        if tuple(images.shape[1:]) != shape:
            raise UserError(
                "`image_size` of the batches must be "
                f"{size_text(model.size)}, the size of this "
                f"{type(model).__name__}, and images must have 3 channels. "
                f"Received: {tuple(images.shape)}"
            )
        values = np.asarray(images)
        low, high = float(values.min()), float(values.max())
        beyond = max(-low, high) > 1.0 + _TOLERANCE
        if beyond or not images.dtype.is_floating:
            raise UserError(
                "`x` must hold images with float values in [-1, 1]. The "
                "function `tf_i2i.images.to_float` converts images with values "
                f"in 0 to 255. Received: {images.dtype.name} values from "
                f"{low:g} to {high:g}"
            )


def _check_count(model, count):
    replicas = model.distribute_strategy.num_replicas_in_sync
    divisor = model.batches_per_step * replicas
    if count % divisor:
        raise UserError(
            f"`batch_size` must be a multiple of {divisor}, because a step of "
            f"this {type(model).__name__} divides each batch into {divisor} "
            f"parts. Received: {count}"
        )


def _of_one_size(dataset, first):
    """Returns a dataset in which all batches have the size of the first one."""
    shapes = [part.shape for part in first]
    specs = zip(dataset.element_spec, shapes, strict=True)
    if all(spec.shape == shape for spec, shape in specs):
        return dataset

    def fill(*parts):
        rows = tf.range(shapes[0][0]) % tf.shape(parts[0])[0]
        whole = [tf.gather(part, rows) for part in parts]
        return tuple(map(tf.ensure_shape, whole, shapes))

    return dataset.map(fill)


class FollowRate(keras.callbacks.Callback):
    """A callback that keeps the ratio of the two learning rates.

    Callbacks of Keras set `model.optimizer.learning_rate`, which is the rate of
    the translators. This callback multiplies the rate of the critics by the
    same factor, unless another callback has set the critics' rate too.
    """

    def on_train_begin(self, logs=None):
        self.seen = self._rates()

    def on_epoch_begin(self, epoch, logs=None):
        self._follow()

    def on_train_batch_begin(self, batch, logs=None):
        self._follow()

    def on_train_end(self, logs=None):
        self._follow()

    def _follow(self):
        now = self._rates()
        if now == self.seen or None in (*now, *self.seen):
            return
        (translator, critic), (old, old_critic) = now, self.seen
        if critic == old_critic and translator != old:
            # If the old rate is 0, there is no factor. Then both rates become
            # equal.
            critic = critic * translator / old if old else translator
            self.model.critic_optimizer.learning_rate = critic
        self.seen = self._rates()

    def _rates(self):
        """Returns both rates; None for a rate that follows its own schedule."""
        rates = (o.learning_rate for o in self.model.optimizers.values())
        return tuple(
            float(rate.numpy()) if isinstance(rate, keras.Variable) else None
            for rate in rates
        )
