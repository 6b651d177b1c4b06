"""Deviations are measured over the first images, then kept."""

import numpy as np
import pytest
import tensorflow as tf

from tf_i2i.layers import FirstStandardDeviations


def test_one_while_nothing_was_counted():
    layer = FirstStandardDeviations(2)
    assert [float(d) for d in layer([tf.ones((1, 2))] * 2)] == [1, 1]


def test_deviation_over_all_batches(rng):
    layer = FirstStandardDeviations(1, images=6)
    x = rng.normal(3, 2, (8, 5, 5, 4)).astype(np.float32)
    for i in range(3):
        (found,) = layer([tf.constant(x[2 * i : 2 * i + 2])], training=True)
        expected = x[: 2 * i + 2].std()
        assert float(found) == pytest.approx(expected, rel=1e-4)
    # Six were to count; what comes later changes nothing.
    (found,) = layer([tf.constant(100 * x[6:])], training=True)
    assert float(found) == pytest.approx(x[:6].std(), rel=1e-4)
    (found,) = layer([tf.constant(100 * x[6:])])
    assert float(found) == pytest.approx(x[:6].std(), rel=1e-4)


def test_what_is_not_finite_is_not_counted():
    layer = FirstStandardDeviations(1)
    layer([tf.constant([[1.0, 3.0]])], training=True)
    (found,) = layer([tf.constant([[np.nan, 0.0]])], training=True)
    assert float(found) == pytest.approx(1)
    assert float(layer.seen) == 1
