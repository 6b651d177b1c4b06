"""Instance normalization, and Keras' group normalization, against Addons.

The golden numbers are those of TensorFlow Addons 0.23 on TensorFlow 2.15:
`benchmarks/compare_addons.py make`.
"""

import contextlib
import json
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_i2i.layers import InstanceNormalization
from tf_i2i.layers import portable


@pytest.fixture(autouse=True, params=[False, True], ids=["", "portable"])
def _operations(request):
    with portable() if request.param else contextlib.nullcontext():
        yield


def golden_cases():
    with np.load(pathlib.Path(__file__).with_name("addons_golden.npz")) as g:
        arrays = dict(g)
    for i, case in enumerate(json.loads(str(arrays["cases"]))):
        name, arguments, shape = case
        of_case = {
            key.removeprefix(f"{i}/"): value
            for key, value in arrays.items()
            if key.startswith(f"{i}/")
        }
        yield pytest.param(name, arguments, of_case, id=f"{arguments} {shape}")


GOLDEN = [*golden_cases()]
INSTANCE = [case for case in GOLDEN if case.values[0].startswith("Instance")]
either_way = pytest.mark.parametrize("training", [False, True])


def assert_golden(layer, golden, **arguments):
    """Outputs and gradients equal those of Addons."""
    x = tf.constant(golden["x"])
    layer.build(x.shape)
    sources = {"x": x}
    if "gamma" in golden:
        layer.gamma.assign(golden["gamma"])
        layer.beta.assign(golden["beta"])
        sources |= {"gamma": layer.gamma.value, "beta": layer.beta.value}
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, **arguments)
        loss = tf.reduce_sum(y * golden["weight"])
    values = {"y": y}
    for name, gradient in tape.gradient(loss, sources).items():
        values[f"{name}_gradient"] = tf.convert_to_tensor(gradient)
    for name, value in values.items():
        np.testing.assert_allclose(
            value, golden[name], rtol=1e-5, atol=1e-5, err_msg=name
        )


def normalize(x, training):
    return InstanceNormalization()(tf.constant(x), training=training).numpy()


def outputs_and_gradients(x, weight, training):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = InstanceNormalization()(x, training=training)
    return y, tape.gradient(y, x, tf.cast(weight, y.dtype))


def images(rng, count=2):
    """Images and channels that differ in mean and deviation."""
    shape = count, 1, 1, 3
    means, deviations = rng.uniform(-3, 3, shape), rng.uniform(0.5, 2, shape)
    x = means + deviations * rng.normal(size=(count, 5, 7, 3))
    return x.astype(np.float32)


@either_way
@pytest.mark.parametrize(("name", "arguments", "golden"), INSTANCE)
def test_equals_addons(name, arguments, golden, training):
    layer = InstanceNormalization(
        arguments["epsilon"], affine="gamma" in golden
    )
    assert_golden(layer, golden, training=training)


@pytest.mark.parametrize(("name", "arguments", "golden"), GOLDEN)
def test_group_normalization_of_keras_equals_that_of_addons(
    name, arguments, golden
):
    """What users of Addons' two layers are told to take in their place;
    where Addons' epsilon was left at its default, Keras' is as well."""
    arguments = {"groups": -1, **arguments}
    assert_golden(keras.layers.GroupNormalization(**arguments), golden)


def test_golden_numbers_are_of_many_cases():
    """No case is lost to a change of names."""
    assert len(INSTANCE) == 8
    assert len(GOLDEN) == 20
    affine = [case for case in GOLDEN if "gamma_gradient" in case.values[2]]
    assert len(affine) == 16


@either_way
def test_one_and_three_become_minus_one_and_one(training):
    x = np.reshape([1.0, 3.0], (1, 2, 1, 1)).astype(np.float32)
    y = normalize(x, training)
    # The variance is 1, to which epsilon is added.
    np.testing.assert_allclose(
        y.ravel(), np.array([-1, 1]) / np.sqrt(1 + 1e-5), rtol=1e-6
    )


@either_way
def test_scale_and_offset_are_a_channels_own(training):
    layer = InstanceNormalization(epsilon=1e-9, affine=True)
    layer.build((None, None, None, 2))
    layer.gamma.assign([2.0, 10.0])
    layer.beta.assign([5.0, 0.0])
    x = tf.constant([1.0, 1.0, 3.0, 3.0], shape=(1, 2, 1, 2))
    y = layer(x, training=training)
    np.testing.assert_allclose(np.ravel(y), [3, -10, 7, 10], rtol=1e-6)


@either_way
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_constant_image_becomes_zero_with_finite_gradients(dtype, training):
    """The variance is 0, and epsilon alone divides the gradient."""
    x = tf.fill((1, 2, 1, 1), tf.cast(0.5, dtype))
    weight = np.reshape([1.0, -1.0], x.shape)
    y, gradient = outputs_and_gradients(x, weight, training)
    assert not np.float32(y).any()
    expected = np.array([1, -1]) / np.sqrt(1e-5)
    np.testing.assert_allclose(
        np.float32(gradient).ravel(),
        expected,
        rtol=1e-6 if dtype == "float32" else 2**-8,
    )


@either_way
def test_each_image_is_normalized_by_itself(rng, training):
    x = images(rng)
    apart = [normalize(part, training) for part in np.split(x, 2)]
    np.testing.assert_allclose(
        normalize(x, training), np.concatenate(apart), rtol=1e-6, atol=1e-6
    )


@either_way
def test_means_are_zero_and_deviations_one(rng, training):
    y = normalize(images(rng), training)
    np.testing.assert_allclose(y.mean((1, 2)), np.zeros((2, 3)), atol=1e-6)
    np.testing.assert_allclose(y.std((1, 2)), np.ones((2, 3)), rtol=1e-4)


@either_way
def test_a_mean_of_a_hundred_deviations_leaves_digits(rng, training):
    """As the mean of squares less the squared mean would not."""
    x = images(rng)
    near, far = normalize(x, training), normalize(x + 100, training)
    np.testing.assert_allclose(far, near, atol=2e-4)


@either_way
def test_bfloat16_is_float32_rounded(rng, training):
    """Statistics and gradients are computed in float32, then rounded."""
    x = tf.cast(images(rng), tf.bfloat16)
    weight = tf.cast(rng.normal(size=x.shape), tf.bfloat16)
    rounded = outputs_and_gradients(x, weight, training)
    exact = outputs_and_gradients(tf.cast(x, tf.float32), weight, training)
    for one, other in zip(rounded, exact, strict=True):
        assert one.dtype == tf.bfloat16
        np.testing.assert_allclose(
            np.float32(one), other, rtol=2**-8, atol=2**-8
        )


@either_way
def test_any_size_in_a_graph(rng, training):
    """One trace for all sizes; the layer is not built before."""
    layer = InstanceNormalization()
    # In training the count of images is known.
    shape = (2 if training else None, None, None, 3)
    traced = tf.function(
        lambda x: layer(x, training=training),
        input_signature=[tf.TensorSpec(shape)],
    )
    for x in (images(rng), images(rng)[:, 1:, :3]):
        np.testing.assert_allclose(
            traced(x), normalize(x, training), rtol=1e-6, atol=1e-6
        )
    layer(images(rng), training=training)  # Nothing of the graph is kept.
