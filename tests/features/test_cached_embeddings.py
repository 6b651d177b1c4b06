"""Embeddings of real images that are kept between evaluations."""

import numpy as np

from tf_i2i.cache import default_cache_dir
from tf_i2i.features.cache import cached_embeddings


def test_real_images_are_embedded_once(tmp_path, monkeypatch):
    """But again if the file was damaged."""
    monkeypatch.setenv("TF_I2I_CACHE", str(tmp_path))
    calls = []

    class Counting:
        label, weights_sha256, embedding = "counting", "0", ("x",)

        def embed(self, images, grid):
            calls.append(grid)
            return images.reshape(len(images), -1).astype(np.float32)

    images = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    first = cached_embeddings(Counting(), images, 1)
    again = cached_embeddings(Counting(), images.copy(), 1)
    assert np.array_equal(first, again)
    assert calls == [1]
    (path,) = (default_cache_dir() / "features").glob("*.npy")
    content = path.read_bytes()
    path.write_bytes(content[:150] + bytes(20) + content[170:])
    assert np.array_equal(cached_embeddings(Counting(), images, 1), first)
    assert calls.pop() == 1
    cached_embeddings(Counting(), images, 4)
    cached_embeddings(Counting(), images + 1, 1)
    assert calls == [1, 4, 1]
