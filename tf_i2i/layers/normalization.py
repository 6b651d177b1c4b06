"""Domain-adaptive batch renormalization and pixel normalization."""

import dataclasses
from typing import NamedTuple

import keras
import tensorflow as tf

from tf_i2i.errors import UserError
from tf_i2i.layers.portable import is_portable
from tf_i2i.layers.replicas import across_replicas
from tf_i2i.layers.replicas import replica_position

_SLOPE = 0.2  # Of the leaky ReLU below zero.
_EPSILON = 1e-8  # Added to the mean square of a pixel.


def leaky_relu(x):
    """Leaky ReLU of slope 0.2, differentiable twice, for any float tensor.

    The gradient is taken from the output, so that the input need not be kept
    and kernels can join a convolution, its bias and this.
    """
    # Converters do not take gradients of our own.
    if is_portable():
        return tf.nn.leaky_relu(x, _SLOPE)
    return _leaky_relu(x)


@tf.custom_gradient
def _leaky_relu(x):
    y = tf.nn.leaky_relu(x, _SLOPE)

    def backward(upstream):
        return tf.raw_ops.LeakyReluGrad(
            gradients=upstream, features=y, alpha=_SLOPE
        )

    return y, backward


def leaky_pixel_norm(x, training=False):
    """Leaky ReLU, then pixel normalization, both in float32.

    Args:
        x: `[N, H, W, C]`, float.
        training: whether a first derivative will be asked for (there is no
            second one then); the values are the same.

    Returns:
        Same shape and dtype.
    """
    if not training:
        y = tf.nn.leaky_relu(tf.cast(x, tf.float32), _SLOPE)
        return tf.cast(pixel_norm(y), x.dtype)

    # By hand, since it takes half the passes over memory; in two dimensions,
    # since broadcasting is faster there.
    @tf.custom_gradient
    def forward(x):
        shape, dtype = tf.shape(x), x.dtype
        flat = tf.reshape(tf.cast(x, tf.float32), [-1, x.shape[3]])
        y = tf.nn.leaky_relu(flat, _SLOPE)
        mean_square = tf.reduce_mean(tf.square(y), axis=1, keepdims=True)
        factor = tf.math.rsqrt(mean_square + _EPSILON)
        y = y * factor

        def backward(upstream):
            g = tf.reshape(tf.cast(upstream, tf.float32), [-1, x.shape[3]])
            along = tf.reduce_mean(g * y, axis=1, keepdims=True)
            g = tf.raw_ops.LeakyReluGrad(
                gradients=factor * (g - y * along), features=y, alpha=_SLOPE
            )
            return tf.cast(tf.reshape(g, shape), dtype)

        return tf.cast(tf.reshape(y, shape), dtype), backward

    return forward(x)


def pixel_norm(x):
    """Divides each pixel's feature vector by its root mean square.

    Karras et al. 2018 (arXiv:1710.10196), section 4.2.

    Args:
        x: `[N, H, W, C]`, float.

    Returns:
        Same shape and dtype.
    """
    mean_square = tf.reduce_mean(tf.square(x), axis=-1, keepdims=True)
    return x * tf.math.rsqrt(mean_square + _EPSILON)


class RenormLimits(NamedTuple):
    """Clips of batch renormalization: `r` in [1/r_max, r_max], `d` in ±d_max.

    `BATCH_NORM`, (1, 0), is batch normalization.
    """

    r_max: float | tf.Tensor
    d_max: float | tf.Tensor


BATCH_NORM = RenormLimits(1.0, 0.0)


