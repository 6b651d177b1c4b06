"""The Inception network of FID and KID.

Heusel et al. 2017, arXiv:1706.08500 (FID), and Binkowski et al. 2018,
arXiv:1801.01401 (KID), compare images by 2048 features of a network that was
published on 2015-12-05 (Szegedy et al. 2016, arXiv:1512.00567). This network
differs from the Inception networks of Keras and torchvision in its weights and
in three pooling layers. The weights are in the file `WEIGHTS`, which
torch-fidelity uses and which no package contains. The user gives the path of
the file, from which the tensors are read without PyTorch.

Images are resized to 299 x 299 pixels as in the authors' code and in
torch-fidelity: bilinearly, without antialiasing, as TensorFlow 1 did. If images
are resized before, by the name `fid-inception:FILE@299`, the features are those
of clean-fid (Parmar, Zhang, Zhu 2022, arXiv:2104.11222), which resizes
bicubically and with antialiasing.
"""

from pathlib import Path

from tf_i2i import consent
from tf_i2i.errors import UserError
from tf_i2i.features.base import Features
from tf_i2i.features.base import weights_hash
from tf_i2i.features.torch_file import read_tensors
from tf_i2i.paths import user_path

NAME = "fid-inception"
TAP = "pool3"
WEIGHTS = "weights-inception-2015-12-05-6726825d.pth"
_ADDRESS = "https://github.com/toshas/torch-fidelity/releases/tag/v0.2.0"
_SIZE = 299
_EPSILON = 1e-3
# Shape of the weights of the last layer. The network of torchvision has layers
# with the same names, but 1000 classes.
_CLASSES = (1008, 2048)


def fid_inception(path):
    """Loads FID's Inception network from a file.

    Args:
        path: path of the file `WEIGHTS`.

    Returns:
        A `Features` with the feature map "pool3", `[N, 1, 1, 2048]`.

    Raises:
        UserError: the file is missing, or contains other weights.
    """
    path = Path(user_path(path, f"{NAME}:"))
    if not path.is_file():
        raise _wrong(path, "no such file")
    consent.check_file(f"{NAME}:{path}", path)
    tensors = read_tensors(path)
    classes = tensors.get("fc.weight")
    if classes is None or classes.shape != _CLASSES:
        raise _wrong(path, "a file of another network")
    try:
        network = _Network(tensors)
    except KeyError as error:
        raise _wrong(path, f"a file without {error}") from error
    return Features(
        name=NAME,
        forward=lambda images: {TAP: network(images)},
        tap_names=(TAP,),
        embedding=(TAP,),
        weights_sha256=weights_hash(
            NAME, (tensors[name] for name in sorted(tensors))
        ),
    )


def _wrong(path, problem):
    return UserError(
        f"`{NAME}:` must be followed by the path of {WEIGHTS}, which is at "
        f"{_ADDRESS}. Received: {path} ({problem})"
    )


