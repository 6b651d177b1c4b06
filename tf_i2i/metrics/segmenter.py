"""A segmenter trained on real photos, which tests translated photos.

The segmenter replaces the FCN that pix2pix and CycleGAN use (Isola et al. 2017,
section 4.1), because that network needs Caffe and a download. A linear
classifier of each pixel is fitted by least squares to the feature maps of a
frozen network, from real training photos and their label maps alone. The
segmenter's score on translated photos must be compared with its score on real
test photos. That score is a reference and not an upper bound.
"""

import numpy as np

from tf_i2i.errors import UserError
from tf_i2i.metrics.arrays import blocks
from tf_i2i.metrics.arrays import check_images
from tf_i2i.metrics.segmentation import nearest_colour

VOID = 255  # Label of a pixel that belongs to no class.
# A pixel counts as having a colour of the palette if no channel differs from
# that colour by more than this number of levels (0 to 255). Lossy compression
# changes colours by a few levels.
NEAR = 16
# Ridge penalty of each feature in the least squares, as a share of the sum of
# the feature's squares.
_RIDGE = 1e-3
_BATCH = 16


class PixelProbe:
    """A linear classifier of the pixels of photos.

    Args:
        features: `Features`, the frozen network whose feature maps are used.
        images: uint8 `[N, H, W, 3]`, real photos to train on.
        labels: uint8 `[N, H, W]`, the classes of their pixels; `VOID` where a
            pixel has no class.
        classes: number of classes.

    Raises:
        UserError: `images` are not uint8 images, the labels have another shape,
            or all labels are `VOID`.
    """

    def __init__(self, features, images, labels, classes):
        check_images(images=images)
        if labels.shape != images.shape[:3] or not (labels != VOID).any():
            raise UserError(
                "`labels` must have the shape [N, H, W] of `images`, and "
                f"must not all be void. Received: {list(labels.shape)}, of "
                f"which {np.mean(labels != VOID):.0%} have a class"
            )
        self.features = features
        gram = right = 0.0
        for part in blocks(len(images), _BATCH):
            known = labels[part] != VOID
            x = self._pixels(images[part])[known]
            gram = gram + (x.T @ x).astype(np.float64)
            wanted = np.eye(classes, dtype=np.float32)[labels[part][known]]
            right = right + (x.T @ wanted).astype(np.float64)
        # The ridge penalty is relative to the squares of each feature, because
        # networks scale their features differently.
        ridge = _RIDGE * np.diag(gram) + np.finfo(np.float32).tiny
        self._weights = np.linalg.solve(gram + np.diag(ridge), right).astype(
            np.float32
        )

    def __call__(self, images):
        """Returns classes `[N, H, W]` of the pixels of images, both uint8."""
        parts = [
            (self._pixels(images[part]) @ self._weights).argmax(-1)
            for part in blocks(len(images), _BATCH)
        ]
        return np.concatenate(parts).astype(np.uint8)

    def _pixels(self, images):
        """Returns the classifier's inputs for each pixel, `[N, H, W, C]`.

        The inputs for a pixel are its colour, the features at its position in
        the enlarged feature maps, and polynomials of its position.
        """
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
        position = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], -1)
        position = np.broadcast_to(position[None], (n, *position.shape))
        return np.concatenate([*maps, position.astype(np.float32)], -1)


def map_labels(images, palette):
    """Returns the class of each pixel of label maps, by the nearest colour.

    Args:
        images: uint8 `[N, H, W, 3]`, label maps.
        palette: integers `[K, 3]` in [0, 255], the colours of the classes.

    Returns:
        uint8 `[N, H, W]`; `VOID` where no colour of the palette is near.
    """
    return with_void(nearest_colour(images, palette), images, palette)


def with_void(labels, images, palette):
    """Returns labels in which pixels of unknown colours are set to `VOID`.

    Args:
        labels: uint8 `[N, H, W]`, from `nearest_colour`.
        images: uint8 `[N, H, W, 3]`, the images that the labels come from.
        palette: `[K, 3]`, integers in [0, 255], the colours of the classes.

    Returns:
        uint8 `[N, H, W]`: `VOID` where a channel differs by more than `NEAR`
        from the nearest colour, else the label.
    """
    apart = np.abs(images.astype(np.int16) - np.asarray(palette)[labels])
    return np.where(apart.max(-1) > NEAR, VOID, labels).astype(np.uint8)
