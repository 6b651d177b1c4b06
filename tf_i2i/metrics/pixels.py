"""Scores that compare pixels: of pairs, and of two sets' colours.

Every function takes uint8 images `[N, H, W, 3]`; sums are in float64 or in
whole numbers, so that no result depends on how images are batched.

None of these may stand alone. A blurred copy of the input beats the input in
PSNR and SSIM, and a white image can have the best accuracy within 16 levels:
print `constant_baselines` and the copied input in the same table.
"""

import numpy as np

from tf_i2i.errors import UserError
from tf_i2i.extras import optional
from tf_i2i.metrics.arrays import blocks
from tf_i2i.metrics.arrays import check_images
from tf_i2i.metrics.arrays import check_pairs

# dB for identical images, whose PSNR is infinite. One level off in a single
# value of a 128-pixel image is 95 dB.
PSNR_CAP = 100.0

# Wang, Simoncelli, Bovik (2003), "Multiscale structural similarity".
_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_WINDOW = 11
_SIGMA = 1.5
_C1 = (0.01 * 255) ** 2
_C2 = (0.03 * 255) ** 2
_BLOCK = 32


def psnr(x, y, per_image=False):
    """Peak signal-to-noise ratio in dB, of each pair, then the mean.

    Args:
        x: uint8 `[N, H, W, 3]`.
        y: uint8, same shape.
        per_image: whether to return all `[N]` values.

    Returns:
        `10 log10(255^2 / mean squared difference)`, at most `PSNR_CAP`;
        float, or float64 `[N]`.

    Raises:
        UserError: not uint8 images, or the shapes differ.
    """
    check_pairs(x=x, y=y)
    error = _each(x, y, lambda a, b: np.mean((a - b) ** 2, axis=(1, 2, 3)))
    least = 255**2 / 10 ** (PSNR_CAP / 10)
    return _one(10 * np.log10(255**2 / np.maximum(error, least)), per_image)


def ssim(x, y, per_image=False):
    """Structural similarity (Wang et al. 2004) of each pair, then the mean.

    scikit-image's, with the constants of the paper: a Gaussian window of
    sigma 1.5 over 11 pixels, population covariance, each channel by itself.

    Args:
        x: uint8 `[N, H, W, 3]`, sides of at least 11.
        y: uint8, same shape.
        per_image: whether to return all `[N]` values.

    Returns:
        Float in [-1, 1], 1 for equal images; or float64 `[N]`.

    Raises:
        UserError: not uint8 images, smaller than 11 pixels, or the shapes
            differ; scikit-image (the extra `eval`) is missing.
    """
    check_pairs(x=x, y=y)
    _check_side(x, _WINDOW)
    metrics = optional("skimage.metrics", "eval")
    values = [
        metrics.structural_similarity(
            a,
            b,
            channel_axis=-1,
            data_range=255,
            gaussian_weights=True,
            sigma=_SIGMA,
            use_sample_covariance=False,
        )
        for a, b in zip(x, y, strict=True)
    ]
    return _one(np.array(values, np.float64), per_image)


def ms_ssim(x, y, per_image=False):
    """Multi-scale structural similarity, the variant of Karras et al. (2018).

    Five scales, whatever the size: the 11-pixel window shrinks to the image
    where that is smaller, its sigma in proportion, and each scale is the
    2x2 mean of the one before. Common packages refuse images below 161
    pixels, so at 32 or 64 pixels this number equals nobody else's.

    Args:
        x: uint8 `[N, H, W, 3]`, sides of at least 16.
        y: uint8, same shape.
        per_image: whether to return all `[N]` values.

    Returns:
        Float in [0, 1], 1 for equal images; or float64 `[N]`.

    Raises:
        UserError: not uint8 images, smaller than 16 pixels, or the shapes
            differ.
    """
    check_pairs(x=x, y=y)
    _check_side(x, 2 ** (len(_SCALE_WEIGHTS) - 1))
    return _one(_each(x, y, _ms_ssim), per_image)


