"""Checks, scaling, projection and distances of feature vectors."""

import warnings

import numpy as np

from tf_i2i.errors import UserError
from tf_i2i.extras import optional

# Dimensions whose standard deviation is below this share of the largest
# standard deviation are dropped.
DEAD = 1e-3
# Smallest number by which a dimension is divided, as a share of the median
# standard deviation.
FLOOR = 0.1


def as_features(name, features, least=2):
    """Returns checked feature vectors in float64.

    A warning is issued if all vectors are the same although the estimator needs
    more than one vector.

    Args:
        name: name of the argument, for error messages.
        features: `[N, D]`, float32 or float64.
        least: smallest N that the estimator is defined for.

    Returns:
        float64 `[N, D]`.

    Raises:
        UserError: `features` has another dtype (float16 has only three digits)
            or shape, has too few vectors, or contains a value that is not
            finite.
    """
    features = np.asarray(features)
    if features.dtype not in (np.float32, np.float64) or features.ndim != 2:
        raise UserError(
            f"`{name}` must be float32 or float64 features [N, D]. "
            f"Received: {features.dtype} {list(features.shape)}"
        )
    if len(features) < least or not features.shape[1]:
        raise UserError(
            f"`{name}` must contain {least} feature vectors or more. "
            f"Received: {list(features.shape)}"
        )
    if not np.isfinite(features).all():
        raise UserError(
            f"`{name}` must be finite. "
            f"Received: {np.sum(~np.isfinite(features))} values that are not"
        )
    if least > 1 and (features == features[0]).all():
        warnings.warn(f"`{name}`: all features are the same", stacklevel=3)
    return features.astype(np.float64, copy=False)


def check_width(name, features, width):
    """Raises an error unless the features have `width` dimensions."""
    if features.shape[1] != width:
        raise UserError(
            f"`{name}` must have {width} dimensions like the other features. "
            f"Received: {features.shape[1]}"
        )


def standardizer(reference):
    """Returns a function that standardizes features dimension by dimension.

    Dividing by the standard deviation alone would amplify the noise of
    dimensions that hardly vary. In some networks a fifth of the channels hardly
    vary. Therefore dimensions are dropped if their standard deviation is below
    a thousandth of the largest standard deviation. The other dimensions are
    divided by their standard deviation, or by a tenth of the median of these
    standard deviations, whichever is larger.

    Args:
        reference: float64 `[N, D]`, the features whose mean and standard
            deviations are used.

    Returns:
        Function that maps float64 `[M, D]` to float64 `[M, K]`, K <= D.
    """
    mean, deviation = reference.mean(0), reference.std(0)
    alive = deviation >= DEAD * deviation.max()
    mean, deviation = mean[alive], deviation[alive]
    scale = np.maximum(deviation, FLOOR * np.median(deviation))
    scale[scale == 0] = 1.0
    return lambda features: (features[:, alive] - mean) / scale


def principal(reference, count):
    """Returns a function that projects on the first principal components.

    Args:
        reference: `[N, D]`, the features whose components are computed.
        count: largest number of components; there are at most N - 1, and at
            most D.

    Returns:
        Function that maps `[M, D]` to float64 `[M, count]`. The function
        subtracts the mean of `reference` first.

    Raises:
        UserError: the extra `eval` is missing.
    """
    reference = np.asarray(reference, np.float64)
    mean = reference.mean(0)
    centred = reference - mean
    if len(centred) >= centred.shape[1]:
        _, vectors = np.linalg.eigh(centred.T @ centred)
        axes = vectors[:, ::-1][:, :count]
    else:
        # The Gram matrix is smaller than the covariance matrix and has the
        # same nonzero eigenvalues. The driver "evx" computes only the largest
        # eigenvalues, in half the time.
        number = len(centred)
        values, vectors = optional("scipy.linalg", "eval").eigh(
            centred @ centred.T,
            subset_by_index=[max(number - count, 0), number - 1],
            driver="evx",
        )
        kept = np.flatnonzero(values > values[-1] * 1e-10)[::-1]
        axes = centred.T @ vectors[:, kept] / np.sqrt(values[kept])
    return lambda features: (features - mean) @ axes


def squared_distances(x, y):
    """Returns squared Euclidean distances, computed by one matrix product.

    The distance of equal vectors is set to exactly 0, which rounding errors
    would otherwise prevent.

    Args:
        x: float64 `[N, D]`.
        y: float64 `[M, D]`.

    Returns:
        float64 `[N, M]`.
    """
    squares = (x * x).sum(1)[:, None] + (y * y).sum(1)
    gaps = squares - 2 * (x @ y.T)
    gaps[gaps < 1e-13 * squares] = 0.0
    return gaps


def unit(vectors):
    """Returns vectors `[N, D]` scaled to length 1; zero vectors stay zero."""
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(norm == 0, 1.0, norm)
