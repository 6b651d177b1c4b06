"""Networks of UNIT's domain adaptation (arXiv:1703.00848, Tables 4 to 6).

Each network processes both domains. The layers next to the images exist once
for each domain. All other layers are shared, and process both domains as one
batch.
"""

import keras
import tensorflow as tf

from tf_i2i.errors import UserError
from tf_i2i.layers import BATCH_NORM
from tf_i2i.layers import Conv2D
from tf_i2i.layers import DomainBatchRenormalization
from tf_i2i.layers import NormRouting
from tf_i2i.networks.base import Network
from tf_i2i.networks.blocks import normal_kernels
from tf_i2i.networks.blocks import widen
from tf_i2i.networks.unit import leaky_relu

# Side in pixels of the images that the networks of Table 4 reduce to one pixel
# position.
FRAME = 32
SIZES = (28, 32)
_ROUTE = "all"


def _convolution(filters, kernel_size, strides=1, padding="same", **options):
    return Conv2D(
        filters,
        kernel_size,
        strides,
        padding,
        **{"kernel_initializer": normal_kernels()} | options,
    )


def _doubling(filters, padding="same"):
    return keras.layers.Conv2DTranspose(
        filters,
        4,
        2,
        padding,
        use_bias=False,
        kernel_initializer=normal_kernels(),
        name="convolution",
        data_format="channels_last",
    )


class _Block(Network):
    """A convolution, batch normalization over all replicas and a leaky ReLU."""

    def __init__(self, convolution, name=None):
        super().__init__(name)
        self.convolution = convolution
        self.norm = DomainBatchRenormalization({_ROUTE: 0}, name="norm")

    def call(self, x, training=False):
        limits = BATCH_NORM if training else None
        routing = NormRouting((_ROUTE,), limits)
        return leaky_relu(self.norm(self.convolution(x), routing=routing))


class DigitEncoder(Network):
    """Computes the means of codes from images (Table 4).

    Args:
        width: factor on the channel counts.
        coordinates: whether the x and y coordinates of each pixel, in
            [-1, 1), are two more channels of the images.
    """

    def __init__(self, width=1.0, coordinates=False, name=None):
        super().__init__(name)
        self.coordinates = coordinates

        def block(filters, kernel_size, strides, padding, name):
            convolution = _convolution(
                widen(filters, width),
                kernel_size,
                strides,
                padding,
                use_bias=False,
                name="convolution",
            )
            return _Block(convolution, name=name)

        self.own = {d: block(64, 5, 2, "same", f"own_{d}") for d in "ab"}
        self.shared = [
            block(128, 5, 2, "same", "shared_2"),
            block(256, 8, 1, "valid", "shared_3"),
            block(512, 1, 1, "same", "shared_4"),
        ]
        self.mean = _convolution(widen(1024, width), 1, name="mean")

    def call(self, images, domains, training=False):
        """Returns the means of codes.

        Args:
            images: `[len(domains) * N, S, S, 3]`, float in [-1, 1], one
                domain after the other; S is one of `SIZES`.
            domains: domains of the images, "a", "b" or "ab".
            training: whether to normalize by the statistics of the batch.

        Returns:
            float32 `[len(domains) * N, 1, 1, channels]`.
        """
        x = _pad(images)
        if self.coordinates:
            x = _with_coordinates(x)
        x = _each(self.own, x, domains, training=training)
        for block in self.shared:
            x = block(x, training=training)
        return tf.cast(self.mean(x), tf.float32)


class DigitGenerator(Network):
    """Generates images from codes (Table 4).

    Args:
        image_size: side of the images, one of `SIZES`.
        width: factor on the channel counts.
    """

    def __init__(self, image_size, width=1.0, name=None):
        super().__init__(name)
        self.border = _border(image_size)

        def block(filters, padding, name):
            return _Block(_doubling(widen(filters, width), padding), name)

        self.shared = [
            block(512, "valid", "shared_1"),
            block(256, "same", "shared_2"),
            block(128, "same", "shared_3"),
        ]
        self.own = {d: block(64, "same", f"own_{d}") for d in "ab"}
        self.last = {d: _convolution(3, 1, name=f"last_{d}") for d in "ab"}

    def call(self, codes, domains, training=False):
        """Returns images of the given domains, generated from codes.

        Args:
            codes: `[N, 1, 1, channels]`.
            domains: domains of the images to generate, "a", "b" or "ab".
            training: whether to normalize by the statistics of the batch.

        Returns:
            float32 `[len(domains) * N, S, S, 3]` in [-1, 1], one domain after
            the other.
        """
        x = codes
        for block in self.shared:
            x = block(x, training=training)
        made = [
            self.last[d](self.own[d](x, training=training)) for d in domains
        ]
        inner = slice(self.border, FRAME - self.border)
        images = tf.concat(made, 0)[:, inner, inner]
        return tf.tanh(tf.cast(images, tf.float32))


