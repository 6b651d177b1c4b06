"""Frechet distance of features.

Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a
Local Nash Equilibrium", 2017, arXiv 1706.08500, eq. 6: the 2-Wasserstein
distance, squared, of two Gaussians that have the sets' means and covariances.
It is FID only on the features of that paper's Inception network.

With fewer images than dimensions, or few at all, it is mostly bias: print N
and real against real, use `pca`, or the kernel distance.
"""

import numpy as np

from tf_i2i.errors import UserError
from tf_i2i.metrics.embeddings import as_features
from tf_i2i.metrics.embeddings import check_width
from tf_i2i.metrics.embeddings import standardizer


def frechet_distance(real, fake, pca=None, standardize=False):
    """`|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))`, in float64.

    Covariances are divided by N - 1. With S = F'F the trace of the root is
    the nuclear norm of F1 F2', which needs no root of a matrix and is exact
    for fewer images than dimensions too.

    Args:
        real: `[N, D]`, float32 or float64: the reference.
        fake: `[M, D]`.
        pca: keep that many principal components of `real`: for small sets,
            64. None: all dimensions.
        standardize: divide each dimension by its deviation in `real` first,
            dropping those that hardly move (`embeddings.standardizer`).

    Returns:
        Float, 0 for equal sets.

    Raises:
        UserError: not such features, or `real` has not `pca` components.
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
    """What `frechet_from_statistics` needs, to be kept.

    Args:
        features: `[N, D]`, float32 or float64.

    Returns:
        Mean `[D]`, covariance `[D, D]` (divided by N - 1), N.

    Raises:
        UserError: not such features.
    """
    features = as_features("features", features)
    mean = features.mean(0)
    centred = features - mean
    covariance = centred.T @ centred / (len(features) - 1)
    return mean, covariance, len(features)


def frechet_from_statistics(real, fake):
    """`frechet_distance` from what `frechet_statistics` returned for each set.

    A little less exact than from features: eigenvalues below 1e-16 of the
    largest are lost.

    Args:
        real: mean `[D]`, covariance `[D, D]`, N, which does not enter.
        fake: the same.

    Raises:
        UserError: widths differ.
    """
    (real_mean, real_covariance, _), (fake_mean, fake_covariance, _) = (
        real,
        fake,
    )
    if real_mean.shape != fake_mean.shape:
        raise UserError(
            f"`fake` must have {len(real_mean)} dimensions, as `real`. "
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
    # Never below 0 but for rounding.
    return float(max(gap + traces - 2 * cross, 0.0))


def _root(features):
    """F of min(N, D) rows with F'F the covariance."""
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
            f"`pca` must be in [1, {most}] for `real` of "
            f"{len(features)} x {features.shape[1]}. Received: {count}"
        )
    return np.linalg.svd(_root(features), full_matrices=False)[2][:count]
