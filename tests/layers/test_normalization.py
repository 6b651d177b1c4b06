"""Batch renormalization against tf-keras and by hand; pixel norm."""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_i2i.layers import DomainBatchRenormalization
from tf_i2i.layers import NormRouting
from tf_i2i.layers import RenormLimits
from tf_i2i.layers import leaky_pixel_norm
from tf_i2i.layers import leaky_relu
from tf_i2i.layers import normalization
from tf_i2i.layers import pixel_norm

CHANNELS = 3
ROUTES = {"a": 0, "b": 1, "fake_b": 1}
WIDE = RenormLimits(1e6, 1e6)
TIGHT = RenormLimits(1.2, 0.3)


def renormalize(x, mean, deviation, gamma, beta, limits):
    """Ioffe 2017, algorithm 1, in float64; new statistics beside."""
    x = x.astype(np.float64)
    axes = (0, 1, 2)
    mu, sigma = x.mean(axes), np.sqrt(x.var(axes) + 1e-3)
    r = np.clip(sigma / deviation, 1 / limits.r_max, limits.r_max)
    d = np.clip((mu - mean) / deviation, -limits.d_max, limits.d_max)
    y = gamma * ((x - mu) / sigma * r + d) + beta
    new = 0.99 * mean + 0.01 * mu, 0.99 * deviation + 0.01 * sigma
    return y, *new


def images(rng, count=2, mean=0.5, deviation=2.0):
    x = rng.normal(mean, deviation, (count, 2, 3, CHANNELS))
    return x.astype(np.float32)


def layer_with_a_past(**kwargs):
    """A layer whose every value differs from every other."""
    layer = DomainBatchRenormalization(ROUTES, **kwargs)
    layer.build((None, None, None, CHANNELS))
    rng = np.random.default_rng(3)
    for variable in layer.variables:
        variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    return layer


def statistics(layer):
    return layer.moving_mean.numpy(), layer.moving_deviation.numpy()


def golden():
    with np.load(pathlib.Path(__file__).with_name("renorm_golden.npz")) as g:
        return dict(g)


def test_training_equals_tf_keras():
    """Outputs, gradients and statistics of eight steps, four pairs of clips.

    See `make_renorm_golden.py`. Among its channels are some whose r and d
    are clipped at each step and some whose are not. The last one's mean is 30
    deviations: our mean of squares less the squared mean leaves two digits
    there that tf-keras, which goes through the batch twice, has.
    """
    g = golden()
    layer = DomainBatchRenormalization({"a": 0})
    layer.build(g["x"][0].shape)
    layer.gamma.assign(g["gamma"][None])
    layer.beta.assign(g["beta"][None])
    for step, clips in enumerate(g["clips"]):
        x = tf.constant(g["x"][step])
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, routing=NormRouting(("a",), RenormLimits(*clips)))
            loss = tf.reduce_sum(y * g["weight"][step])
        sources = [x, layer.gamma.value, layer.beta.value]
        gradients = [*map(tf.convert_to_tensor, tape.gradient(loss, sources))]
        ours = {
            "y": y,
            "x_gradient": gradients[0],
            "gamma_gradient": gradients[1][0],
            "beta_gradient": gradients[2][0],
            "mean": layer.moving_mean[0],
            "deviation": layer.moving_deviation[0],
        }
        for name, value in ours.items():
            for part, tolerance in (
                (np.s_[..., :5], 1e-5),
                (np.s_[..., 5], 5e-4),
            ):
                np.testing.assert_allclose(
                    value[part],
                    g[name][step][part],
                    rtol=tolerance,
                    atol=tolerance,
                    err_msg=name,
                )


