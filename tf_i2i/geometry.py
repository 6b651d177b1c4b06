"""Scaling and padding of images of any size to what a model takes."""

from typing import NamedTuple

import numpy as np
from PIL import Image


class Filters(NamedTuple):
    """The Pillow filters that inputs and results are scaled with.

    Label maps need NEAREST, because each of their colours stands for a class
    and a mixture of two would stand for another.

    Attributes:
        source: filter for inputs.
        target: filter for results.
    """

    source: Image.Resampling = Image.Resampling.BICUBIC
    target: Image.Resampling = Image.Resampling.BICUBIC


PICTURES = Filters()


def translate_image(translate_fn, image, size, stride, restore=False):
    """Translates one image of any size.

    It is scaled, antialiased, so that its short side is `size`, continued on
    the right and below by its reflection to multiples of `stride`,
    translated, and cropped back.

    Args:
        translate_fn: function of uint8 `[N, h, w, 3]`, sides multiples of
            `stride`, to uint8 of the same shape.
        image: uint8 `[height, width, 3]`.
        size: short side in pixels.
        stride: in pixels.
        restore: whether the result is scaled back to the image's size.

    Returns:
        uint8 `[h, w, 3]`; the short of h and w is `size`, or the image's own
        size with `restore`.
    """
    padded, inner = prepare(image, size, stride)
    translated = np.asarray(translate_fn(padded[None]))[0]
    return finish(translated, inner, image.shape[:2] if restore else inner)


def prepare(image, size, stride, resample=Image.Resampling.BICUBIC):
    """Scales and pads an image: `(padded, (height, width) within it)`."""
    height, width = image.shape[:2]
    scale = size / min(height, width)
    inner = (round(height * scale), round(width * scale))
    scaled = _resize(image, inner, resample)
    padding = [(0, -side % stride) for side in inner] + [(0, 0)]
    return np.pad(scaled, padding, mode="reflect"), inner


def finish(translated, inner, shape, resample=Image.Resampling.BICUBIC):
    """Crops the padding off and scales to `shape`, (height, width)."""
    return _resize(translated[: inner[0], : inner[1]], shape, resample)


def _resize(image, shape, resample):
    if image.shape[:2] == tuple(shape):
        return image
    picture = Image.fromarray(np.ascontiguousarray(image))
    return np.array(picture.resize(shape[::-1], resample))
