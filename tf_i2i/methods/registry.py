"""The registry of methods: every class that a file in this folder defines."""

import functools
import importlib
import inspect
import pkgutil
from pathlib import Path


@functools.cache
def methods():
    """Returns the methods by name: class name -> class, sorted.

    A method is a public class derived from `UnpairedTranslator`, in a module
    of `tf_i2i.methods`. A new file is found without being listed anywhere.
    """
    from tf_i2i.methods.base import UnpairedTranslator

    found = {}
    for file in pkgutil.iter_modules([str(Path(__file__).parent)]):
        module = importlib.import_module(f"tf_i2i.methods.{file.name}")
        for name, value in vars(module).items():
            if (
                inspect.isclass(value)
                and issubclass(value, UnpairedTranslator)
                and value is not UnpairedTranslator
                and value.__module__ == module.__name__
                and not name.startswith("_")
            ):
                found[name] = value
    return dict(sorted(found.items()))


def build_tiny(name, variant=""):
    """Returns a method with the settings that it states for tests.

    Args:
        name: one of `methods()`.
        variant: one of the method's `tiny_variants`.
    """
    method = methods()[name]
    settings = method.tiny | method.tiny_variants[variant]
    stage = settings.pop("stage", None)
    model = method(**settings)
    if stage:
        model.enter_phase(model.image_size, stage=stage)
    return model