def test_inference_equals_tf_keras():
    """tf-keras keeps two pairs of statistics, one to correct by in training
    and one for inference, with a decay each. Algorithm 1 and we have one
    pair. The golden numbers have one decay for both, so that the pairs agree
    and inference is comparable: tf-keras normalizes by
    sqrt((deviation^2 - epsilon) + epsilon).
    """
    g = golden()
    np.testing.assert_allclose(g["inference_mean"], g["mean"][-1], rtol=1e-6)
    layer = DomainBatchRenormalization({"a": 0})
    layer.build(g["x"][0].shape)
    for name, value in {
        "gamma": g["gamma"],
        "beta": g["beta"],
        "moving_mean": g["mean"][-1],
        "moving_deviation": g["deviation"][-1],
    }.items():
        getattr(layer, name).assign(value[None])
    y = layer(g["x"][-1], routing=NormRouting(("a",)))
    np.testing.assert_allclose(y, g["inference"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("limits", [RenormLimits(1, 0), TIGHT, WIDE])
def test_each_route_is_algorithm_1_with_its_domain_and_statistics(rng, limits):
    layer = layer_with_a_past()
    gamma, beta = layer.gamma.numpy(), layer.beta.numpy()
    mean, deviation = statistics(layer)
    # Not in the order of the layer, and one route left out.
    x = {"fake_b": images(rng), "a": images(rng, mean=-1, deviation=0.3)}
    y = layer(np.concatenate([*x.values()]), routing=NormRouting((*x,), limits))
    expected_mean, expected_deviation = mean.copy(), deviation.copy()
    for part, route in zip(np.split(y, 2), x, strict=True):
        row, domain = list(ROUTES).index(route), ROUTES[route]
        expected, expected_mean[row], expected_deviation[row] = renormalize(
            x[route],
            mean[row],
            deviation[row],
            gamma[domain],
            beta[domain],
            limits,
        )
        np.testing.assert_allclose(part, expected, rtol=1e-4, atol=1e-5)
    new_mean, new_deviation = statistics(layer)
    np.testing.assert_allclose(new_mean, expected_mean, rtol=1e-5)
    np.testing.assert_allclose(new_deviation, expected_deviation, rtol=1e-5)
    assert np.array_equal(new_mean[1], mean[1])
    assert np.array_equal(new_deviation[1], deviation[1])


def test_groups_equal_separate_calls(rng):
    together, apart = layer_with_a_past(), layer_with_a_past()
    x = [images(rng, mean=i) for i in range(3)]
    y = together(np.concatenate(x), routing=NormRouting((*ROUTES,), TIGHT))
    separate = [
        apart(part, routing=NormRouting((route,), TIGHT))
        for part, route in zip(x, ROUTES, strict=True)
    ]
    np.testing.assert_allclose(y, np.concatenate(separate), rtol=1e-6)
    for one, other in zip(statistics(together), statistics(apart), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_limits_of_one_and_zero_are_batch_normalization(rng):
    layer = DomainBatchRenormalization(ROUTES)
    x = images(rng)
    y = layer(x, routing=NormRouting(("a",), RenormLimits(1, 0)))
    expected = keras.layers.BatchNormalization(epsilon=1e-3)(x, training=True)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)


def test_no_gradient_flows_through_r_and_d(rng):
    """With wide limits the output is that of inference, and were r and d
    differentiated, so would be the gradient: gamma w / moving deviation."""
    layer = layer_with_a_past()
    x, w = images(rng), images(rng)
    gamma, deviation = layer.gamma[0], layer.moving_deviation[0]
    at_inference = layer(x, routing=NormRouting(("a",)))
    images_ = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(images_)
        y = layer(images_, routing=NormRouting(("a",), WIDE))
        loss = tf.reduce_sum(y * w)
    np.testing.assert_allclose(y, at_inference, rtol=1e-4, atol=1e-5)
    axes = (0, 1, 2)
    sigma = np.sqrt(x.var(axes) + 1e-3)
    normal = (x - x.mean(axes)) / sigma
    r = sigma / deviation
    # Batch normalization's own gradient, times r.
    expected = r * gamma / sigma
    expected *= w - w.mean(axes) - normal * (w * normal).mean(axes)
    np.testing.assert_allclose(
        tape.gradient(loss, images_), expected, rtol=1e-4, atol=1e-5
    )


def test_inference_by_the_batch_s_own_statistics_repeats_training(rng):
    layer = layer_with_a_past()
    x = images(rng)
    layer.moving_mean.assign(np.tile(x.mean((0, 1, 2)), (3, 1)))
    deviation = np.sqrt(x.var((0, 1, 2)) + 1e-3)
    layer.moving_deviation.assign(np.tile(deviation, (3, 1)))
    before = statistics(layer)
    at_inference = layer(x, routing=NormRouting(("b",)))
    assert all(map(np.array_equal, before, statistics(layer)))
    trained = layer(x, routing=NormRouting(("b",), TIGHT))
    np.testing.assert_allclose(at_inference, trained, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_batch_that_is_not_finite_leaves_the_statistics(rng, bad):
    layer = layer_with_a_past()
    x = images(rng)
    x[0, 0, 0, 1] = bad
    before = statistics(layer)
    layer(x, routing=NormRouting(("a",), TIGHT))
    for old, new in zip(before, statistics(layer), strict=True):
        assert new[0, 1] == old[0, 1]
        assert np.all(new[0, [0, 2]] != old[0, [0, 2]])


def test_style_gives_each_image_its_scale_and_offset(rng):
    """gamma = 1 + FC(style), beta = FC(style), a pair for each domain."""
    layer = layer_with_a_past(style_size=2)
    style = rng.normal(size=(4, 2)).astype(np.float32)
    x = images(rng, count=4)
    y = layer(x, routing=NormRouting(("a", "b"), style=style))
    mean, deviation = statistics(layer)
    for i, route in enumerate([0, 0, 1, 1]):
        kernels = layer.gamma[route].numpy(), layer.beta[route].numpy()
        gamma, beta = (style[i] @ k[:2] + k[2] for k in kernels)
        expected = (x[i] - mean[route]) / deviation[route]
        expected = (1 + gamma) * expected + beta
        np.testing.assert_allclose(y[i], expected, rtol=1e-4, atol=1e-5)


def test_two_replicas_equal_one(rng, two_replicas):
    x, w = images(rng, 4), images(rng, 4)
    # Halves unlike each other: statistics of one half would show.
    x[:2] += 3

    def pass_through(layer, x, w):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, routing=NormRouting(("a",), TIGHT))
            loss = tf.reduce_sum(y * w)
        return y, tape.gradient(loss, x)

    one = layer_with_a_past()
    expected = pass_through(one, tf.constant(x), w)
    with two_replicas.scope():
        two = layer_with_a_past()
    halves = [
        two_replicas.experimental_distribute_values_from_function(
            lambda context, value=value: tf.split(value, 2)[
                context.replica_id_in_sync_group
            ]
        )
        for value in (x, w)
    ]
    results = tf.function(
        lambda *args: two_replicas.run(
            lambda x, w: pass_through(two, x, w), args
        )
    )(*halves)
    for result, value in zip(results, expected, strict=True):
        both = tf.concat(two_replicas.experimental_local_results(result), 0)
        np.testing.assert_allclose(both, value, rtol=1e-4, atol=1e-5)
    for mine, its in zip(one.variables, two.variables, strict=True):
        np.testing.assert_allclose(mine.numpy(), its.numpy(), rtol=1e-6)


def test_arithmetic_stays_float32_in_mixed_precision(rng):
    x = tf.cast(images(rng), tf.bfloat16)
    expected = layer_with_a_past()
    y = expected(tf.cast(x, tf.float32), routing=NormRouting(("a",), TIGHT))
    keras.config.set_dtype_policy("mixed_bfloat16")
    layer = layer_with_a_past()
    mixed = layer(x, routing=NormRouting(("a",), TIGHT))
    assert mixed.dtype == tf.bfloat16
    assert {v.dtype for v in layer.variables} == {"float32"}
    # One rounding at the end, and none before.
    np.testing.assert_allclose(tf.cast(mixed, tf.float32), y, rtol=2**-8)
    for mine, its in zip(statistics(layer), statistics(expected), strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-6)


def test_kernels_and_plain_operations_agree(rng, monkeypatch):
    """The fused path of one device against the one for replicas and styles."""
    x, upstream = tf.constant(images(rng)), tf.constant(images(rng))
    results = []
    for fused in (True, False):
        if not fused:
            monkeypatch.setattr(
                normalization, "replica_position", lambda: (0, 2)
            )
        layer = layer_with_a_past()
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, routing=NormRouting(("fake_b", "a"), TIGHT))
        sources = [x, layer.gamma.value, layer.beta.value]
        gradients = tape.gradient(y, sources, upstream)
        results.append(
            [y, *map(tf.convert_to_tensor, gradients), *statistics(layer)]
        )
    for fused, plain in zip(*results, strict=True):
        np.testing.assert_allclose(fused, plain, rtol=1e-4, atol=1e-5)


def test_a_layer_without_routes_is_refused(refuses):
    with refuses("routes"):
        DomainBatchRenormalization({})


def test_leaky_pixel_norm_trains_as_its_two_halves(rng):
    x = tf.constant(rng.normal(size=(2, 3, 3, 4)).astype(np.float32))
    upstream = tf.constant(rng.normal(size=x.shape).astype(np.float32))
    results = []
    for training in (True, False):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = leaky_pixel_norm(x, training=training)
        results.append((y, tape.gradient(y, x, upstream)))
    np.testing.assert_allclose(results[0][0], pixel_norm(leaky_relu(x)))
    for by_hand, plain in zip(*results, strict=True):
        np.testing.assert_allclose(by_hand, plain, rtol=1e-4, atol=1e-6)


def test_leaky_relu_is_differentiable_twice():
    x = tf.constant([-2.0, 3.0])
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = leaky_relu(x) ** 2
        first = inner.gradient(y, x)
    # y = (.2 x)^2 below zero and x^2 above.
    np.testing.assert_allclose(first, [2 * 0.04 * -2, 6], rtol=1e-6)
    np.testing.assert_allclose(outer.gradient(first, x), [0.08, 2], rtol=1e-6)


def test_pixel_norm_by_hand():
    # Root mean squares of (3, 1) and (0, 2): sqrt(5) and sqrt(2).
    x = tf.constant([[[[3.0, 1.0], [0.0, 2.0]]]])
    expected = [[3 / 5**0.5, 1 / 5**0.5], [0, 2**0.5]]
    np.testing.assert_allclose(pixel_norm(x)[0, 0], expected, rtol=1e-6)
    assert np.array_equal(pixel_norm(0 * x), 0 * x)
