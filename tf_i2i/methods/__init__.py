"""Published methods, one file each, derived from one base class.

`tf_i2i.methods.CycleGAN` and the other classes are looked up in
`methods.registry`. TensorFlow is imported at the first look-up only.
"""


def __getattr__(name):
    # Names of methods are capitalized, because they are classes. Modules and
    # Python's own attributes, which are not, need no look-up.
    if name[:1].isupper() and name in _public():
        return _public()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_public()])


def _public():
    from tf_i2i.methods.base import UnpairedTranslator
    from tf_i2i.methods.registry import methods

    return {"UnpairedTranslator": UnpairedTranslator, **methods()}
