"""Reads image files of all usual formats as uint8 RGB arrays.

If a file cannot be used, a `BadImage` with the reason is raised.
"""

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
from PIL import ExifTags
from PIL import Image
from PIL import ImageOps

from tf_i2i.errors import UserError
from tf_i2i.errors import printable
from tf_i2i.foreign_files import open_regular

IMAGE_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
)
FITS = ("crop", "pad", "stretch")
# Suffix of a fit for label maps, whose pixels must not be mixed.
MAPS = " maps"

# Largest number of pixels of an image, 16384 x 16384. Phone cameras have up to
# 200 million pixels, and decoding these takes 2 GB. Pillow's own limit for WebP
# and TIFF is 179 million pixels.
MAX_PIXELS = 2**28

# Pillow warns about unusual metadata and large sizes. A folder of images from
# the web would cause pages of warnings. The warnings are useless here, because
# each file is either read or reported as bad with a reason. The filter is
# global, because Python has no separate filters for threads.
warnings.filterwarnings("ignore", module=r"PIL\.")

# Only these formats are read. Without this restriction Pillow could start
# Ghostscript for an EPS file that is named .png.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")


class BadImage(UserError):  # noqa: N818 (an `Item` can contain it, unraised)
    """A file that cannot be used as an image.

    Attributes:
        name: name of the file, a string.
        reason: the reason, in one line that is safe to print.
    """

    def __init__(self, name, reason):
        reason = printable(reason)
        super().__init__(
            f"`{printable(name)}` must be a readable image. {reason}"
        )
        self.name = str(name)
        self.reason = reason

    @property
    def left_out(self):
        """Message for the user that the file is left out, with the reason."""
        return f"left out {printable(self.name)}: {self.reason}"


def list_files(folder):
    """Lists all visible files below a folder, also in linked folders.

    Files and folders whose names start with a dot are skipped. A folder that
    can be reached by several links is read once.

    Args:
        folder: path of the folder.

    Returns:
        List of paths that begin with `folder`, sorted by their path below it.

    Raises:
        UserError: `folder` is not a folder, or a folder in it cannot be read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"`folder` must be a folder. Received: {folder}")

    def refuse(error):
        raise UserError(
            "`folder` and everything below it must be readable. "
            f"Received: {printable(error.filename)}: {error.strerror}"
        ) from error

    files = []
    seen = set()
    for parent, folders, names in os.walk(
        folder, onerror=refuse, followlinks=True
    ):
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(n for n in folders if not n.startswith("."))
        files += [Path(parent, n) for n in names if not n.startswith(".")]
    return sorted(files, key=lambda path: path.relative_to(folder).parts)


def is_image(path):
    """Returns whether a file's suffix is that of an image."""
    return Path(path).suffix.lower() in IMAGE_SUFFIXES


def describe_others(name, files):
    """Returns a message that files are left out because of their suffixes.

    Args:
        name: name of the folder, for the message.
        files: paths of these files, at least one.
    """
    kinds = sorted({f.suffix.lower() or f.name for f in map(Path, files)})
    return printable(
        f"{name}: {len(files)} files are left out by their names "
        f"({', '.join(kinds[:8])})"
    )


def list_images(folder, results=None, name=None):
    """Lists the files below a folder whose suffixes are those of images.

    Args:
        folder: path of the folder, as for `list_files`.
        results: folder of earlier results, whose files are left out; None if
            there is none. See `without_results`.
        name: name of the folder for messages; None for `folder`.

    Returns:
        List of paths as from `list_files`; and a list of messages for the user,
        which has one message if there are files that are no images.

    Raises:
        UserError: `folder` is not a folder.
    """
    files = without_results(list_files(folder), folder, results)
    others = [file for file in files if not is_image(file)]
    notes = [describe_others(name or folder, others)] if others else []
    return [file for file in files if is_image(file)], notes


def without_results(files, folder, results):
    """Returns the files that are not earlier results.

    The folder of results can be below the folder of the inputs, also by a
    link. If it is the same folder, or contains it, no file is left out.

    Args:
        files: paths of files.
        folder: the folder in which they were found.
        results: folder of earlier results, or None.
    """
    if results is None:
        return files
    real, folder = _real(results), _real(folder)
    if real in (folder, *folder.parents):
        return files
    return [file for file in files if real not in _real(file).parents]


def _real(path):
    """Returns a path with all links resolved; circular links are allowed."""
    return Path(os.path.realpath(path))


def read_image(path):
    """Reads one image file as RGB, upright.

    The formats JPEG, PNG, WebP, BMP, GIF and TIFF are read in all modes. The
    format is recognized by the content and not by the suffix. If the file is an
    animation, its first frame is read. Transparent images are placed on a white
    background. 16-bit grey values in [0, 65535] are divided by 257. The EXIF
    orientation is applied; colour profiles and gamma values are ignored.

    Args:
        path: path of the file or of a link to it, or a seekable binary
            stream.

    Returns:
        uint8 array `[height, width, 3]` in [0, 255].

    Raises:
        BadImage: the file is missing, truncated or no regular file, the image
            has more than `MAX_PIXELS` pixels, or its pixel values have no known
            range (floats, signed integers or 32-bit integers).
    """
    try:
        if hasattr(path, "seek"):
            return _decode(path)
        with open_regular(path) as stream:
            return _decode(stream)
    except Exception as error:  # Pillow's decoders raise errors of all kinds.
        raise BadImage(path, _reason(error)) from error


