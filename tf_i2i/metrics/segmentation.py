"""Scores of label maps, as defined by Cityscapes and by CycleGAN's authors.

`nearest_colour` converts a translated image of label colours into labels.
`confusion` counts pairs of true and predicted labels in a matrix. The matrices
of several batches can be added. `segmentation_scores` computes the scores from
the counts.
"""

import numpy as np

from tf_i2i.errors import UserError
from tf_i2i.extras import optional
from tf_i2i.metrics.arrays import blocks
from tf_i2i.metrics.arrays import check_images


def confusion(truth, predicted, classes, ignore=()):
    """Returns the numbers of pixels by true and predicted class.

    Args:
        truth: true labels, integers of any shape, in [0, classes) or ignored.
        predicted: predicted labels, integers of the same shape, in
            [0, classes) wherever the true label is not ignored.
        classes: number of classes.
        ignore: true label, or several true labels, whose pixels are not counted
            (for the void class of Cityscapes 255 or -1).

    Returns:
        int64 `[classes, classes]`: rows are true classes, and columns are
        predicted classes.

    Raises:
        UserError: the shapes differ, the labels are not integers, or a label
            that is not ignored is outside [0, classes).
    """
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    for name, labels in (("truth", truth), ("predicted", predicted)):
        if labels.dtype.kind not in "iu":
            raise UserError(
                f"`{name}` must be whole numbers. Received: {labels.dtype}"
            )
    if truth.shape != predicted.shape:
        raise UserError(
            "`truth` and `predicted` must have the same shape. Received: "
            f"{list(truth.shape)} and {list(predicted.shape)}"
        )
    counts = ~np.isin(truth, np.atleast_1d(ignore))
    truth = truth[counts].astype(np.int64)
    predicted = predicted[counts].astype(np.int64)
    _check_range("truth", truth, classes)
    _check_range("predicted", predicted, classes)
    pairs = np.bincount(truth * classes + predicted, minlength=classes**2)
    return pairs.reshape(classes, classes)


def segmentation_scores(hist, absent="zero"):
    """Returns per-pixel accuracy, per-class accuracy and class IoU.

    Args:
        hist: counts `[C, C]` from `confusion`.
        absent: treatment of classes without pixels. With "zero" their accuracy
            and IoU count as 0. Use "zero" to compare with published tables: the
            evaluation code of pix2pix and CycleGAN adds a small number to each
            denominator, so that these classes count as 0, too. With "skip"
            classes without a true pixel are left out of the accuracy, and
            classes without a true or predicted pixel are left out of the IoU.

    Returns:
        Dictionary of floats in [0, 1]: `pixel`, the share of pixels that are
        predicted correctly; `class`, this share within each true class,
        averaged over classes; and `iou`, the mean intersection over union of
        the classes.

    Raises:
        UserError: `absent` is unknown, or no pixel was counted.
    """
    if absent not in ("zero", "skip"):
        raise UserError(
            f"`absent` must be 'zero' or 'skip'. Received: {absent!r}"
        )
    hist = np.asarray(hist, np.float64)
    if not hist.sum():
        raise UserError(
            "`hist` must count at least one pixel. Received: "
            f"{list(hist.shape)}, all zero"
        )
    right, true = np.diag(hist), hist.sum(1)
    union = true + hist.sum(0) - right
    return {
        "pixel": float(right.sum() / hist.sum()),
        "class": _mean_ratio(right, true, absent),
        "iou": _mean_ratio(right, union, absent),
    }


def matched_accuracy(hist):
    """Returns the accuracy under the best one-to-one renaming of classes.

    An unpaired translator cannot know which colour stands for which class. If
    this accuracy is far above the plain accuracy, the translator keeps the
    classes apart but exchanges their colours.

    Args:
        hist: `[C, D]`, counts of true and predicted classes as from
            `confusion`, not all zero.

    Returns:
        Float in [0, 1].

    Raises:
        UserError: SciPy is missing.
    """
    optimize = optional("scipy.optimize", "eval")
    hist = np.asarray(hist)
    matched = optimize.linear_sum_assignment(hist, maximize=True)
    return float(hist[matched].sum() / hist.sum())


def nearest_colour(images, palette):
    """Returns the class whose colour is nearest in RGB, for every pixel.

    Args:
        images: uint8 `[N, H, W, 3]`, images of label colours.
        palette: `[K, 3]`, integers in [0, 255]: the colours of the classes
            without void, at most 256.

    Returns:
        uint8 `[N, H, W]`: index into the palette. If several colours are
        equally near, the first of them counts.

    Raises:
        UserError: `images` are not uint8, or `palette` is not a palette.
    """
    check_images(images=images)
    colours = np.asarray(palette)
    good = (
        colours.ndim == 2
        and colours.shape[1] == 3
        and 0 < len(colours) <= 256
        and colours.dtype.kind in "iu"
        and colours.min() >= 0
        and colours.max() <= 255
    )
    if not good:
        raise UserError(
            "`palette` must be [K, 3], whole numbers in [0, 255], K at most "
            f"256. Received: {colours.dtype} {list(colours.shape)}"
        )
    # float32 is exact here, because all integers stay below 2^24.
    colours = colours.astype(np.float32)
    offsets = (colours**2).sum(1)
    labels = np.empty(images.shape[:3], np.uint8)
    for part in blocks(len(images), 8):
        gaps = offsets - 2 * images[part].astype(np.float32) @ colours.T
        labels[part] = gaps.argmin(-1)
    return labels


def _check_range(name, labels, classes):
    wrong = labels[(labels < 0) | (labels >= classes)]
    if wrong.size:
        raise UserError(
            f"`{name}` must be in [0, {classes}) or ignored. Received: "
            f"{sorted(set(wrong.tolist()))[:5]}"
        )


def _mean_ratio(part, whole, absent):
    present = whole > 0
    ratios = part[present] / whole[present]
    return float(
        ratios.sum() / (len(whole) if absent == "zero" else len(ratios))
    )
