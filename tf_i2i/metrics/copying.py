"""Does a translator draw, or does it hand out its training images?

A random training image of the target domain has the best sliced Wasserstein,
Frechet and coverage numbers of all; only these see through it.
"""

import numpy as np

from tf_i2i.errors import UserError
from tf_i2i.metrics.arrays import blocks

_BLOCK = 512
# A real test image is nearer than this to the training set 5 times in 100.
_PERCENTILE = 5


def nearest(x, y):
    """The nearest neighbour in `y` of each of `x`.

    Args:
        x: uint8, float32 or float64 `[N, ...]`: images or features.
        y: the same kind `[M, ...]`.

    Returns:
        Euclidean distances, float64 `[N]`, exactly 0 for an equal one, and
        indices into `y`, int64 `[N]`. Of equally near ones the first, as
        far as float64 can tell.

    Raises:
        UserError: different shapes behind the first axis, nothing in one of
            them, or another dtype.
    """
    x, y = _flat("x", x), _flat("y", y)
    if x.shape[1] != y.shape[1]:
        raise UserError(
            "`x` and `y` must be of one size. Received: "
            f"{x.shape[1]} and {y.shape[1]} numbers each"
        )
    found = [_nearest_of_block(x[part], y) for part in blocks(len(x), _BLOCK)]
    distances, indices = zip(*found, strict=True)
    return np.concatenate(distances), np.concatenate(indices)


def nearest_distance(x, y):
    """Distance of each of `x` to the nearest of `y`: see `nearest`."""
    return nearest(x, y)[0]


def copy_rate(outputs, train, test):
    """Share of outputs that lie suspiciously near to the training set.

    Args:
        outputs: translations into a domain, images or features `[N, ...]`.
        train: the images of that domain which training showed.
        test: real images of it which training did not show.

    Returns:
        Float in [0, 1]: share of outputs that are nearer to `train` than 5 %
        of the real test images are, or equal to one of `train`. Real images
        score .05, handed-out training images 1.

    Raises:
        UserError: as `nearest`.
    """
    return _rate(
        nearest_distance(outputs, train), nearest_distance(test, train)
    )


def copying_scores(outputs, train, test, real=None):
    """`copy_rate` with the distances to read it by (CDFT, section 6.5).

    Args:
        outputs, train, test: as in `copy_rate`.
        real: `nearest_distance(test, train)`, where it is known already.

    Returns:
        Dictionary of floats: `copy_rate`; mean distance of outputs to the
        nearest of `train` (`to_train`, too small is memory) and of `test`
        (`to_test`, small is likeness); and `real`, that of `test` to the
        nearest of `train`, which the two are held against.

    Raises:
        UserError: as `nearest`.
    """
    to_train = nearest_distance(outputs, train)
    if real is None:
        real = nearest_distance(test, train)
    return {
        "copy_rate": _rate(to_train, real),
        "to_train": float(to_train.mean()),
        "to_test": float(nearest_distance(outputs, test).mean()),
        "real": float(real.mean()),
    }


def _rate(to_train, real):
    # Where test images repeat training images the threshold can be 0.
    near = to_train < np.percentile(real, _PERCENTILE)
    return float(np.mean(near | (to_train == 0)))


def _flat(name, array):
    array = np.asarray(array)
    if array.dtype not in (np.uint8, np.float32, np.float64) or not array.size:
        raise UserError(
            f"`{name}` must be uint8, float32 or float64 and not empty. "
            f"Received: {array.dtype} {list(array.shape)}"
        )
    return array.reshape(len(array), -1)


def _nearest_of_block(x, y):
    x = x.astype(np.float64)
    best = np.full(len(x), np.inf)
    index = np.zeros(len(x), np.int64)
    for part in blocks(len(y), _BLOCK):
        candidates = y[part].astype(np.float64)
        # Squared distance, up to |x|^2, which is the same for all.
        gaps = (candidates**2).sum(1) - 2 * x @ candidates.T
        near = gaps.argmin(1)
        gap = gaps[np.arange(len(x)), near]
        better = gap < best
        best[better] = gap[better]
        index[better] = near[better] + part.start
    # By subtraction: the sum of squares loses the digits of near ones.
    return np.sqrt(((x - y[index]) ** 2).sum(1)), index
