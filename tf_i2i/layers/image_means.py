"""Means over the positions of an image, for images translated in tiles.

Instance normalization and some other layers compute means over all positions of
an image. The means of a tile differ from those of the whole image, and they
also differ from one tile to the next. Therefore the means are recorded while
the whole image, reduced in size, is translated (`recorded_means`). Each tile is
then translated with the recorded means (`given_means`). As a result, each
output pixel depends only on its receptive field, and two overlapping tiles
agree at each pixel whose receptive field lies in both tiles.

Chen et al. 2022, "Towards Ultra-Resolution Neural Style Transfer via Thumbnail
Instance Normalization", arXiv:2103.11784.
"""

import contextlib
import contextvars

import tensorflow as tf

# Function of a tensor and its axes that `image_mean` calls. None for the mean.
_source = contextvars.ContextVar("source", default=None)


@contextlib.contextmanager
def recorded_means():
    """Context that yields a list to which `image_mean` appends its results."""
    means: list[tf.Tensor] = []

    def record(x, axes):
        means.append(tf.reduce_mean(x, axes, keepdims=True))
        return means[-1]

    with _replaced(record):
        yield means


@contextlib.contextmanager
def given_means(means):
    """Context in which `image_mean` returns the recorded means one by one.

    Args:
        means: the list from `recorded_means`, after a translation by the same
            networks.
    """
    following = iter(means)
    with _replaced(lambda x, axes: next(following)):
        yield


@contextlib.contextmanager
def _replaced(source):
    token = _source.set(source)
    try:
        yield
    finally:
        _source.reset(token)


def shares_means():
    """Returns whether `recorded_means` or `given_means` is active."""
    return _source.get() is not None


def image_mean(x, axes):
    """Returns the mean over some axes, which are kept with size 1.

    Args:
        x: `[N, H, W, C]`, float32.
        axes: list of axes, [1, 2] or [1, 2, 3].

    Returns:
        `[N, 1, 1, C]` or `[N, 1, 1, 1]`. Within `given_means`, it is the mean
        of the whole image instead of that of `x`.
    """
    source = _source.get()
    return source(x, axes) if source else tf.reduce_mean(x, axes, keepdims=True)
