"""Scores that compare the pixels of pairs, or the colours of two sets.

Every function takes uint8 images `[N, H, W, 3]`. Sums are computed in float64
or in integers, so that no result depends on how images are batched.

None of these scores is meaningful by itself. A blurred copy of the input has a
better PSNR and SSIM than the input, and a white image can have the best
accuracy within 16 levels. Therefore report the scores of `constant_baselines`
and of the copied input in the same table.
"""

import numpy as np

from tf_i2i.errors import UserError
from tf_i2i.extras import optional
from tf_i2i.metrics.arrays import blocks
from tf_i2i.metrics.arrays import check_images
from tf_i2i.metrics.arrays import check_pairs

# Largest PSNR in dB, which identical images get instead of infinity. If one
# value of a 128-pixel image is wrong by one level, the PSNR is 95 dB.
PSNR_CAP = 100.0

# Weights of the five scales, from Wang, Simoncelli, Bovik (2003), "Multiscale
# structural similarity".
_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_WINDOW = 11
_SIGMA = 1.5
_C1 = (0.01 * 255) ** 2
_C2 = (0.03 * 255) ** 2
_BLOCK = 32


def psnr(x, y, per_image=False):
    """Returns the peak signal-to-noise ratio of pairs, in dB.

    The ratio of each pair is `10 log10(255^2 / mean squared difference)`,
    clipped at `PSNR_CAP`.

    Args:
        x: uint8 `[N, H, W, 3]`.
        y: uint8, same shape.
        per_image: whether to return one value per image, not the mean.

    Returns:
        Float, the mean over pairs; float64 `[N]` if `per_image`.

    Raises:
        UserError: an array is not uint8 images, or shapes differ.
    """
    check_pairs(x=x, y=y)
    error = _in_blocks(x, y, lambda a, b: np.mean((a - b) ** 2, axis=(1, 2, 3)))
    least = 255**2 / 10 ** (PSNR_CAP / 10)
    return _reduce(10 * np.log10(255**2 / np.maximum(error, least)), per_image)


def ssim(x, y, per_image=False):
    """Returns the structural similarity (Wang et al. 2004) of pairs.

    scikit-image computes the similarity with the settings of the paper: a
    Gaussian window of 11 pixels with a standard deviation of 1.5, and
    population covariances. Each channel is compared separately.

    Args:
        x: uint8 `[N, H, W, 3]`, with sides of at least 11 pixels.
        y: uint8, same shape.
        per_image: whether to return one value per image, not the mean.

    Returns:
        Float in [-1, 1], the mean over pairs, 1 for equal images; float64
        `[N]` if `per_image`.

    Raises:
        UserError: an array is not uint8 images, a side is smaller than 11
            pixels, or the shapes differ; or scikit-image (the extra `eval`) is
            missing.
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
    return _reduce(np.array(values, np.float64), per_image)


def ms_ssim(x, y, per_image=False):
    """Returns the multi-scale structural similarity of pairs.

    This is the variant of Karras et al. (2018). This variant uses five scales
    for every image size. Each scale consists of the means of 2x2 pixels of the
    previous scale. shrinks to the size of the image, and the standard deviation
    of the window shrinks in proportion. Common packages refuse images below 161
    pixels, so numbers at 32 or 64 pixels cannot be compared with those of other
    packages.

    Args:
        x: uint8 `[N, H, W, 3]`, with sides of at least 16 pixels.
        y: uint8, same shape.
        per_image: whether to return one value per image, not the mean.

    Returns:
        Float in [0, 1], the mean over pairs, 1 for equal images; float64
        `[N]` if `per_image`.

    Raises:
        UserError: an array is not uint8 images, a side is smaller than 16
            pixels, or the shapes differ.
    """
    check_pairs(x=x, y=y)
    _check_side(x, 2 ** (len(_SCALE_WEIGHTS) - 1))
    return _reduce(_in_blocks(x, y, _ms_ssim), per_image)


def ms_ssim_within(images):
    """Returns the mean `ms_ssim` of the pairs (0, 1), (2, 3), ... of one set.

    Karras et al. (2018) measure diversity by this number, computed over 10,000
    pairs. A high value means that the images of a set resemble one another,
    that is, their diversity is low.

    Args:
        images: uint8 `[N, H, W, 3]` in random order, at least two. If N is
            odd, the last image is left out.

    Returns:
        Float in [0, 1].

    Raises:
        UserError: see `ms_ssim`; or there are fewer than two images.
    """
    check_images(images=images)
    pairs = len(images) // 2
    if not pairs:
        raise UserError(
            "`images` must contain at least two images. Received: 1"
        )
    return ms_ssim(images[: 2 * pairs : 2], images[1 : 2 * pairs : 2])


def accuracy_within(output, truth, levels=16, norm="max", mask=None):
    """Returns the share of pixels whose colour is near the ground truth.

    This is the accuracy that the UNIT paper (Liu et al. 2017, section 4)
    reports.

    Args:
        output: uint8 `[N, H, W, 3]`.
        truth: uint8, same shape.
        levels: largest difference that counts as near, in levels (0 to 255).
        norm: how the difference of two colours is measured: "max", the largest
            difference of the three channels, or "euclidean", the distance in
            RGB. The paper does not say which norm it uses.
        mask: bool, `[N, H, W]` or a shape that broadcasts to it: True for the
            pixels that are counted. If the background is flat, only the
            foreground should be counted.

    Returns:
        Float in [0, 1], over the counted pixels of all images together.

    Raises:
        UserError: an array is not uint8 images, the shapes differ, `norm` is
            unknown, or no pixel is counted.
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
    """Returns images that do not depend on an input, as baselines.

    Args:
        images: uint8 `[N, H, W, 3]`, images of the target domain.

    Returns:
        Dictionary of uint8 `[H, W, 3]`: `mean` and `median`, the rounded mean
        and median over the images at each pixel; `commonest`, an image in the
        most frequent colour of all pixels; and `white`.

    Raises:
        UserError: an array is not uint8 images.
    """
    check_images(images=images)
    shape = images.shape[1:]
    total = np.zeros(shape, np.int64)
    colours = counts = np.zeros(0, np.int64)
    for part in blocks(len(images), _BLOCK):
        total += images[part].sum(0, dtype=np.int64)
        codes = images[part].astype(np.int32) @ np.array([1 << 16, 1 << 8, 1])
        found, times = np.unique(codes, return_counts=True)
        colours, at = np.unique(np.append(colours, found), return_inverse=True)
        counts = np.bincount(at, np.append(counts, times))
    code = int(colours[counts.argmax()])
    colour = np.array([code >> 16, code >> 8 & 255, code & 255], np.uint8)
    # The median is computed row by row, because `np.median` copies its
    # argument.
    rows = [np.median(images[:, r], axis=0) for r in range(shape[0])]
    return {
        "mean": np.rint(total / len(images)).astype(np.uint8),
        "median": np.rint(rows).astype(np.uint8),
        "commonest": np.broadcast_to(colour, shape).copy(),
        "white": np.full(shape, 255, np.uint8),
    }


