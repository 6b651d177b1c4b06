"""The one protocol behind which every frozen network stands."""

import dataclasses
import functools
import hashlib
import re
from collections.abc import Callable

import numpy as np

from tf_i2i.errors import UserError
from tf_i2i.images import to_float

LEVELS = (0.0, 255.0)  # What networks of files take, unless it is said.
_NUMBER = r"(-?\d*\.?\d+)"
_RANGED_FILE = re.compile(
    rf"((?:savedmodel|kerasfile|tflite):.+):{_NUMBER}:{_NUMBER}"
)


def split_range(name):
    """`FILE:LOW:HIGH` -> (`FILE`, (LOW, HIGH)); None where it has no range."""
    match = _RANGED_FILE.fullmatch(name)
    if not match:
        return name, None
    return match[1], (float(match[2]), float(match[3]))


@dataclasses.dataclass(frozen=True, eq=False)
class Features:
    """A frozen network: images in, named feature maps ("taps") out.

    A plain object, so that a Keras model which holds one neither counts its
    weights nor writes them into checkpoints.

    Attributes:
        name: what it is, such as `hed-vgg16`; without paths.
        forward: function, float32 images in [-1, 1] `[N, H, W, 3]` -> taps;
            called by `__call__`, which prepares the images.
        tap_names: in the order from the image upward.
        weights_sha256: of the weights, hexadecimal.
        embedding: names of the taps that `embed` averages.
        input_size: side to which images are resized first; None: images are
            taken as they are.
        least_size: smallest side of an image (after resizing).
        value_range: `LEVELS` for a file's network of floats, whose range
            `taking` may change; else None.
    """

    name: str
    forward: Callable
    tap_names: tuple
    weights_sha256: str
    embedding: tuple
    input_size: int | None = None
    least_size: int = 1
    value_range: tuple | None = None
    _graphs: dict = dataclasses.field(
        default_factory=dict, init=False, repr=False
    )

    @property
    def resize(self):
        """How images reach the network: `native` or such as `bicubic299`."""
        return f"bicubic{self.input_size}" if self.input_size else "native"

    @property
    def label(self):
        """What the name of a number must carry: network, resizing, weights.

        Two numbers are comparable only where their labels are equal.
        """
        return f"{self.name}/{self.resize}/{self.weights_sha256[:8]}"

    def __call__(self, images):
        """Feature maps, differentiable with respect to the images.

        Args:
            images: tensor in [-1, 1], any float type, `[N, H, W, 3]`.

        Returns:
            Dictionary, tap -> float32 tensor, `[N, h, w, C]` (or `[N, C]`
            from a SavedModel).

        Raises:
            UserError: the images are too small for the network.
        """
        import tensorflow as tf

        images = tf.cast(images, tf.float32)
        if self.input_size:
            images = _resized(images, self.input_size)
        sides = [side for side in images.shape[1:3] if side]
        if min(sides, default=self.least_size) < self.least_size:
            raise UserError(
                f"`images` must have sides of at least {self.least_size} for "
                f"{self.name} (or name it {self.name}@SIZE, to have them "
                f"resized). Received: {sides}"
            )
        return self.forward(images)

    def taking(self, low, high):
        """The same for a file whose network takes another range.

        Args:
            low: least value of its images, in place of 0.
            high: largest, in place of 255.

        Returns:
            A `Features`, with the range in its name.

        Raises:
            UserError: a range that is none, or this is no file's network of
                floats, or its range was given before.
        """
        if low >= high or self.value_range != LEVELS:
            raise UserError(
                "`value_range` must be (least, largest), given once, and of a "
                "file's network that takes floats. "
                f"Received: {(low, high)} for {self.name}"
            )

        def forward(images):
            # A file's own function stretches [-1, 1] to levels of 255.
            wanted = low + (images + 1) / 2 * (high - low)
            return self.forward(wanted / 127.5 - 1)

        name = f"{self.name}:{low:g}:{high:g}"
        return dataclasses.replace(
            self, name=name, forward=forward, value_range=(low, high)
        )

    def taps(self, images, batch_size=32):
        """All feature maps of a set of images: much memory.

        Args:
            images: uint8 `[N, H, W, 3]`.
            batch_size: images at once; the values do not depend on it.

        Returns:
            Dictionary, tap -> float32 array `[N, h, w, C]`.

        Raises:
            UserError: not uint8 images, or too small.
        """
        parts = self._batches("taps", self, images, batch_size)
        return {
            name: np.concatenate([part[name] for part in parts])
            for name in self.tap_names
        }

    def embed(self, images, batch_size=32, grid=1):
        """One vector for each image.

        Args:
            images: uint8 `[N, H, W, 3]`.
            batch_size: images at once; the values do not depend on it.
            grid: averages are taken over `grid x grid` cells of the image;
                1 forgets where things are, which suits distances between
                sets. Finding a face again wants places: of 400 in two
                drawing styles, efficientnet-lite0 has the right one among
                its first five for 65 % with 1 and for 85 % with 4.

        Returns:
            float32 array `[N, D]`: the cells' means of the taps named by
            `embedding`, side by side in their order.

        Raises:
            UserError: not uint8 images, or too small.
        """
        pooled = functools.partial(self.pooled, grid=grid)
        parts = self._batches(f"embed{grid}", pooled, images, batch_size)
        return np.concatenate(parts)

    def pooled(self, images, grid=1):
        """As `embed`, but of a float tensor in [-1, 1], differentiable."""
        import tensorflow as tf

        taps = self(images)
        cells = [_cell_means(taps[name], grid) for name in self.embedding]
        return tf.concat(cells, axis=-1)

    def _batches(self, key, function, images, batch_size):
        """NumPy results of all batches."""
        import tensorflow as tf

        shape, dtype = np.shape(images), np.asarray(images[:1]).dtype
        good = len(shape) == 4 and shape[3] == 3 and shape[0]
        if dtype != np.uint8 or not good:
            raise UserError(
                "`images` must be uint8 [N, H, W, 3], N > 0. Received: "
                f"{dtype} {list(shape)}"
            )
        graph = self._graph((key, *shape[1:3]), function)
        return [
            tf.nest.map_structure(
                lambda tensor: tensor.numpy(),
                graph(tf.constant(images[i : i + batch_size])),
            )
            for i in range(0, shape[0], batch_size)
        ]

    def _graph(self, key, function):
        """The function of bytes as a graph, one for each size of image."""
        import tensorflow as tf

        if key not in self._graphs:
            _, height, width = key
            spec = tf.TensorSpec([None, height, width, 3], tf.uint8)
            self._graphs[key] = tf.function(
                lambda images: function(to_float(images)), autograph=False
            ).get_concrete_function(spec)
        return self._graphs[key]


