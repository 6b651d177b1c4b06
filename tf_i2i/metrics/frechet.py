"""Frechet distance between two sets of features.

Source: Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to
a Local Nash Equilibrium", 2017, arXiv 1706.08500, eq. 6.

The result is the squared 2-Wasserstein distance of two Gaussians that have the
sets' means and covariances. The result equals FID only for features of the
Inception network that this paper used.

If there are few images, and above all if there are fewer images than
dimensions, most of the distance is bias. In that case report N and the distance
between two real sets as well, use `pca`, or use the kernel distance instead.
"""

import numpy as np

from tf_i2i.errors import UserError
from tf_i2i.metrics.embeddings import as_features
from tf_i2i.metrics.embeddings import check_width
from tf_i2i.metrics.embeddings import standardizer


def frechet_distance(real, fake, pca=None, standardize=False):
    """Returns `|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))`, in float64.

    m and S are the mean and the covariance of a set (computed with the divisor
    N - 1). If S = F'F, the trace of the matrix root equals the nuclear norm of
    F1 F2'. Computing this norm needs no root of a matrix, and is exact even if
    there are fewer images than dimensions.

    Args:
        real: `[N, D]`, float32 or float64: the reference.
        fake: `[M, D]`, the features to be scored.
        pca: number of principal components of `real` that both sets are
            projected on, 64 for small sets; None uses all dimensions.
        standardize: whether to divide each dimension by its standard
            deviation in `real` first, and to drop dimensions that hardly
            vary (`embeddings.standardizer`).

    Returns:
        Float, 0 for equal sets.

    Raises:
        UserError: the features have another dtype or shape, or `real` has
            fewer than `pca` components.
    """
    real, fake = as_features("real", real), as_features("fake", fake)
    check_width("fake", fake, real.shape[1])
    if standardize:
        scaled = standardizer(real)
        real, fake = scaled(real), scaled(fake)
    if pca is not None:
        components = _components(real, pca)
        real, fake = real @ components.T, fake @ components.T
    return _distance(real.mean(0), _root(real), fake.mean(0), _root(fake))


def frechet_statistics(features):
    """Returns the statistics of a set that `frechet_from_statistics` takes.

    The statistics can be stored instead of the features.

    Args:
        features: `[N, D]`, float32 or float64.

    Returns:
        Mean `[D]`, covariance `[D, D]` (divided by N - 1), N.

    Raises:
        UserError: the features have another dtype or shape.
    """
    features = as_features("features", features)
    mean = features.mean(0)
    centred = features - mean
    covariance = centred.T @ centred / (len(features) - 1)
    return mean, covariance, len(features)


def frechet_from_statistics(real, fake):
    """Returns the Frechet distance of two sets from their statistics.

    The result is a little less exact than that of `frechet_distance`, because
    eigenvalues below 1e-16 of the largest eigenvalue are lost.

    Args:
        real: mean `[D]`, covariance `[D, D]` and N, from
            `frechet_statistics`; N is not used.
        fake: the same statistics of the other set.

    Returns:
        Float, 0 for equal statistics.

    Raises:
        UserError: the numbers of dimensions differ.
    """
    (real_mean, real_covariance, _), (fake_mean, fake_covariance, _) = (
        real,
        fake,
    )
    if real_mean.shape != fake_mean.shape:
        raise UserError(
            f"`fake` must have {len(real_mean)} dimensions like `real`. "
            f"Received: {len(fake_mean)}"
        )
    return _distance(
        real_mean,
        _root_of_covariance(real_covariance),
        fake_mean,
        _root_of_covariance(fake_covariance),
    )


def _distance(x_mean, x_root, y_mean, y_root):
    cross = np.linalg.svd(x_root @ y_root.T, compute_uv=False).sum()
    traces = (x_root**2).sum() + (y_root**2).sum()
    gap = ((x_mean - y_mean) ** 2).sum()
    # Only rounding errors could make the distance negative.
    return float(max(gap + traces - 2 * cross, 0.0))


def _root(features):
    """Returns a matrix F of min(N, D) rows such that F'F is the covariance."""
    root = (features - features.mean(0)) / np.sqrt(len(features) - 1)
    if len(root) > root.shape[1]:
        return np.linalg.qr(root, mode="r")
    return root


def _root_of_covariance(covariance):
    values, vectors = np.linalg.eigh(covariance)
    return np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T


def _components(features, count):
    most = min(len(features) - 1, features.shape[1])
    if not 1 <= count <= most:
        raise UserError(
            f"`pca` must be in [1, {most}], because `real` has "
            f"{len(features)} vectors of {features.shape[1]} features. "
            f"Received: {count}"
        )
    return np.linalg.svd(_root(features), full_matrices=False)[2][:count]
