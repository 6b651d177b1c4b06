"""The frozen network whose feature maps the method CDFT translates."""

import dataclasses
import re

from tf_i2i.errors import UserError
from tf_i2i.features import load_features
from tf_i2i.features.base import split_range


def load_backbone(name, taps, dtype="float32"):
    """Loads a network whose features are to be translated.

    The weights are pretrained, except those of `random-conv`. If the weights of
    `keras:VGG19` are missing, the error says where to get them.

    Args:
        name: name of the network as in `load_features`; `tflite:` is not
            allowed, because no gradients flow through it.
        taps: names of the feature maps. VGG networks (`hed-vgg16`,
            `keras:VGG16`, `keras:VGG19`) have `conv1_1` (before the ReLU),
            `relu1_1` (after it) and so on. Other `keras:` networks and
            `kerasfile:` networks have the names of their layers. For all other
            networks, `load_features(name).tap_names` lists the names.
        dtype: dtype of the computation in VGG networks, "float32" or
            "bfloat16".

    Returns:
        A `Features` with these feature maps.

    Raises:
        UserError: a name is unknown, or a package or weights are missing.
    """
    if name.startswith("tflite:"):
        raise UserError(
            "`backbone` must be a network through which gradients can be "
            "computed. This is not possible for .tflite files. "
            f"Received: {name!r}"
        )
    plain, limits = split_range(name)
    if limits:
        return load_backbone(plain, taps, dtype).taking(*limits)
    taps = tuple(taps)
    if name == "hed-vgg16":
        from tf_i2i.features.hed_vgg16 import hed_vgg16

        return hed_vgg16(taps, dtype)
    if match := re.fullmatch(r"keras:([^:]+)(?::(.+))?", name):
        from tf_i2i.features.keras_applications import keras_network

        return keras_network(match[1], match[2] or "imagenet", taps, dtype)
    if match := re.fullmatch(r"kerasfile:(.+)", name):
        from tf_i2i.features.keras_file import keras_file

        return keras_file(match[1], taps)
    features = load_features(name)
    for tap in taps:
        if tap not in features.tap_names:
            raise UserError(
                f"`taps` of {name} must be among "
                f"{', '.join(features.tap_names)}. "
                f"Received: {tap!r}"
            )

    def forward(images):
        found = features.forward(images)
        return {tap: found[tap] for tap in taps}

    return dataclasses.replace(
        features, forward=forward, tap_names=taps, embedding=taps
    )
