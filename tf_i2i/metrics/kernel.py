"""Kernel distance between two sets of features.

The distance is the squared maximum mean discrepancy with the kernel
`(x'y / D + 1)^3` (Binkowski, Sutherland, Arbel, Gretton, "Demystifying MMD
GANs", 2018, arXiv 1801.01401, section 4). The estimate is unbiased for every N.
The distance equals KID only for features of the FID Inception network.
"""

import numpy as np

from tf_i2i.errors import UserError
from tf_i2i.metrics.embeddings import as_features
from tf_i2i.metrics.embeddings import check_width

_BLOCK = 1024


def kernel_distance(x, y, subset_size=1000, subsets=100, seed=2020):
    """Returns mean and standard deviation of the distance of random subsets.

    The random number generator, the order of the samples and the defaults are
    the same as in torch-fidelity. Therefore the results are the same, too, if
    `x` is the first input of torch-fidelity. For sets of about 400 images a
    `subset_size` of 200 is reasonable. The result of `kernel_distance_full` has
    less noise.

    Args:
        x: `[N, D]`, float32 or float64.
        y: `[M, D]`.
        subset_size: number of vectors sampled from each set, without
            repetition.
        subsets: number of subsets.
        seed: seed of `np.random.RandomState`.

    Returns:
        Mean and population standard deviation over the subsets.

    Raises:
        UserError: the features have another dtype or shape, or there are fewer
            than `subset_size` of them.
    """
    if subset_size < 2:
        raise UserError(
            f"`subset_size` must be 2 or more. Received: {subset_size}"
        )
    x = as_features("x", x, least=subset_size)
    y = as_features("y", y, least=subset_size)
    check_width("y", y, x.shape[1])
    rng = np.random.RandomState(seed)
    values = [
        _unbiased(
            x[rng.choice(len(x), subset_size, replace=False)],
            y[rng.choice(len(y), subset_size, replace=False)],
        )
        for _ in range(subsets)
    ]
    return float(np.mean(values)), float(np.std(values))


def kernel_distance_full(x, y):
    """Returns the kernel distance of two whole sets.

    The kernel matrix is computed in blocks, so that little memory is needed.

    Args:
        x: `[N, D]`, float32 or float64.
        y: `[M, D]`; N and M may differ.

    Returns:
        Float. For two sets from the same distribution the value varies around 0
        and can therefore be slightly negative.

    Raises:
        UserError: the features have another dtype or shape.
    """
    x, y = as_features("x", x), as_features("y", y)
    check_width("y", y, x.shape[1])
    return float(_unbiased(x, y))


def _unbiased(x, y):
    between = _kernel_sum(x, y) / (len(x) * len(y))
    return _within(x) + _within(y) - 2 * between


def _within(x):
    """Returns the mean of the kernel over all pairs of different vectors."""
    itself = (((x * x).sum(1) / x.shape[1] + 1) ** 3).sum()
    return (_kernel_sum(x, x) - itself) / (len(x) * (len(x) - 1))


def _kernel_sum(x, y):
    total = 0.0
    for start in range(0, len(x), _BLOCK):
        kernel = x[start : start + _BLOCK] @ y.T
        kernel /= x.shape[1]
        kernel += 1
        total += np.vdot(kernel * kernel, kernel)
    return total
