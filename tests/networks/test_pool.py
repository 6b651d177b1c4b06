"""The image pool, image by image."""

import numpy as np
import tensorflow as tf

from tf_i2i.networks.pool import ImagePool

STORES, SWAPS = 0.9, 0.1  # Coins: the pool keeps, or exchanges.


def image(value):
    return tf.fill((1, 2, 2, 3), float(value))


def values(images):
    return [float(x) for x in images[:, 0, 0, 0]]


def held(pool):
    return values(pool.held.numpy())


def call(pool, numbers, order, coins):
    batch = tf.concat([image(number) for number in numbers], 0)
    return values(pool(batch, tf.constant(order), tf.constant(coins)))


def test_a_pool_fills_and_then_exchanges_half_of_the_time():
    pool = ImagePool(3, 2)
    order = [0.5, 0.1, 0.9]  # Place 1 is the first to be met, then 0.
    for number in (1, 2, 3):
        assert call(pool, [number], order, [SWAPS]) == [number]
    assert held(pool) == [1, 2, 3]
    assert call(pool, [4], order, [STORES]) == [4]
    assert held(pool) == [1, 2, 3]
    assert call(pool, [5], order, [SWAPS]) == [2]
    assert held(pool) == [1, 5, 3]
    assert call(pool, [6, 7], order, [STORES, SWAPS]) == [6, 1]
    assert held(pool) == [7, 5, 3]


def test_a_batch_that_overfills_the_pool_starts_again_at_its_beginning():
    pool = ImagePool(3, 2)
    order = [0.1, 0.5, 0.9]
    assert call(pool, [1, 2], order, [SWAPS] * 2) == [1, 2]
    assert call(pool, [3, 4], order, [SWAPS] * 2) == [3, 4]
    assert held(pool) == [4, 2, 3]
    assert call(pool, [5], order, [SWAPS]) == [4]


def test_no_gradient_goes_through():
    pool = ImagePool(3, 2)
    x = tf.Variable(image(1))
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(pool(x, tf.zeros(3), tf.zeros(1)))
    assert tape.gradient(y, x) is None


def test_an_image_that_is_not_finite_is_not_kept():
    pool = ImagePool(1, 2)
    call(pool, [1], [0.5], [SWAPS])
    call(pool, [np.nan], [0.5], [SWAPS])
    assert held(pool) == [1]


def test_a_batch_larger_than_the_pool_is_refused(refuses):
    with refuses("pool_size"):
        call(ImagePool(1, 2), [1, 2], [0.5], [SWAPS] * 2)


def test_replicas_share_one_pool(two_replicas):
    with two_replicas.scope():
        pool = ImagePool(2, 2)
    order = tf.constant([0.9, 0.1])  # Place 1 first.

    def step(start, coins):
        @tf.function
        def run():
            replica = tf.distribute.get_replica_context()
            own = tf.cast(replica.replica_id_in_sync_group, tf.float32)
            return pool(image(0) + start + own, order, tf.constant(coins))

        made = two_replicas.experimental_local_results(two_replicas.run(run))
        return [values(x)[0] for x in made]

    assert step(1.0, [SWAPS] * 2) == [1, 2]
    assert step(3.0, [STORES, SWAPS]) == [3, 1]
    for copy in two_replicas.experimental_local_results(pool.held.value):
        assert values(copy.numpy()) == [4, 2]
