"""Embeddings of real images, cached on disk between evaluations."""

import contextlib
import hashlib
import io
import os

import numpy as np

from tf_i2i.cache import default_cache_dir
from tf_i2i.disk import digest_line
from tf_i2i.disk import read_digests
from tf_i2i.disk import write_whole


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
    path = default_cache_dir() / "features" / f"{digest.hexdigest()[:32]}.npy"
    if (vectors := _read(path)) is not None:
        return vectors
    vectors = features.embed(images, grid=grid)
    memory = io.BytesIO()
    np.save(memory, vectors)
    content = memory.getbuffer()
    # Errors are ignored, because a missing cache file only makes the next
    # evaluation slower.
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(f".{os.getpid()}.tmp")
        write_whole(path, [content, digest_line(content)], beside)
    return vectors


def _read(path):
    """Returns the array in a cache file; None if missing or damaged."""
    try:
        written, found = read_digests(path)
        if written is None or written != found:
            return None
        return np.load(path)
    except (OSError, ValueError, EOFError):
        return None
