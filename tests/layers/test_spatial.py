"""Resampling against NumPy; the minibatch deviation by hand."""

import numpy as np
import pytest
import tensorflow as tf

from tf_i2i.layers import blur_downsample
from tf_i2i.layers import blur_upsample
from tf_i2i.layers import downsample
from tf_i2i.layers import minibatch_deviation
from tf_i2i.layers import portable
from tf_i2i.layers import reflect_pad
from tf_i2i.layers import upsample
from tf_i2i.layers import upsample_convolve


def images(rng, shape=(2, 4, 6, 3)):
    return rng.normal(size=shape).astype(np.float32)


def test_upsample_repeats_rows_and_columns(rng):
    x = images(rng)
    expected = np.repeat(np.repeat(x, 2, axis=1), 2, axis=2)
    assert np.array_equal(upsample(x), expected)


def test_upsample_of_unknown_height_and_width(rng):
    x = images(rng)
    signature = tf.TensorSpec((None, None, None, 3))
    dynamic = tf.function(upsample, input_signature=[signature])
    assert np.array_equal(dynamic(x), upsample(x))


def test_upsample_convolve_is_both_in_turn(rng):
    x = images(rng)
    kernel = rng.normal(size=(3, 3, 3, 5)).astype(np.float32)
    expected = tf.nn.conv2d(upsample(x), kernel, 1, "SAME")
    np.testing.assert_allclose(
        upsample_convolve(x, kernel), expected, rtol=1e-4, atol=1e-5
    )


def test_downsample_is_the_mean_of_four(rng):
    x = images(rng)
    expected = x.reshape(2, 2, 2, 3, 2, 3).mean((2, 4))
    np.testing.assert_allclose(downsample(x), expected, rtol=1e-5, atol=1e-7)


def test_downsample_undoes_upsample(rng):
    x = images(rng)
    np.testing.assert_allclose(downsample(upsample(x)), x, rtol=1e-6)


def test_minibatch_deviation_by_hand():
    # Deviations over the two images: 1 and 3 at the left, 0 and 2 at the
    # right; their mean is 1.5.
    x = np.array([[[[1.0, 5.0], [7.0, 0.0]]], [[[3.0, -1.0], [7.0, 4.0]]]])
    x = x.astype(np.float32)
    y = minibatch_deviation(x, 1).numpy()
    assert np.array_equal(y[..., :2], x)
    # The right one is not 0 but sqrt(1e-8) = 1e-4.
    np.testing.assert_allclose(y[..., 2], 1.5 + 0.25e-4, rtol=1e-6)


def test_minibatch_deviation_is_of_each_group_by_itself(rng):
    x, z = images(rng), 5 * images(rng) + 10
    y = minibatch_deviation(np.concatenate([x, z]), 2)
    separate = [minibatch_deviation(part, 1) for part in (x, z)]
    np.testing.assert_allclose(y, np.concatenate(separate), rtol=1e-5)
    assert np.unique(y[..., 3].numpy().round(4)).size == 2


def test_minibatch_deviation_keeps_small_differences_of_large_values():
    """Means of squares near 1e6 would lose a deviation of .01."""
    x = np.full((2, 1, 1, 1), 1000, np.float32) + [[[[0.0]]], [[[0.25]]]]
    y = minibatch_deviation(x.astype(np.float32), 1)
    np.testing.assert_allclose(y[..., 1], 0.125, rtol=1e-4)


def test_minibatch_deviation_has_a_gradient_where_all_images_are_equal():
    x = tf.ones((4, 2, 2, 3))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = minibatch_deviation(x, 2)
    gradient = tape.gradient(y, x).numpy()
    np.testing.assert_allclose(y[..., 3], 1e-4, rtol=1e-5)
    # Of the image itself; nothing of the deviation.
    assert np.array_equal(gradient, np.ones_like(gradient))


def test_minibatch_deviation_of_two_replicas_is_that_of_one(rng, two_replicas):
    x = images(rng, (8, 2, 2, 3))
    x[::2] += 2
    expected = minibatch_deviation(x, 2)
    # Each replica holds half of either group.
    order = [0, 1, 4, 5, 2, 3, 6, 7]
    shares = two_replicas.experimental_distribute_values_from_function(
        lambda context: tf.split(x[order], 2)[context.replica_id_in_sync_group]
    )
    result = tf.function(
        lambda value: two_replicas.run(minibatch_deviation, (value, 2))
    )(shares)
    both = tf.concat(two_replicas.experimental_local_results(result), 0)
    np.testing.assert_allclose(both, tf.gather(expected, order), rtol=1e-5)


def test_minibatch_deviation_keeps_the_dtype(rng):
    x = tf.cast(images(rng), tf.bfloat16)
    y = minibatch_deviation(x, 1)
    assert y.dtype == tf.bfloat16
    expected = minibatch_deviation(tf.cast(x, tf.float32), 1)
    assert np.array_equal(y, tf.cast(expected, tf.bfloat16))


@pytest.mark.parametrize(("side", "pixels"), [(4, 1), (9, 3), (8, 3), (2, 1)])
def test_padding_in_training_is_the_same_to_both_sides(side, pixels, rng):
    x = tf.constant(rng.normal(size=(2, side, side + 1, 3)), tf.float32)
    made, slopes = [], []
    for training in (False, True):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = reflect_pad(x, pixels, training)
            cost = tf.reduce_sum(
                y * tf.random.stateless_normal(y.shape, (1, 2))
            )
        made.append(y)
        slopes.append(tape.gradient(cost, x))
    np.testing.assert_array_equal(*made)
    np.testing.assert_allclose(*slopes, atol=1e-5)


def test_padding_by_reflection_leaves_the_edge_single():
    x = tf.reshape(tf.range(5.0), [1, 1, 5, 1]) * tf.ones((1, 5, 1, 1))
    for training in (False, True):
        row = reflect_pad(x, 1, training)[0, 0, :, 0]
        np.testing.assert_array_equal(row, [1, 0, 1, 2, 3, 4, 3])


@pytest.mark.parametrize("pixels", [1, 3])
def test_padding_for_converters_is_the_same(rng, pixels):
    x = tf.constant(images(rng))
    expected = reflect_pad(x, pixels)
    with portable():
        np.testing.assert_array_equal(reflect_pad(x, pixels), expected)


@pytest.mark.parametrize("shape", [(2, 4, 6, 3), (2, 3, 5, 3), (2, 3, 6, 3)])
def test_blurred_subsampling(rng, shape):
    x = images(rng, shape)
    padded = np.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], "reflect")
    kernel = np.outer([1, 2, 1], [1, 2, 1]) / 16
    expected = sum(
        kernel[i, j] * padded[:, i : i + shape[1] : 2, j : j + shape[2] : 2]
        for i in range(3)
        for j in range(3)
    )
    np.testing.assert_allclose(blur_downsample(x), expected, atol=1e-6)


def test_bilinear_upsampling(rng):
    x = images(rng)
    expected = tf.image.resize(x, (8, 12), "bilinear")
    np.testing.assert_allclose(blur_upsample(x), expected, atol=1e-6)
