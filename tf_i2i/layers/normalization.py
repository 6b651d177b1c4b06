"""Domain-adaptive batch renormalization and pixel normalization."""

import dataclasses
from typing import NamedTuple

import keras
import tensorflow as tf

from tf_i2i.errors import UserError
from tf_i2i.layers.replicas import across_replicas


def pixel_norm(x, epsilon=1e-8):
    """Divides each pixel's feature vector by its root mean square.

    Karras et al. 2018 (arXiv:1710.10196), section 4.2.

    Args:
        x: `[N, H, W, C]`, float.
        epsilon: added to the mean square.

    Returns:
        Same shape and dtype.
    """
    mean_square = tf.reduce_mean(tf.square(x), axis=-1, keepdims=True)
    return x * tf.math.rsqrt(mean_square + epsilon)


class RenormLimits(NamedTuple):
    """Clips of batch renormalization: `r` in [1/r_max, r_max], `d` in ±d_max.

    `RenormLimits(1, 0)` is batch normalization.
    """

    r_max: float | tf.Tensor
    d_max: float | tf.Tensor


@dataclasses.dataclass(frozen=True)
class Passage:
    """How one call's batch passes through the normalization layers.

    A plain object: Keras hands it through nested layers as it is, neither
    cast nor taken apart.

    Args:
        routes: names of routes, each at most once. The batch holds their
            images one route after the other, equally many.
        limits: `RenormLimits` in training; None at inference, which uses the
            moving statistics and changes nothing.
        style: `[len(routes) * N, style_size]`, where the layers have one.
    """

    routes: tuple[str, ...]
    limits: RenormLimits | None = None
    style: tf.Tensor | None = None


class DomainBatchRenormalization(keras.layers.Layer):
    """Batch renormalization with a scale and offset per domain.

    Renormalization: Ioffe 2017 (arXiv:1702.03275), algorithm 1. One pair
    (gamma, beta) for each domain: Li 2018 (arXiv:1809.00946), section 3.2.
    Beyond both, the moving statistics belong to a *route*, the way that an
    image takes through the network. A generator that serves `a -> b` and
    `b -> b` with one set would be run, at inference, on the statistics of
    neither.

    Several routes go through in one call, as groups of one batch: the
    statistics are taken within each group, the convolutions around the layer
    see one large batch.

    Args:
        routes: dictionary, name of a route -> index of its domain.
        decay: of the moving mean and deviation.
        epsilon: added to the variance of a batch.
        style_size: length of the style vectors that replace (gamma, beta) by
            `1 + FC(style)` and `FC(style)`, one pair of dense layers for each
            domain; None for learned constants.

    Raises:
        UserError: if `routes` is empty.
    """

    def __init__(
        self, routes, decay=0.99, epsilon=1e-3, style_size=None, name=None
    ):
        super().__init__(name=name, dtype="float32", autocast=False)
        if not routes:
            raise UserError(
                "`routes` must name at least one route. "
                f"Received: routes={routes}"
            )
        self.routes = dict(routes)
        self.decay = decay
        self.epsilon = epsilon
        self.style_size = style_size

    def build(self, input_shape):
        channels = input_shape[-1]
        domains = 1 + max(self.routes.values())
        if self.style_size:
            # Dense layers; the last row is their bias.
            shape: tuple[int, ...] = (domains, self.style_size + 1, channels)
            gamma = beta = keras.initializers.RandomNormal(stddev=0.02)
        else:
            shape = (domains, channels)
            gamma, beta = "ones", "zeros"
        self.gamma = self.add_weight(
            shape=shape, initializer=gamma, name="gamma"
        )
        self.beta = self.add_weight(shape=shape, initializer=beta, name="beta")
        statistics = (len(self.routes), channels)
        self.moving_mean = self.add_weight(
            shape=statistics,
            initializer="zeros",
            trainable=False,
            aggregation="mean",
            name="moving_mean",
        )
        self.moving_deviation = self.add_weight(
            shape=statistics,
            initializer="ones",
            trainable=False,
            aggregation="mean",
            name="moving_deviation",
        )

    def call(self, x, passage):
        """Normalizes each route's part of the batch by itself.

        Args:
            x: `[len(routes) * N, H, W, C]`, float; route after route.
            passage: `Passage`.

        Returns:
            float32, the shape of `x`.
        """
        routes, limits = passage.routes, passage.limits
        shape, channels = tf.shape(x), x.shape[3]
        rows = [list(self.routes).index(route) for route in routes]
        moving_mean = tf.gather(self.moving_mean, rows)
        moving_deviation = tf.gather(self.moving_deviation, rows)
        h = tf.reshape(
            tf.cast(x, tf.float32),
            [len(rows), shape[0] // len(rows), shape[1] * shape[2], channels],
        )
        if limits is None:
            scale = 1.0 / moving_deviation
            offset = -moving_mean * scale
        else:
            mean, deviation = self._batch_statistics(h)
            r = tf.stop_gradient(deviation / moving_deviation)
            r = tf.clip_by_value(r, 1.0 / limits.r_max, limits.r_max)
            d = tf.stop_gradient((mean - moving_mean) / moving_deviation)
            d = tf.clip_by_value(d, -limits.d_max, limits.d_max)
            scale = r / deviation
            offset = d - mean * scale
            self._move(self.moving_mean, rows, moving_mean, mean)
            self._move(self.moving_deviation, rows, moving_deviation, deviation)
        gamma, beta = self._affine(routes, passage.style)
        # Two operations over the images, whatever the number of factors.
        scale = gamma * scale[:, None]
        offset = gamma * offset[:, None] + beta
        if len(rows) == 1 and passage.style is None:
            # One map for all: converters fold it into the convolution.
            return tf.cast(x, tf.float32) * scale[0, 0] + offset[0, 0]
        y = h * scale[:, :, None] + offset[:, :, None]
        return tf.reshape(y, shape)

    def _affine(self, routes, style):
        """gamma and beta: `[routes, 1 or N, C]`."""
        domains = [self.routes[route] for route in routes]
        gamma = tf.gather(self.gamma, domains)
        beta = tf.gather(self.beta, domains)
        if self.style_size is None:
            return gamma[:, None], beta[:, None]
        style = tf.pad(style, [[0, 0], [0, 1]], constant_values=1.0)
        style = tf.reshape(
            tf.cast(style, tf.float32),
            [len(domains), -1, self.style_size + 1],
        )
        return 1.0 + tf.matmul(style, gamma), tf.matmul(style, beta)

    def _batch_statistics(self, h):
        mean, square = across_replicas(
            [tf.reduce_mean(h, [1, 2]), tf.reduce_mean(tf.square(h), [1, 2])]
        )
        variance = tf.maximum(square - tf.square(mean), 0.0)
        return mean, tf.sqrt(variance + self.epsilon)

    def _move(self, variable, rows, old, new):
        new = self.decay * old + (1.0 - self.decay) * new
        # A batch that is not finite must not outlive its step.
        new = tf.where(tf.math.is_finite(new), new, old)
        variable.assign(
            tf.tensor_scatter_nd_update(
                tf.convert_to_tensor(variable), [[row] for row in rows], new
            )
        )
