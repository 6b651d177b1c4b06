"""How much of a round trip hangs on what nobody can see.

A pair of translators with a cycle loss can hide the source in faint high
frequencies of the translation (Chu et al. 2017, "CycleGAN, a Master of
Steganography"). The way back then fails as soon as the translation is saved
as bytes or as JPEG, moved or resized; the curve of Augmented CycleGAN
(Almahairi et al. 2018, section 5) measures it.
"""

import io

import numpy as np
from PIL import Image

from tf_i2i.errors import UserError
from tf_i2i.images import to_float
from tf_i2i.images import to_uint8
from tf_i2i.metrics.arrays import blocks

# In levels of 255.
NOISE = (0, 0.1, 0.2, 0.5, 1, 2, 3, 5)
# In pixels.
SHIFTS = tuple(range(1, 9))
JPEG_QUALITY = 75
RESIZE = 0.9


def sensitivity(translate_back, images, truth=None, seed=0, batch_size=16):
    """Error of the way back as its input is disturbed more and more.

    Read it as a curve: steganography is a jump at noise of 1 to 2 levels,
    or already at `rounding`.

    Args:
        translate_back: function, float32 images in [-1, 1] `[n, H, W, 3]`
            -> their translation, float in [-1, 1] or uint8, same n; a
            translation is to depend on its own image only.
        images: translations as the network gave them, float32 in [-1, 1]
            `[N, H, W, 3]`, sides of at least 32; uint8 is accepted, but
            then nothing can be hidden below a level.
        truth: the images that `images` are translations of, float in
            [-1, 1] or uint8. None: the way back of the undisturbed images,
            so that the curve starts at 0.
        seed: of the noise, one field per image, scaled.
        batch_size: images per call; the result does not depend on it.

    Returns:
        Dictionary in the order of the curve, mean absolute error in levels
        of 255: `noise_0`, `noise_0.1`, ... (Gaussian, that many levels,
        clipped); `rounding` to uint8; `jpeg_75` (Pillow's, chroma halved);
        `shift_1` to `shift_8` (content moved left and up, the way back
        moved to its place, over what both show); `resize_0.9` and back,
        bilinear.

    Raises:
        UserError: not images, `truth` of another shape, or
            `translate_back` changes shape.
    """
    images = _floats("images", images)
    if min(images.shape[1:3]) < 4 * max(SHIFTS):
        raise UserError(
            f"`images` must have sides of at least {4 * max(SHIFTS)}. "
            f"Received: {list(images.shape)}"
        )
    back = _Back(translate_back, batch_size)
    truth = back(images) if truth is None else _floats("truth", truth)
    if truth.shape != images.shape:
        raise UserError(
            f"`truth` must have the shape of `images`, {list(images.shape)}. "
            f"Received: {list(truth.shape)}"
        )

    noise = _noise(images.shape, seed)
    curve = {}
    for sigma in NOISE:
        disturbed = np.clip(images + np.float32(sigma / 127.5) * noise, -1, 1)
        curve[f"noise_{sigma}"] = _error(back(disturbed), truth)
    curve["rounding"] = _error(back(to_float(to_uint8(images))), truth)
    curve[f"jpeg_{JPEG_QUALITY}"] = _error(back(_each(_jpeg, images)), truth)
    for pixels in SHIFTS:
        moved = back(_shift(images, pixels))[:, :-pixels, :-pixels]
        curve[f"shift_{pixels}"] = _error(moved, truth[:, pixels:, pixels:])
    curve[f"resize_{RESIZE}"] = _error(back(_each(_resize, images)), truth)
    return curve


class _Back:
    """The way back in batches, floats out, shape checked."""

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
    """One stream per image, so that image i has its noise in any set."""
    fields = [
        np.random.default_rng([seed, i]).standard_normal(shape[1:])
        for i in range(shape[0])
    ]
    return np.stack(fields).astype(np.float32)


def _error(x, y):
    """Mean absolute difference in levels."""
    return float(np.abs(x.astype(np.float64) - y).mean() * 127.5)


def _each(function, images):
    return np.stack([function(image) for image in images])


def _jpeg(image):
    file = io.BytesIO()
    Image.fromarray(to_uint8(image)).save(file, "JPEG", quality=JPEG_QUALITY)
    return to_float(np.array(Image.open(file)))


def _shift(images, pixels):
    """Cuts rows and columns off at the top left, repeats the last ones."""
    beside = [(0, 0), (0, pixels), (0, pixels), (0, 0)]
    return np.pad(images[:, pixels:, pixels:], beside, mode="edge")


def _resize(image):
    """Each channel as floats, so that nothing is rounded on the way."""
    height, width = image.shape[:2]
    small = (round(width * RESIZE), round(height * RESIZE))
    channels = [
        Image.fromarray(np.ascontiguousarray(image[..., c]))
        .resize(small, Image.Resampling.BILINEAR)
        .resize((width, height), Image.Resampling.BILINEAR)
        for c in range(3)
    ]
    return np.stack([np.array(channel) for channel in channels], axis=-1)
