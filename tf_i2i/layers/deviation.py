"""A layer that measures standard deviations at the start of training."""

import keras
import tensorflow as tf

from tf_i2i.layers.replicas import across_replicas
from tf_i2i.layers.replicas import replica_position


class FirstStandardDeviations(keras.layers.Layer):
    """A layer that returns standard deviations over the first training images.

    Until `images` training images have been measured, a standard deviation is
    computed over all training images so far. Afterwards it is constant. The
    measured moments are saved with the model.

    Args:
        tensors: number of tensors in each call.
        images: number of images over which the standard deviations are
            computed.
    """

    def __init__(self, tensors, images=500, name=None):
        super().__init__(name=name, dtype="float32", autocast=False)
        self.images = images
        kept = {"initializer": "zeros", "trainable": False}
        self.seen = self.add_weight((), name="seen", **kept)
        self.moments = self.add_weight((tensors, 2), name="moments", **kept)

    def call(self, tensors, training=False):
        """Returns standard deviations, after updating them in training.

        Args:
            tensors: list of float tensors `[N, ...]`, the part of the batch
                on this replica.
            training: whether to include the tensors in the statistics, as
                long as fewer than `images` images have been measured.

        Returns:
            List of float32 scalars, one for each tensor, without a gradient.
            The value is 1 before the first measurement.
        """
        seen = tf.convert_to_tensor(self.seen)
        moments = tf.convert_to_tensor(self.moments)
        if training:
            seen, moments = self._measure(tensors, seen, moments)
        mean, square = tf.unstack(moments, axis=1)
        deviations = tf.sqrt(tf.maximum(square - tf.square(mean), 1e-12))
        deviations = tf.where(seen > 0, deviations, 1.0)
        return tf.unstack(tf.stop_gradient(deviations), len(tensors))

    def _measure(self, tensors, seen, moments):
        new = tf.stack(
            [
                (tf.reduce_mean(x), tf.reduce_mean(tf.square(x)))
                for x in (tf.cast(tensor, tf.float32) for tensor in tensors)
            ]
        )
        (new,) = across_replicas([new])
        _, replicas = replica_position()
        count = float(replicas * tensors[0].shape[0])
        # A batch with infinite values or NaN is skipped. Otherwise the
        # statistics would become infinite or NaN.
        counts = (seen < self.images) & tf.reduce_all(tf.math.is_finite(new))
        share = tf.where(counts, count / (seen + count), 0.0)
        moments += tf.where(counts, share * (new - moments), 0.0)
        seen += tf.where(counts, count, 0.0)
        self.seen.assign(seen)
        self.moments.assign(moments)
        return seen, moments
