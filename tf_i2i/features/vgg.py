"""The convolutions of VGG networks (Simonyan, Zisserman 2015).

Feature maps have the names that are common in the literature. `conv3_1` is the
output of the first convolution of the third block, before the ReLU, and
`relu3_1` is that output after the ReLU.
"""

import re

from tf_i2i.errors import UserError


def check_taps(taps, weights):
    """Raises an error unless a VGG network has all the given feature maps.

    Args:
        taps: names of feature maps, `conv1_1` or `relu1_1` and so on.
        weights: dictionary whose keys are the network's convolutions,
            `relu1_1` and so on.

    Raises:
        UserError: a name is unknown.
    """
    for tap in taps:
        named = re.fullmatch("(?:conv|relu)(.*)", tap)
        if not named or f"relu{named[1]}" not in weights:
            known = [name.removeprefix("relu") for name in weights]
            raise UserError(
                "`taps` must be convN (before the ReLU) or reluN (after it), "
                f"with N one of {', '.join(known)}. Received: {tap!r}"
            )


def vgg_forward(weights, means, taps, padding="SAME", dtype="float32"):
    """Returns a function that computes the given feature maps of images.

    Args:
        weights: dictionary from the name of a convolution, `relu1_1` onward
            in order, to its kernel `[3, 3, in, out]` and bias `[out]`.
        means: means that are subtracted from the channels blue, green and red,
            in levels (0 to 255).
        taps: names of the feature maps.
        padding: padding of the pooling layers, "SAME" or "VALID", which differ
            only for images or feature maps with odd sides.
        dtype: dtype of the computation, "float32" or "bfloat16".

    Returns:
        Function from float32 images in [-1, 1], `[N, H, W, 3]`, to a
        dictionary from the names to float32 feature maps.
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
