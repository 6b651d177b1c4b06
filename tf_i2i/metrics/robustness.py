"""A measure of how much a round trip depends on an invisible signal.

A pair of translators with a cycle loss can hide the input in faint high
frequencies of the translation (Chu et al. 2017, "CycleGAN, a Master of
Steganography"). The translation back then fails as soon as the image is rounded
to bytes, saved as JPEG, shifted or resized. The error of the translation back,
as a function of the disturbance, shows whether this is the case (Almahairi et
al. 2018, "Augmented CycleGAN", section 5).
"""

import functools
import io
import math

import numpy as np
from PIL import Image

from tf_i2i.errors import UserError
from tf_i2i.images import to_float
from tf_i2i.images import to_uint8
from tf_i2i.metrics.arrays import blocks

# Standard deviations of the noise, in grey levels (0 to 255).
NOISE = (0, 0.1, 0.2, 0.5, 1, 2, 3, 5)
# Numbers of pixels by which images are shifted.
SHIFTS = tuple(range(1, 9))
JPEG_QUALITY = 75
RESIZE = 0.9
# Factors on the sides of images that are translated at another size: 128 pixels
# become 125 by a crop and 130 by resizing (Li et al. 2019, section IV-D).
CROP = 125 / 128
ZOOM = 130 / 128


def sensitivity(
    translate_back, images, truth=None, seed=0, batch_size=16, multiple=None
):
    """Returns the errors of translating disturbed translations back.

    There is one error for each kind and strength of disturbance. The errors
    should be read as a curve. If there is a hidden signal, the error
    jumps at noise of 1 to 2 levels, or already at `rounding`.

    Args:
        translate_back: function from float32 images in [-1, 1]
            `[n, H, W, 3]` to their translations, float in [-1, 1] or uint8,
            same shape. The translation of an image must not depend on the
            other images.
        images: translations as the network returned them, float32 in [-1, 1]
            `[N, H, W, 3]`, sides of at least 32 pixels. uint8 is accepted, but
            rounding has then removed every hidden signal below one level.
        truth: the images that `images` are translations of, float in [-1, 1] or
            uint8. If it is None, the results are compared with the translation
            back of the undisturbed images. The curve then starts at 0.
        seed: seed of the noise. Each image has one noise image, which is
            scaled to the different strengths.
        batch_size: number of images per call; the result does not depend on
            it.
        multiple: number of pixels that the sides of images must be a multiple
            of, if `translate_back` takes images of any such size. None if
            `translate_back` takes images of one size only. Then `crop_0.98`
            and `zoom_1.02` are left out.

    Returns:
        Dictionary, in the order of the curve, from the name of a disturbance to
        the mean absolute error in levels (0 to 255). The names `noise_0`,
        `noise_0.1`, ... stand for added Gaussian noise with this standard
        deviation in levels, followed by clipping; `rounding` for rounding to
        uint8; `jpeg_75` for JPEG compression by Pillow with quality 75 and
        halved chroma resolution; `shift_1` to `shift_8` for shifting the
        content left and up by this number of pixels, where the error is
        computed over the part that both images show; `resize_0.9` for bilinear
        resizing by this factor and back. `crop_0.98` and `zoom_1.02` stand for
        a random crop and for bilinear resizing by about these factors. Such
        images are translated at their new size, padded by reflection to a
        multiple of `multiple`, and compared with `truth`, which is changed in
        the same way.

    Raises:
        UserError: `images` are not images, `truth` has another shape, or
            `translate_back` changes the shape.
    """
    images = _floats("images", images)
    if min(images.shape[1:3]) < 4 * max(SHIFTS):
        raise UserError(
            f"`images` must have sides of at least {4 * max(SHIFTS)} pixels. "
            f"Received: {list(images.shape)}"
        )
    back = _Back(translate_back, batch_size)
    truth = back(images) if truth is None else _floats("truth", truth)
    if truth.shape != images.shape:
        raise UserError(
            f"`truth` must have the shape of `images`, {list(images.shape)}. "
            f"Received: {list(truth.shape)}"
        )

    curve = {
        f"noise_{sigma}": _error(back(add_noise(images, sigma, seed)), truth)
        for sigma in NOISE
    }
    curve["rounding"] = _error(back(to_float(to_uint8(images))), truth)
    curve[f"jpeg_{JPEG_QUALITY}"] = _error(back(_each(_jpeg, images)), truth)
    for pixels in SHIFTS:
        moved = back(_shift(images, pixels))[:, :-pixels, :-pixels]
        curve[f"shift_{pixels}"] = _error(moved, truth[:, pixels:, pixels:])
    curve[f"resize_{RESIZE}"] = _error(back(_each(_resize, images)), truth)
    if multiple:
        for name, change in (
            (f"crop_{CROP:.2f}", functools.partial(_crop, seed=seed)),
            (f"zoom_{ZOOM:.2f}", _zoom),
        ):
            made = _at_own_size(back, change(images), multiple)
            curve[name] = _error(made, change(truth))
    return curve