def ms_ssim_within(images):
    """Mean `ms_ssim` of the pairs (0, 1), (2, 3), ... of one set.

    The diversity number of Karras et al. (2018): high where images resemble
    one another. Theirs is of 10,000 pairs.

    Args:
        images: uint8 `[N, H, W, 3]` in random order, at least two; an odd
            one at the end is left out.

    Returns:
        Float in [0, 1].

    Raises:
        UserError: as `ms_ssim`, or fewer than two images.
    """
    check_images(images=images)
    pairs = len(images) // 2
    if not pairs:
        raise UserError("`images` must be two at least. Received: 1")
    return ms_ssim(images[: 2 * pairs : 2], images[1 : 2 * pairs : 2])


def accuracy_within(output, truth, levels=16, norm="max", mask=None):
    """Share of pixels whose colour is near the truth (UNIT, section 4).

    Args:
        output: uint8 `[N, H, W, 3]`.
        truth: uint8, same shape.
        levels: greatest difference that counts as right, of 255.
        norm: "max", all three channels within `levels` (the paper names no
            norm), or "euclidean", the distance in RGB.
        mask: bool, `[N, H, W]` or what broadcasts to it: pixels that count.
            On flat backgrounds only those of the foreground say anything.

    Returns:
        Float in [0, 1], over all pixels that count, of all images together.

    Raises:
        UserError: not uint8 images, shapes differ, unknown norm, or no
            pixel counts.
    """
    check_pairs(output=output, truth=truth)
    if norm not in ("max", "euclidean"):
        raise UserError(
            f"`norm` must be 'max' or 'euclidean'. Received: {norm!r}"
        )
    mask = _full_mask(mask, output.shape[:3])
    right = 0
    for part in blocks(len(output), _BLOCK):
        gap = np.abs(output[part].astype(np.int32) - truth[part])
        if norm == "max":
            near = gap.max(-1) <= levels
        else:
            near = (gap**2).sum(-1) <= levels**2
        right += int(np.count_nonzero(near & mask[part]))
    return right / np.count_nonzero(mask)


def constant_baselines(images):
    """Pictures that know nothing of the input: rows for every table.

    Args:
        images: uint8 `[N, H, W, 3]`, of the target domain.

    Returns:
        Dictionary of uint8 `[H, W, 3]`: `mean` and `median` of each pixel,
        rounded; `commonest`, flat in the most frequent colour of all; and
        `white`.

    Raises:
        UserError: not uint8 images.
    """
    check_images(images=images)
    shape = images.shape[1:]
    total = np.zeros(shape, np.int64)
    counts = np.zeros(1 << 24, np.int64)
    for part in blocks(len(images), _BLOCK):
        total += images[part].sum(0, dtype=np.int64)
        codes = images[part].astype(np.int32) @ np.array([1 << 16, 1 << 8, 1])
        found, times = np.unique(codes, return_counts=True)
        counts[found] += times
    code = int(counts.argmax())
    colour = np.array([code >> 16, code >> 8 & 255, code & 255], np.uint8)
    # By row, as the median copies what it is given.
    rows = [np.median(images[:, r], axis=0) for r in range(shape[0])]
    return {
        "mean": np.rint(total / len(images)).astype(np.uint8),
        "median": np.rint(rows).astype(np.uint8),
        "commonest": np.broadcast_to(colour, shape).copy(),
        "white": np.full(shape, 255, np.uint8),
    }


def colour_distance(x, y):
    """How far two sets are apart in brightness, tint and contrast.

    Sliced Wasserstein normalises each set by itself and cannot see this.

    Args:
        x: uint8 `[N, H, W, 3]`.
        y: uint8 `[M, H', W', 3]`; any count, any size.

    Returns:
        Dictionary of floats in levels of 255: `mean`, the mean over the
        three channels of the absolute difference of the channels' means;
        `std`, the same of their standard deviations over all pixels.

    Raises:
        UserError: not uint8 images.
    """
    check_images(x=x, y=y)
    mean_x, std_x = _colour(x)
    mean_y, std_y = _colour(y)
    return {
        "mean": float(np.abs(mean_x - mean_y).mean()),
        "std": float(np.abs(std_x - std_y).mean()),
    }


