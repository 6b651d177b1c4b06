"""3x3 convolutions with fewer multiplications, by Winograd's algorithm.

Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks"
(arXiv:1509.09308), section 4.2 and F(4x4, 3x3) of section 4.3.
"""

import numpy as np
import tensorflow as tf

# A tile of the output has `_MADE` x `_MADE` pixels. The tile is computed from
# `_READ` x `_READ` pixels of the input.
_MADE, _READ = 4, 6
# The matrices of the paper: B^T transforms the columns of an input tile, G
# those of a kernel, and A^T those of a product.
_INPUT = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
)
_KERNEL = np.array(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ]
)
_OUTPUT = np.array(
    [
        [1, 1, 1, 1, 1, 0],
        [0, 1, -1, 2, -2, 0],
        [0, 1, 1, 4, 4, 0],
        [0, 1, -1, 8, -8, 1],
    ]
)


def convolve_3x3(x, kernel):
    """Returns the "valid" convolution of stride 1 with a constant 3x3 kernel.

    The algorithm needs 2.25 multiplications for each output value and input
    channel, where a direct convolution needs 9. Rounding errors are about 1e-5
    of the largest output, several times as large as those of `tf.nn.conv2d`.

    Args:
        x: `[N, H, W, C]`, float32; H and W are at least 3.
        kernel: array `[3, 3, C, D]`.

    Returns:
        `[N, H - 2, W - 2, D]`, float32.
    """
    channels, filters = kernel.shape[2:]
    count, height, width = (
        tf.shape(x)[i] if size is None else size
        for i, size in enumerate(x.shape[:3])
    )
    # Each row of this matrix belongs to one pixel of a transformed tile.
    kernel = _both(_KERNEL) @ np.reshape(kernel, [9, channels * filters])
    # The tensor is made outside of the graph, because TensorFlow takes seconds
    # to optimize a graph with large constants.
    with tf.init_scope():
        kernel = tf.constant(np.float32(kernel), shape=(36, channels, filters))
    rows, columns = _read_by_tiles(height), _read_by_tiles(width)
    down, across = (tf.shape(sides)[1] for sides in (rows, columns))
    pixels = rows[:, None, :, None] * width + columns[None, :, None, :]
    tiles = tf.gather(
        tf.reshape(x, [count, height * width, channels]),
        tf.reshape(pixels, [_READ**2, down * across]),
        axis=1,
    )
    tiles = tf.reshape(tf.transpose(tiles, [1, 0, 2, 3]), [_READ**2, -1])
    tiles = tf.matmul(np.float32(_both(_INPUT)), tiles)
    made = tf.matmul(tf.reshape(tiles, [_READ**2, -1, channels]), kernel)
    made = tf.reshape(made, [_READ**2, -1])
    made = tf.matmul(np.float32(_both(_OUTPUT)), made)
    made = tf.reshape(made, [_MADE, _MADE, count, down, across, filters])
    made = tf.transpose(made, [2, 3, 0, 4, 1, 5])
    made = tf.reshape(made, [count, _MADE * down, _MADE * across, filters])
    made = made[:, : height - 2, : width - 2]
    sides = [n if isinstance(n, int) else None for n in (height, width)]
    return tf.ensure_shape(
        made, [x.shape[0], *(n and n - 2 for n in sides), filters]
    )


def _both(matrix):
    """Returns the matrix that transforms rows and columns of a tile at once."""
    return np.kron(matrix, matrix)


def _read_by_tiles(side):
    """Returns the rows (or columns) of the image that the tiles read.

    Args:
        side: number of rows of the image.

    Returns:
        int32 `[_READ, tiles]`. Where a tile extends beyond the image, it reads
        the last row again. The outputs computed from these rows are discarded.
    """
    tiles = (side - 2 + _MADE - 1) // _MADE
    rows = _MADE * tf.range(tiles)[None] + tf.range(_READ)[:, None]
    return tf.minimum(rows, side - 1)
