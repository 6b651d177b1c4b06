"""Arguments of constructors and of `compile`, as Keras saves them in files.

Keras describes a model by a dictionary that can be written as JSON. Arguments
that are functions need care: a file names a function, and only functions that
were registered by `keras.saving.register_keras_serializable` are called when
the file is loaded.
"""

import functools
import inspect

import keras

from tf_i2i.errors import UserError
from tf_i2i.features.perceptual import perceptual
from tf_i2i.features.reference import resolve
from tf_i2i.features.teacher import teacher
from tf_i2i.features.teacher import tiny_teacher
from tf_i2i.features.translator import exported
from tf_i2i.features.translator import tiny_translator

# The first part of the names by which Keras knows the classes and functions of
# this package.
PACKAGE = "tf_i2i"

for _function in (exported, perceptual, teacher, tiny_teacher, tiny_translator):
    keras.saving.register_keras_serializable(PACKAGE)(_function)


def register_class(method):
    """Makes a class known to Keras by its package and its name.

    Keras finds the class when it loads a file. A class that was defined again,
    for example in a notebook, replaces the earlier one. The classes that gin
    derives from configurable classes, with the same names, are not registered.
    """
    base = method.__base__
    if (method.__module__, method.__name__) == (base.__module__, base.__name__):
        return
    package = method.__module__.partition(".")[0]
    keras.saving.register_keras_serializable(package)(method)


def arguments_of(constructor, args, kwargs):
    """Returns the arguments of a call, the default values included.

    Args:
        constructor: `__init__` of a class.
        args, kwargs: arguments of the call, without `self`.

    Returns:
        Dictionary of all arguments, by their names. The dictionary is empty if
        the call does not fit the constructor. In this case, Python raises an
        error when the constructor is called.
    """
    signature = inspect.signature(constructor)
    try:
        bound = signature.bind(None, *args, **kwargs)
    except TypeError:
        return {}
    bound.apply_defaults()
    (_, *names), given = signature.parameters.values(), bound.arguments
    found: dict[str, object] = {}
    for parameter in names:
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            found |= given[parameter.name]
        else:
            found[parameter.name] = resolve(given[parameter.name])
    return found


def encode(values, owner):
    """Returns a dictionary of arguments in the form that Keras saves.

    Args:
        values: dictionary of arguments. A function may be bound to arguments
            by `functools.partial`.
        owner: name of the function or class, for the error message.

    Raises:
        UserError: an argument is a function that Keras does not know.
    """
    return {
        name: _encode(value, f"{owner}.{name}")
        for name, value in values.items()
    }


def _encode(value, argument):
    if isinstance(value, functools.partial):
        settings = arguments_of_partial(value)
        return _encode(value.func, argument) | {
            "arguments": encode(settings, argument)
        }
    if inspect.isroutine(value):
        return {"function": _registered_name(value, argument)}
    if isinstance(value, dict):
        return {"dictionary": encode(value, argument)}
    if isinstance(value, (tuple, list)):
        # JSON, in which Keras writes the config, has no tuples.
        parts = [_encode(part, argument) for part in value]
        return {"tuple": parts} if isinstance(value, tuple) else parts
    return keras.saving.serialize_keras_object(value)


def _registered_name(function, argument):
    name = keras.saving.get_registered_name(function)
    if keras.saving.get_registered_object(name) is function:
        return name
    raise UserError(
        f"`{argument}` must be a function that is decorated with "
        "`keras.saving.register_keras_serializable()`, so that the model can "
        f"be saved in a Keras file. Received: {function!r}"
    )


def arguments_of_partial(partial):
    """Returns a dictionary of the arguments that a partial function holds."""
    signature = inspect.signature(partial.func)
    bound = signature.bind_partial(*partial.args, **partial.keywords)
    return dict(bound.arguments)


def decode(config):
    """Returns the arguments that `encode` was given.

    Raises:
        UserError: a function is not registered.
    """
    return {name: _decode(value) for name, value in config.items()}


def _decode(value):
    if isinstance(value, list):
        return [_decode(part) for part in value]
    if not isinstance(value, dict):
        return value
    if "tuple" in value:
        return tuple(_decode(value["tuple"]))
    if "dictionary" in value:
        return decode(value["dictionary"])
    if "function" not in value:
        return keras.saving.deserialize_keras_object(value)
    function = _registered_function(value["function"])
    if "arguments" not in value:
        return function
    return functools.partial(function, **decode(value["arguments"]))


def _registered_function(name):
    function = keras.saving.get_registered_object(name)
    if inspect.isroutine(function):
        return function
    raise UserError(
        "The function in the Keras file must be registered by "
        "`keras.saving.register_keras_serializable()` before the file is "
        f"loaded. Received: {name}"
    )


class KerasSaved(keras.Model):
    """A Keras model that Keras can save and load again.

    `model.save`, `keras.models.clone_model` and `model.to_json` describe a
    model by its constructor's arguments, the phase of its training, and the
    arguments of `compile`. All of them are recorded here, for every method.
    """

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        register_class(cls)

    def __new__(cls, *args, **kwargs):
        model = super().__new__(cls)
        # `setattr` of Keras would track the values as parts of the model.
        object.__setattr__(
            model, "_arguments", arguments_of(cls.__init__, args, kwargs)
        )
        return model

    def get_config(self):
        """Returns what `from_config` needs to make the same model again.

        Raises:
            UserError: an argument is a function that Keras does not know.
        """
        return {
            "arguments": encode(self._arguments, type(self).__name__),
            "phase": self.phase,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
        }

    @classmethod
    def from_config(cls, config):
        """Returns a new model with the arguments that `get_config` returned.

        Raises:
            UserError: an argument is not valid any more, for example because
                the file of a teacher is missing.
        """
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy(keras.dtype_policies.get(config["dtype"]))
        try:
            model = cls(**decode(config["arguments"]))
        finally:
            keras.config.set_dtype_policy(policy)
        model.enter_phase(**config["phase"])
        return model

    def get_compile_config(self):
        """Returns the arguments of `compile`; None before it is called."""
        if not self.compiled:
            return None
        arguments = {
            "translator_optimizer": self.optimizer,
            "critic_optimizer": self.critic_optimizer,
            "jit_compile": self.jit_compile,
            "critic_augmentation": self.critic_augmentation,
            "run_eagerly": self.run_eagerly,
            "accumulate": self.accumulate,
            "recompute": self.recompute,
            "likeness": self.likeness and self.likeness.settings,
        }
        return encode(arguments, "compile")

    def compile_from_config(self, config):
        """Calls `compile` with the arguments that the config holds."""
        self.compile(**decode(config))
