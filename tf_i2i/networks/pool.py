"""A memory of earlier translations for critics."""

import keras
import tensorflow as tf

from tf_i2i.errors import UserError
from tf_i2i.layers.replicas import gather_replicas
from tf_i2i.layers.replicas import replica_position


class ImagePool(keras.layers.Layer):
    """The image pool of Shrivastava et al. 2017 (arXiv:1612.07828).

    While the pool is not full, images are stored and returned. Afterwards
    each image, with probability one half, replaces a stored one, which is
    returned in its place.

    All replicas hold the same pool, with the images of all of them: any
    number of devices trains as one does, and a saved pool is complete.

    Args:
        images: number of images in the pool.
        image_size: side of the images in pixels.
    """

    def __init__(self, images, image_size, name=None):
        super().__init__(name=name, dtype="float32", autocast=False)
        self.images = images
        shape = (images, image_size, image_size, 3)
        kept = {"initializer": "zeros", "trainable": False}
        self.held = self.add_weight(shape, name="held", **kept)
        self.stored = self.add_weight((), dtype="int64", name="stored", **kept)

    def call(self, images, order, coins):
        """Returns an image for each of the given ones.

        Args:
            images: `[N, S, S, 3]`, this replica's; float.
            order: `[images of the pool]`, uniform in [0, 1): the indices of
                its smallest values are the entries that may be exchanged.
            coins: `[replicas * N]`, uniform in [0, 1): an image is exchanged
                below .5. Both are the same on all replicas.

        Returns:
            `[N, S, S, 3]`, float32, without a gradient.

        Raises:
            UserError: a batch is larger than the pool.
        """
        new = gather_replicas(tf.stop_gradient(tf.cast(images, tf.float32)))
        count = new.shape[0]
        if count > self.images:
            raise UserError(
                "`pool_size` must be at least the batch size, or 0. "
                f"Received: pool_size={self.images}, a batch of {count}"
            )
        held = tf.convert_to_tensor(self.held)
        stored = tf.convert_to_tensor(self.stored)
        filling = stored < self.images
        slots = tf.where(
            filling,
            (stored + tf.range(count, dtype=tf.int64)) % self.images,
            tf.cast(tf.argsort(order)[:count], tf.int64),
        )
        older = tf.gather(held, slots)
        swapped = _for_images(~filling & (coins < 0.5))
        # Values that are not finite must not be stored.
        kept = (filling | swapped) & tf.math.is_finite(new)
        update = tf.where(kept, new, older)
        self.held.assign(
            tf.tensor_scatter_nd_update(held, slots[:, None], update)
        )
        self.stored.assign(stored + count)
        replica, _ = replica_position()
        share = images.shape[0]
        back = tf.where(swapped, older, new)
        return back[replica * share : (replica + 1) * share]


def _for_images(flags):
    return tf.reshape(flags, [-1, 1, 1, 1])
