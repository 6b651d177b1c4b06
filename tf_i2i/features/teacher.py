"""A frozen network as a function of images to vectors: XGAN's teacher."""

import dataclasses

from tf_i2i.cache import default_cache_dir
from tf_i2i.errors import UserError
from tf_i2i.features import load_features
from tf_i2i.features.base import LEVELS


def teacher(name="face", input_size=None, value_range=LEVELS):
    """Loads a network that knows images of one domain.

    Args:
        name: as in `load_features`, `kerasfile:FILE.keras`,
            `savedmodel:FOLDER` and `tflite:FILE.tflite` among them; or
            "face", a SavedModel of a face network at `face_path()`.
        input_size: side to which images are resized; None: as the network
            asks.
        value_range: least and largest value of the images that a file's
            network takes, where its name does not say it.

    Returns:
        Function: images `[N, S, S, 3]`, float in [-1, 1], to float32
        `[N, D]`, differentiable as far as the network is. Maps are averaged.

    Raises:
        UserError: an unknown name, a missing file, or a range that is none.
    """
    if name == "face":
        name = f"savedmodel:{_face()}"
    features = load_features(name)
    low, high = value_range
    if input_size:
        features = dataclasses.replace(features, input_size=input_size)
    if (low, high) != LEVELS:
        features = features.taking(low, high)
    return features.pooled


def face_path():
    """Where "face" is: `teachers/face` in the cache folder."""
    return default_cache_dir() / "teachers" / "face"


def _face():
    path = face_path()
    if not (path / "saved_model.pb").is_file():
        raise UserError(
            "`teacher.name` 'face' needs a network that knows faces: put a "
            f"SavedModel (saved_model.pb, variables/) into {path}, whose "
            "signature serving_default takes RGB faces in [0, 255], "
            "[N, H, W, 3], and gives `embedding`, [N, D]. FaceNet is the "
            "paper's; FaceRes (models/faceres.json and .bin of the npm "
            "package @vladmandic/human, MIT, 1024 numbers), made a "
            "SavedModel, is another, for XGAN.teacher_centred = True. "
            "Elsewhere: 'savedmodel:FOLDER', 'kerasfile:FILE.keras' or "
            "'tflite:FILE.tflite'. Received: no such folder"
        )
    return path
