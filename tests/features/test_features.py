"""The protocol, the names and the random network."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tf_i2i.errors import UserError
from tf_i2i.features import FORMS
from tf_i2i.features import load_features
from tf_i2i.images import to_float


def pictures(rng, count=5, size=32):
    return rng.integers(0, 256, (count, size, size, 3), np.uint8)


@pytest.fixture(scope="module")
def features():
    return load_features("random-conv")


def test_importing_the_room_does_not_import_tensorflow():
    code = "import sys, tf_i2i.features; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "name", ["", "vgg16", "random-conv-x", "keras:", "savedmodel:", "@64"]
)
def test_an_unknown_name_lists_the_known_ones(name):
    with pytest.raises(UserError) as error:
        load_features(name)
    assert all(form in str(error.value) for form in FORMS)


def test_the_random_network_is_the_same_everywhere(features):
    # NumPy keeps its generators' streams; should one ever change, so would
    # every published number in this network.
    assert features.label == "random-conv-0/native/da65ad51"
    assert load_features("random-conv-0").weights_sha256 == (
        features.weights_sha256
    )
    assert load_features("random-conv-3").label.startswith("random-conv-3/")
    assert load_features("random-conv-3").weights_sha256 != (
        features.weights_sha256
    )


@pytest.mark.parametrize("size", [16, 37, 64])
def test_random_taps_at_each_resolution(features, rng, size):
    taps = features.taps(pictures(rng, 2, size))
    assert list(taps) == ["conv1", "conv2", "conv3", "conv4"]
    for i, tap in enumerate(taps.values()):
        assert tap.shape == (2, size >> i, size >> i, 32 << i)
        assert tap.dtype == np.float32


def test_random_activations_keep_their_scale(features):
    # A smooth picture, as photographs are; noise would be averaged away.
    at = np.linspace(0, 6, 64)
    waves = np.sin(at[:, None] + at * [[[1.0]], [[0.3]], [[2.0]]])
    images = np.float32(waves.transpose(1, 2, 0))[None]
    squares = [np.mean(tap**2) for tap in features(images).values()]
    assert min(squares) / np.mean(images**2) > 0.3
    assert max(squares) / np.mean(images**2) < 4


def test_random_first_tap_by_hand(features, rng):
    from tf_i2i.features.random_conv import _kernels

    images = pictures(rng, 1, 16)
    x = to_float(images)[0].astype(np.float64)
    for kernel in _kernels(0)[:2]:
        x = convolved(x, kernel)
        x = np.where(x > 0, x, 0.2 * x)
    tap = features.taps(images)["conv1"][0]
    np.testing.assert_allclose(tap, x, atol=1e-5)


def convolved(x, kernel):
    """A 3x3 convolution with a border of zeros, `[H, W, C]`."""
    wide = np.pad(x, [(1, 1), (1, 1), (0, 0)])
    height, width, _ = x.shape
    return sum(
        wide[r : r + height, c : c + width] @ kernel[r, c].astype(np.float64)
        for r in range(3)
        for c in range(3)
    )


def test_too_small_images_are_refused(features, rng):
    with pytest.raises(UserError, match=r"at least 16 .*random-conv-0@SIZE"):
        features.embed(pictures(rng, 2, 15))
    assert load_features("random-conv@16").embed(
        pictures(rng, 2, 15)
    ).shape == (2, 480)


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 32, 32, 3), np.float32),
        np.zeros((32, 32, 3), np.uint8),
        np.zeros((0, 32, 32, 3), np.uint8),
    ],
    ids=["floats", "one", "none"],
)
def test_images_that_are_refused(features, images, refuses):
    with refuses("images"):
        features.embed(images)


def test_the_embedding_is_the_mean_of_the_taps(features, rng):
    images = pictures(rng)
    taps = features.taps(images)
    by_hand = [tap.mean((1, 2)) for tap in taps.values()]
    embedded = features.embed(images)
    assert embedded.dtype == np.float32
    np.testing.assert_allclose(
        embedded, np.concatenate(by_hand, axis=1), atol=1e-5
    )


def test_the_embedding_of_cells(features, rng):
    images = pictures(rng, 2, 24)
    taps = features.taps(images)
    cells = features.embed(images, grid=2)
    assert cells.shape == (2, 4 * 480)
    # 24 pixels fall in halves; an eighth, 3 pixels, in halves that overlap.
    first = taps["conv1"].reshape(2, 2, 12, 2, 12, 32).mean((2, 4))
    np.testing.assert_allclose(cells[:, :128], first.reshape(2, -1), atol=1e-5)
    last = cells[:, -4 * 256 :].reshape(2, 2, 2, 256)
    by_hand = taps["conv4"][:, :2, 1:].mean((1, 2))
    np.testing.assert_allclose(last[:, 0, 1], by_hand, atol=1e-5)


def test_batches_do_not_matter(features, rng):
    images = pictures(rng, 7)
    whole, parts = features.embed(images), features.embed(images, batch_size=3)
    np.testing.assert_allclose(whole, parts, atol=1e-6)


def test_floats_and_bytes_agree(features, rng):
    images = pictures(rng)
    tensors = features(tf.constant(to_float(images)))
    for name, tap in features.taps(images).items():
        np.testing.assert_allclose(tensors[name], tap, atol=1e-5)


def test_half_precision_images_are_computed_in_float32(features, rng):
    images = tf.cast(to_float(pictures(rng)), tf.bfloat16)
    assert {tap.dtype for tap in features(images).values()} == {tf.float32}


@pytest.mark.parametrize("name", ["random-conv", "random-conv@40"])
def test_gradients_reach_the_images(name, rng):
    features = load_features(name)
    images = tf.constant(to_float(pictures(rng, 1)) * 0.9)
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(features.pooled(images) ** 2)
    gradient = tape.gradient(total, images).numpy()
    assert np.isfinite(gradient).all()
    assert np.mean(gradient != 0) > 0.99


def test_resizing_is_pillows(rng):
    features = load_features("random-conv@20")
    assert features.resize == "bicubic20"
    assert features.label == "random-conv-0/bicubic20/da65ad51"
    # Away from the ends of the range, where nothing is clipped.
    image = rng.uniform(-0.3, 0.3, (48, 48, 3)).astype(np.float32)
    channels = [
        Image.fromarray(image[..., c]).resize(
            (20, 20), Image.Resampling.BICUBIC
        )
        for c in range(3)
    ]
    small = np.stack([np.array(channel) for channel in channels], -1)
    expected = load_features("random-conv")(small[None])
    found = features(image[None])
    np.testing.assert_allclose(found["conv1"], expected["conv1"], atol=1e-5)


def test_a_size_that_fits_changes_nothing(features, rng):
    images = pictures(rng)
    np.testing.assert_array_equal(
        load_features("random-conv@32").embed(images), features.embed(images)
    )


def test_a_model_that_holds_one_does_not_own_it(features):
    model = keras.Model()
    model.perceptual = features
    assert model.variables == []


def test_a_graph_holds_the_weights_once(features):
    # Captured, not written into every graph that uses them.
    graph = tf.function(features).get_concrete_function(
        tf.TensorSpec([None, 32, 32, 3])
    )
    assert len(graph.graph.captures) == 8
