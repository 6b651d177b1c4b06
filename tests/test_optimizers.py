"""Adam against Keras' own, on one device and on two."""

import keras
import numpy as np
import tensorflow as tf

from tf_i2i.optimizers import Adam
from tf_i2i.optimizers import LossScaling
from tf_i2i.optimizers import adam

SETTINGS = (0.01, 0.5, 0.99, 1e-8)


def walk(optimizer_class, steps=5):
    """A weight `[3]` after steps down slopes of 1, -2 and 30."""
    weight = keras.Variable(np.zeros(3, np.float32))
    optimizer = optimizer_class(*SETTINGS)
    optimizer.build([weight])

    @tf.function
    def step(slope):
        optimizer.apply([slope], [weight])

    for i in range(steps):
        step(tf.constant([1.0, -2.0, 30.0]) * (1 + i % 2))
    return weight.numpy(), [v.numpy() for v in optimizer.variables]


def test_the_first_step_is_as_long_as_the_learning_rate():
    weight, _ = walk(Adam, steps=1)
    np.testing.assert_allclose(weight, [-0.01, 0.01, -0.01], rtol=1e-5)


def test_steps_and_state_are_those_of_keras():
    weight, state = walk(Adam)
    expected, expected_state = walk(keras.optimizers.Adam)
    np.testing.assert_allclose(weight, expected, rtol=1e-5)
    for one, other in zip(state, expected_state, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_replicas_step_by_the_sum_of_their_gradients(two_replicas):
    with two_replicas.scope():
        weight = keras.Variable(np.zeros(1, np.float32))
        # Momenta alone tell a sum from a mean: steps are of one length.
        optimizer = Adam(*SETTINGS)
        optimizer.build([weight])

    @tf.function
    def step():
        two_replicas.run(lambda: optimizer.apply([tf.ones(1)], [weight]))

    step()
    (momentum,) = optimizer.variables[2].numpy()
    assert momentum == 1.0  # (1 - .5) * (1 + 1)
    for copy in two_replicas.experimental_local_results(weight.value):
        np.testing.assert_allclose(copy, [-0.01], rtol=1e-5)


def test_the_gradient_is_clipped_alike_on_one_device_and_on_two(two_replicas):
    """The gradient (3, 4) has the norm 5; each replica has half of it."""

    def momentum(gradient, run, clip_norm):
        weight = keras.Variable(np.zeros(2, np.float32))
        optimizer = adam(0.01, 0.0, 0.99, clip_norm=clip_norm)
        optimizer.build([weight])

        def step():
            # `all_reduce` would take a constant for a sum over the replicas.
            optimizer.apply([1.0 * gradient], [weight])

        tf.function(run, autograph=False)(step)
        return optimizer.variables[2].numpy()

    half = tf.constant([1.5, 2.0])
    for clip_norm, expected in ((1.0, [0.6, 0.8]), (6.0, [3.0, 4.0])):
        one = momentum(2 * half, lambda step: step(), clip_norm)
        with two_replicas.scope():
            two = momentum(half, two_replicas.run, clip_norm)
        np.testing.assert_allclose(one, expected, rtol=1e-5)
        np.testing.assert_allclose(two, expected, rtol=1e-5)


def test_an_overflow_on_any_replica_stops_the_update_on_all(two_replicas):
    with two_replicas.scope():
        weight = keras.Variable(np.zeros(1, np.float32))
        optimizer = LossScaling(Adam(*SETTINGS), initial_scale=8.0)
        optimizer.build([weight])

    def step(gradient):
        two_replicas.run(
            lambda x: optimizer.apply([x], [weight]), args=(gradient,)
        )

    for bad_replica, scale in ((0, 4.0), (1, 2.0), (None, 2.0)):
        values = [np.inf if i == bad_replica else 1.0 for i in range(2)]
        gradient = two_replicas.experimental_distribute_values_from_function(
            lambda context, values=values: tf.constant(
                [values[context.replica_id_in_sync_group]]
            )
        )
        tf.function(step)(gradient)
        assert optimizer.dynamic_scale.numpy() == scale
        moved = bad_replica is None
        for copy in two_replicas.experimental_local_results(weight.value):
            np.testing.assert_allclose(copy, [-0.01 * moved], rtol=1e-5)
    momentum = optimizer.inner_optimizer.variables[2].numpy()
    np.testing.assert_allclose(momentum, [0.5 * (1 + 1) / 2.0])
