"""A memory of earlier translations for critics."""

import keras
import tensorflow as tf

from tf_i2i.errors import UserError
from tf_i2i.layers.replicas import gathered
from tf_i2i.layers.replicas import replica_position


class ImagePool(keras.layers.Layer):
    """The image pool of Shrivastava et al. 2017 (arXiv:1612.07828).

    While it fills, images are stored and handed back. Then, half of the
    time, an image takes the place of an older one, which is handed back in
    its stead.

    All replicas hold the same pool, of what all of them made: any number of
    devices trains as one does, and a saved pool is the whole one.

    Args:
        images: how many it holds.
        image_size: their side in pixels.
    """

    def __init__(self, images, image_size, name=None):
        super().__init__(name=name, dtype="float32", autocast=False)
        self.images = images
        shape = (images, image_size, image_size, 3)
        kept = {"initializer": "zeros", "trainable": False}
        self.held = self.add_weight(shape, name="held", **kept)
        self.stored = self.add_weight((), dtype="int64", name="stored", **kept)

    def call(self, images, order, coins):
        """Hands back one image for each.

        Args:
            images: `[N, S, S, 3]`, this replica's; float.
            order: `[images of the pool]`, uniform in [0, 1): its least ones
                are the places that this batch meets, no two the same.
            coins: `[replicas * N]`, uniform in [0, 1). Both are the same on
                all replicas.

        Returns:
            `[N, S, S, 3]`, float32, without a gradient.

        Raises:
            UserError: a batch is larger than the pool.
        """
        new = gathered(tf.stop_gradient(tf.cast(images, tf.float32)))
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
        # An image that is not finite must not outlive its step.
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
