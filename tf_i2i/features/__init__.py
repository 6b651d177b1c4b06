"""Frozen networks behind one interface.

The networks are used by metrics, perceptual losses, teachers and the method
CDFT. `load_features(name)` returns a `Features`, which maps images to named
feature maps. TensorFlow is imported only when a network is loaded.
"""

import dataclasses
import re

from tf_i2i.errors import UserError
from tf_i2i.features.base import Features
from tf_i2i.features.base import split_range

__all__ = ["FORMS", "Features", "load_features"]

FORMS = (
    "random-conv[-SEED]",
    "hed-vgg16",
    "efficientnet-lite0",
    "keras:InceptionV3|MobileNetV2|VGG16|VGG19[-fc7][:WEIGHTS.h5]",
    "lpips:ALEXNET.pth",
    "fid-inception:WEIGHTS.pth",
    "savedmodel:FOLDER[#SIGNATURE][:LOW:HIGH]",
    "kerasfile:FILE.keras[:LOW:HIGH]",
    "tflite:FILE.tflite[:LOW:HIGH]",
)


def load_features(name):
    """Loads a feature network by name.

    Args:
        name: one of `FORMS`. `random-conv` needs no file; `hed-vgg16` and
            `efficientnet-lite0` need the extra `features`; the ImageNet weights
            of `keras:` are downloaded at first use. `lpips:` returns long
            vectors, which `python -m tf_i2i.neighbours` compares; see
            `features.lpips`. With `fid-inception:` and
            `fid-inception:FILE@299`, `evaluate` computes FID and KID; see
            `features.fid_inception`. LOW and HIGH are the range of pixel values
            that the network in a file expects (0 and 255 by default). If the
            name ends with `@SIZE`, all images are first resized to SIZE pixels
            per side.

    Returns:
        A `Features`.

    Raises:
        UserError: the name is unknown, or a package or a file is missing.
    """
    plain, _, size = name.rpartition("@")
    if not size.isdecimal():
        return _load(name)
    return dataclasses.replace(_load(plain), input_size=int(size))


def _load(name):
    """Loads a network by a name without `@SIZE`."""
    plain, limits = split_range(name)
    if limits:
        return _load(plain).taking(*limits)
    if match := re.fullmatch(r"random-conv(?:-(\d+))?", name):
        from tf_i2i.features.random_conv import random_conv

        return random_conv(int(match[1] or 0))
    if name == "hed-vgg16":
        from tf_i2i.features.hed_vgg16 import hed_vgg16

        return hed_vgg16()
    if name == "efficientnet-lite0":
        from tf_i2i.features.efficientnet_lite0 import efficientnet_lite0

        return efficientnet_lite0()
    if match := re.fullmatch(r"keras:([^:]+)(?::(.+))?", name):
        from tf_i2i.features.keras_applications import keras_network

        return keras_network(match[1], match[2] or "imagenet")
    if match := re.fullmatch(r"lpips:(.+)", name):
        from tf_i2i.features.lpips import lpips_alexnet

        return lpips_alexnet(match[1])
    if match := re.fullmatch(r"fid-inception:(.+)", name):
        from tf_i2i.features.fid_inception import fid_inception

        return fid_inception(match[1])
    if match := re.fullmatch(r"savedmodel:([^#]+)(?:#(.+))?", name):
        from tf_i2i.features import saved_model

        signature = match[2] or saved_model.DEFAULT_SIGNATURE
        return saved_model.saved_model(match[1], signature)
    if match := re.fullmatch(r"kerasfile:(.+)", name):
        from tf_i2i.features.keras_file import keras_file

        return keras_file(match[1])
    if match := re.fullmatch(r"tflite:(.+)", name):
        from tf_i2i.features.tflite import tflite

        return tflite(match[1])
    raise UserError(
        f"`name` must be one of {', '.join(FORMS)}, each with or without "
        f"@SIZE. Received: {name!r}"
    )
