"""The registry of methods, which finds all method classes in this folder."""

import functools
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

from tf_i2i import configs


@functools.cache
def methods():
    """Returns a dictionary of all method classes, sorted by class name.

    A method is a public class derived from `UnpairedTranslator` and defined
    in a module of `tf_i2i.methods`. A new module is found by scanning the
    folder, so it need not be listed anywhere.
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


def recipes(name):
    """Returns the names of the shipped configs that train a method.

    Args:
        name: one of `methods()`.
    """
    trains = re.compile(rf"^train\.model = @{name}$", re.MULTILINE)
    shipped = configs.shipped_configs()
    return [
        config for config, path in shipped.items() if trains.search(_read(path))
    ]


def _read(path):
    """Returns the texts of the files that a .gin file includes, and its own."""
    text = path.read_text("utf-8")
    included = [
        _read(folder / name)
        for name in re.findall(r"^include '(.*)'$", text, re.MULTILINE)
        for folder in configs.FOLDERS
        if (folder / name).is_file()
    ]
    return "\n".join([*included, text])


def build_tiny(name, variant=""):
    """Returns a small model of a method, built with its settings for tests.

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
