"""The random numbers of training steps, which depend on seed and step only."""

import zlib

import keras
import tensorflow as tf

from tf_i2i.layers import augment
from tf_i2i.layers.replicas import replica_position


class RandomNumbers(keras.Model):
    """The part of a method that samples all random numbers of its steps."""

    def noise(self, shape, name, distribution="normal"):
        """Returns random numbers for each image of a batch.

        The numbers depend only on the seed, the step, the update within the
        step and the name. Each replica samples numbers for the whole batch
        and uses those of its own images. Therefore the numbers are the same
        on one device and on two, and with and without `accumulate`.

        Args:
            shape: tuple; the first entry is the batch size on this replica.
            name: text, unique for each use in an update.
            distribution: "normal" (N(0, 1)) or "uniform" ([0, 1)).

        Returns:
            float32 tensor.
        """
        replica, replicas = replica_position()
        parts = self.accumulate
        batch, rest = parts * shape[0], shape[1:]
        numbers = self.draw((replicas * batch, *rest), name, distribution)
        of_replica = numbers[replica * batch : (replica + 1) * batch]
        return of_replica[self.current_update.part :: parts]

    def draw(self, shape, name, distribution="normal"):
        """Returns random numbers that are the same on every replica.

        Args:
            shape: tuple, the shape of the result on each replica.
            name, distribution: see `noise`.
        """
        draw = {
            "normal": tf.random.stateless_normal,
            "uniform": tf.random.stateless_uniform,
        }[distribution]
        if index := self.current_update.index:
            name = f"{name}/update {index}"
        seed = tf.constant(_named_seed(self.seed, name), tf.int64)
        return draw(shape, tf.stack([seed, tf.convert_to_tensor(self.step)]))

    def augment_for_critic(self, images, name):
        """Returns images, augmented by `critic_augmentation` of `compile`.

        This function must be applied to all input images of critics, real and
        fake.

        Args:
            images: `[N, S, S, 3]`.
            name: text, unique for each batch in an update. Batches with the
                same name are augmented in the same way.
        """
        if not self.critic_augmentation:
            return images
        shape = (images.shape[0], augment.DRAWS)
        draws = self.noise(shape, f"augment/{name}", "uniform")
        return augment.augment(images, draws, self.critic_augmentation)

    def exchange(self, images, pool):
        """Returns images, some of them replaced by earlier images from a pool.

        Args:
            images: `[N, H, W, 3]`.
            pool: name of the attribute that holds the `ImagePool`.
        """
        held = getattr(self, pool)
        # Each part of a batch has its own random numbers. Otherwise a part
        # would be given the images that the previous part has just stored.
        part = self.current_update.part
        name = f"{pool}/part {part}" if part else pool
        order = self.draw((held.images,), f"{name}/order", "uniform")
        batch = self.global_batch(images)
        coins = self.draw((batch,), f"{name}/coins", "uniform")
        return held(images, order, coins)


def _named_seed(seed, name):
    """Returns an integer below 2**63 that depends on a seed and a name."""
    return (seed % 2**31) << 32 | zlib.crc32(name.encode())