def _decode(stream):
    image = open_image(stream)
    pixels = _to_rgb(image)
    return _upright(pixels, _orientation(image))


def open_image(stream):
    """Opens an image like `Image.open`, but with the limit `MAX_PIXELS`.

    Pillow's own limit is lower. It is a global setting, so that a library
    should not change it.

    Args:
        stream: seekable binary stream.

    Returns:
        PIL image, not yet decoded.

    Raises:
        ValueError: the content is no image that can be read.
    """
    Image.init()
    start = stream.read(16)
    for kind in _FORMATS:
        opener, accepts = cast(tuple[Callable, Callable], Image.OPEN[kind])
        if not accepts(start):
            continue
        stream.seek(0)
        try:
            image = opener(stream)
        except Exception as error:
            raise ValueError(
                f"It begins as a {kind} file, but is damaged or of a rare "
                f"kind ({_reason(error)})."
            ) from error
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise ValueError(
                f"It has {width} x {height} pixels, and at most "
                f"{MAX_PIXELS:,} are read."
            )
        return image
    raise ValueError("Its content is no JPEG, PNG, WebP, BMP, GIF or TIFF.")


def _to_rgb(image):
    """Decodes a PIL image to uint8 `[height, width, 3]`."""
    _mend_transparent_key(image)
    _refuse_unknown_pixels(image)
    if image.mode.startswith("I;16"):
        return _from_16_bit(image)
    if image.mode == "La":
        image = image.convert("LA")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    # For an RGB image `convert` would only make a copy.
    if image.mode != "RGB":
        image = image.convert("RGB")
    return np.array(image)


def _mend_transparent_key(image):
    """Scales the transparent colour of a PNG like its pixels.

    Pillow scales the pixels of PNGs with 2, 4 or 16 bits to 8 bits, but not
    the colour that is marked as transparent.
    """
    key = image.info.get("transparency")
    if image.format != "PNG" or key is None:
        return
    coding = image.tile[0][3]
    if coding == "RGB;16B":
        image.info["transparency"] = tuple(level >> 8 for level in key)
    elif coding in ("L;2", "L;4"):
        image.info["transparency"] = key * {"L;2": 85, "L;4": 17}[coding]


def _refuse_unknown_pixels(image):
    if image.mode == "F":
        raise ValueError("Float pixels have no known range.")
    if image.mode == "I":
        raise ValueError("Signed and 32-bit pixels have no known range.")
    tags = getattr(image, "tag_v2", {})
    bits = tags.get(ExifTags.Base.BitsPerSample, (8,))
    raw_planes = (
        tags.get(ExifTags.Base.PlanarConfiguration) == 2
        and tags.get(ExifTags.Base.Compression, 1) == 1
    )
    if raw_planes and len(bits) > 1 and max(bits) > 8:
        # Pillow would wrongly read every byte as a pixel.
        raise ValueError(
            "16-bit colours in separate planes are read only if compressed."
        )


def _from_16_bit(image):
    """Converts a grey image of 16 bits (or 12, in some TIFFs) to RGB.

    Pillow's own conversion would clip all values above 255.
    """
    tags = getattr(image, "tag_v2", {})
    bits = tags.get(ExifTags.Base.BitsPerSample, (16,))[0]
    levels = np.rint(np.linspace(0, 255, 2**bits)).astype(np.uint8)
    if tags.get(ExifTags.Base.PhotometricInterpretation) == 0:
        levels = levels[::-1].copy()
    if (key := image.info.get("transparency")) is not None:
        levels[key] = 255
    grey = levels[np.asarray(image)]
    return np.repeat(grey[..., None], 3, axis=-1)


def _orientation(image):
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # An image with broken metadata can still be used.
        return 1


def _upright(pixels, orientation):
    """Rotates or flips an image until it is upright, by its EXIF value."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _reason(error):
    """Returns the message of an error in one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def check_fit(fit):
    """Raises a `UserError` unless `fit_image` accepts this `fit`."""
    if fit.removesuffix(MAPS) not in FITS:
        raise UserError(
            f"`fit` must be one of {', '.join(FITS)}. Received: {fit!r}"
        )


def fit_image(image, size, fit="crop", resample=Image.Resampling.BICUBIC):
    """Fits an image of any aspect ratio to a square, antialiased.

    Args:
        image: uint8 `[height, width, 3]`.
        size: side of the result in pixels.
        fit: "crop" takes the central square, "pad" adds white on two sides,
            "stretch" changes the aspect ratio. For label maps " maps" must be
            appended. Pixels are then not mixed, so that their colours stay
            exact.
        resample: Pillow's resampling filter; label maps always use `NEAREST`.

    Returns:
        uint8 array `[size, size, 3]`.

    Raises:
        UserError: `fit` is unknown.
    """
    check_fit(fit)
    if fit.endswith(MAPS):
        fit, resample = fit.removesuffix(MAPS), Image.Resampling.NEAREST
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
