"""Measures of whether a translator returns copies of its training images.

Random training images of the target domain get better sliced Wasserstein,
Frechet and coverage scores than any translator. Only the functions in this
module show that these images are copies.
"""

import numpy as np

from tf_i2i.errors import UserError
from tf_i2i.metrics.arrays import blocks

_BLOCK = 512
# An output counts as a copy if its distance to the training set is below this
# percentile of the distances of the real test images.
_PERCENTILE = 5


def nearest(x, y):
    """Returns distance and index of the nearest neighbour of each element.

    Args:
        x: uint8, float32 or float64 `[N, ...]`: images or features.
        y: images or features of the same size, `[M, ...]`.

    Returns:
        Euclidean distances, float64 `[N]`, exactly 0 between equal elements;
        and indices into `y`, int64 `[N]`. Of neighbours at the same distance
        (within the precision of float64) the first is taken.

    Raises:
        UserError: the elements differ in size, an array is empty, or an array
            has another dtype.
    """
    x, y = _flat("x", x), _flat("y", y)
    if x.shape[1] != y.shape[1]:
        raise UserError(
            "`x` and `y` must have elements of the same size. Received: "
            f"elements of {x.shape[1]} and {y.shape[1]} numbers"
        )
    found = [_nearest_of_block(x[part], y) for part in blocks(len(x), _BLOCK)]
    distances, indices = zip(*found, strict=True)
    return np.concatenate(distances), np.concatenate(indices)


def nearest_distance(x, y):
    """Returns the distances `[N]` to the nearest neighbours; see `nearest`."""
    return nearest(x, y)[0]


def copy_rate(outputs, train, test):
    """Returns the share of outputs that lie too near to the training set.

    Args:
        outputs: translations into a domain, images or features `[N, ...]`.
        train: training images of that domain (or their features) `[M, ...]`.
        test: real images of that domain that were not trained on (or their
            features) `[K, ...]`.

    Returns:
        Float in [0, 1]. An output counts if it equals an element of `train`,
        or if its distance to `train` is below the 5th percentile of the
        distances of the real test images. The share is .05 for real test images
        and 1 for training images.

    Raises:
        UserError: see `nearest`.
    """
    return _rate(
        nearest_distance(outputs, train), nearest_distance(test, train)
    )


def copying_scores(outputs, train, test, real=None):
    """Returns the result of `copy_rate`, and mean distances to real images.

    CDFT (Katzir et al. 2019, section 6.5) reports such distances.

    Args:
        outputs, train, test: as in `copy_rate`.
        real: `nearest_distance(test, train)` if the caller has it already;
            None to compute it.

    Returns:
        Dictionary of floats: `copy_rate`; `to_train`, the mean distance of an
        output to its nearest training image; `to_test`, the mean distance of an
        output to its nearest test image; and `real`, the mean distance of a
        test image to its nearest training image. A `to_train` far below `real`
        means that training images were memorized. A small `to_test` means that
        the outputs resemble real images.

    Raises:
        UserError: see `nearest`.
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
    # If test images repeat training images, the threshold can be 0, and the
    # distance 0 of a copy is not below it. Distances of 0 are therefore counted
    # separately.
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
        # `gaps` are the squared distances minus |x|^2. The nearest candidate is
        # the same, because |x|^2 is equal for all candidates.
        gaps = (candidates**2).sum(1) - 2 * x @ candidates.T
        near = gaps.argmin(1)
        gap = gaps[np.arange(len(x)), near]
        better = gap < best
        best[better] = gap[better]
        index[better] = near[better] + part.start
    # The distance is computed from differences, because the expansion above
    # loses the digits of small distances.
    return np.sqrt(((x - y[index]) ** 2).sum(1)), index