def round_trip_error(images, returned, per_image=False):
    """Mean absolute difference after a translation there and back.

    Both are uint8, and so must be the translation in between: what lives
    below one level is a hidden message, not a likeness
    (`robustness.sensitivity` measures that).

    Args:
        images: uint8 `[N, H, W, 3]`.
        returned: uint8, same shape.
        per_image: whether to return all `[N]` values.

    Returns:
        Float in levels, [0, 255]; or float64 `[N]`.

    Raises:
        UserError: not uint8 images, or the shapes differ.
    """
    check_pairs(images=images, returned=returned)

    def error(a, b):
        return np.abs(a - b).mean(axis=(1, 2, 3))

    return _one(_each(images, returned, error), per_image)


def _each(x, y, function):
    """`function` of float64 blocks of both, `[N]`."""
    parts = [
        function(x[part].astype(np.float64), y[part].astype(np.float64))
        for part in blocks(len(x), _BLOCK)
    ]
    return np.concatenate(parts)


def _one(values, per_image):
    return values if per_image else float(values.mean())


def _check_side(images, side):
    if min(images.shape[1:3]) < side:
        raise UserError(
            f"`x` must have sides of at least {side} pixels. Received: "
            f"{list(images.shape)}"
        )


def _full_mask(mask, shape):
    if mask is None:
        return np.ones(shape, bool)
    mask = np.asarray(mask)
    try:
        full = np.broadcast_to(mask, shape)
    except ValueError:
        full = None
    if full is None or mask.dtype != bool or not full.any():
        raise UserError(
            f"`mask` must be bool, broadcast to {list(shape)} and let some "
            f"pixel count. Received: {mask.dtype} {list(mask.shape)}, "
            f"{np.count_nonzero(mask)} true"
        )
    return full


def _colour(images):
    """Mean and standard deviation of each channel, from exact sums."""
    total = np.zeros(3, np.int64)
    squares = np.zeros(3, np.int64)
    for part in blocks(len(images), _BLOCK):
        values = images[part].reshape(-1, 3).astype(np.int64)
        total += values.sum(0)
        squares += (values**2).sum(0)
    count = images.size // 3
    mean = total / count
    # The difference of whole numbers first: exactly 0 for one flat colour.
    variance = (count * squares.astype(object) - total.astype(object) ** 2) / (
        count**2
    )
    return mean, np.sqrt(variance.astype(np.float64))


def _ms_ssim(x, y):
    """Of float64 blocks: `[N]`."""
    product = 1.0
    for weight in _SCALE_WEIGHTS[:-1]:
        _, contrast = _similarity(x, y)
        product = product * np.maximum(contrast, 0.0) ** weight
        x, y = _halve(x), _halve(y)
    whole, _ = _similarity(x, y)
    return product * np.maximum(whole, 0.0) ** _SCALE_WEIGHTS[-1]


def _similarity(x, y):
    """Means over pixels and channels of SSIM and of its contrast term."""
    size = min(_WINDOW, *x.shape[1:3])
    window = _gaussian(size, _SIGMA * size / _WINDOW)
    mean_x, mean_y = _filter(x, window), _filter(y, window)
    var_x = _filter(x * x, window) - mean_x**2
    var_y = _filter(y * y, window) - mean_y**2
    covariance = _filter(x * y, window) - mean_x * mean_y
    contrast = (2 * covariance + _C2) / (var_x + var_y + _C2)
    light = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    return (
        (light * contrast).mean(axis=(1, 2, 3)),
        contrast.mean(axis=(1, 2, 3)),
    )


def _gaussian(size, sigma):
    at = np.arange(size) - (size - 1) / 2
    window = np.exp(-(at**2) / (2 * sigma**2))
    return window / window.sum()


def _filter(images, window):
    """Both ways, without padding."""
    size = len(window)
    height, width = (side - size + 1 for side in images.shape[1:3])
    rows = sum(w * images[:, k : k + height] for k, w in enumerate(window))
    return sum(w * rows[:, :, k : k + width] for k, w in enumerate(window))


def _halve(images):
    """Mean of 2x2 pixels; an odd row or column at the end is left out."""
    height, width = (side // 2 * 2 for side in images.shape[1:3])
    even = images[:, :height, :width]
    rows = even[:, ::2] + even[:, 1::2]
    return (rows[:, :, ::2] + rows[:, :, 1::2]) / 4
