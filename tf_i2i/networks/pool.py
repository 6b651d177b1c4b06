"""A buffer of earlier translations, on which critics are trained."""

import keras
import tensorflow as tf

from tf_i2i.errors import UserError
from tf_i2i.layers.replicas import gather_replicas
from tf_i2i.layers.replicas import replica_position
from tf_i2i.sizes import image_shape


class ImagePool(keras.layers.Layer):
    """The image pool of Shrivastava et al. 2017 (arXiv:1612.07828).

    Until the pool is full, each image is stored, and is also returned.
    Afterwards each image is exchanged with probability one half. An exchanged
    image replaces a stored image, which is returned in its place.

    Each replica holds a copy of the same pool, which stores the images of all
    replicas. Therefore training gives the same result on several devices as on
    one device, and a saved pool is complete.

    Args:
        images: number of images in the pool.
        image_size: size of the images; see `tf_i2i.sizes`.
    """

    def __init__(self, images, image_size, name=None):
        super().__init__(name=name, dtype="float32", autocast=False)
        self.images = images
        shape = (images, *image_shape(image_size))
        kept = {"initializer": "zeros", "trainable": False}
        self.held = self.add_weight(shape, name="held", **kept)
        self.stored = self.add_weight((), dtype="int64", name="stored", **kept)

    def load_own_variables(self, store):
        """Loads the stored images of a weights file.

        If the stored images have another size, nothing is loaded, and the pool
        stays empty. This happens, for example, if `--init_from` names a run
        with another image size.
        """
        if tuple(store["0"].shape) == tuple(self.held.shape):
            super().load_own_variables(store)

    def call(self, images, order, coins):
        """Returns the given images, some of them replaced by stored images.

        Args:
            images: `[N, H, W, 3]`, float; the images on this replica.
            order: random numbers `[images in the pool]`, uniform in [0, 1).
                The indices of the smallest numbers are the entries of the
                pool that may be exchanged. The numbers must be equal on all
                replicas.
            coins: random numbers `[replicas * N]`, uniform in [0, 1). An
                image is exchanged if its number is below .5. The numbers must
                be equal on all replicas.

        Returns:
            `[N, H, W, 3]`, float32, without a gradient.

        Raises:
            UserError: the batch of all replicas is larger than the pool.
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
        # Infinite pixels and NaN are not stored, because later steps would
        # train the critics on them.
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
