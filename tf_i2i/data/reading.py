"""Any picture that a person has -> uint8 RGB, or the reason why not."""

import os
from pathlib import Path

import numpy as np
from PIL import Image
from PIL import ImageOps

from tf_i2i.errors import UserError

IMAGE_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
)
FITS = ("crop", "pad", "stretch")

# Without this list a file named .png could start Ghostscript.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "GIF", "TIFF")


class BadImage(UserError):  # noqa: N818 (a file, found to be bad)
    """A file that cannot be used as an image.

    Attributes:
        name: the file, as a string.
        reason: why, in one line.
    """

    def __init__(self, name, reason):
        super().__init__(f"`{name}` must be a readable image. {reason}")
        self.name = str(name)
        self.reason = reason


def list_files(folder):
    """Every visible file below a folder, linked folders included.

    Args:
        folder: path; files and folders whose name starts with a dot are
            skipped, a folder reached twice through links is read once.

    Returns:
        Paths beginning with `folder`, sorted by their path below it.

    Raises:
        UserError: `folder` is not a folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"`folder` must be a folder. Received: {folder}")
    files = []
    seen = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(n for n in folders if not n.startswith("."))
        files += [Path(parent, n) for n in names if not n.startswith(".")]
    return sorted(files, key=lambda path: path.relative_to(folder).parts)


def is_image(path):
    """Whether the file's name says that it is an image."""
    return Path(path).suffix.lower() in IMAGE_SUFFIXES


def list_images(folder):
    """The files below a folder whose suffix is in IMAGE_SUFFIXES, sorted."""
    return [path for path in list_files(folder) if is_image(path)]


def read_image(path):
    """Reads one image file, upright, as RGB.

    JPEG, PNG, WebP, BMP, GIF and TIFF in any mode. The first frame of an
    animation is taken, transparency is laid on white, 16-bit grey [0, 65535]
    becomes [0, 255] by division by 257, EXIF orientation is applied.
    Pillow's limit against decompression bombs stays in force.

    Args:
        path: the file.

    Returns:
        uint8 array `[height, width, 3]` in [0, 255].

    Raises:
        BadImage: missing, truncated, too large, or of pixels without a known
            range (float, 32-bit integers).
    """
    try:
        with Image.open(path, formats=_FORMATS) as image:
            return _to_rgb(_upright(image))
    except Exception as error:  # Pillow's decoders raise nearly anything.
        raise BadImage(path, _reason(error)) from error


def _upright(image):
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except (SyntaxError, ValueError, TypeError, KeyError, OverflowError):
        return image  # Broken metadata do not make the pixels bad.


def _to_rgb(image):
    if image.mode == "F":
        raise ValueError("Float pixels have no known range.")
    if image.mode.startswith("I"):
        return _from_16_bit(np.asarray(image))
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return np.array(image.convert("RGB"))


def _from_16_bit(values):
    if values.min() < 0 or values.max() > 65535:
        raise ValueError("32-bit integer pixels have no known range.")
    grey = np.rint(values / 257).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)


def _reason(error):
    if isinstance(error, Image.UnidentifiedImageError):
        return "Its content is no JPEG, PNG, WebP, BMP, GIF or TIFF."
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def fit_image(image, size, fit="crop", resample=Image.Resampling.BICUBIC):
    """Brings an image of any aspect to a square, antialiased.

    Args:
        image: uint8 `[height, width, 3]`.
        size: side of the result in pixels.
        fit: "crop" takes the central square, "pad" adds white on two sides,
            "stretch" changes the aspect.
        resample: Pillow filter; `NEAREST` for label maps.

    Returns:
        uint8 array `[size, size, 3]`.

    Raises:
        UserError: unknown `fit`.
    """
    if fit not in FITS:
        raise UserError(
            f"`fit` must be one of {', '.join(FITS)}. Received: {fit!r}"
        )
    if fit == "crop":
        image = _central_square(image)
    if image.shape[:2] == (size, size):
        return np.ascontiguousarray(image)
    picture = Image.fromarray(np.ascontiguousarray(image))
    if fit == "pad":
        picture = ImageOps.pad(
            picture, (size, size), resample, color=(255, 255, 255)
        )
    return np.array(picture.resize((size, size), resample))


def _central_square(image):
    height, width = image.shape[:2]
    side = min(height, width)
    top = (height - side) // 2
    left = (width - side) // 2
    return image[top : top + side, left : left + side]
