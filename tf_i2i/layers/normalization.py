"""Batch renormalization for several domains, and pixel normalization."""

import dataclasses
from typing import NamedTuple

import keras
import tensorflow as tf

from tf_i2i.errors import UserError
from tf_i2i.layers.portable import is_portable
from tf_i2i.layers.replicas import across_replicas
from tf_i2i.layers.replicas import replica_position

# The factor with which the leaky ReLU multiplies values below 0.
_SLOPE = 0.2
# The number that pixel normalization adds to the mean square of a pixel's
# features, which avoids a division by 0.
_EPSILON = 1e-8


def leaky_relu(x):
    """Returns the leaky ReLU of a float tensor, with the factor 0.2 below 0.

    The function can be differentiated twice. The gradient is computed from
    the output. Therefore TensorFlow need not keep the input, and can fuse the
    activation with the preceding convolution and bias.
    """
    # Within `portable`, the custom gradient is not used, because converters do
    # not support it.
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
    """Returns the leaky ReLU of `x`, pixel-normalized in float32.

    Args:
        x: `[N, H, W, C]`, float.
        training: whether to use a faster custom gradient, which cannot be
            differentiated again. Outputs and gradients are equal either way.

    Returns:
        A tensor of the shape and dtype of `x`.
    """
    if not training:
        y = tf.nn.leaky_relu(tf.cast(x, tf.float32), _SLOPE)
        return tf.cast(pixel_norm(y), x.dtype)

    # A custom gradient is used, because it halves the number of passes over
    # memory. The tensors are two-dimensional, because broadcasting is faster in
    # two dimensions.
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
    """Returns `x`, each pixel's features divided by their root mean square.

    Source: Karras et al. 2018 (arXiv:1710.10196), section 4.2.

    Args:
        x: `[N, H, W, C]`, float.

    Returns:
        A tensor of the shape and dtype of `x`.
    """
    mean_square = tf.reduce_mean(tf.square(x), axis=-1, keepdims=True)
    return x * tf.math.rsqrt(mean_square + _EPSILON)


class RenormLimits(NamedTuple):
    """The ranges to which batch renormalization clips `r` and `d`.

    `r` and `d` are the scale and the offset that change the statistics of the
    batch to the moving statistics. `r` is clipped to [1 / r_max, r_max] and `d`
    to [-d_max, d_max]. With `BATCH_NORM`, which is (1, 0), batch
    renormalization is the same as batch normalization. If `moves` is False, the
    moving statistics are not updated.
    """

    r_max: float | tf.Tensor
    d_max: float | tf.Tensor
    moves: bool = True


BATCH_NORM = RenormLimits(1.0, 0.0)