class _Network:
    """The network without its classifier.

    Args:
        tensors: dictionary from the names of torch-fidelity to arrays.
    """

    def __init__(self, tensors):
        ends = ".conv.weight"
        self.layers = {
            name.removesuffix(ends): _folded(tensors, name.removesuffix(ends))
            for name in tensors
            if name.endswith(ends)
        }

    def __call__(self, images):
        """Returns features `[N, 1, 1, 2048]` of images in [-1, 1]."""
        import tensorflow as tf

        # TensorFlow 1 measured the position of a pixel at its corner.
        levels = tf.compat.v1.image.resize_bilinear(
            (images + 1) * 127.5, [_SIZE, _SIZE], half_pixel_centers=False
        )
        x = self._layer((levels - 128) / 128, "Conv2d_1a_3x3", True)
        x = self._layer(x, "Conv2d_2a_3x3", padding="VALID")
        x = _halved(self._layer(x, "Conv2d_2b_3x3"))
        x = self._layer(x, "Conv2d_3b_1x1")
        x = _halved(self._layer(x, "Conv2d_4a_3x3", padding="VALID"))
        for name in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
            x = self._block(x, name, branch5x5=2, branch3x3dbl=3)
        x = self._reduction(x, "Mixed_6a", branch3x3=0, branch3x3dbl=3)
        for name in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
            x = self._block(x, name, branch7x7=3, branch7x7dbl=5)
        x = self._reduction(x, "Mixed_7a", branch3x3=2, branch7x7x3=4)
        x = self._wide_block(x, "Mixed_7b", tf.nn.avg_pool2d)
        # The maximum is pooled here. The network of the paper pools the mean.
        x = self._wide_block(x, "Mixed_7c", tf.nn.max_pool2d)
        return tf.reduce_mean(x, [1, 2], keepdims=True)

    def _layer(self, x, name, halves=False, padding="SAME"):
        """Returns the output of a convolution and its ReLU.

        Args:
            x: `[N, H, W, C]`.
            name: name of the layer.
            halves: whether the layer has stride 2, and no padding.
            padding: padding of a layer with stride 1.
        """
        import tensorflow as tf

        kernel, bias = self.layers[name]
        stride, padding = (2, "VALID") if halves else (1, padding)
        return tf.nn.relu(tf.nn.conv2d(x, kernel, stride, padding) + bias)

    def _chain(self, x, name, count, halves=False):
        """Returns the output of the layers NAME_1 to NAME_COUNT in sequence.

        Args:
            x: `[N, H, W, C]`.
            name: name of the branch.
            count: number of layers; 0 for a single layer called NAME.
            halves: whether the last layer has stride 2.
        """
        names = [f"{name}_{i + 1}" for i in range(count)] or [name]
        for layer in names:
            x = self._layer(x, layer, halves and layer == names[-1])
        return x

    def _block(self, x, name, **branches):
        """Returns the concatenated outputs of a block of parallel branches.

        The branches are a 1 x 1 convolution, chains of convolutions, and mean
        pooling.

        Args:
            x: `[N, H, W, C]`.
            name: name of the block.
            **branches: the name of each chain, and its number of layers.
        """
        import tensorflow as tf

        mean = tf.nn.avg_pool2d(x, 3, 1, "SAME")
        parts = [
            self._layer(x, f"{name}.branch1x1"),
            *(self._chain(x, f"{name}.{b}", n) for b, n in branches.items()),
            self._layer(mean, f"{name}.branch_pool"),
        ]
        return tf.concat(parts, -1)

    def _reduction(self, x, name, **branches):
        """Returns the output of a block that halves the size.

        For the arguments, see `_block`.
        """
        import tensorflow as tf

        parts = [
            *(
                self._chain(x, f"{name}.{b}", n, halves=True)
                for b, n in branches.items()
            ),
            _halved(x),
        ]
        return tf.concat(parts, -1)

    def _wide_block(self, x, name, pool):
        """Returns the output of a block whose chains end in a fork.

        The last layers of a chain are two parallel convolutions, 1 x 3 and
        3 x 1.

        Args:
            x: `[N, H, W, C]`.
            name: name of the block.
            pool: function that pools in the last branch.
        """
        import tensorflow as tf

        name = f"{name}.branch"
        short = self._layer(x, f"{name}3x3_1")
        long = self._chain(x, f"{name}3x3dbl", 2)
        parts = [
            self._layer(x, f"{name}1x1"),
            self._layer(short, f"{name}3x3_2a"),
            self._layer(short, f"{name}3x3_2b"),
            self._layer(long, f"{name}3x3dbl_3a"),
            self._layer(long, f"{name}3x3dbl_3b"),
            self._layer(pool(x, 3, 1, "SAME"), f"{name}_pool"),
        ]
        return tf.concat(parts, -1)


def _halved(x):
    import tensorflow as tf

    return tf.nn.max_pool2d(x, 3, 2, "VALID")


def _folded(tensors, name):
    """Returns a layer's kernel `[h, w, in, out]` and bias `[out]`.

    The batch normalization that follows the convolution is included in both.
    """
    import tensorflow as tf

    kernel = tensors[f"{name}.conv.weight"].transpose(2, 3, 1, 0)
    gain, bias, mean, variance = (
        tensors[f"{name}.bn.{part}"]
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    scale = gain / (variance + _EPSILON) ** 0.5
    return tf.constant(kernel * scale), tf.constant(bias - mean * scale)
