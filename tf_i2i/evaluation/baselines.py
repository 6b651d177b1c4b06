"""The rows of a table beside a model's: the truth, cheats, and the floor."""

import numpy as np
from PIL import Image
from PIL import ImageFilter

from tf_i2i.metrics.copying import nearest
from tf_i2i.metrics.pixels import constant_baselines

ROWS = {
    "model": "the translations; of a run, those of its last checkpoint",
    "best": "those of the run's best checkpoint on validation images",
    "truth": "the hidden partners of the inputs",
    "copy": "the inputs themselves",
    "colours": "the inputs with the mean and the standard deviation of each "
    "colour channel of the target",
    "blur": "the inputs, blurred",
    "nearest": "for each input the most similar training image of the target",
    "random": "random training images of the target",
    "mean": "the mean image of the target",
    "commonest": "flat images of the most frequent colour of the target",
    "white": "white images",
    "floor": "real images against real images: the best that a distance "
    "between two sets of this size can be",
}
# Rows of translations, and those of real target images.
OWN = ("model", "best")
REAL = ("truth", "floor")
# Rows without which a table has no `score`.
NEEDED = ("truth", "copy", "random")
THUMBNAIL = 16
BLUR = 1 / 32  # Standard deviation in heights of the image.


def baselines(evidence, seed=0):
    """Outputs that no translator made.

    Args:
        evidence: `Evidence`.
        seed: of the random choices.

    Returns:
        Dictionary of uint8 arrays in the order of a table: the rows of
        `ROWS` but "model" and "best" (and "truth" where there is none).
        There is one image for each input, except for "floor", whose images
        belong to no input. "nearest" compares thumbnails.
    """
    inputs, target = evidence.inputs, evidence.target_train
    rng = np.random.default_rng(seed)
    rows = {}
    if evidence.truth is not None:
        rows["truth"] = evidence.truth
    rows["copy"] = inputs
    rows["colours"] = recolour(inputs, target)
    rows["blur"] = blur(inputs)
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
    """Indices, without repetition unless there are too few."""
    return rng.choice(size, count, replace=count > size)


def recolour(images, target):
    """The images with the colours of another set.

    Mean and standard deviation of each channel, over the whole set, become
    those of the target.

    Args:
        images, target: uint8 `[., H, W, 3]`.

    Returns:
        uint8, shape of `images`.
    """
    axes = (0, 1, 2)
    mean, deviation = images.mean(axes), images.std(axes) + 1e-6
    moved = (images - mean) / deviation * target.std(axes) + target.mean(axes)
    return np.rint(np.clip(moved, 0, 255)).astype(np.uint8)


def blur(images):
    """The images after a Gaussian blur of 1/32 of their height.

    Args:
        images: uint8 `[N, H, W, 3]`.

    Returns:
        uint8, shape of `images`.
    """
    kernel = ImageFilter.GaussianBlur(BLUR * images.shape[1])
    return np.stack(
        [np.asarray(Image.fromarray(image).filter(kernel)) for image in images]
    )


def _thumbnails(images):
    size = (THUMBNAIL, THUMBNAIL)
    return np.stack(
        [
            np.asarray(Image.fromarray(i).resize(size, Image.Resampling.BOX))
            for i in images
        ]
    )