@dataclasses.dataclass(frozen=True)
class NormRouting:
    """The statistics and the style by which one batch is normalized.

    This class is not a tuple or a dictionary, because Keras would cast the
    tensors in a tuple or dictionary when it passes them through nested layers.

    Args:
        routes: names of the routes in the batch, each at most once; see
            `DomainBatchRenormalization`. The batch holds the same number of
            images for each route, one route after the other.
        limits: `RenormLimits` in training. If it is None, as at inference, the
            moving statistics are used and not updated.
        style: `[len(routes) * N, style_size]`, for layers that take a style;
            None otherwise.
        routes_per_source: number of consecutive entries of `routes` that
            start from the same images. Layers whose output is the same for
            all of these routes are computed once.
    """

    routes: tuple[str, ...]
    limits: RenormLimits | None = None
    style: tf.Tensor | None = None
    routes_per_source: int = 1

    def repeat_per_route(self, x):
        """Returns the features of each source, repeated for each of its routes.

        Args:
            x: `[sources * N, ...]`.

        Returns:
            `[len(routes) * N, ...]`, in the order of `routes`.
        """
        if self.routes_per_source == 1:
            return x
        sources = tf.split(x, len(self.routes) // self.routes_per_source)
        return tf.concat(
            [y for y in sources for _ in range(self.routes_per_source)], 0
        )


class Moments(NamedTuple):
    """The mean and the standard deviation of each route, both `[routes, C]`."""

    mean: tf.Tensor
    deviation: tf.Tensor


class DomainBatchRenormalization(keras.layers.Layer):
    """Batch renormalization with a scale and offset for each domain.

    Batch renormalization is algorithm 1 of Ioffe 2017 (arXiv:1702.03275). One
    pair (gamma, beta) for each domain is used in section 3.2 of Li 2018
    (arXiv:1809.00946). Unlike in both papers, separate moving statistics are
    kept for each *route*, which is a combination of source and target domain.
    If a generator for the routes from A to B and from B to B kept one set of
    statistics, these statistics would be an average of both routes, and would
    be wrong for each of them at inference.

    A batch may contain several routes, one after the other. Statistics are
    computed separately for each route, while the other layers process the
    whole batch at once.

    Args:
        routes: dictionary from the name of each route to the index of its
            domain, which selects gamma and beta.
        decay: decay of the moving means and standard deviations.
        epsilon: small number that is added to the variance of a batch.
        style_size: length of the style vectors, or None. If it is given,
            gamma is `1 + FC(style)` and beta is `FC(style)`, with one pair of
            dense layers FC for each domain. If it is None, gamma and beta are
            learned constants.

    Raises:
        UserError: `routes` is empty.
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
            # Gamma and beta are the kernels of the dense layers, whose last row
            # is the bias.
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
        """Returns `x`, with each route's part normalized separately.

        Args:
            x: `[len(routes) * N, H, W, C]`, float, one route after the other.
            routing: `NormRouting`.

        Returns:
            A tensor of the shape and dtype of `x`, computed in float32.
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
        if routing.limits.moves:
            self._move(rows, moving, batch)
        scale = r / batch.deviation
        return self._transform(x, scale, d - batch.mean * scale, routing)

    def _transform(self, x, scale, offset, routing):
        """Returns `gamma * (x * scale + offset) + beta`.

        Only one multiplication and one addition are needed for each element of
        `x`.
        """
        gamma, beta = self._affine(routing.routes, routing.style)
        scale = gamma * scale[:, None]
        offset = gamma * offset[:, None] + beta
        h = tf.cast(x, tf.float32)
        if len(routing.routes) == 1 and routing.style is None:
            # The scale and offset are the same for all images, so they need no
            # batch dimension. Converters can fold such a scale and offset into
            # the convolution.
            return tf.cast(h * scale[0, 0] + offset[0, 0], x.dtype)
        h = _by_route(h, len(routing.routes))
        y = h * scale[:, :, None] + offset[:, :, None]
        return tf.cast(tf.reshape(y, tf.shape(x)), x.dtype)

    def _train_fused(self, x, rows, moving, routing):
        """Returns the output in training, by TensorFlow's fused normalization.

        TensorFlow's fused batch normalization is twice as fast as separate
        operations, and needs no conversion of `x` to float32. The fused
        operation supports neither styles nor several replicas. It can be used
        because `r` and `d` have no gradient. Therefore batch renormalization
        equals batch normalization with the scale `gamma * r` and the offset
        `gamma * d + beta`.
        """
        fused = [
            _batch_norm(part, self.epsilon)
            for part in tf.split(tf.stop_gradient(x), len(rows))
        ]
        batch = _fused_moments(fused, self.epsilon)
        r, d = _corrections(batch, moving, routing.limits)
        if routing.limits.moves:
            self._move(rows, moving, batch)
        gamma, beta = self._affine(routing.routes, None)
        scale = gamma[:, 0] * r
        offset = gamma[:, 0] * d + beta[:, 0]
        return _apply_batch_norm(x, scale, offset, fused, self.epsilon)

    def _affine(self, routes, style):
        """Returns gamma and beta, each `[routes, 1 or N, C]`."""
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
            # Infinite values and NaN are skipped, because they would stay in
            # the moving statistics.
            new = tf.where(tf.math.is_finite(new), new, old)
            variable.assign(
                tf.tensor_scatter_nd_update(
                    tf.convert_to_tensor(variable), [[row] for row in rows], new
                )
            )


def _by_route(x, routes):
    """Returns `[routes * N, H, W, C]`, reshaped to `[routes, N, H * W, C]`."""
    shape = tf.shape(x)
    return tf.reshape(
        x, [routes, shape[0] // routes, shape[1] * shape[2], x.shape[3]]
    )


def _corrections(batch, moving, limits):
    """Returns `r` and `d` of batch renormalization, without a gradient."""
    r = tf.stop_gradient(batch.deviation / moving.deviation)
    d = tf.stop_gradient((batch.mean - moving.mean) / moving.deviation)
    return (
        tf.clip_by_value(r, 1.0 / limits.r_max, limits.r_max),
        tf.clip_by_value(d, -limits.d_max, limits.d_max),
    )


def _batch_norm(x, epsilon):
    """Returns the outputs of fused batch normalization in training.

    The outputs are the normalized batch `y` and the statistics of `x`.
    """
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


def _variance(fused):
    """Returns the variance of the batch, `[C]`.

    Fused batch normalization returns the unbiased estimate of the variance,
    which is larger by the factor n / (n - 1).
    """
    channels = fused.y.shape[3]
    count = tf.cast(tf.size(fused.y) // channels, tf.float32)
    return fused.batch_variance * (count - 1.0) / count


def _fused_moments(fused, epsilon):
    variance = tf.stack([_variance(part) for part in fused])
    return Moments(
        tf.stack([part.batch_mean for part in fused]),
        tf.sqrt(variance + epsilon),
    )


def _apply_batch_norm(x, scale, offset, fused, epsilon):
    """Returns `x`, each route batch-normalized by its own statistics.

    Args:
        x: `[routes * N, H, W, C]`.
        scale, offset: `[routes, C]`.
        fused: list of the outputs of `_batch_norm` for each route.
        epsilon: small number that is added to the variances.

    Returns:
        A tensor of the shape and dtype of `x`.
    """

    @tf.custom_gradient
    def forward(x, scale, offset):
        parts = tf.split(x, len(fused))
        scales, offsets = tf.unstack(scale), tf.unstack(offset)
        y = [
            tf.raw_ops.FusedBatchNormV3(
                x=parts[i],
                scale=scales[i],
                offset=offsets[i],
                mean=part.batch_mean,
                variance=_variance(part),
                epsilon=epsilon,
                is_training=False,
            ).y
            for i, part in enumerate(fused)
        ]

        def backward(upstream):
            gradients = [
                tf.raw_ops.FusedBatchNormGradV3(
                    y_backprop=g,
                    x=parts[i],
                    scale=scales[i],
                    reserve_space_1=fused[i].reserve_space_1,
                    reserve_space_2=fused[i].reserve_space_2,
                    reserve_space_3=fused[i].reserve_space_3,
                    epsilon=epsilon,
                    is_training=True,
                )
                for i, g in enumerate(tf.split(upstream, len(fused)))
            ]
            return (
                tf.concat([g.x_backprop for g in gradients], 0),
                tf.stack([g.scale_backprop for g in gradients]),
                tf.stack([g.offset_backprop for g in gradients]),
            )

        return tf.concat(y, 0), backward

    return forward(x, scale, offset)
