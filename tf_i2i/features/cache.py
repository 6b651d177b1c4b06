"""Embeddings of real images, kept on disk between evaluations."""

import contextlib
import hashlib
import io
import os

import numpy as np

from tf_i2i.cache import default_cache_dir
from tf_i2i.disk import write_whole


def cached_embeddings(features, images, grid):
    """Embeddings of images, read from the cache folder where they lie there.

    Args:
        features: `Features`.
        images: uint8 `[N, H, W, 3]`, of which the cache file is named.
        grid: cells a side in which features are averaged, see `embed`.

    Returns:
        float32 `[N, D]`, as `features.embed(images, grid=grid)` gives them.
    """
    digest = hashlib.sha256(
        f"{features.label} {features.weights_sha256}".encode()
    )
    digest.update(f"{features.embedding} {grid} {images.shape}".encode())
    digest.update(np.ascontiguousarray(images).data)
    path = default_cache_dir() / "features" / f"{digest.hexdigest()[:32]}.npy"
    try:
        return np.load(path)
    except (OSError, ValueError, EOFError):
        vectors = features.embed(images, grid=grid)
    memory = io.BytesIO()
    np.save(memory, vectors)
    # Without a cache the next evaluation takes longer; this one is right.
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(f".{os.getpid()}.tmp")
        write_whole(path, [memory.getbuffer()], beside)
    return vectors
