"""Networks of XGAN (ICLR 2018 submission, Table 1).

Encoder and decoder process both domains. The layers next to the images exist
once for each domain. The layers next to the embedding are shared, and process
both domains as one batch. Moving statistics are kept for each *route*
(combination of domains). If there were one set of statistics for both domains,
embeddings would be aligned in training, where each domain is normalized by the
statistics of its own batch, but not at inference.

The paper does not give the size of the kernels. Here they are 4x4, with stride
2. The last feature map of the convolutions has a side of `image_size / 16`
pixels.
"""

import keras
import tensorflow as tf

from tf_i2i.layers import Conv2D
from tf_i2i.layers import DomainBatchRenormalization
from tf_i2i.layers import NormRouting
from tf_i2i.networks.base import Network
from tf_i2i.networks.blocks import widen

# The number of convolutional blocks in the encoder and in the decoder.
BLOCKS = 4
STRIDE = 2**BLOCKS
EMBEDDING = 1024
_KERNEL = 4


class _Block(Network):
    """A convolution, batch normalization of each route, and ReLU."""

    def __init__(self, convolution, routes, name=None):
        super().__init__(name)
        self.convolution = convolution
        # The scale and offset have index 0 for every route, so that all routes
        # share them.
        self.norm = DomainBatchRenormalization(
            dict.fromkeys(routes, 0), name="norm"
        )

    def call(self, x, routing):
        return tf.nn.relu(self.norm(self.convolution(x), routing=routing))


def _halving(filters):
    return Conv2D(
        filters, _KERNEL, 2, "same", use_bias=False, name="convolution"
    )


def _doubling(filters):
    return keras.layers.Conv2DTranspose(
        filters,
        _KERNEL,
        2,
        "same",
        use_bias=False,
        name="convolution",
        data_format="channels_last",
    )


class XganEncoder(Network):
    """Encodes images to embeddings of length 1 (Table 1 a).

    Args:
        image_size: side of the images, a multiple of 16 pixels.
        width: factor on the channel counts.
        shared_blocks: number of convolutions that the domains share. The shared
            convolutions are the last of the four. The two dense layers are
            always shared.

    Attributes:
        size: number of elements of the embedding vectors.
    """

    def __init__(self, image_size, width=1.0, shared_blocks=2, name=None):
        super().__init__(name)
        self.size = widen(EMBEDDING, width)
        every = ("a", "b", "fake_a", "fake_b")

        def blocks(numbers, routes, owner):
            return [
                _Block(
                    _halving(widen(32 * 2**i, width)),
                    routes,
                    f"{owner}_{i}",
                )
                for i in numbers
            ]

        own = BLOCKS - shared_blocks
        # The layers of A and of B are two attributes instead of a dictionary
        # of lists, because Keras would not save the layers in these lists.
        self.own_a = blocks(range(own), ("a", "fake_a"), "own_a")
        self.own_b = blocks(range(own), ("b", "fake_b"), "own_b")
        # A convolution whose kernel covers the whole feature map computes the
        # same as a dense layer.
        dense = Conv2D(
            self.size,
            image_size // STRIDE,
            use_bias=False,
            name="convolution",
        )
        self.shared = [
            *blocks(range(own, BLOCKS), every, "shared"),
            _Block(dense, every, "dense_0"),
        ]
        self.last = Conv2D(self.size, 1, name="dense_1")

    def call(self, images, routing):
        """Returns the embeddings of images.

        Args:
            images: `[len(routing.routes) * N, S, S, 3]`, one route after the
                other.
            routing: `NormRouting` with some of the routes "a", "b", "fake_a"
                and "fake_b". The first two are for images of these domains,
                the other two for translations to these domains.

        Returns:
            float32 `[len(routing.routes) * N, size]`, vectors of length 1.
        """
        parts = []
        images = tf.split(images, len(routing.routes))
        for route, x in zip(routing.routes, images, strict=True):
            alone = NormRouting((route,), routing.limits)
            for block in self.own_a if route.endswith("a") else self.own_b:
                x = block(x, routing=alone)
            parts.append(x)
        x = tf.concat(parts, 0)
        for block in self.shared:
            x = block(x, routing=routing)
        x = tf.cast(self.last(x), tf.float32)
        return tf.math.l2_normalize(tf.reshape(x, [-1, self.size]), axis=1)


