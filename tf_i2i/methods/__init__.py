"""Published methods, one file each, on one base class.

`tf_i2i.methods.CycleGAN` and the others come from `methods.registry`;
TensorFlow is loaded when the first of them is asked for.
"""


def __getattr__(name):
    # Methods are classes: other names are modules, or Python's own.
    if name[:1].isupper() and name in _public():
        return _public()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_public()])


def _public():
    from tf_i2i.methods.base import UnpairedTranslator
    from tf_i2i.methods.registry import methods

    return {"UnpairedTranslator": UnpairedTranslator, **methods()}
