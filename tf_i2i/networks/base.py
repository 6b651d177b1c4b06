"""The base class of networks, and their initializer."""

import keras


class Network(keras.layers.Layer):
    """A layer made of layers, which are built at their first call."""

    def __init__(self, name=None, dtype=None):
        # Only the layers inside cast: fades and clips stay float32.
        super().__init__(name=name, dtype=dtype, autocast=False)

    def build(self, *shapes, **named_shapes):
        self.built = True


def normal(stddev):
    """Returns the initializer N(0, stddev), with new samples for each weight.

    One instance of `keras.initializers.RandomNormal` gives all weights of one
    shape the same numbers.
    """

    def initialize(shape, dtype=None):
        return keras.initializers.RandomNormal(stddev=stddev)(shape, dtype)

    return initialize
