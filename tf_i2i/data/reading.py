"""Reads image files of all usual formats as uint8 RGB arrays.

If a file cannot be used, a `BadImage` with the reason is raised.
"""

import functools
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
from PIL import ExifTags
from PIL import Image
from PIL import ImageCms
from PIL import ImageOps

from tf_i2i import messages
from tf_i2i.data.memory import MemoryBudget
from tf_i2i.errors import UserError
from tf_i2i.errors import printable
from tf_i2i.extras import optional
from tf_i2i.foreign_files import open_regular
from tf_i2i.sizes import height_width

IMAGE_SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif"),
        *(".tif", ".tiff", ".avif", ".heic", ".heif", ".hif"),
    )
)
FITS = ("crop", "pad", "stretch")
# This suffix of a value of `FITS` marks label maps, which are resized without
# interpolation.
MAPS = " maps"

# Largest number of pixels of an image, 16384 x 16384. Phone cameras have up to
# 200 million pixels, and decoding these takes 2 GB. Pillow's own limit for WebP
# and TIFF is 179 million pixels.
MAX_PIXELS = 2**28
# Largest size of a file in bytes. The largest allowed image needs at most half
# this number of bytes in an uncompressed file.
MAX_BYTES = 2**32
# Largest number of scans of a progressive JPEG. Common encoders write 10.
# Decoding one scan takes about as much time as decoding a JPEG of the same size
# that is not progressive.
MAX_SCANS = 100
# An image of more than `_LARGE` pixels may be reduced while it is decoded, to
# about `_TIMES` times the side that is needed.
_LARGE = 2**26
_TIMES = 4
# The memory in bytes for the images that all threads decode at the same time.
# While an image that needs more memory is decoded, no other image is decoded.
_BUDGET = MemoryBudget(2**30)
# Bytes of memory per pixel while an image is converted to RGB: Pillow's image
# (4 bytes), converted copies of this image, and two arrays (3 bytes each).
_OPAQUE_BYTES, _TRANSPARENT_BYTES = 12, 24
# Bytes per pixel that libjpeg needs for a whole progressive image.
_PROGRESSIVE_BYTES = 6

