"""Scaling and padding of images of any size to sizes that a model takes."""

from typing import NamedTuple

import numpy as np
from PIL import Image

from tf_i2i.domains import ends
from tf_i2i.sizes import short_side


class Filters(NamedTuple):
    """The Pillow filters that inputs and results are scaled with.

    Label maps need NEAREST, because each of their colours stands for a class
    and a mixture of two colours would stand for another class.

    Attributes:
        source: filter for inputs.
        target: filter for results.
    """

    source: Image.Resampling = Image.Resampling.BICUBIC
    target: Image.Resampling = Image.Resampling.BICUBIC

    @classmethod
    def of(cls, label_maps, direction):
        """Returns the filters for a direction.

        Args:
            label_maps: names of the domains whose images are label maps,
                such as ("b",).
            direction: "a_to_b" or "b_to_a".
        """
        return cls(
            *(
                Image.Resampling.NEAREST
                if domain in label_maps
                else Image.Resampling.BICUBIC
                for domain in ends(direction)
            )
        )


PICTURES = Filters()


class InputSize(NamedTuple):
    """The sizes of images that a model takes.

    Attributes:
        size: length of the shorter side to which images are scaled, in
            pixels. None leaves images as large as they are.
        multiple: number of pixels that the sides must be multiples of.
        fixed: whether images must have `size` x `size` pixels.
    """

    size: int | None
    multiple: int = 1
    fixed: bool = False

    @classmethod
    def of(cls, model):
        """Returns the `InputSize` of a model: the size of its training images.

        Args:
            model: `UnpairedTranslator`.
        """
        size = short_side(model.size)
        return cls(size, model.size_multiple, model.fixed_size)


class Prepared(NamedTuple):
    """An image that was scaled and padded for a model.

    Attributes:
        pixels: uint8 `[h, w, 3]`, of a size that the model takes.
        corner: (top, left) of the image within `pixels`.
        inner: (height, width) of the image within `pixels`.
        shape: (height, width) of the result.
    """

    pixels: np.ndarray
    corner: tuple[int, int]
    inner: tuple[int, int]
    shape: tuple[int, int]


def translate_image(translate_fn, image, input_size, restore=False):
    """Translates one image of any size.

    Args:
        translate_fn: function that takes uint8 images `[N, h, w, 3]` of a size
            that the model accepts, and returns uint8 images of the same shape.
        image: uint8 `[height, width, 3]`.
        input_size: `InputSize` of the model.
        restore: whether the result is scaled back to the image's size.

    Returns:
        uint8 `[h, w, 3]`. The short side is `input_size.size`. If
        `input_size.size` is None, or if `restore` is set, the result has the
        height and width of `image`.
    """
    prepared = prepare(image, input_size, restore)
    translated = np.asarray(translate_fn(prepared.pixels[None]))[0]
    return restored(translated, prepared)


def prepare(
    image, input_size, restore=False, resample=Image.Resampling.BICUBIC
):
    """Scales an image and pads it with its reflection.

    For most models the short side becomes `size`, and the image is padded on
    the right and below until both sides are multiples of `multiple`. For a
    model of fixed size, the whole image is fitted into the model's square: the
    long side becomes `size`, and the short side is padded at both ends.
    (Overlapping squares are no alternative: XGAN and CDFT generate a whole face
    in every square, so that one portrait would become two heads.)

    Args:
        image: uint8 `[height, width, 3]`.
        input_size: `InputSize` of the model.
        restore: whether the translation will be scaled back to the size of
            `image`. If not, the short side of the translation will be `size`,
            unless `size` is None.
        resample: Pillow filter.

    Returns:
        `Prepared`.
    """
    size = input_size.size or min(image.shape[:2])
    short = _scaled(image.shape, size / min(image.shape[:2]))
    shape = image.shape[:2] if restore else short
    if input_size.fixed:
        inner = _scaled(image.shape, size / max(image.shape[:2]))
        padding = [_both_ends(size - side) for side in inner]
    else:
        inner = short
        padding = [(0, -side % input_size.multiple) for side in inner]
    pixels = np.pad(
        resize(image, inner, resample), [*padding, (0, 0)], mode="reflect"
    )
    corner = (padding[0][0], padding[1][0])
    return Prepared(pixels, corner, inner, shape)


def crop_padding(translated, prepared):
    """Crops the padding off a translation.

    Args:
        translated: uint8, the shape of `prepared.pixels`.
        prepared: `Prepared`.

    Returns:
        uint8 `[*prepared.inner, 3]`.
    """
    (top, left), (height, width) = prepared.corner, prepared.inner
    return translated[top : top + height, left : left + width]


def restored(translated, prepared, resample=Image.Resampling.BICUBIC):
    """Returns a translation without padding, in its final size.

    Args:
        translated: uint8, the shape of `prepared.pixels`.
        prepared: `Prepared`.
        resample: Pillow filter.

    Returns:
        uint8 `[*prepared.shape, 3]`.
    """
    image = crop_padding(translated, prepared)
    return resize(image, prepared.shape, resample)


def resize(image, shape, resample=Image.Resampling.BICUBIC):
    """Scales an image with antialiasing.

    Args:
        image: uint8 `[height, width, 3]`, or `[height, width, 4]` with alpha.
            Colours are weighted by alpha.
        shape: (height, width) of the result.
        resample: Pillow filter.

    Returns:
        uint8 `[*shape, 3]` or `[*shape, 4]`.
    """
    if image.shape[:2] == tuple(shape):
        return image
    picture = Image.fromarray(np.ascontiguousarray(image))
    return np.array(picture.resize(shape[::-1], resample))


def _scaled(shape, scale):
    """Returns (height, width) times `scale`, at least one pixel each."""
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def _both_ends(total):
    """Splits a number of pixels into two halves, `(before, after)`."""
    return total // 2, total - total // 2