@dataclasses.dataclass(frozen=True)
class NormRouting:
    """How one call's batch passes through the normalization layers.

    A plain object: Keras hands it through nested layers as it is, neither
    cast nor taken apart.

    Args:
        routes: names of routes, each at most once. The batch holds their
            images one route after the other, equally many.
        limits: `RenormLimits` in training; None at inference, which uses the
            moving statistics and changes nothing.
        style: `[len(routes) * N, style_size]`, where the layers have one.
        routes_per_source: how many routes, next to each other in `routes`,
            start from the same images. What they have in common is computed
            once.
    """

    routes: tuple[str, ...]
    limits: RenormLimits | None = None
    style: tf.Tensor | None = None
    routes_per_source: int = 1

    def repeat_per_route(self, x):
        """What the routes share, `[sources * N, ...]`, once for each route."""
        if self.routes_per_source == 1:
            return x
        sources = tf.split(x, len(self.routes) // self.routes_per_source)
        return tf.concat(
            [y for y in sources for _ in range(self.routes_per_source)], 0
        )


class Moments(NamedTuple):
    """Mean and deviation of each route, `[routes, C]`."""

    mean: tf.Tensor
    deviation: tf.Tensor


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

    def call(self, x, routing):
        """Normalizes each route's part of the batch by itself.

        Args:
            x: `[len(routes) * N, H, W, C]`, float; route after route.
            routing: `NormRouting`.

        Returns:
            The shape and dtype of `x`; computed in float32.
        """
        rows = [list(self.routes).index(route) for route in routing.routes]
        moving = Moments(
            tf.gather(self.moving_mean, rows),
            tf.gather(self.moving_deviation, rows),
        )
        if routing.limits is None:
            scale = 1.0 / moving.deviation
            offset = -moving.mean * scale
            return self._transform(x, scale, offset, routing)
        if routing.style is None and replica_position()[1] == 1:
            return self._train_fused(x, rows, moving, routing)
        h = _by_route(tf.cast(x, tf.float32), len(rows))
        batch = self._moments(h)
        r, d = _corrections(batch, moving, routing.limits)
        self._move(rows, moving, batch)
        scale = r / batch.deviation
        return self._transform(x, scale, d - batch.mean * scale, routing)

    def _transform(self, x, scale, offset, routing):
        """`gamma * (x * scale + offset) + beta` in two operations."""
        gamma, beta = self._affine(routing.routes, routing.style)
        scale = gamma * scale[:, None]
        offset = gamma * offset[:, None] + beta
        h = tf.cast(x, tf.float32)
        if len(routing.routes) == 1 and routing.style is None:
            # One map for all: converters fold it into the convolution.
            return tf.cast(h * scale[0, 0] + offset[0, 0], x.dtype)
        h = _by_route(h, len(routing.routes))
        y = h * scale[:, :, None] + offset[:, :, None]
        return tf.cast(tf.reshape(y, tf.shape(x)), x.dtype)

    def _train_fused(self, x, rows, moving, routing):
        """The same by the kernels of batch normalization, twice as fast.

        They read and write `x` in its own precision, and know nothing of
        styles or of other replicas. `r` and `d` are constants to the
        gradient, so that renormalization is batch normalization by `gamma *
        r` and `gamma * d + beta`.
        """
        kernels = [
            _batch_norm(part, self.epsilon)
            for part in tf.split(tf.stop_gradient(x), len(rows))
        ]
        batch = _kernel_moments(kernels, self.epsilon)
        r, d = _corrections(batch, moving, routing.limits)
        self._move(rows, moving, batch)
        gamma, beta = self._affine(routing.routes, None)
        scale = gamma[:, 0] * r
        offset = gamma[:, 0] * d + beta[:, 0]
        return _apply_batch_norm(x, scale, offset, kernels, self.epsilon)

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

    def _moments(self, h):
        mean, square = across_replicas(
            [tf.reduce_mean(h, [1, 2]), tf.reduce_mean(tf.square(h), [1, 2])]
        )
        variance = tf.maximum(square - tf.square(mean), 0.0)
        return Moments(mean, tf.sqrt(variance + self.epsilon))

    def _move(self, rows, moving, batch):
        variables = (self.moving_mean, self.moving_deviation)
        for variable, old, new in zip(variables, moving, batch, strict=True):
            new = self.decay * old + (1.0 - self.decay) * new
            # A batch that is not finite must not outlive its step.
            new = tf.where(tf.math.is_finite(new), new, old)
            variable.assign(
                tf.tensor_scatter_nd_update(
                    tf.convert_to_tensor(variable), [[row] for row in rows], new
                )
            )


def _by_route(x, routes):
    """`[routes * N, H, W, C]` -> `[routes, N, H * W, C]`."""
    shape = tf.shape(x)
    return tf.reshape(
        x, [routes, shape[0] // routes, shape[1] * shape[2], x.shape[3]]
    )


def _corrections(batch, moving, limits):
    """`r` and `d` of batch renormalization; no gradient goes through them."""
    r = tf.stop_gradient(batch.deviation / moving.deviation)
    d = tf.stop_gradient((batch.mean - moving.mean) / moving.deviation)
    return (
        tf.clip_by_value(r, 1.0 / limits.r_max, limits.r_max),
        tf.clip_by_value(d, -limits.d_max, limits.d_max),
    )


def _batch_norm(x, epsilon):
    """The kernel that finds a batch's statistics."""
    channels = x.shape[3]
    return tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=tf.ones(channels),
        offset=tf.zeros(channels),
        mean=[],
        variance=[],
        epsilon=epsilon,
        is_training=True,
    )


def _variance(kernel):
    """Of the batch itself; the kernel gives an unbiased estimate."""
    channels = kernel.y.shape[3]
    count = tf.cast(tf.size(kernel.y) // channels, tf.float32)
    return kernel.batch_variance * (count - 1.0) / count


def _kernel_moments(kernels, epsilon):
    variance = tf.stack([_variance(kernel) for kernel in kernels])
    return Moments(
        tf.stack([kernel.batch_mean for kernel in kernels]),
        tf.sqrt(variance + epsilon),
    )


def _apply_batch_norm(x, scale, offset, kernels, epsilon):
    """Batch normalization of each route by its own statistics.

    Args:
        x: `[routes * N, H, W, C]`.
        scale, offset: `[routes, C]`.
        kernels: what `_batch_norm` gave for each route.
        epsilon: added to the variances.

    Returns:
        The shape and dtype of `x`.
    """

    @tf.custom_gradient
    def forward(x, scale, offset):
        parts = tf.split(x, len(kernels))
        scales, offsets = tf.unstack(scale), tf.unstack(offset)
        y = [
            tf.raw_ops.FusedBatchNormV3(
                x=parts[i],
                scale=scales[i],
                offset=offsets[i],
                mean=kernel.batch_mean,
                variance=_variance(kernel),
                epsilon=epsilon,
                is_training=False,
            ).y
            for i, kernel in enumerate(kernels)
        ]

        def backward(upstream):
            gradients = [
                tf.raw_ops.FusedBatchNormGradV3(
                    y_backprop=g,
                    x=parts[i],
                    scale=scales[i],
                    reserve_space_1=kernels[i].reserve_space_1,
                    reserve_space_2=kernels[i].reserve_space_2,
                    reserve_space_3=kernels[i].reserve_space_3,
                    epsilon=epsilon,
                    is_training=True,
                )
                for i, g in enumerate(tf.split(upstream, len(kernels)))
            ]
            return (
                tf.concat([g.x_backprop for g in gradients], 0),
                tf.stack([g.scale_backprop for g in gradients]),
                tf.stack([g.offset_backprop for g in gradients]),
            )

        return tf.concat(y, 0), backward

    return forward(x, scale, offset)
