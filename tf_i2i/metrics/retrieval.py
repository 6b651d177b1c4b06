"""Do embeddings of two domains agree on who is who?

For sets that correspond one to one: vector i of one set belongs to vector i
of the other, which training never knew.
"""

import warnings

import numpy as np

from tf_i2i.errors import UserError
from tf_i2i.metrics.embeddings import as_features
from tf_i2i.metrics.embeddings import check_width
from tf_i2i.metrics.embeddings import squared_distances
from tf_i2i.metrics.embeddings import unit

_BLOCK = 1024
# Squared distances that differ by less, in units of the vectors' squares, are
# tied.
_TIE = 1e-10


def retrieval(queries, gallery, metric="cosine"):
    """How well each query finds its own partner in the gallery.

    A tied stranger counts as half a rank, so that constant embeddings have
    the median rank of chance, (N + 1) / 2, and find nobody.

    Args:
        queries: `[N, D]`, float32 or float64.
        gallery: `[N, D]`; the partner of query i is i.
        metric: "cosine" or "euclidean".

    Returns:
        Dictionary of floats: `r@1` and `r@5`, the shares of queries whose
        partner has rank 1, and 5 or less; `median_rank`, from 1.

    Raises:
        UserError: not such features, not equally many, or another metric.
    """
    queries, gallery = _pairs("queries", queries, "gallery", gallery, metric)
    slack = _TIE * ((queries**2).sum(1) + (gallery**2).sum(1))
    found = []
    for part, gaps in _blocks(queries, gallery, metric):
        own = gaps[np.arange(len(gaps)), np.arange(part.start, part.stop)]
        nearer = (gaps < (own - slack[part])[:, None]).sum(1)
        # The partner itself is among those not farther.
        as_near = (gaps <= (own + slack[part])[:, None]).sum(1) - 1
        found.append(1 + (nearer + as_near) / 2)
    ranks = np.concatenate(found)
    return {
        "r@1": float((ranks <= 1).mean()),
        "r@5": float((ranks <= 5).mean()),
        "median_rank": float(np.median(ranks)),
    }


def semantic_consistency(x, y, metric="euclidean"):
    """Mean distance of partners over mean distance of strangers.

    With `x` the embeddings of images by the encoder of their own domain and
    `y` those of their translations by the other encoder: what XGAN's
    semantic loss asks for (Royer et al. 2017, arXiv 1711.05139, section 3),
    in units that shrinking all embeddings does not change.

    Args:
        x: `[N, D]`, float32 or float64.
        y: `[N, D]`; vector i belongs to vector i of `x`.
        metric: "cosine" or "euclidean".

    Returns:
        Float: 0 where partners are equal, 1 where they are no nearer than
        strangers, or where all vectors are the same.

    Raises:
        UserError: as `retrieval`.
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
    """Slices of `x` and distances to all of `y`, squared if Euclidean."""
    for start in range(0, len(x), _BLOCK):
        part = slice(start, min(start + _BLOCK, len(x)))
        gaps = squared_distances(x[part], y)
        # Half the squared distance of unit vectors.
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
            f"`{y_name}` must have {len(x)} vectors, the partners of "
            f"`{x_name}`. Received: {len(y)}"
        )
    if metric == "cosine":
        return unit(x), unit(y)
    # Cancellation in the distances grows with the distance from the origin.
    centre = y.mean(0)
    return x - centre, y - centre
