"""Measures of whether translations stay nearest to their own inputs.

The functions take two sets of embeddings that correspond one to one. Vector i
of one set is the partner of vector i of the other set. Training does not use
these pairs.
"""

import warnings

import numpy as np

from tf_i2i.errors import UserError
from tf_i2i.metrics.embeddings import as_features
from tf_i2i.metrics.embeddings import check_width
from tf_i2i.metrics.embeddings import squared_distances
from tf_i2i.metrics.embeddings import unit

_BLOCK = 1024
# Squared distances count as equal if they differ by less than this multiple of
# the vectors' squared lengths.
_TIE = 1e-10


def retrieval(queries, gallery, metric="cosine"):
    """Returns how well each query retrieves its own partner from the gallery.

    The rank of a partner is 1 plus the number of other vectors that are nearer
    to the query. A vector at the same distance as the partner counts as one
    half. Therefore constant embeddings have the median rank that chance gives,
    (N + 1) / 2, and retrieve no partner.

    Args:
        queries: `[N, D]`, float32 or float64.
        gallery: `[N, D]`; vector i is the partner of query i.
        metric: "cosine" or "euclidean", the distance that is used.

    Returns:
        Dictionary of floats: `r@1`, the share of queries whose partner has rank
        1; `r@5`, the share of queries whose partner has rank 5 or better; and
        `median_rank`, the median of the ranks, which is 1 at best.

    Raises:
        UserError: the features have another dtype or shape, their numbers
            differ, or `metric` is unknown.
    """
    queries, gallery = _pairs("queries", queries, "gallery", gallery, metric)
    slack = _TIE * ((queries**2).sum(1) + (gallery**2).sum(1))
    found = []
    for part, gaps in _blocks(queries, gallery, metric):
        own = gaps[np.arange(len(gaps)), np.arange(part.start, part.stop)]
        nearer = (gaps < (own - slack[part])[:, None]).sum(1)
        # The partner itself is also counted among these vectors. Therefore 1 is
        # subtracted.
        as_near = (gaps <= (own + slack[part])[:, None]).sum(1) - 1
        found.append(1 + (nearer + as_near) / 2)
    ranks = np.concatenate(found)
    return {
        "r@1": float((ranks <= 1).mean()),
        "r@5": float((ranks <= 5).mean()),
        "median_rank": float(np.median(ranks)),
    }


def semantic_consistency(x, y, metric="euclidean"):
    """Returns the mean distance of partners, divided by that of other pairs.

    If `x` are the embeddings of images by the encoder of their own domain, and
    `y` the embeddings of their translations by the other encoder, the distance
    of partners is what XGAN's semantic loss minimizes (Royer et al. 2017, arXiv
    1711.05139, section 3). Dividing by the mean distance of vectors that are no
    partners makes the number independent of the scale of the embeddings.

    Args:
        x: `[N, D]`, float32 or float64.
        y: `[N, D]`; vector i is the partner of vector i of `x`.
        metric: "cosine" or "euclidean", the distance that is used.

    Returns:
        Float: 0 if partners are equal, 1 if they are no nearer than other
        pairs. If all vectors are the same, the result is also 1.

    Raises:
        UserError: see `retrieval`.
    """
    x, y = _pairs("x", x, "y", y, metric)
    partners = total = 0.0
    for part, gaps in _blocks(x, y, metric):
        if metric == "euclidean":
            gaps = np.sqrt(gaps)
        own = gaps[np.arange(len(gaps)), np.arange(part.start, part.stop)]
        partners += own.sum()
        total += gaps.sum()
    strangers = (total - partners) / (len(x) - 1)
    if strangers <= 0:
        warnings.warn(
            "semantic_consistency: no two vectors differ", stacklevel=2
        )
        return 1.0
    return float(partners / strangers)


def _blocks(x, y, metric):
    """Yields slices of `x`, each with its distances to all of `y`.

    Euclidean distances are squared.
    """
    for start in range(0, len(x), _BLOCK):
        part = slice(start, min(start + _BLOCK, len(x)))
        gaps = squared_distances(x[part], y)
        # The cosine distance is half the squared distance of unit vectors.
        yield part, gaps / 2 if metric == "cosine" else gaps


def _pairs(x_name, x, y_name, y, metric):
    if metric not in ("cosine", "euclidean"):
        raise UserError(
            f"`metric` must be 'cosine' or 'euclidean'. Received: {metric!r}"
        )
    x, y = as_features(x_name, x), as_features(y_name, y)
    check_width(y_name, y, x.shape[1])
    if len(x) != len(y):
        raise UserError(
            f"`{y_name}` must have {len(x)} vectors, one for each of "
            f"`{x_name}`. Received: {len(y)}"
        )
    if metric == "cosine":
        return unit(x), unit(y)
    # The mean is subtracted, because the rounding errors of the distances grow
    # with the distance of the vectors from the origin.
    centre = y.mean(0)
    return x - centre, y - centre
