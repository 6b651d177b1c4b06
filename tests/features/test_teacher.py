"""Networks from files as functions of images to vectors."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_i2i.errors import UserError
from tf_i2i.features import load_features
from tf_i2i.features.teacher import face_path
from tf_i2i.features.teacher import teacher


class Levels(tf.Module):
    """Gives the mean levels of each channel."""

    @tf.function
    def embed(self, image):
        return {"embedding": tf.reduce_mean(tf.cast(image, "float32"), [1, 2])}


def saved_levels(path, dtype=tf.float32):
    spec = tf.TensorSpec([None, None, None, 3], dtype, name="image")
    net = Levels()
    call = net.embed.get_concrete_function(spec)
    tf.saved_model.save(net, str(path), {"serving_default": call})


@pytest.fixture(scope="module")
def network():
    """A model of 8 px images with one vector and one map."""
    images = keras.Input((8, 8, 3))
    maps = keras.layers.Conv2D(4, 3, name="maps")(images)
    vectors = keras.layers.Dense(5, name="vectors")(
        keras.layers.GlobalAveragePooling2D()(maps)
    )
    return keras.Model(images, [vectors, maps])


@pytest.fixture
def images(rng):
    return tf.constant(rng.uniform(-1, 1, (3, 8, 8, 3)), tf.float32)


def test_a_keras_file(network, images, tmp_path):
    path = tmp_path / "net.keras"
    network.save(path)
    features = load_features(f"kerasfile:{path}")
    assert features.input_size == 8
    vectors, maps = network((images + 1) * 127.5)
    expected = tf.concat([vectors, tf.reduce_mean(maps, [1, 2])], 1)
    with tf.GradientTape() as tape:
        tape.watch(images)
        found = teacher(f"kerasfile:{path}")(images)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)
    assert np.all(tape.gradient(found, images) != 0)
    larger = tf.image.resize(images, [32, 32], "nearest")
    assert teacher(f"kerasfile:{path}")(larger).shape == (3, 9)


def test_a_tflite_file_of_fixed_batches(images, tmp_path):
    inputs = keras.Input((8, 8, 3), batch_size=2)
    outputs = keras.layers.GlobalAveragePooling2D()(inputs)
    model = keras.Model(inputs, outputs)
    path = tmp_path / "net.tflite"
    call = tf.function(model).get_concrete_function(tf.TensorSpec((2, 8, 8, 3)))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([call], model)
    path.write_bytes(converter.convert())
    embed = teacher(f"tflite:{path}")
    means = tf.reduce_mean((images + 1) * 127.5, [1, 2])
    # Three images by twos, and in a graph.
    np.testing.assert_allclose(embed(images), means, rtol=1e-5)
    np.testing.assert_allclose(tf.function(embed)(images), means, rtol=1e-5)


def test_ranges_and_sizes_that_a_file_takes(images, tmp_path):
    saved_levels(tmp_path)
    name = f"savedmodel:{tmp_path}"
    means = tf.reduce_mean(images, [1, 2])
    for low, high in ((0, 255), (-1, 1), (0, 1)):
        found = teacher(name, value_range=(low, high))(images)
        expected = low + (means + 1) / 2 * (high - low)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)
        for form in (":{}:{}", "#serving_default:{}:{}", ":{}.0:{}@8"):
            by_name = teacher(name + form.format(low, high))(images)
            np.testing.assert_array_equal(by_name, found)
    smaller = teacher(name, input_size=4)(images)
    assert np.abs(smaller - (means + 1) * 127.5).max() > 1e-3


def test_a_range_is_given_once_and_to_networks_of_floats(tmp_path, refuses):
    saved_levels(tmp_path / "floats")
    name = f"savedmodel:{tmp_path / 'floats'}:-.5:.5"
    assert load_features(name).label.startswith("savedmodel:floats:-0.5:0.5/")
    with refuses("value_range"):
        teacher(name, value_range=(0, 1))
    saved_levels(tmp_path / "bytes", tf.uint8)
    with refuses("value_range"):
        load_features(f"savedmodel:{tmp_path / 'bytes'}:-1:1")


def test_face_says_which_file_to_bring(tmp_path, monkeypatch, images):
    monkeypatch.setenv("TF_I2I_CACHE", str(tmp_path))
    with pytest.raises(UserError, match=r"saved_model\.pb") as error:
        teacher("face")
    assert str(face_path()) in str(error.value)
    saved_levels(face_path())
    assert teacher("face")(images).shape == (3, 3)


@pytest.mark.parametrize(
    ("wrong", "argument"),
    [
        ({"name": "facenet"}, "name"),
        ({"name": "kerasfile:none.keras"}, "kerasfile:"),
        ({"name": "tflite:none.tflite"}, "tflite:"),
        ({"name": "random-conv", "value_range": (1, 0)}, "value_range"),
        ({"name": "random-conv", "value_range": (-1, 1)}, "value_range"),
    ],
)
def test_what_cannot_be_loaded_is_refused(wrong, argument, refuses):
    with refuses(argument):
        teacher(**wrong)


def test_broken_files_are_refused(tmp_path, refuses):
    for kind in ("keras", "tflite"):
        path = tmp_path / f"net.{kind}"
        path.write_bytes(b"nothing")
        form = "kerasfile" if kind == "keras" else kind
        with refuses(f"{form}:"):
            teacher(f"{form}:{path}")