def colour_distance(x, y):
    """Returns how much two sets differ in brightness, tint and contrast.

    The sliced Wasserstein distance normalizes each set separately. Therefore it
    is not affected by these differences.

    Args:
        x: uint8 `[N, H, W, 3]`.
        y: uint8 `[M, H', W', 3]`; number and size of the images may differ.

    Returns:
        Dictionary of floats in levels (0 to 255): `mean`, the absolute
        difference of the sets' mean values, averaged over the three channels;
        `std`, the absolute difference of the sets' standard deviations over
        all pixels, averaged likewise.

    Raises:
        UserError: an array is not uint8 images.
    """
    check_images(x=x, y=y)
    mean_x, std_x = _colour(x)
    mean_y, std_y = _colour(y)
    return {
        "mean": float(np.abs(mean_x - mean_y).mean()),
        "std": float(np.abs(std_x - std_y).mean()),
    }


def round_trip_error(images, returned, per_image=False):
    """Returns the mean absolute error of a round trip to the other domain.

    The caller must also round the intermediate translation to uint8. Otherwise
    differences below one level can carry hidden information that makes the
    translation back easy (see `robustness.sensitivity`).

    Args:
        images: uint8 `[N, H, W, 3]`, the inputs.
        returned: uint8, same shape: the inputs translated there and back.
        per_image: whether to return one value per image, not the mean.

    Returns:
        Float in [0, 255], in levels, the mean over images; float64 `[N]` if
        `per_image`.

    Raises:
        UserError: an array is not uint8 images, or shapes differ.
    """
    check_pairs(images=images, returned=returned)

    def error(a, b):
        return np.abs(a - b).mean(axis=(1, 2, 3))

    return _reduce(_in_blocks(images, returned, error), per_image)


def _in_blocks(x, y, function):
    """Returns the values `[N]` of a function, applied to blocks in float64."""
    parts = [
        function(x[part].astype(np.float64), y[part].astype(np.float64))
        for part in blocks(len(x), _BLOCK)
    ]
    return np.concatenate(parts)


def _reduce(values, per_image):
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
            f"`mask` must be bool, broadcast to {list(shape)} and be True for "
            f"at least one pixel. Received: {mask.dtype} {list(mask.shape)}, "
            f"{np.count_nonzero(mask)} True"
        )
    return full


def _colour(images):
    """Returns mean and standard deviation `[3]` of the channels.

    The sums are exact.
    """
    total = np.zeros(3, np.int64)
    squares = np.zeros(3, np.int64)
    for part in blocks(len(images), _BLOCK):
        values = images[part].reshape(-1, 3).astype(np.int64)
        total += values.sum(0)
        squares += (values**2).sum(0)
    count = images.size // 3
    mean = total / count
    # The difference is computed in integers, so that the variance is exactly 0
    # if all pixels have the same colour.
    variance = (count * squares.astype(object) - total.astype(object) ** 2) / (
        count**2
    )
    return mean, np.sqrt(variance.astype(np.float64))


def _ms_ssim(x, y):
    """Returns the MS-SSIM `[N]` of two arrays of images, float64."""
    product = 1.0
    for weight in _SCALE_WEIGHTS[:-1]:
        _, contrast = _similarity(x, y)
        product = product * np.maximum(contrast, 0.0) ** weight
        x, y = _halve(x), _halve(y)
    whole, _ = _similarity(x, y)
    return product * np.maximum(whole, 0.0) ** _SCALE_WEIGHTS[-1]


def _similarity(x, y):
    """Returns the means `[N]` of SSIM and of its contrast term."""
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
    """Filters rows and columns of images with a window, without padding."""
    size = len(window)
    height, width = (side - size + 1 for side in images.shape[1:3])
    rows = sum(w * images[:, k : k + height] for k, w in enumerate(window))
    return sum(w * rows[:, :, k : k + width] for k, w in enumerate(window))


def _halve(images):
    """Returns means of 2x2 pixels; an odd last row or column is left out."""
    height, width = (side // 2 * 2 for side in images.shape[1:3])
    even = images[:, :height, :width]
    rows = even[:, ::2] + even[:, 1::2]
    return (rows[:, :, ::2] + rows[:, :, 1::2]) / 4
