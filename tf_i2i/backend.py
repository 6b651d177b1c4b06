"""Checks and resets Keras' global settings.

Other programs of the user may have changed these settings. Keras reads them
from environment variables and from ~/.keras/keras.json.
"""

import contextlib
import errno
import os
import sys
import tempfile
from pathlib import Path

from tf_i2i import process
from tf_i2i.disk import writing
from tf_i2i.errors import UserError
from tf_i2i.paths import expand


def check_backend():
    """Raises an error unless Keras computes with TensorFlow.

    Raises:
        UserError: the backend of Keras is not TensorFlow.
    """
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if keras := sys.modules.get("keras"):
        backend = keras.backend.backend()
    if backend != "tensorflow":
        raise UserError(
            "`KERAS_BACKEND` must be tensorflow or unset, and Keras must not "
            f"have been imported with another backend. Received: {backend}"
        )


def find_keras_home():
    """Chooses a folder for Keras if the user has no home folder.

    Keras would otherwise make a folder that is called `~`.
    """
    if expand("~") == "~":
        folder = Path(tempfile.gettempdir()) / ".keras"
        os.environ.setdefault("KERAS_HOME", str(folder))


def reset_keras():
    """Sets Keras' default float type and image layout during a command."""
    import keras

    process.also_keep(_keras_settings)
    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")


@contextlib.contextmanager
def _keras_settings():
    """Context that restores the settings of Keras and TensorFlow at its end.

    Private modules are imported, because Keras and TensorFlow have public
    functions to set their random seeds, but none to read them.
    """
    import keras
    from keras.src.backend.common import global_state
    from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR
    from keras.src.utils.rng_utils import GLOBAL_RANDOM_SEED
    from tensorflow.python.eager import context

    attributes = {
        name: global_state.get_global_attribute(name)
        for name in (GLOBAL_RANDOM_SEED, GLOBAL_SEED_GENERATOR)
    }
    tensorflow = context.context()
    # TensorFlow's context has no random generator until a seed is set.
    seed, generator = tensorflow._seed, getattr(tensorflow, "_rng", None)
    floatx = keras.config.floatx()
    data_format = keras.config.image_data_format()
    policy = keras.config.dtype_policy()
    try:
        yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_image_data_format(data_format)
        keras.config.set_dtype_policy(policy)
        for name, value in attributes.items():
            global_state.set_global_attribute(name, value)
        if getattr(tensorflow, "_rng", None) is not generator:
            context.set_global_seed(seed)
            if generator:
                tensorflow._rng = generator


@contextlib.contextmanager
def tensorflow_writing(path):
    """Context that turns TensorFlow's errors about a file into `OSError`s.

    Args:
        path: path of the file or folder that TensorFlow writes.

    Raises:
        OSError: with `path` as its `filename`.
    """
    import tensorflow as tf

    try:
        with writing(path):
            yield
    except tf.errors.OpError as error:
        # TensorFlow's message has the form "... path; No space left on
        # device\n ...". Only the reason, which follows the path, is used.
        words = str(error).partition("; ")[2] or str(error)
        words = words.partition("\n")[0].partition(" [Op:")[0]
        raise OSError(errno.EIO, words, str(path)) from error
