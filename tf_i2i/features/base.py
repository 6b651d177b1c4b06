"""The class `Features`: the interface that all frozen networks have."""

import dataclasses
import functools
import hashlib
import re
from collections.abc import Callable

import numpy as np

from tf_i2i.errors import UserError
from tf_i2i.images import to_float

# Default range of the images that networks in files take.
LEVELS = (0.0, 255.0)
_NUMBER = r"(-?\d*\.?\d+)"
_RANGED_FILE = re.compile(
    rf"((?:savedmodel|kerasfile|tflite):.+):{_NUMBER}:{_NUMBER}"
)


def split_range(name):
    """Splits `FILE:LOW:HIGH` into the name `FILE` and the range.

    Args:
        name: name of a network as in `load_features`.

    Returns:
        The name without the range, and (LOW, HIGH) as floats, or None if the
        name has no range.
    """
    match = _RANGED_FILE.fullmatch(name)
    if not match:
        return name, None
    return match[1], (float(match[2]), float(match[3]))


@dataclasses.dataclass(frozen=True, eq=False)
class Features:
    """A frozen network that maps images to named feature maps, called "taps".

    This class is not a Keras layer. A Keras model that has a `Features` as an
    attribute therefore does not count the weights of the frozen network as its
    own, and does not save them in checkpoints.

    Attributes:
        name: name of the network without paths, such as `hed-vgg16`.
        forward: function from float32 images in [-1, 1] `[N, H, W, 3]` to a
            dictionary of feature maps. Use `__call__`, which casts, resizes
            and checks the images first.
        tap_names: names of the feature maps, from the input of the network to
            its output.
        weights_sha256: SHA-256 of the weights, hexadecimal.
        embedding: names of the feature maps that `embed` averages.
        input_size: side in pixels that images are resized to first; None
            leaves them as they are.
        least_size: smallest allowed side of an image in pixels, after
            resizing.
        value_range: (smallest, largest) value of the images that a network in a
            file takes, if it takes floats. `taking` can change the range once.
            None for all other networks.
        tap_weights: weights of the feature maps in the distance of two images,
            as `metrics.perceptual.perceptual_distance` takes them; None for
            weights of 1.
    """

    name: str
    forward: Callable
    tap_names: tuple
    weights_sha256: str
    embedding: tuple
    input_size: int | None = None
    least_size: int = 1
    value_range: tuple | None = None
    tap_weights: dict | None = None
    _graphs: dict = dataclasses.field(
        default_factory=dict, init=False, repr=False
    )

    @property
    def resize(self):
        """How images are resized: "native" (not at all) or "bicubic299"."""
        return f"bicubic{self.input_size}" if self.input_size else "native"

    @property
    def label(self):
        """Network, resizing and hash of the weights as a text for score names.

        Two scores are comparable only if their labels are equal.
        """
        return f"{self.name}/{self.resize}/{self.weights_sha256[:8]}"

    def __call__(self, images):
        """Returns the feature maps of images, with gradients to the images.

        Args:
            images: tensor in [-1, 1], any float dtype, `[N, H, W, 3]`.

        Returns:
            Dictionary from the names of the feature maps to float32 tensors
            `[N, h, w, C]`. The networks of files may also return vectors
            `[N, C]`. There are no gradients through `tflite:` networks, nor
            through a SavedModel that takes uint8.

        Raises:
            UserError: the images are too small for the network.
        """
        import tensorflow as tf

        images = tf.cast(images, tf.float32)
        if self.input_size:
            images = _resize(images, self.input_size)
        sides = [side for side in images.shape[1:3] if side]
        if min(sides, default=self.least_size) < self.least_size:
            raise UserError(
                f"`images` must have sides of at least {self.least_size} for "
                f"{self.name}; write {self.name}@SIZE to have them resized. "
                f"Received: {sides}"
            )
        return self.forward(images)

    def taking(self, low, high):
        """Returns a copy whose network takes images of another range.

        Args:
            low: smallest value of the images that the network takes, instead of
                0.
            high: largest value of the images that the network takes, instead of
                255.

        Returns:
            A `Features` with the range in its name.

        Raises:
            UserError: `low` is not below `high`, the network does not come
                from a file or does not take floats, or its range was set
                before.
        """
        if low >= high or self.value_range != LEVELS:
            raise UserError(
                "`value_range` must be two increasing numbers. It can be set "
                "only once, and only for a network that is read from a file "
                f"and takes floats. Received: {(low, high)} for {self.name}"
            )

        def forward(images):
            # `self.forward` scales images from [-1, 1] to [0, 255]. The values
            # that the network shall receive are therefore scaled back to
            # [-1, 1] first.
            wanted = low + (images + 1) / 2 * (high - low)
            return self.forward(wanted / 127.5 - 1)

        name = f"{self.name}:{low:g}:{high:g}"
        return dataclasses.replace(
            self, name=name, forward=forward, value_range=(low, high)
        )

    def taps(self, images, batch_size=32):
        """Returns all feature maps of a set of images. They need much memory.

        Args:
            images: uint8 `[N, H, W, 3]`.
            batch_size: number of images per batch; the values do not depend
                on it.

        Returns:
            Dictionary from the names of the feature maps to float32 arrays
            `[N, h, w, C]`.

        Raises:
            UserError: the images are not uint8, or too small.
        """
        parts = self._batches("taps", self, images, batch_size)
        return {
            name: np.concatenate([part[name] for part in parts])
            for name in self.tap_names
        }

    def embed(self, images, batch_size=32, grid=1):
        """Returns one vector for each image.

        Args:
            images: uint8 `[N, H, W, 3]`.
            batch_size: number of images per batch; the values do not depend
                on it.
            grid: number of cells per side of the image over which feature maps
                are averaged. With 1 they are averaged over the whole image. The
                vectors then hold no positions, which suits distances between
                sets of images. Retrieval needs positions. For example, a face
                was searched among the same 400 faces in another drawing style
                by the features of efficientnet-lite0. The right face was among
                the five nearest in 65 % of the searches with `grid=1`, and in
                85 % with `grid=4`.

        Returns:
            float32 array `[N, D]`: the cell means of the feature maps that
            `embedding` names, concatenated in their order.

        Raises:
            UserError: the images are not uint8, or too small.
        """
        pooled = functools.partial(self.pooled, grid=grid)
        parts = self._batches(f"embed{grid}", pooled, images, batch_size)
        return np.concatenate(parts)

    def pooled(self, images, grid=1):
        """Returns the vectors of `embed` for a tensor, with gradients.

        Args:
            images: tensor in [-1, 1], any float dtype, `[N, H, W, 3]`.
            grid: as in `embed`.

        Returns:
            float32 tensor `[N, D]`.

        Raises:
            UserError: the images are too small for the network.
        """
        import tensorflow as tf

        taps = self(images)
        cells = [_cell_means(taps[name], grid) for name in self.embedding]
        return tf.concat(cells, axis=-1)

    def _batches(self, key, function, images, batch_size):
        """Returns the results of a function for all batches, as NumPy arrays.

        Args:
            key: name of the function, by which its graph is cached.
            function: function of a batch of float images in [-1, 1].
            images: uint8 `[N, H, W, 3]`.
            batch_size: number of images per batch.
        """
        import tensorflow as tf

        shape, dtype = np.shape(images), np.asarray(images[:1]).dtype
        good = len(shape) == 4 and shape[3] == 3 and shape[0]
        if dtype != np.uint8 or not good:
            raise UserError(
                "`images` must be uint8 [N, H, W, 3], N > 0. Received: "
                f"{dtype} {list(shape)}"
            )
        graph = self._graph((key, *shape[1:3]), function)

        def numbers(tensor):
            array = tensor.numpy()
            if not np.isfinite(array).all():
                raise UserError(
                    f"`{self.name}` must compute finite features. Received: "
                    "features that are infinite or not a number"
                )
            return array

        return [
            tf.nest.map_structure(
                numbers, graph(tf.constant(images[i : i + batch_size]))
            )
            for i in range(0, shape[0], batch_size)
        ]

    def _graph(self, key, function):
        """Returns a function of uint8 images as a graph, cached by `key`.

        The key is (name, height, width), because each image size needs a graph
        of its own.
        """
        import tensorflow as tf

        if key not in self._graphs:
            _, height, width = key
            spec = tf.TensorSpec([None, height, width, 3], tf.uint8)
            self._graphs[key] = tf.function(
                lambda images: function(to_float(images)), autograph=False
            ).get_concrete_function(spec)
        return self._graphs[key]


