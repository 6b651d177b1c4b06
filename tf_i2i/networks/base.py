"""What all networks are."""

import keras


class Network(keras.layers.Layer):
    """A layer made of layers, which build themselves at their first call."""

    def __init__(self, name=None, dtype=None):
        # Casting is left to the layers inside: fades and clips are exact.
        super().__init__(name=name, dtype=dtype, autocast=False)

    def build(self, *shapes, **named_shapes):
        self.built = True


def normal(stddev):
    """Initializer: N(0, stddev), drawn anew for each weight.

    An instance of `keras.initializers.RandomNormal` would give all weights
    of one shape the same numbers.
    """

    def initialize(shape, dtype=None):
        return keras.initializers.RandomNormal(stddev=stddev)(shape, dtype)

    return initialize
