"""The implementations of published methods, one file for each method.

`tf_i2i.methods.CycleGAN` and the other classes are looked up in
`methods.registry`. TensorFlow is not imported before the first look-up.
"""

from tf_i2i.backend import check_backend


def __getattr__(name):
    # Only names of classes begin with a capital letter. Names of modules and
    # Python's own attributes do not, so they are not looked up.
    if name[:1].isupper() and name in _public():
        return _public()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_public()])


def _public():
    check_backend()
    from tf_i2i.methods.base import UnpairedTranslator
    from tf_i2i.methods.registry import methods

    return {"UnpairedTranslator": UnpairedTranslator, **methods()}