def weights_hash(name, arrays):
    """Returns the SHA-256 of the dtypes, shapes and bytes of arrays.

    Args:
        name: name of the network whose weights they are.
        arrays: iterable of arrays.

    Raises:
        UserError: a value is infinite or not a number.
    """
    digest = hashlib.sha256()
    for array in arrays:
        if not np.isfinite(array).all():
            raise UserError(
                f"`{name}` must have weights that are finite. Received: an "
                "array with infinite values or values that are not a number"
            )
        array = np.ascontiguousarray(array)
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _cell_means(features, grid):
    """Returns the means of the cells of a grid in each feature map.

    Args:
        features: `[N, h, w, C]`; or vectors `[N, C]`, which are returned as
            they are.
        grid: number of rows and of columns of the grid.

    Returns:
        `[N, grid * grid * C]`.
    """
    import tensorflow as tf

    if features.shape.rank == 2:
        return features
    _, height, width, channels = features.shape
    rows, columns = _cells(height, grid), _cells(width, grid)
    means = tf.einsum("nhwc,gh,kw->ngkc", features, rows, columns)
    return tf.reshape(means, [-1, grid * grid * channels])


def _cells(side, grid):
    """Returns a matrix `[grid, side]` whose row i averages over cell i.

    Cell i reaches from floor(i side / grid) to ceil((i + 1) side / grid).
    Therefore the cells i and i + 1 have one pixel in common if
    (i + 1) side / grid is not an integer.
    """
    cells = np.zeros((grid, side), np.float32)
    for i in range(grid):
        first, end = i * side // grid, -(-(i + 1) * side // grid)
        cells[i, first:end] = 1 / (end - first)
    return cells


def _resize(images, size):
    """Resizes images as Pillow does (bicubic, antialiased), without rounding.

    Parmar, Zhang and Zhu (2022, arXiv 2104.11222) call this clean resizing.
    """
    import tensorflow as tf

    if images.shape[1:3] == (size, size):
        return images
    resized = tf.image.resize(images, [size, size], "bicubic", antialias=True)
    return tf.clip_by_value(resized, -1.0, 1.0)
