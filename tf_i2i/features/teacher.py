"""Teachers: frozen networks that map images to vectors.

A teacher is used as XGAN's teacher, as DTN's encoder, or by the likeness loss.
"""

import dataclasses

import numpy as np

from tf_i2i.cache import default_cache_dir
from tf_i2i.consent import TRUSTED
from tf_i2i.errors import UserError
from tf_i2i.features import load_features
from tf_i2i.features.base import LEVELS
from tf_i2i.features.reference import resolvable
from tf_i2i.sizes import image_shape
from tf_i2i.values import Count
from tf_i2i.values import checked


@resolvable
@checked
def teacher(
    name: str = "face",
    input_size: Count | None = None,
    value_range: tuple[float, ...] = LEVELS,
):
    """Loads a network whose vectors a translator learns to preserve.

    Args:
        name: name of the network as in `load_features` (for example
            `kerasfile:FILE.keras`, `savedmodel:FOLDER` or
            `tflite:FILE.tflite`), or "face" for the SavedModel of a face
            network in the folder `face_path()`.
        input_size: side in pixels that images are resized to; None for the
            size that the network takes.
        value_range: smallest and largest value of the images that a network in
            a file takes; used if `name` does not contain a range.

    Returns:
        Function from images `[N, S, S, 3]`, float in [-1, 1], to float32
        vectors `[N, D]`. Feature maps are averaged over positions. Gradients
        flow to the images if the network allows it.

    Raises:
        UserError: the name is unknown, a file is missing, or the range is
            not valid.
    """
    features = _face() if name == "face" else load_features(name)
    low, high = value_range
    if input_size:
        features = dataclasses.replace(features, input_size=input_size)
    if (low, high) != LEVELS:
        features = features.taking(low, high)
    return features.pooled


def check_differentiable(network, image_size, argument):
    """Raises an error if a network has no gradient with respect to its images.

    Args:
        network: function of images `[N, S, S, 3]` that returns vectors.
        image_size: size of the images; see `tf_i2i.sizes`.
        argument: name of the argument, for the error message.

    Raises:
        UserError: there is no gradient.
    """
    import tensorflow as tf

    images = tf.zeros((1, *image_shape(image_size)))
    with tf.GradientTape() as tape:
        tape.watch(images)
        vectors = network(images)
    if tape.gradient(vectors, images) is None:
        raise UserError(
            f"`{argument}` must be differentiable with respect to its images: "
            "a Keras model or a SavedModel in float precision, not a TFLite "
            "model. Received: a network without a gradient"
        )


def tiny_teacher():
    """Returns a frozen random network of one convolution, for tests.

    Returns:
        Function: images `[N, S, S, 3]`, float in [-1, 1], to float32
        `[N, 6]`.
    """
    import tensorflow as tf

    kernel = np.random.default_rng(3).normal(size=(4, 4, 3, 6))
    kernel = tf.constant(kernel, tf.float32)

    def embed(images):
        x = tf.nn.conv2d(images, kernel, 2, "SAME")
        return tf.reduce_mean(tf.nn.relu(x), [1, 2])

    return embed


def face_path():
    """Returns the folder of "face": `teachers/face` in the cache folder."""
    return default_cache_dir() / "teachers" / "face"


def _face():
    """Loads the SavedModel in `face_path()`.

    The user put it there. Therefore it is loaded without `--trust_config`.
    """
    path = face_path()
    if not (path / "saved_model.pb").is_file():
        raise UserError(
            "`teacher.name` 'face' needs a network that recognizes faces. "
            f"Put its SavedModel (saved_model.pb, variables/) into {path}. The "
            "signature serving_default must map RGB faces in [0, 255], "
            "[N, H, W, 3], to `embedding`, [N, D]. The paper uses FaceNet. "
            "Another such network is FaceRes, models/faceres.json and .bin of "
            "the npm package @vladmandic/human (MIT licence, 1024 features). "
            "Convert it to a SavedModel, and set XGAN.teacher_centred = True. "
            "For a network in another folder write 'savedmodel:FOLDER', "
            "'kerasfile:FILE.keras' or 'tflite:FILE.tflite'. Received: no "
            "such folder"
        )
    with TRUSTED.applied():
        return load_features(f"savedmodel:{path}")