# Only these formats are read. Without this restriction Pillow could start
# Ghostscript for an EPS file that is named .png.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
# Formats whose files begin with an ISO `ftyp` box, and the four-letter codes
# (brands) in the box by which each of these formats is recognized.
_BRANDS = {
    "AVIF": {b"avif", b"avis"},
    "HEIF": {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"},
}
# Number of bytes at the beginning of a file by which its format is recognized.
_START = 256
# Formats that share their first bytes with other kinds of files: a text may
# begin with BM like a BMP file, and files of raw photos begin like a TIFF file.
_UNSURE = ("BMP", "TIFF")


class BadImage(UserError):  # noqa: N818 (an `Item` may store it)
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
    """Returns whether a file is an image, by its suffix or by its content.

    A file with the suffix of an image is not opened. Any other file is an image
    if it begins like an image file. BMP and TIFF files are recognized by their
    suffixes only.
    """
    if Path(path).suffix.lower() in IMAGE_SUFFIXES:
        return True
    try:
        with open_regular(path) as stream:
            return _format_of(stream.read(_START)) not in (None, *_UNSURE)
    except OSError:
        return False


def describe_others(name, files):
    """Returns a message which says that files are left out, being no images.

    Args:
        name: name of the folder, for the message.
        files: paths of these files, at least one.
    """
    kinds = sorted({f.suffix.lower() or f.name for f in map(Path, files)})
    return printable(
        f"{name}: {len(files)} files are left out, because they are no images "
        f"({', '.join(kinds[:8])})"
    )


def list_images(folder, results=None, name=None):
    """Lists the images below a folder, as `is_image` recognizes them.

    Args:
        folder: path of the folder, as for `list_files`.
        results: folder of earlier results, whose files are left out, or None;
            see `without_results`.
        name: name of the folder for messages; None for `folder`.

    Returns:
        `(paths, messages)`: the paths of the images, sorted as by `list_files`;
        and a list of at most one message for the user, which says that files
        were left out because they are no images.

    Raises:
        UserError: `folder` is not a folder.
    """
    files = without_results(list_files(folder), folder, results)
    images = [file for file in files if is_image(file)]
    if len(images) == len(files):
        return images, []
    others = sorted({*files} - {*images})
    return images, [describe_others(name or folder, others)]


def without_results(files, folder, results):
    """Returns the files that are not earlier results.

    If the folder of results lies in the folder of the inputs, or is linked
    there, the files of results are left out. If the folder of results is the
    folder of the inputs, or contains the folder of the inputs, no file is left
    out.

    Args:
        files: paths of files.
        folder: folder in which the files were found.
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

    The formats JPEG, PNG, WebP, BMP, GIF, TIFF and AVIF are read in all modes,
    and HEIC if the extra `heic` is installed. The format is recognized by the
    content and not by the suffix. If the file is an animation, its first frame
    is read. Transparent images are placed on a white background. 16-bit grey
    values in [0, 65535] are divided by 257. The EXIF orientation is applied.
    Colours are converted to sRGB by the colour profile in the file; gamma
    values, and profiles of 16-bit grey images, are ignored.

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
    return _read(path, None, lambda pixels: pixels)


def has_frames(path):
    """Returns whether a file has several frames or pages.

    `read_image` reads only the first one. The small preview images in files of
    cameras are not counted.

    Args:
        path: path of the file, or a seekable binary stream, as in
            `read_image`.
    """
    try:
        if not hasattr(path, "seek"):
            with open_regular(path) as stream:
                return has_frames(stream)
        path.seek(0)
        # The further images in a JPEG file are previews.
        if path.read(2) == b"\xff\xd8":
            return False
        return getattr(open_image(path), "is_animated", False)
    except Exception:  # Pillow's decoders raise errors of all kinds.
        return False


def first_frames(names):
    """Returns a message which says that only first frames are used.

    Args:
        names: names or paths of the files with several frames, at least one.
    """
    return (
        f"only the first frame is used of {len(names)} files with several "
        f"frames, such as {printable(names[0])}"
    )


def report_frames(paths):
    """Logs one message if some files have several frames.

    Args:
        paths: paths of images. A path that occurs several times is counted
            once.
    """
    if several := [path for path in dict.fromkeys(paths) if has_frames(path)]:
        messages.info(first_frames(several))


def read_fitted(path, size, fit="crop"):
    """Returns the image in a file, fitted to a size.

    A very large image is reduced while it is decoded, which takes less memory.

    Args:
        path: path of the file, or a seekable binary stream, as in
            `read_image`.
        size: size of the result; see `tf_i2i.sizes`.
        fit: how the image is fitted to this size; see `fit_image`.

    Returns:
        uint8 `[height, width, 3]`.

    Raises:
        BadImage: the file cannot be used as an image.
        UserError: `fit` is unknown.
    """
    check_fit(fit)
    # The colours of label maps must not be mixed.
    least = None if fit.endswith(MAPS) else _TIMES * max(height_width(size))
    return _read(path, least, lambda pixels: fit_image(pixels, size, fit))


def check_image(path):
    """Raises an error if a file cannot be used as an image.

    The whole file is decoded. A very large image is reduced while it is
    decoded.

    Args:
        path: path of the file, or a seekable binary stream, as in
            `read_image`.

    Raises:
        BadImage: the file cannot be used as an image.
    """
    _read(path, 1, lambda pixels: None)


def _read(path, least, finish):
    """Reads an image and returns `finish` of its pixels.

    Args:
        path: path of the file, or a seekable binary stream.
        least: smallest side in pixels to which a very large image may be
            reduced; None if it must not be reduced.
        finish: function of a uint8 array `[height, width, 3]`.

    Raises:
        BadImage: the file cannot be used as an image.
    """
    try:
        if hasattr(path, "seek"):
            return _decode(path, least, finish)
        with open_regular(path) as stream:
            return _decode(stream, least, finish)
    except Exception as error:  # Pillow's decoders raise errors of all kinds.
        raise BadImage(path, _reason(error)) from error


def _decode(stream, least, finish):
    image = open_image(stream)
    _refuse_unknown_pixels(image)
    whole = image.width * image.height
    reduces = least and whole > _LARGE
    if reduces and image.format in ("JPEG", "MPO"):
        image.draft(None, (least, least))
    each = _OPAQUE_BYTES
    if image.has_transparency_data:
        each = _TRANSPARENT_BYTES
    need = each * image.width * image.height
    if "progressive" in image.info:
        need += _PROGRESSIVE_BYTES * whole
    with _BUDGET.reserved(need):
        pixels = _to_rgb(_reduce(image, least) if reduces else image)
        # The orientation is read after the pixels, because Pillow reads the
        # EXIF data of some formats together with the pixels.
        return finish(_upright(pixels, _orientation(image)))


def _reduce(image, least):
    """Returns an image whose shorter side is reduced to about `least` pixels.

    The image is reduced in strips, because Pillow copies the part that it
    reduces. An image is returned unchanged if its mode is not L, RGB, RGBA or
    CMYK, or if one of its colours is marked as transparent.
    """
    factor = min(image.size) // least
    mixable = image.mode in ("L", "RGB", "RGBA", "CMYK")
    if factor < 2 or not mixable or "transparency" in image.info:
        return image
    width, height = (-(-side // factor) for side in image.size)
    reduced = Image.new(image.mode, (width, height))
    rows = 64
    for top in range(0, height, rows):
        bottom = min((top + rows) * factor, image.height)
        strip = image.crop((0, top * factor, image.width, bottom))
        reduced.paste(strip.reduce(factor), (0, top))
    return reduced


def check_header(stream):
    """Raises an error if the header shows that an image cannot be read.

    Args:
        stream: seekable binary stream, which is at its beginning afterwards.

    Raises:
        BadImage: the content is no image that can be read.
    """
    try:
        open_image(stream)
    except Exception as error:  # Pillow's decoders raise errors of all kinds.
        raise BadImage(stream, _reason(error)) from error
    stream.seek(0)


def open_image(stream):
    """Opens an image like `Image.open`, but with the limits of this module.

    Pillow's own limit of pixels is lower, and is a global setting, which a
    library should not change.

    Args:
        stream: seekable binary stream.

    Returns:
        PIL image, not yet decoded.

    Raises:
        ValueError: the content is no image that can be read.
    """
    size = stream.seek(0, os.SEEK_END)
    if size > MAX_BYTES:
        raise ValueError(
            f"It has {size:,} bytes, and at most {MAX_BYTES:,} are read."
        )
    stream.seek(0)
    kind = _format_of(stream.read(_START))
    if kind is None:
        raise ValueError(
            "Its content is no JPEG, PNG, WebP, BMP, GIF, TIFF, AVIF or HEIC."
        )
    if kind == "HEIF":
        optional("pillow_heif", "heic").register_heif_opener()
    Image.init()
    opener = cast(Callable, Image.OPEN[kind][0])
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
    if "progressive" in image.info:
        _check_scans(stream)
    return image


def _format_of(start):
    """Returns Pillow's name of the format of a file, or None for no image.

    Args:
        start: the first `_START` bytes of the file.
    """
    if start[4:8] == b"ftyp":
        # The first four bytes are the length of the box.
        listed = start[8 : int.from_bytes(start[:4])]
        brands = {listed[i : i + 4] for i in range(0, len(listed), 4)}
        return next((k for k, own in _BRANDS.items() if own & brands), None)
    Image.init()
    for kind in _FORMATS:
        _, accepts = cast(tuple[Callable, Callable], Image.OPEN[kind])
        if accepts(start[:16]):
            return kind
    return None


def _check_scans(stream):
    """Raises an error if a JPEG has more than `MAX_SCANS` scans.

    The function counts the two bytes that begin a scan, which do not occur
    within a scan.
    """
    position = stream.tell()
    stream.seek(0)
    scans, before = 0, b""
    while chunk := stream.read(2**20):
        scans += (before + chunk).count(b"\xff\xda")
        before = chunk[-1:]
    stream.seek(position)
    if scans > MAX_SCANS:
        raise ValueError(
            f"It has {scans} scans, and at most {MAX_SCANS} are read."
        )


def _to_rgb(image):
    """Decodes a PIL image to uint8 `[height, width, 3]`."""
    _mend_transparent_key(image)
    if image.mode.startswith("I;16"):
        return _from_16_bit(image)
    if image.mode == "La":
        image = image.convert("LA")
    image = _to_srgb(image)
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    # For an RGB image `convert` would only make a copy.
    if image.mode != "RGB":
        image = image.convert("RGB")
    return np.array(image)


def _to_srgb(image):
    """Converts the colours of an image to sRGB by the profile in its file.

    Returns:
        A new image with the mode RGB or RGBA; `image` itself if it has no
        profile, or one that is damaged or does not fit the image's mode.
    """
    profile = image.info.get("icc_profile")
    if not profile:
        return image
    if image.mode == "P" or "transparency" in image.info:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    to_mode = "RGBA" if image.mode == "RGBA" else "RGB"
    transform = _transform(profile, image.mode, to_mode)
    if transform is None:
        return image
    return ImageCms.applyTransform(image, transform)


@functools.lru_cache(16)
def _transform(profile, mode, to_mode):
    """Returns a transform from a colour profile to sRGB, or None.

    The result is None if the profile cannot be used for the mode, and also if
    it is named sRGB, because then nothing needs to be done.

    Args:
        profile: content of the profile, bytes.
        mode, to_mode: Pillow's modes of the image before and afterwards.
    """
    try:
        found = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(found):
            return None
        srgb = ImageCms.createProfile("sRGB")
        return ImageCms.buildTransform(found, srgb, mode, to_mode)
    except (ImageCms.PyCMSError, OSError):
        return None


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
    """Fits an image of any aspect ratio to a size, antialiased.

    Args:
        image: uint8 `[height, width, 3]`.
        size: size of the result; see `tf_i2i.sizes`.
        fit: "crop" takes the largest central part with the aspect ratio of the
            result, "pad" adds white on two sides, "stretch" changes the aspect
            ratio. For label maps the values are "crop maps", "pad maps" and
            "stretch maps". Pixels are then not mixed, so that their colours
            stay exact.
        resample: Pillow's resampling filter; label maps always use `NEAREST`.

    Returns:
        uint8 array `[*height_width(size), 3]`.

    Raises:
        UserError: `fit` is unknown.
    """
    check_fit(fit)
    if fit.endswith(MAPS):
        fit, resample = fit.removesuffix(MAPS), Image.Resampling.NEAREST
    shape = height_width(size)
    if fit == "crop":
        image = _central_part(image, shape)
    if image.shape[:2] == shape:
        return np.ascontiguousarray(image)
    picture = Image.fromarray(np.ascontiguousarray(image))
    if fit == "pad":
        picture = ImageOps.pad(
            picture, shape[::-1], resample, color=(255, 255, 255)
        )
    return np.array(picture.resize(shape[::-1], resample))


def _central_part(image, shape):
    """Returns the largest central part with the aspect ratio of `shape`."""
    scale = min(
        side / wanted
        for side, wanted in zip(image.shape[:2], shape, strict=True)
    )
    corners = []
    for side, wanted in zip(image.shape[:2], shape, strict=True):
        kept = min(side, max(1, round(wanted * scale)))
        first = (side - kept) // 2
        corners.append(slice(first, first + kept))
    return image[tuple(corners)]
