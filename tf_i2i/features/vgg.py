"""The convolutions of VGG networks (Simonyan, Zisserman 2015).

Taps have the names of the literature: `relu3_1` is the first convolution of
the third block after its rectifier, `conv3_1` the same one before it.
"""

import re

from tf_i2i.errors import UserError


def check_taps(taps, weights):
    """Refuses taps that a VGG network does not have.

    Args:
        taps: names.
        weights: dictionary with the network's convolutions, `relu1_1` etc.

    Raises:
        UserError: for the first unknown one.
    """
    for tap in taps:
        named = re.fullmatch("(?:conv|relu)(.*)", tap)
        if not named or f"relu{named[1]}" not in weights:
            known = [name.removeprefix("relu") for name in weights]
            raise UserError(
                "`taps` must be convN (before the rectifier) or reluN, N one "
                f"of {', '.join(known)}. Received: {tap!r}"
            )


def vgg_forward(weights, means, taps, padding="SAME", dtype="float32"):
    """Images -> taps, up to the deepest of them.

    Args:
        weights: name of the convolution, `relu1_1` onward in order ->
            kernel `[3, 3, in, out]` and bias `[out]`.
        means: of blue, green and red, in levels of 255.
        taps: names.
        padding: of the pooling; it matters for odd sides.
        dtype: of the arithmetic.

    Returns:
        Function: float32 images in [-1, 1] -> dictionary, tap -> float32.
    """
    import tensorflow as tf

    layers = {
        name: (tf.cast(kernel, dtype), tf.cast(bias, dtype))
        for name, (kernel, bias) in weights.items()
    }

    def forward(images):
        x = tf.cast((images[..., ::-1] + 1) * 127.5 - tf.constant(means), dtype)
        found: dict = {}
        for name, (kernel, bias) in layers.items():
            if name.endswith("_1") and name != "relu1_1":
                x = tf.nn.max_pool2d(x, 2, 2, padding)
            x = tf.nn.conv2d(x, kernel, 1, "SAME") + bias
            found[name.replace("relu", "conv")] = x
            x = found[name] = tf.nn.relu(x)
            if {*taps} <= {*found}:
                break
        return {tap: tf.cast(found[tap], tf.float32) for tap in taps}

    return forward