def add_noise(images, sigma, seed=0):
    """Returns images with Gaussian noise, clipped to [-1, 1].

    Args:
        images: float32 in [-1, 1] `[N, H, W, 3]`.
        sigma: standard deviation of the noise in levels (0 to 255).
        seed: seed of the noise. The noise of an image depends on the seed and
            on the image's index.
    """
    noise = _noise(images.shape, seed)
    return np.clip(images + np.float32(sigma / 127.5) * noise, -1, 1)


def _crop(images, seed):
    """Returns a crop of each image; its random corner depends on the index."""
    inner = [int(side * CROP) for side in images.shape[1:3]]
    crops = []
    for i, image in enumerate(images):
        random = np.random.default_rng([seed, i])
        top, left = (
            random.integers(0, whole - part + 1)
            for whole, part in zip(image.shape[:2], inner, strict=True)
        )
        crops.append(image[top : top + inner[0], left : left + inner[1]])
    return np.stack(crops)


def _zoom(images):
    sides = [math.ceil(side * ZOOM) for side in images.shape[1:3]]
    return _each(lambda image: _bilinear(image, *sides), images)


def _at_own_size(back, images, multiple):
    """Translates images of any size, padded by reflection on two sides."""
    height, width = images.shape[1:3]
    padding = [(0, -height % multiple), (0, -width % multiple)]
    padded = np.pad(images, [(0, 0), *padding, (0, 0)], mode="reflect")
    return back(padded)[:, :height, :width]


class _Back:
    """Translates back in batches, checks the shape, and returns floats."""

    def __init__(self, function, batch_size):
        self.function = function
        self.batch_size = batch_size

    def __call__(self, images):
        parts = []
        for part in blocks(len(images), self.batch_size):
            result = np.asarray(self.function(images[part]))
            if result.shape != images[part].shape:
                raise UserError(
                    "`translate_back` must keep the shape "
                    f"{list(images[part].shape)}. Received: "
                    f"{list(result.shape)}"
                )
            parts.append(_floats("translate_back(images)", result))
        return np.concatenate(parts)


def _floats(name, images):
    images = np.asarray(images)
    kinds = (np.uint8, np.float32, np.float64)
    good = images.ndim == 4 and images.shape[-1] == 3 and len(images)
    if images.dtype not in kinds or not good:
        raise UserError(
            f"`{name}` must be [N, H, W, 3], float in [-1, 1] or uint8. "
            f"Received: {images.dtype} {list(images.shape)}"
        )
    if images.dtype == np.uint8:
        return to_float(images)
    return images.astype(np.float32)


def _noise(shape, seed):
    """Returns standard normal noise of a given shape, float32.

    Image i has a random number generator of its own, so that its noise does
    not depend on the number of images.
    """
    fields = [
        np.random.default_rng([seed, i]).standard_normal(shape[1:])
        for i in range(shape[0])
    ]
    return np.stack(fields).astype(np.float32)


def _error(x, y):
    """Returns the mean absolute difference of images, in levels (0 to 255)."""
    return float(np.abs(x.astype(np.float64) - y).mean() * 127.5)


def _each(function, images):
    return np.stack([function(image) for image in images])


def _jpeg(image):
    file = io.BytesIO()
    Image.fromarray(to_uint8(image)).save(file, "JPEG", quality=JPEG_QUALITY)
    return to_float(np.array(Image.open(file)))


def _shift(images, pixels):
    """Shifts images left and up; repeats the last row and column."""
    padding = [(0, 0), (0, pixels), (0, pixels), (0, 0)]
    return np.pad(images[:, pixels:, pixels:], padding, mode="edge")


def _resize(image):
    """Resizes an image by `RESIZE` and back."""
    height, width = image.shape[:2]
    small = _bilinear(image, round(height * RESIZE), round(width * RESIZE))
    return _bilinear(small, height, width)


def _bilinear(image, height, width):
    """Resizes each channel as a float image, so that nothing is rounded."""
    channels = [
        Image.fromarray(np.ascontiguousarray(image[..., c])).resize(
            (width, height), Image.Resampling.BILINEAR
        )
        for c in range(3)
    ]
    return np.stack([np.array(channel) for channel in channels], axis=-1)