def weights_hash(arrays):
    """SHA-256 over types, shapes and bytes of arrays in their order."""
    digest = hashlib.sha256()
    for array in arrays:
        array = np.ascontiguousarray(array)
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _cell_means(features, grid):
    """`[N, h, w, C]` -> `[N, grid * grid * C]`; `[N, C]` as it is."""
    import tensorflow as tf

    if features.shape.rank == 2:
        return features
    _, height, width, channels = features.shape
    rows, columns = _cells(height, grid), _cells(width, grid)
    means = tf.einsum("nhwc,gh,kw->ngkc", features, rows, columns)
    return tf.reshape(means, [-1, grid * grid * channels])


def _cells(side, grid):
    """Rows of means: cell i from floor(i side / grid) to where i + 1 ends."""
    cells = np.zeros((grid, side), np.float32)
    for i in range(grid):
        first, end = i * side // grid, -(-(i + 1) * side // grid)
        cells[i, first:end] = 1 / (end - first)
    return cells


def _resized(images, size):
    """Bicubic and antialiased, as Pillow does it, without rounding.

    What Parmar, Zhang and Zhu (2022, arXiv 2104.11222) call clean.
    """
    import tensorflow as tf

    if images.shape[1:3] == (size, size):
        return images
    resized = tf.image.resize(images, [size, size], "bicubic", antialias=True)
    return tf.clip_by_value(resized, -1.0, 1.0)
