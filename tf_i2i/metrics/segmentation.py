"""Scores of label maps, as Cityscapes and CycleGAN's authors take them.

`nearest_colour` turns a translated picture of labels into labels;
`confusion` counts (matrices of batches may be added), and
`segmentation_scores` reads the counts.
"""

import numpy as np

from tf_i2i.errors import UserError
from tf_i2i.extras import optional
from tf_i2i.metrics.arrays import blocks
from tf_i2i.metrics.arrays import check_images


def confusion(truth, predicted, classes, ignore=()):
    """Counts pixels by true and predicted class.

    Args:
        truth: whole numbers, any shape.
        predicted: whole numbers, same shape, in [0, classes) wherever the
            truth counts.
        classes: how many there are.
        ignore: label or labels of the truth that do not count (255 or -1
            for Cityscapes' void).

    Returns:
        int64 `[classes, classes]`: rows are the truth.

    Raises:
        UserError: shapes differ, not whole numbers, or a label outside
            [0, classes) that is not ignored.
    """
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    for name, labels in (("truth", truth), ("predicted", predicted)):
        if labels.dtype.kind not in "iu":
            raise UserError(
                f"`{name}` must be whole numbers. Received: {labels.dtype}"
            )
    if truth.shape != predicted.shape:
        raise UserError(
            "`truth` and `predicted` must have one shape. Received: "
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
    """Per-pixel accuracy, per-class accuracy and class IoU.

    Args:
        hist: `[C, C]` from `confusion`.
        absent: what a class without a pixel scores. "zero" is what the
            evaluation of pix2pix and CycleGAN does, whose small number in
            each denominator leaves `nanmean` nothing to skip: for comparing
            with published tables. "skip" leaves out classes without a true
            pixel (accuracy) or without a true or predicted one (IoU).

    Returns:
        Dictionary of floats in [0, 1]: `pixel`, `class`, `iou`.

    Raises:
        UserError: `absent` is unknown, or nothing was counted.
    """
    if absent not in ("zero", "skip"):
        raise UserError(
            f"`absent` must be 'zero' or 'skip'. Received: {absent!r}"
        )
    hist = np.asarray(hist, np.float64)
    if not hist.sum():
        raise UserError(
            "`hist` must count some pixel. Received: "
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
    """Accuracy under the best one-to-one renaming of classes.

    Nothing tells an unpaired translator which colour means what. Far above
    the plain accuracy, this says that it keeps classes apart under each
    other's names.

    Args:
        hist: `[C, D]`, counts of true and predicted classes, as from
            `confusion`, with some pixel.

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
    """Labels of a picture of flat colours: the nearest in RGB.

    Args:
        images: uint8 `[N, H, W, 3]`.
        palette: `[K, 3]`, whole numbers in [0, 255]: the classes' colours,
            void left out, at most 256.

    Returns:
        uint8 `[N, H, W]`: index into the palette; of equally near ones the
        first.

    Raises:
        UserError: not uint8 images, or not a palette.
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
            "`palette` must be [K, 3], whole numbers in [0, 255], K up to "
            f"256. Received: {colours.dtype} {list(colours.shape)}"
        )
    # Whole numbers below 2^24: float32 has them exactly.
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
