"""The images with which the translations of a model are compared.

These images are the rows `truth` and `floor`, which are real images, and the
cheats. A cheat is a baseline that needs no translator, such as a copy of the
input.
"""

import numpy as np
from PIL import Image
from PIL import ImageFilter

from tf_i2i.metrics.copying import nearest
from tf_i2i.metrics.pixels import constant_baselines

ROWS = {
    "model": "the translations; for a run, those of its last checkpoint",
    "best": "the translations of the run's best checkpoint, chosen by "
    "validation images",
    "truth": "the ground-truth images of the inputs",
    "copy": "the inputs themselves",
    "colours": "the inputs, with the mean and the standard deviation of each "
    "colour channel as in the target domain",
    "blur": "blurred inputs",
    "nearest": "for each input, the most similar training image of the target "
    "domain",
    "random": "random training images of the target domain",
    "mean": "the mean image of the target domain",
    "commonest": "images of one colour, the most frequent one of the target "
    "domain",
    "white": "white images",
    "floor": "real training images of the target domain. Their distances to "
    "its real test images are the best that can be expected from sets of this "
    "size",
}
# Rows of the table of scores. The rows in `OWN` are translations by the model,
# and the rows in `REAL` are real images of the target domain.
OWN = ("model", "best")
REAL = ("truth", "floor")
# Rows from which the measure `score` is computed.
NEEDED = ("truth", "copy", "random")
# Side in pixels of the thumbnails that are compared to find the images of the
# row "nearest".
THUMBNAIL = 16
# Standard deviation of the Gaussian blur, as a fraction of the image's height.
BLUR = 1 / 32


def baselines(evidence, seed=0):
    """Returns the images of all rows that need no model.

    Args:
        evidence: `Evidence`.
        seed: seed of the random choices.

    Returns:
        Dictionary from the name of a row to the images of the row, a uint8
        array, in the order of `ROWS`. The dictionary has all rows of `ROWS`
        except "model" and "best", and except "truth" if there are no
        ground-truth images. Each row has one image for each input, except for
        "floor", whose images belong to no input. The images of "nearest" are
        the training images of the target domain whose thumbnails are most
        similar to those of the inputs.
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
    """Returns random indices, with repetition only if `count > size`."""
    return rng.choice(size, count, replace=count > size)


def recolour(images, target):
    """Returns images with the mean colours and contrast of another set.

    Each channel is scaled and shifted so that its mean and standard deviation
    over the whole set become those of the target.

    Args:
        images, target: uint8 `[N, H, W, 3]` and `[M, H, W, 3]`.

    Returns:
        uint8, shape of `images`.
    """
    axes = (0, 1, 2)
    mean, deviation = images.mean(axes), images.std(axes) + 1e-6
    moved = (images - mean) / deviation * target.std(axes) + target.mean(axes)
    return np.rint(np.clip(moved, 0, 255)).astype(np.uint8)


def blur(images):
    """Returns blurred images.

    The standard deviation of the Gaussian blur is 1/32 of the height.

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
