"""Embeddings of real images, cached on disk between evaluations."""

import hashlib
import io

import numpy as np

from tf_i2i.cache import cached_bytes


def cached_embeddings(features, images, grid):
    """Returns the embeddings of images, read from the cache if possible.

    The name of the cache file is a hash of the network, of its weights and of
    the images.

    Args:
        features: `Features`, the network.
        images: uint8 `[N, H, W, 3]`.
        grid: number of cells per side of the image over which features are
            averaged; see `Features.embed`.

    Returns:
        float32 `[N, D]`, the result of `features.embed(images, grid=grid)`.
    """
    digest = hashlib.sha256(
        f"{features.label} {features.weights_sha256}".encode()
    )
    digest.update(f"{features.embedding} {grid} {images.shape}".encode())
    digest.update(np.ascontiguousarray(images).data)

    def compute():
        memory = io.BytesIO()
        np.save(memory, features.embed(images, grid=grid))
        return memory.getvalue()

    name = f"{digest.hexdigest()[:32]}.npy"
    return np.load(io.BytesIO(cached_bytes("features", name, compute)))
