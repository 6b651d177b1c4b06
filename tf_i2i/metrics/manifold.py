"""Precision, recall, density and coverage of features.

Sources: Kynkaanniemi et al., "Improved Precision and Recall Metric for
Assessing Generative Models", 2019, arXiv 1904.06991; Naeem et al., "Reliable
Fidelity and Diversity Metrics for Generative Models", 2020, arXiv 2002.09797.

Each vector of a set is the centre of a ball that reaches to its k-th nearest
neighbour in the same set.

The precision is also 1 if the fake set repeats one good image. Therefore
coverage and recall must be read as well.
"""

import numpy as np

from tf_i2i.errors import UserError
from tf_i2i.metrics.embeddings import as_features
from tf_i2i.metrics.embeddings import check_width
from tf_i2i.metrics.embeddings import squared_distances

# Number of distances that are computed at once. These distances take 64 MB.
_BLOCK = 2**23
# Squared distances count as equal if they differ by less than this share.
_TIE = 1e-10


def precision_recall_density_coverage(real, fake, k=5, inclusive=False):
    """Returns precision, recall, density and coverage.

    The defaults are taken from the code of Naeem et al. Kynkaanniemi et al. use
    `k=3, inclusive=True` for precision and recall.

    Args:
        real: `[N, D]`, float32 or float64, N > k.
        fake: `[M, D]`, M > k.
        k: number of the neighbour to which a ball reaches; the centre itself is
            not counted as a neighbour.
        inclusive: whether a vector on the surface counts as inside the ball.

    Returns:
        Dictionary of floats: `precision`, the share of fake vectors that lie
        in the ball of some real vector; `recall`, the share of real vectors
        that lie in the ball of some fake vector; `density`, the mean number
        of real balls that a fake vector lies in, divided by k, which can be
        above 1; `coverage`, the share of real balls that contain a fake
        vector.

    Raises:
        UserError: the features have another dtype or shape, or there are too
            few of them for `k`.
    """
    if k < 1:
        raise UserError(f"`k` must be 1 or more. Received: {k}")
    real = as_features("real", real, least=k + 1)
    fake = as_features("fake", fake, least=k + 1)
    check_width("fake", fake, real.shape[1])
    # The mean is subtracted, because the rounding errors of the distances grow
    # with the distance of the vectors from the origin.
    centre = real.mean(0)
    real, fake = real - centre, fake - centre
    side = _TIE if inclusive else -_TIE
    real_reach = _radii(real, k) * (1 + side)
    fake_reach = _radii(fake, k) * (1 + side)
    inside = np.less_equal if inclusive else np.less

    in_real = np.zeros(len(fake), np.int64)
    in_fake = np.zeros(len(real), bool)
    covered = np.zeros(len(real), bool)
    for part, gaps in _blocks(fake, real):
        held = inside(gaps, real_reach)
        in_real[part] = held.sum(1)
        covered |= held.any(0)
        in_fake |= inside(gaps, fake_reach[part, None]).any(0)
    return {
        "precision": float((in_real > 0).mean()),
        "recall": float(in_fake.mean()),
        "density": float(in_real.mean() / k),
        "coverage": float(covered.mean()),
    }


def _radii(x, k):
    """Returns squared distances `[N]` to the k-th nearest neighbours."""
    # Index 0 is the vector itself, so index k is its k-th neighbour.
    return np.concatenate(
        [np.partition(gaps, k, axis=1)[:, k] for _, gaps in _blocks(x, x)]
    )


def _blocks(x, y):
    """Yields slices of `x`, each with its squared distances to all of `y`."""
    rows = max(_BLOCK // len(y), 1)
    for start in range(0, len(x), rows):
        part = slice(start, start + rows)
        yield part, squared_distances(x[part], y)