class XganDecoder(Network):
    """Decodes embeddings to images (Table 1 b).

    Args:
        image_size: side of the images, a multiple of 16 pixels.
        width: factor on the channel counts.
        shared_blocks: number of transposed convolutions that the domains
            share. The shared convolutions are the first of the four.
        targets: domains of the images to generate, "ab", "a" or "b".
    """

    def __init__(
        self, image_size, width=1.0, shared_blocks=2, targets="ab", name=None
    ):
        super().__init__(name)
        self.targets = targets

        def blocks(numbers, routes, owner):
            found = []
            for i in numbers:
                filters = widen(512 // 2**i, width)
                layer = _doubling(filters)
                if i == 0:
                    layer = keras.layers.Conv2DTranspose(
                        filters,
                        image_size // STRIDE,
                        use_bias=False,
                        name="convolution",
                        data_format="channels_last",
                    )
                found.append(_Block(layer, routes, f"{owner}_{i}"))
            return found

        # The routes of shared blocks are the source domains, because the
        # outputs of these blocks are the same for both target domains.
        self.shared = blocks(range(shared_blocks), ("a", "b"), "shared")
        for target in targets:
            own = blocks(
                range(shared_blocks, BLOCKS),
                (f"a{target}", f"b{target}"),
                f"own_{target}",
            )
            last = keras.layers.Conv2DTranspose(
                3,
                _KERNEL,
                2,
                "same",
                name=f"last_{target}",
                data_format="channels_last",
            )
            setattr(self, f"own_{target}", own)
            setattr(self, f"last_{target}", last)

    def call(self, codes, routing):
        """Returns the images that are decoded from embeddings.

        Args:
            codes: embeddings `[sources * N, D]`, vectors of length 1, one
                source after the other.
            routing: `NormRouting` with routes such as "ab", which is from A
                to B.

        Returns:
            float32 `[len(routing.routes) * N, S, S, 3]` in [-1, 1], one route
            after the other.
        """
        routes, limits = routing.routes, routing.limits
        sources = tuple(
            route[0] for route in routes[:: routing.routes_per_source]
        )
        x = scale_to_unit_variance(codes)[:, None, None]
        for block in self.shared:
            x = block(x, routing=NormRouting(sources, limits))
        parts = tf.split(routing.repeat_per_route(x), len(routes))
        by_route = dict(zip(routes, parts, strict=True))
        made: dict[str, tf.Tensor] = {}
        for target in self.targets:
            ways = tuple(route for route in routes if route[1] == target)
            if ways:
                x = tf.concat([by_route[way] for way in ways], 0)
                x = self._own(x, target, NormRouting(ways, limits))
                made |= zip(ways, tf.split(x, len(ways)), strict=True)
        return tf.concat([made[route] for route in routes], 0)

    def _own(self, x, target, routing):
        for block in getattr(self, f"own_{target}"):
            x = block(x, routing=routing)
        x = getattr(self, f"last_{target}")(x)
        return tf.tanh(tf.cast(x, tf.float32))


class XganCritic(Network):
    """Computes logits from images (Table 1 c).

    Args:
        image_size: side of the images, a multiple of 16 pixels.
        width: factor on the channel counts.
        routes: groups of images, such as "real", each of which is normalized
            by its own statistics.
        logits: number of logits for each image.
    """

    def __init__(
        self,
        image_size,
        width=1.0,
        routes=("real", "fake"),
        logits=1,
        name=None,
    ):
        super().__init__(name)
        self.logits = logits
        self.blocks = [
            _Block(_halving(widen(filters, width)), routes, f"block_{i}")
            for i, filters in enumerate((16, 32, 32, 32))
        ]
        self.last = Conv2D(logits, image_size // STRIDE, name="dense")

    def call(self, images, routing):
        """Returns the logits of images, `[len(routing.routes) * N, logits]`.

        Args:
            images: `[len(routing.routes) * N, S, S, 3]`, one route after the
                other.
            routing: `NormRouting` with some of the critic's routes.
        """
        x = images
        for block in self.blocks:
            x = block(x, routing=routing)
        return tf.reshape(self.last(x), [-1, self.logits])


class DomainClassifier(Network):
    """Classifies the domain of embeddings by three dense layers.

    A logit above 0 means domain A.

    Args:
        width: factor on the number of channels, which is 1024. The paper does
            not give this number.
    """

    def __init__(self, width=1.0, name=None):
        super().__init__(name)
        self.hidden = [
            keras.layers.Dense(
                widen(EMBEDDING, width),
                activation="relu",
                kernel_initializer="he_normal",
                name=f"dense_{i}",
            )
            for i in range(2)
        ]
        self.last = keras.layers.Dense(1, name="dense_2")

    def call(self, codes):
        """Returns logits `[N, 1]` of embeddings `[N, D]` of length 1."""
        x = scale_to_unit_variance(codes)
        for dense in self.hidden:
            x = dense(x)
        return self.last(x)


def scale_to_unit_variance(codes):
    """Scales vectors of length 1 so that the mean square of the elements is 1.

    Without this factor, the elements of codes of 1024 channels would be about
    1/32. In the decoder, the outputs of the first layer would then have a
    variance below the epsilon of their normalization.
    """
    return codes * codes.shape[1] ** 0.5
