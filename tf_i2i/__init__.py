"""tf_i2i: unpaired image-to-image translation with TensorFlow and Keras.

    import tf_i2i

    model = tf_i2i.TwinGAN(image_size=32, width=0.25)
    model.compile()
    batches = tf_i2i.data.unpaired("photos/", "drawings/", image_size=32)
    model.fit(batches, steps_per_epoch=500, epochs=10)

Methods and rooms are loaded, and TensorFlow with them, when they are asked
for.
"""

import importlib

__version__ = "0.1.0"

_METHODS = (
    "CDFT",
    "DTN",
    "UNIT",
    "XGAN",
    "AsymGAN",
    "Student",
    "CycleGAN",
    "TwinGAN",
    "UNITAdaptation",
    "UnpairedTranslator",
)
_ROOMS = ("data", "errors", "images", "layers", "losses", "methods", "models")


def __getattr__(name):
    if name in _METHODS:
        return getattr(importlib.import_module("tf_i2i.methods"), name)
    if name in _ROOMS:
        return importlib.import_module(f"tf_i2i.{name}")
    raise AttributeError(f"module 'tf_i2i' has no attribute '{name}'")


def __dir__():
    return sorted([*globals(), *_METHODS, *_ROOMS])
