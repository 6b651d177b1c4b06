"""What the estimators of features ask of them, and a safe scaling."""

import warnings

import numpy as np

from tf_i2i.errors import UserError

# Shares of the largest and of the median deviation.
DEAD = 1e-3
FLOOR = 0.1


def as_features(name, features, least=2):
    """Feature vectors in float64.

    Where they are all the same, and more than one is needed, it warns.

    Args:
        name: the argument's name, for the message.
        features: `[N, D]`, float32 or float64.
        least: smallest N that the estimator is defined for.

    Returns:
        float64 `[N, D]`.

    Raises:
        UserError: another type (float16 has three digits) or shape, too few
            vectors, or a value that is not finite.
    """
    features = np.asarray(features)
    if features.dtype not in (np.float32, np.float64) or features.ndim != 2:
        raise UserError(
            f"`{name}` must be float32 or float64 features [N, D]. "
            f"Received: {features.dtype} {list(features.shape)}"
        )
    if len(features) < least or not features.shape[1]:
        raise UserError(
            f"`{name}` must hold {least} feature vectors or more. "
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
    """Refuses features of other than `width` dimensions."""
    if features.shape[1] != width:
        raise UserError(
            f"`{name}` must have {width} dimensions, as the other features. "
            f"Received: {features.shape[1]}"
        )


def standardizer(reference):
    """Scales each dimension by its deviation, safely.

    Dividing by the deviation alone blows up dimensions that hardly move, a
    fifth of the channels of some networks. Those below a thousandth of the
    largest deviation are dropped; the others are divided by no less than a
    tenth of the median deviation of those that stay.

    Args:
        reference: float64 `[N, D]`, to which the scaling is fitted.

    Returns:
        Function, float64 `[M, D]` -> `[M, K]`, K <= D.
    """
    mean, deviation = reference.mean(0), reference.std(0)
    alive = deviation >= DEAD * deviation.max()
    mean, deviation = mean[alive], deviation[alive]
    scale = np.maximum(deviation, FLOOR * np.median(deviation))
    scale[scale == 0] = 1.0
    return lambda features: (features[:, alive] - mean) / scale


def principal(reference, count):
    """The directions in which a set varies most.

    Args:
        reference: `[N, D]`, to which they are fitted.
        count: how many at most; there are no more than N - 1 or D.

    Returns:
        Function, `[M, D]` -> float64 `[M, count]`, centred on `reference`.
    """
    reference = np.asarray(reference, np.float64)
    mean = reference.mean(0)
    centred = reference - mean
    if len(centred) >= centred.shape[1]:
        _, vectors = np.linalg.eigh(centred.T @ centred)
        axes = vectors[:, ::-1][:, :count]
    else:
        # The Gram matrix has the same eigenvalues and is smaller.
        values, vectors = np.linalg.eigh(centred @ centred.T)
        kept = values > values[-1] * 1e-10
        axes = centred.T @ vectors[:, kept] / np.sqrt(values[kept])
        axes = axes[:, ::-1][:, :count]
    return lambda features: (features - mean) @ axes


def squared_distances(x, y):
    """Squared Euclidean distances `[N, M]` by one product of matrices.

    What is left of equal vectors after cancellation is set to 0.
    """
    squares = (x * x).sum(1)[:, None] + (y * y).sum(1)
    gaps = squares - 2 * (x @ y.T)
    gaps[gaps < 1e-13 * squares] = 0.0
    return gaps


def unit(vectors):
    """Vectors `[N, D]` scaled to length 1; zeros stay zeros."""
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(norm == 0, 1.0, norm)
