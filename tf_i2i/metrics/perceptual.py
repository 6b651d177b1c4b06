"""Distances between feature maps, in the form of LPIPS.

Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a
Perceptual Metric", equation 1. The feature maps come from any network of
`tf_i2i.features`. The result equals LPIPS only for the networks and the weights
of that paper. For other networks it should be named after the network.
"""

from itertools import combinations

import numpy as np

from tf_i2i.errors import UserError
from tf_i2i.metrics.arrays import blocks
from tf_i2i.metrics.arrays import check_floats

# Number that is added to the norm of a position's features, as in the authors'
# code. A position whose features are all zero therefore stays zero.
_EPSILON = 1e-10
_BLOCK = 16


def perceptual_distance(taps_x, taps_y, weights=None, per_image=False):
    """Returns the distance between image i of one set and image i of the other.

    At each layer the feature vector of every position is scaled to unit length.
    The squared differences are multiplied by the weights, summed over channels
    and averaged over positions. The results of all layers are summed.

    Args:
        taps_x: dictionary or list of feature maps, float32 or float64
            `[N, h, w, C]`, or vectors `[N, C]`, one for each layer.
        taps_y: feature maps of the other images, with the same layers and
            shapes.
        weights: dictionary or list like the taps, with C non-negative weights
            for each layer, which LPIPS calls "lin"; None for weights of 1.
        per_image: whether to return one value per image, not the mean.

    Returns:
        Float, the mean over images; float64 `[N]` if `per_image`. With
        weights of 1 a layer contributes at most 4, and at most 2 if its
        features are not negative.

    Raises:
        UserError: layers or shapes differ, or a feature map is float16.
    """
    taps_x, taps_y = _named(taps_x), _named(taps_y)
    _check_layers(taps_x, taps_y)
    if weights is not None:
        weights = _named(weights)
        _check_weights(weights, taps_x)
    total = sum(
        _layer(x, taps_y[name], None if weights is None else weights[name])
        for name, x in taps_x.items()
    )
    return total if per_image else float(total.mean())


def diversity(outputs, weights=None):
    """Returns the mean distance between several translations of one input.

    StarGAN v2 (with K = 10) and MUNIT report this number. Noise also has a high
    diversity. Therefore a score of content must be reported as well.

    Args:
        outputs: K sets of feature maps, each as `perceptual_distance` takes
            them; set k belongs to the k-th translation of every input.
        weights: as in `perceptual_distance`.

    Returns:
        Float, the mean over all pairs of the K translations and over inputs.

    Raises:
        UserError: there are fewer than two sets, or an error of
            `perceptual_distance` occurs.
    """
    if len(outputs) < 2:
        raise UserError(
            "`outputs` must hold at least two sets of feature maps. Received: "
            f"{len(outputs)}"
        )
    pairs = combinations(outputs, 2)
    return float(
        np.mean([perceptual_distance(x, y, weights) for x, y in pairs])
    )


def _layer(x, y, lin):
    """Returns the distances `[N]` at one layer."""
    parts = []
    for part in blocks(len(x), _BLOCK):
        gap = (_unit(x[part]) - _unit(y[part])) ** 2
        by_position = gap.sum(-1) if lin is None else gap @ lin
        parts.append(by_position.reshape(len(by_position), -1).mean(1))
    return np.concatenate(parts)


def _unit(features):
    features = features.astype(np.float64)
    norm = np.sqrt((features**2).sum(-1, keepdims=True))
    return features / (norm + _EPSILON)


def _named(taps):
    if isinstance(taps, dict):
        return taps
    return {str(i): tap for i, tap in enumerate(taps)}


def _check_layers(taps_x, taps_y):
    shapes_x = {name: list(np.shape(tap)) for name, tap in taps_x.items()}
    shapes_y = {name: list(np.shape(tap)) for name, tap in taps_y.items()}
    if shapes_x != shapes_y or any(
        len(s) not in (2, 4) for s in shapes_x.values()
    ):
        raise UserError(
            "`taps_x` and `taps_y` must be feature maps [N, h, w, C] or "
            "vectors [N, C] of the same layers, for the same number of images. "
            f"Received: {shapes_x} and {shapes_y}"
        )
    check_floats(**{f"taps_x[{name}]": tap for name, tap in taps_x.items()})
    check_floats(**{f"taps_y[{name}]": tap for name, tap in taps_y.items()})


def _check_weights(weights, taps):
    shapes = {name: list(np.shape(w)) for name, w in weights.items()}
    wanted = {name: [np.shape(tap)[-1]] for name, tap in taps.items()}
    if shapes != wanted:
        raise UserError(
            f"`weights` must have the shapes {wanted}. Received: {shapes}"
        )
    for name, w in weights.items():
        if np.min(w) < 0:
            raise UserError(
                f"`weights[{name}]` must not be negative. Received: {np.min(w)}"
            )
