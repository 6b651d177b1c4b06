"""What goes through the convolutions of a network."""

import keras
import numpy as np
import pytest


def convolved(network, *inputs):
    """`(kernel, channels in, side, channels out)` of each convolution.

    `side` is that of the result; transposed convolutions are among them.
    """
    rows = []
    kinds = keras.layers.Conv2D | keras.layers.Conv2DTranspose
    inner = keras.layers.Layer.__call__

    def call(layer, x, *args, **kwargs):
        y = inner(layer, x, *args, **kwargs)
        if isinstance(layer, kinds):
            rows.append((layer.kernel_size[0], x.shape[3], *y.shape[2:]))
        return y

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.layers.Layer, "__call__", call)
        network(*inputs)
    return rows


def parameters(*networks):
    """Trainable numbers, shared ones once."""
    variables = {
        id(v): np.prod(v.shape) for n in networks for v in n.trainable_variables
    }
    return sum(variables.values())
