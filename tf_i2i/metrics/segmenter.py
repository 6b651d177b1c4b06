"""A segmenter fitted to real photos: does it see in made ones what it should?

In place of the FCN of pix2pix and CycleGAN (Isola et al. 2017, section 4.1),
which needs Caffe and a download: each pixel's class is read from the maps of
a frozen feature network by least squares. It is fitted to real training
photos and their label maps alone; its score on real test photos is the
ceiling of its score on made ones, and must stand beside it.
"""

import numpy as np

from tf_i2i.errors import UserError
from tf_i2i.metrics.arrays import blocks
from tf_i2i.metrics.arrays import check_images
from tf_i2i.metrics.segmentation import nearest_colour

VOID = 255  # A pixel that belongs to no class.
# Levels of 255, in the channel that differs most, up to which a colour is one
# of the palette: lossy files blur.
NEAR = 16
_RIDGE = 1e-3  # As a share of a map's mean square.
_BATCH = 16


class PixelProbe:
    """Reads a class in each pixel.

    Args:
        features: `Features` of `tf_i2i.features`.
        images: uint8 `[N, H, W, 3]`, real photos.
        labels: uint8 `[N, H, W]`: classes, `VOID` where there is none.
        classes: how many there are.

    Raises:
        UserError: no photos, labels of another shape, or none but `VOID`.
    """

    def __init__(self, features, images, labels, classes):
        check_images(images=images)
        if labels.shape != images.shape[:3] or not (labels != VOID).any():
            raise UserError(
                "`labels` must hold classes, [N, H, W] as `images`. Received: "
                f"{list(labels.shape)}, {np.mean(labels != VOID):.0%} with one"
            )
        self.features = features
        gram = right = 0.0
        for part in blocks(len(images), _BATCH):
            known = labels[part] != VOID
            x = self._pixels(images[part])[known]
            gram = gram + (x.T @ x).astype(np.float64)
            wanted = np.eye(classes, dtype=np.float32)[labels[part][known]]
            right = right + (x.T @ wanted).astype(np.float64)
        # Each map by its own size: networks scale them as they like.
        ridge = _RIDGE * np.diag(gram) + np.finfo(np.float32).tiny
        self._weights = np.linalg.solve(gram + np.diag(ridge), right).astype(
            np.float32
        )

    def __call__(self, images):
        """uint8 `[N, H, W, 3]` -> uint8 classes `[N, H, W]`."""
        parts = [
            (self._pixels(images[part]) @ self._weights).argmax(-1)
            for part in blocks(len(images), _BATCH)
        ]
        return np.concatenate(parts).astype(np.uint8)

    def _pixels(self, images):
        """All maps at the size of the images, colours and places; float32."""
        n, height, width, _ = images.shape
        maps = [images.astype(np.float32) / 127.5 - 1.0]
        for tap in self.features.taps(images, _BATCH).values():
            rows, columns = (
                np.arange(side) * size // side
                for side, size in zip(
                    images.shape[1:3], tap.shape[1:3], strict=True
                )
            )
            maps.append(tap[:, rows[:, None], columns])
        y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        places = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], -1)
        places = np.broadcast_to(places[None], (n, *places.shape))
        return np.concatenate([*maps, places.astype(np.float32)], -1)


def map_labels(images, palette):
    """Classes of label maps, by the nearest colour.

    Args:
        images: uint8 `[N, H, W, 3]`.
        palette: integers `[K, 3]`, the colours of the classes.

    Returns:
        uint8 `[N, H, W]`; `VOID` where no colour of the palette is near.
    """
    return with_void(nearest_colour(images, palette), images, palette)


def with_void(labels, images, palette):
    """Labels of the nearest colours; `VOID` where none of them is near.

    Args:
        labels: uint8 `[N, H, W]`, from `nearest_colour`.
        images: uint8 `[N, H, W, 3]`, which they were read from.
        palette: `[K, 3]`.
    """
    apart = np.abs(images.astype(np.int16) - np.asarray(palette)[labels])
    return np.where(apart.max(-1) > NEAR, VOID, labels).astype(np.uint8)
