"""What cheats and ignorance score: rows for every table."""

import numpy as np
from PIL import Image
from PIL import ImageFilter

from tf_i2i.metrics.copying import nearest
from tf_i2i.metrics.pixels import constant_baselines

THUMBNAIL = 16
BLUR = 1 / 32  # Radius in sides of the image.


def baselines(evidence, seed=0):
    """Outputs that no translator made.

    Args:
        evidence: `Evidence`.
        seed: of the random choices.

    Returns:
        Dictionary, in the order of a table, of uint8 arrays, one image for
        each input: `truth` (where there is one), `copy` (the input),
        `colours` (the input with the target domain's mean and deviation of
        each channel), `blur`, `nearest` (to the input, of the target
        training images, by thumbnails), `random` (target training images),
        `mean`, `commonest` (flat, in the target's most frequent colour)
        and `white`; and `floor`, real target images that are in no
        order: as good as distances between sets can be.
    """
    inputs, target = evidence.inputs, evidence.target_train
    rng = np.random.default_rng(seed)
    rows = {}
    if evidence.truth is not None:
        rows["truth"] = evidence.truth
    rows["copy"] = inputs
    rows["colours"] = recoloured(inputs, target)
    rows["blur"] = blurred(inputs)
    thumbs = _thumbnails(inputs), _thumbnails(target)
    rows["nearest"] = target[nearest(*thumbs)[1]]
    rows["random"] = target[_draw(rng, len(target), len(inputs))]
    constant = constant_baselines(target)
    for name in ("mean", "commonest", "white"):
        rows[name] = np.repeat(constant[name][None], len(inputs), 0)
    count = min(len(evidence.target_test), len(target))
    rows["floor"] = target[_draw(rng, len(target), count)]
    return rows


def _draw(rng, size, count):
    """Indices without repetition where that is possible."""
    return rng.choice(size, count, replace=count > size)


def recoloured(images, target):
    """Mean and deviation of each channel, from one set to the other's."""
    axes = (0, 1, 2)
    mean, deviation = images.mean(axes), images.std(axes) + 1e-6
    moved = (images - mean) / deviation * target.std(axes) + target.mean(axes)
    return np.rint(np.clip(moved, 0, 255)).astype(np.uint8)


def blurred(images):
    """As if of half the resolution."""
    blur = ImageFilter.GaussianBlur(BLUR * images.shape[1])
    return np.stack(
        [np.asarray(Image.fromarray(image).filter(blur)) for image in images]
    )


def _thumbnails(images):
    size = (THUMBNAIL, THUMBNAIL)
    return np.stack(
        [
            np.asarray(Image.fromarray(i).resize(size, Image.Resampling.BOX))
            for i in images
        ]
    )
