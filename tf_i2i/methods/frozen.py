"""Graphs of a trained model that contain its weights as constants."""

import keras
import tensorflow as tf


def frozen(model):
    """Returns a decorator that compiles functions for fixed weights.

    The compiled functions contain the weights as constants. TensorFlow
    computes such functions faster. The kernels are converted to the memory
    layout of the processor's library once instead of at each call, and what
    depends only on weights is computed in advance. The outputs are equal except
    for rounding. Each graph has its own copy of the weights that it reads.

    Args:
        model: `UnpairedTranslator`. Later changes of its weights have no
            effect on the compiled functions.

    Returns:
        Function that takes a function of tensors, which calls the model, and
        returns a `tf.function` with the same arguments and result.
    """
    values = {id(v): v.numpy() for v in model.averaged_variables}

    def compiled(function):
        def call(*args, **kwargs):
            with _Constants(values):
                return function(*args, **kwargs)

        return tf.function(call, autograph=False, reduce_retracing=True)

    return compiled


class _Constants(keras.StatelessScope):
    """Context in which variables are read as constants.

    Args:
        values: dictionary from the `id` of each variable to its value, an
            array. Other variables are read as usual.
    """

    def __init__(self, values):
        super().__init__()
        self._values = values

    def get_current_value(self, variable):
        # Only the variables that are read become part of the graph.
        value = self._values.get(id(variable))
        return None if value is None else tf.constant(value)
