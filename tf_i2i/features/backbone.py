"""A frozen network with chosen taps: what a cascade stands on."""

import dataclasses
import re

from tf_i2i.errors import UserError
from tf_i2i.features import load_features
from tf_i2i.features.base import split_range


def load_backbone(name, taps, dtype="float32"):
    """Loads a network to translate the features of.

    Nothing is random unless its name says so: `keras:VGG19` without its
    weights is an error that says where to get them.

    Args:
        name: as in `load_features`, but for `tflite:`, which lets no gradient
            through.
        taps: names of feature maps. VGG networks (`hed-vgg16`, `keras:VGG16`,
            `keras:VGG19`) have `conv1_1`, before the rectifier, `relu1_1`
            and so on; `keras:` and `kerasfile:` networks have their layers
            by name; the others what `load_features` gives.
        dtype: of the arithmetic in VGG networks, "float32" or "bfloat16".

    Returns:
        `Features` with these taps.

    Raises:
        UserError: unknown names, missing packages or weights.
    """
    if name.startswith("tflite:"):
        raise UserError(
            "`backbone` must let gradients through, as .tflite files do not. "
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
                f"`taps` of {name} must be of {', '.join(features.tap_names)}. "
                f"Received: {tap!r}"
            )

    def forward(images):
        found = features.forward(images)
        return {tap: found[tap] for tap in taps}

    return dataclasses.replace(
        features, forward=forward, tap_names=taps, embedding=taps
    )
