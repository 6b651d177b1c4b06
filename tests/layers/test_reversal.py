"""Gradient reversal: forward nothing, backward the other sign."""

import numpy as np
import pytest
import tensorflow as tf

from tf_i2i.layers.reversal import reverse_gradient


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_values_stay_and_gradients_turn(dtype):
    x = tf.constant([[1.0, -2.0, 3.0]], dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = reverse_gradient(x)
        loss = tf.reduce_sum(y * y)
    np.testing.assert_array_equal(y, x)
    assert y.dtype == dtype
    np.testing.assert_array_equal(
        tf.cast(tape.gradient(loss, x), tf.float32), [[-2.0, 4.0, -6.0]]
    )


def test_one_loss_is_minimized_behind_and_maximized_before():
    before, behind = tf.Variable(3.0), tf.Variable(2.0)
    with tf.GradientTape() as tape:
        loss = behind * reverse_gradient(before)
    assert [float(g) for g in tape.gradient(loss, [before, behind])] == [-2, 3]


def test_the_strength_is_a_factor_of_the_gradient():
    x = tf.Variable(5.0)
    with tf.GradientTape() as tape:
        y = reverse_gradient(x, tf.constant(0.5))
    assert float(y) == 5
    assert float(tape.gradient(y, x)) == -0.5


def test_twice_is_never():
    x = tf.Variable(5.0)
    with tf.GradientTape() as tape:
        y = reverse_gradient(reverse_gradient(x)) ** 2
    assert float(tape.gradient(y, x)) == 10
