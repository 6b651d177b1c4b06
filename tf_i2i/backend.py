"""Keras' global settings, which other programs of the user may have changed.

Keras reads them from environment variables and from ~/.keras/keras.json.
"""

import os
import sys
import tempfile
from pathlib import Path

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
    """Sets Keras to its own defaults, for a process that runs a command."""
    import keras

    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")
