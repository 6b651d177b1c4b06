"""tf_i2i: unpaired image-to-image translation with TensorFlow and Keras.

    import tf_i2i

    model = tf_i2i.TwinGAN(image_size=32, width=0.25)
    model.compile()
    batches = tf_i2i.data.unpaired("photos/", "drawings/", image_size=32)
    model.fit(batches, steps_per_epoch=500, epochs=10)

Methods and modules are imported when they are first used. TensorFlow is
imported together with the first method or module that needs it.
"""

import importlib
import os
import warnings

# Keras reads this variable when it is imported. Without it, Keras would use the
# backend that ~/.keras/keras.json names.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

# Pillow warns about unusual metadata and large sizes. A folder of images from
# the web would cause pages of warnings. The warnings are useless here, because
# each file is either read or reported as bad with a reason. The filter is set
# for the whole process, because Python has no separate filters for threads.
warnings.filterwarnings("ignore", module=r"PIL\.")

__version__ = "0.2.0"


def __getattr__(name):
    # A name that begins with a capital letter is the class of a method. All
    # other names are modules.
    if name[:1].isupper():
        methods = importlib.import_module("tf_i2i.methods")
        if name in dir(methods):
            return getattr(methods, name)
    elif name in _modules():
        return importlib.import_module(f"tf_i2i.{name}")
    raise AttributeError(f"module 'tf_i2i' has no attribute '{name}'")


def __dir__():
    methods = dir(importlib.import_module("tf_i2i.methods"))
    classes = [name for name in methods if name[:1].isupper()]
    return sorted([*globals(), *_modules(), *classes])


def _modules():
    import pkgutil

    names = (module.name for module in pkgutil.iter_modules(__path__))
    return [name for name in names if not name.startswith("_")]
