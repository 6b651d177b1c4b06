"""Sliced Wasserstein distance of image pyramids.

Karras, Aila, Laine, Lehtinen, "Progressive Growing of GANs for Improved
Quality, Stability, and Variation", 2018, arXiv 1710.10196, section 5. The
TwinGAN paper reports this distance. The patches of two sets are compared at
each level of a Laplacian pyramid. This gives one number for each scale, from
texture to outlines.

Real and fake patches are normalized separately, so that the distance ignores
the brightness and the contrast of each channel. Therefore report a colour
distance as well. The distance becomes smaller with more images. Therefore
compare only distances for the same N, and report the distance between two real
sets, too.
"""

import math
import os
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tf_i2i.errors import UserError

PATCH = 7
# Smallest allowed size of the coarsest level, in pixels. That level is the
# blurred image itself and not a difference of two images.
SMALLEST = 16
# A channel with a standard deviation below this number counts as constant and
# is set to 0 by the normalization.
LEAST_DEVIATION = 1e-8
# Number of directions on which patches are projected at once. With a larger
# number the matrix product is faster and takes more memory.
_BLOCK = 32
# Number of pixels that are filtered at once. This many fit into the cache of a
# processor core.
_CACHED = 2**18


def sliced_wasserstein(
    real,
    fake,
    seed=0,
    patches=128,
    repeats=4,
    directions=128,
    paired=False,
    batch_size=None,
):
    """Returns the distance of the patches of two sets at each pyramid level.

    If the sets differ in size, as many images as the smaller set has are
    sampled from the larger set. One level at a time is held in memory. A level
    and its projections take `1432 * N * patches` bytes, which is 3 GB for
    16,384 images.

    Args:
        real: uint8 `[N, S, S, 3]`: an array, a memory map, or any object that
            has a length and returns an array for a slice. S must be at least
            16, and halving it must give integers until the result is below 32
            (as for 16, 48, 64, 256).
        fake: images to be compared with `real`, in the same form; the number of
            images may differ.
        seed: seed of all random choices.
        patches: number of patches of 7 x 7 pixels per image and level.
        repeats: number of times that new directions are sampled.
        directions: number of directions that are sampled each time. These are
            unit vectors, on which the patches are projected.
        paired: whether to take the patches of image i at the same positions in
            both sets. This is for sets that correspond one to one. The distance
            of equal sets is then 0.
        batch_size: number of images read at once; the result does not depend
            on it.

    Returns:
        Dictionary from the size of a level in pixels, from S downward, to its
        distance times 1000; and "average", their unweighted mean.

    Raises:
        UserError: the images are not uint8 or have a size that is not allowed,
            or the sizes of real and fake images differ.
    """
    shape = _shape("real", real)
    if _shape("fake", fake) != shape:
        raise UserError(
            f"`fake` must have images of the same shape as `real`, {shape}. "
            f"Received: {_shape('fake', fake)}"
        )
    count = min(len(real), len(fake))
    batch_size = batch_size or min(max(_CACHED // math.prod(shape), 1), 256)
    result = {}
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
        for level, resolution in enumerate(_resolutions(min(shape))):
            clouds = []
            for side, images in enumerate((real, fake)):
                rng = np.random.default_rng(
                    [seed, level, 0 if paired else side]
                )
                ends = [side // 2**level - PATCH + 1 for side in shape]
                at = rng.integers(0, ends, (count, patches, 2))
                rows = _subset(len(images), count, seed)
                clouds.append(_Cloud(images, rows, level, at, batch_size, pool))
            rng = np.random.default_rng([seed, level, 2])
            vectors = rng.standard_normal(
                (repeats * directions, 3 * PATCH * PATCH)
            )
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            result[resolution] = 1e3 * _distance(
                clouds[0], clouds[1], vectors, pool
            )
    result["average"] = float(np.mean(list(result.values())))
    return result


class _Cloud:
    """The patches of one set at one level, and their normalization.

    The patches are stored without normalization. Instead of subtracting the
    mean of each channel and dividing by its standard deviation, the directions
    are changed such that the projections are the same.

    Attributes:
        points: float32 `[N * patches, 3 * 7 * 7]`, channel first.
        scale: float64 `[3 * 7 * 7]`, 1 / standard deviation of the channel.
        mean: float64 `[3 * 7 * 7]`, mean of the channel.
    """

    def __init__(self, images, rows, level, at, batch_size, pool):
        count, patches = at.shape[:2]
        self.points = np.empty((count * patches, 3 * PATCH * PATCH), np.float32)

        def fill(start):
            part = slice(start, start + batch_size)
            x = _level(_read(images, rows[part]), level)
            found = _patches(x, at[part])
            self.points[start * patches :][: len(found)] = found
            by_channel = found.reshape(-1, 3, PATCH * PATCH)
            return (
                by_channel.sum((0, 2), np.float64),
                np.einsum(
                    "ncp,ncp->c", by_channel, by_channel, dtype=np.float64
                ),
            )

        sums, squares = zip(
            *pool.map(fill, range(0, count, batch_size)), strict=True
        )
        values = len(self.points) * PATCH * PATCH
        mean = np.sum(sums, 0) / values
        variance = np.sum(squares, 0) / values - mean**2
        deviation = np.sqrt(np.maximum(variance, 0.0))
        if deviation.min() < LEAST_DEVIATION:
            warnings.warn(
                f"sliced_wasserstein: level {level} of a set has a constant "
                "channel",
                stacklevel=3,
            )
        inverse = np.where(
            deviation < LEAST_DEVIATION,
            0.0,
            1 / np.maximum(deviation, LEAST_DEVIATION),
        )
        self.scale = np.repeat(inverse, PATCH * PATCH)
        self.mean = np.repeat(mean, PATCH * PATCH)


def _distance(x, y, vectors, pool):
    """Returns the mean of the 1-D Wasserstein distances of all directions."""
    x_vectors, y_vectors = vectors * x.scale, vectors * y.scale
    shifts = x_vectors @ x.mean - y_vectors @ y.mean
    kind = x.points.dtype
    lines = np.empty((2, _BLOCK, len(x.points)), kind)
    distances = []
    for start in range(0, len(vectors), _BLOCK):
        part = slice(start, min(start + _BLOCK, len(vectors)))
        a, b = lines[:, : part.stop - start]
        np.matmul(x_vectors[part].astype(kind), x.points.T, out=a)
        np.matmul(y_vectors[part].astype(kind), y.points.T, out=b)
        distances += pool.map(_line_distance, a, b, shifts[part])
    return float(np.mean(distances))


def _line_distance(a, b, shift):
    """Returns the 1-D Wasserstein distance of `a - shift` and `b`.

    Both arrays are overwritten, to save memory.
    """
    a.sort()
    b.sort()
    a -= b
    a -= a.dtype.type(shift)
    return np.abs(a, out=a).mean(dtype=np.float64)


def _level(images, level):
    """Returns one level of the Laplacian pyramid.

    Args:
        images: uint8 `[n, S, S, 3]`.
        level: number of the level, 0 for the finest.

    Returns:
        float32 `[n, 3, s, s]`, s = S / 2^level.
    """
    x = images.transpose(0, 3, 1, 2).astype(np.float32, order="C")
    for _ in range(level):
        x = _shrink(x)
    if min(x.shape[2:]) < 2 * SMALLEST:
        return x
    return x - _grow(_shrink(x))


def _shrink(x):
    """Returns images blurred with [1, 4, 6, 4, 1] / 16 and halved in size.

    Borders are mirrored without repeating the edge. The blur is computed by
    slices and not by matrix products, because the threads of matrix products
    would keep the cores busy while they wait for each other.
    """
    for _ in range(2):
        x = x.swapaxes(2, 3)
        x = np.concatenate([x[..., 2:0:-1], x, x[..., -2:-1]], -1)
        even, odd = x[..., ::2], x[..., 1::2]
        x = odd[..., :-1] + odd[..., 1:]
        x *= 4
        x += 6 * even[..., 1:-1]
        x += even[..., :-2]
        x += even[..., 2:]
        x /= 16
    return x


def _grow(x):
    """Returns images with zeros between pixels, blurred as in `_shrink`.

    The values are doubled in each direction to make up for the zeros. Pixels of
    the result are therefore weighted sums of their neighbours, alternately with
    the weights [1, 6, 1] / 8 and [4, 4] / 8.
    """
    for _ in range(2):
        x = x.swapaxes(2, 3)
        before = np.concatenate([x[..., 1:2], x[..., :-1]], -1)
        after = np.concatenate([x[..., 1:], x[..., -1:]], -1)
        grown = np.empty_like(x, shape=(*x.shape[:3], 2 * x.shape[3]))
        grown[..., ::2] = (before + 6 * x + after) / 8
        grown[..., 1::2] = (x + after) / 2
        x = grown
    return x


def _patches(x, at):
    """Cuts patches out of images and flattens them.

    Args:
        x: `[n, 3, s, s]`.
        at: integers `[n, patches, 2]`, upper left corners (row, column).

    Returns:
        `[n * patches, 147]`.
    """
    windows = sliding_window_view(x, (PATCH, PATCH), axis=(2, 3))
    windows = windows.transpose(0, 2, 3, 1, 4, 5)
    found = windows[np.arange(len(x))[:, None], at[..., 0], at[..., 1]]
    return found.reshape(-1, 3 * PATCH * PATCH)


def _resolutions(size):
    sizes = [size]
    while sizes[-1] >= 2 * SMALLEST:
        sizes.append(sizes[-1] // 2)
    return sizes


def _subset(size, count, seed):
    """Returns the indices of `count` sampled images in ascending order."""
    if size == count:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(size, count, False))


def _read(images, rows):
    """Reads the images of ascending indices by one slice.

    A slice is used because not every container of images accepts a list of
    indices.
    """
    return np.asarray(images[rows[0] : rows[-1] + 1])[rows - rows[0]]


def _shape(name, images):
    if not len(images):
        raise UserError(
            f"`{name}` must contain at least one image. Received: 0"
        )
    first = np.asarray(images[:1])
    if first.dtype != np.uint8 or first.ndim != 4 or first.shape[3] != 3:
        raise UserError(
            f"`{name}` must be uint8 images [N, H, W, 3] in [0, 255]. "
            f"Received: {first.dtype} {[len(images), *first.shape[1:]]}"
        )
    shape = first.shape[1:3]
    halvings = len(_resolutions(min(shape))) - 1
    if min(shape) < SMALLEST or any(side % 2**halvings for side in shape):
        height, width = shape
        raise UserError(
            f"`{name}` must be images with sides of at least {SMALLEST} "
            "pixels, and halving the sides must give integers until the "
            f"shorter one is below 32. Received: {height} x {width}"
        )
    return shape