class DigitCritic(Network):
    """Computes features of images, a real-or-fake logit, and class logits.

    For 28 px, Table 5 describes the network, which has "valid" convolutions and
    one hidden dense layer. For 32 px, Table 6 describes it. In these tables,
    max pooling is the only nonlinear operation between convolutions. The
    weights are initialized as in the authors' code.

    Args:
        image_size: side of the images in pixels, one of `SIZES`.
        width: factor on the channel counts.
        classes: number of classes.
        relu: whether each convolution is followed by a ReLU, before max
            pooling, as in the authors' code.

    Raises:
        UserError: `image_size` is not one of `SIZES`.
    """

    def __init__(
        self, image_size, width=1.0, classes=10, relu=False, name=None
    ):
        super().__init__(name)
        _border(image_size)
        self.relu = relu
        small = image_size == 28
        padding = "valid" if small else "same"
        first, *others = (20, 50) if small else (64, 128, 256, 512)

        def convolution(filters, name):
            return _convolution(
                widen(filters, width),
                5,
                padding=padding,
                **_critic_weights(),
                name=name,
            )

        self.own = {d: convolution(first, f"own_{d}") for d in "ab"}
        self.shared = [
            convolution(filters, f"shared_{filters}") for filters in others
        ]
        # The dropout rate after each layer. The rates for 32 px are taken from
        # the authors' code.
        self.rates: tuple[float, ...] = (0.1, 0.3, 0.5, 0.5)
        self.dense = None
        if small:
            self.rates = (0.0, 0.0, 0.5)
            self.dense = _dense(widen(500, width), "dense", None)
        self.score = _dense(1, "score", "float32")
        self.classifier = _dense(classes, "classifier", "float32")

    def call(self, images, domains, dropout=None):
        """Returns the features and logits of images.

        Args:
            images: `[len(domains) * N, S, S, 3]`, float in [-1, 1], one
                domain after the other.
            domains: domains of the images, "a", "b" or "ab".
            dropout: function that takes a shape `[N, ...]` and the index of a
                layer, and returns random numbers of that shape, uniform in
                [0, 1). Dropout removes the same features from image i of
                each domain. None for no dropout.

        Returns:
            Three float32 tensors: features `[len(domains) * N, D]` before
            dropout, real-or-fake logits `[len(domains) * N, 1]`, and class
            logits `[len(domains) * N, classes]`.
        """
        groups = len(domains)
        x = self._pool(_each(self.own, images, domains))
        for i, convolution in enumerate(self.shared):
            x = self._drop(x, i, groups, dropout)
            x = self._pool(convolution(x))
        features = tf.reshape(x, [-1, x.shape[1] * x.shape[2] * x.shape[3]])
        if self.dense:
            features = tf.nn.relu(self.dense(features))
        last = len(self.rates) - 1
        x = self._drop(features, last, groups, dropout)
        return tf.cast(features, tf.float32), self.score(x), self.classifier(x)

    def _pool(self, x):
        # A ReLU gives the same result before and after max pooling, and has
        # fewer values to process after it.
        x = tf.nn.max_pool2d(x, 2, 2, "VALID")
        return tf.nn.relu(x) if self.relu else x

    def _drop(self, x, i, groups, dropout):
        rate = self.rates[i]
        if dropout is None or not rate:
            return x
        shape = (x.shape[0] // groups, *x.shape[1:])
        kept = tf.cast(dropout(shape, i) >= rate, x.dtype) / (1.0 - rate)
        return x * tf.concat([kept] * groups, 0)


def _dense(units, name, dtype):
    return keras.layers.Dense(
        units, **_critic_weights(), dtype=dtype, name=name
    )


def _critic_weights():
    """Returns the initializers of a critic's layer, from the authors' code.

    Kernels are uniform in +-sqrt(2) * sqrt(6 / (fan_in + fan_out)), which is
    Glorot's initializer with a gain of sqrt(2). Biases are .1.
    """
    return {
        "kernel_initializer": keras.initializers.VarianceScaling(
            2.0, mode="fan_avg", distribution="uniform"
        ),
        "bias_initializer": keras.initializers.Constant(0.1),
    }


def _each(layers, x, domains, **options):
    """Applies the layer of each domain to that domain's part of a batch.

    Args:
        layers: dictionary of one layer for each domain.
        x: `[len(domains) * N, ...]`, one domain after the other.
        domains: domains of the parts of `x`, "a", "b" or "ab".
        **options: further arguments of the layers.
    """
    parts = tf.split(x, len(domains))
    return tf.concat(
        [
            layers[domain](part, **options)
            for domain, part in zip(domains, parts, strict=True)
        ],
        0,
    )


def _border(image_size):
    """Returns the padding in pixels that makes the side of images `FRAME`."""
    if image_size not in SIZES:
        raise UserError(
            f"`image_size` must be one of {', '.join(map(str, SIZES))} for "
            f"the networks of digits. Received: {image_size}"
        )
    return (FRAME - image_size) // 2


def _pad(images):
    """Returns images padded with black to a side of `FRAME` pixels."""
    border = _border(images.shape[1])
    if not border:
        return images
    sides = [[0, 0], [border, border], [border, border], [0, 0]]
    return tf.pad(images, sides, constant_values=-1.0)


def _with_coordinates(x):
    line = tf.range(FRAME, dtype=x.dtype) * (2 / FRAME) - 1.0
    columns, rows = tf.meshgrid(line, line)
    position = tf.stack([columns, rows], -1)[None]
    return tf.concat([x, tf.repeat(position, tf.shape(x)[0], 0)], -1)
