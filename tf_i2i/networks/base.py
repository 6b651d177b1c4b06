"""The base class of networks, and an initializer with a normal distribution."""

import keras


class Network(keras.layers.Layer):
    """A layer that consists of other layers.

    The inner layers are built when they are called for the first time.
    """

    def __init__(self, name=None, dtype=None):
        # The inner layers cast their own inputs. This layer does not cast its
        # inputs, because some of them must stay float32, such as the clipping
        # ranges of batch renormalization.
        super().__init__(name=name, dtype=dtype, autocast=False)

    def build(self, *shapes, **named_shapes):
        self.built = True


def normal(stddev):
    """Returns a normal initializer that samples each variable independently.

    One instance of `keras.initializers.RandomNormal` would give all variables
    of one shape the same values.

    Args:
        stddev: standard deviation; the mean is 0.
    """

    def initialize(shape, dtype=None):
        return keras.initializers.RandomNormal(stddev=stddev)(shape, dtype)

    return initialize
