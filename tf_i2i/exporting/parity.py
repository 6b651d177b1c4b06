"""Differences between the images of an exported model and of its run."""

import numpy as np

from tf_i2i.errors import UserError

_WINDOW = 11  # Side of the window that SSIM is computed in, in pixels.
# What the two functions of `parity` are, for error messages.
_MODELS = {"reference_fn": "the trained model", "exported_fn": "its export"}


def parity(reference_fn, exported_fn, images):
    """Returns the differences between images of an exported model and its run.

    Args:
        reference_fn: translation by the run, a function from uint8 images to
            uint8 images.
        exported_fn: the same translation by the exported model.
        images: inputs of both functions, uint8 `[N, height, width, 3]`.

    Returns:
        Dictionary with the keys `images` (N); `max`, `mean` and `p99` (99th
        percentile) of the absolute differences of all values, in levels of 0
        to 255; and `ssim`, the mean structural similarity (Wang et al. 2004) in
        windows of 11 x 11 pixels. For images with a side below 11 pixels, the
        side of the windows is the shorter side of the images.

    Raises:
        UserError: the two functions return arrays of different shapes or
            types; or each image that one of them returns is of one colour, in
            which case there is nothing to compare.
    """
    import tensorflow as tf

    expected = np.asarray(reference_fn(images))
    actual = np.asarray(exported_fn(images))
    if (actual.shape, actual.dtype) != (expected.shape, expected.dtype):
        raise UserError(
            "`exported_fn` must return images of the type and shape that "
            f"`reference_fn` returns, {expected.dtype} {list(expected.shape)}. "
            f"Received: {actual.dtype} {list(actual.shape)}"
        )
    for name, made in (("reference_fn", expected), ("exported_fn", actual)):
        if _flat(made) and not _flat(images):
            raise UserError(
                f"`{name}` ({_MODELS[name]}) must return images with more than "
                f"one colour each. Received: {len(made)} images, each of a "
                "single colour"
            )
    apart = np.abs(actual.astype(int) - expected.astype(int))
    window = min(_WINDOW, *expected.shape[1:3])
    ssim = tf.image.ssim(expected, actual, 255, filter_size=window)
    return {
        "images": len(images),
        "max": int(apart.max()),
        "mean": round(float(apart.mean()), 4),
        "p99": float(np.percentile(apart, 99)),
        "ssim": round(float(np.mean(ssim)), 4),
    }


def _flat(images):
    """Returns whether each image is of one colour."""
    return bool(np.all(np.ptp(images, axis=(1, 2)) == 0))


def violations(result, tolerance):
    """Returns the values in a result of `parity` that exceed a tolerance.

    Args:
        result: dictionary from `parity`.
        tolerance: largest or smallest allowed values, a dictionary; see
            `formats.Precision`.

    Returns:
        List of texts such as "max 3"; empty if no value exceeds its limit.
    """
    wrong = {
        name: result[name] < allowed
        if name == "ssim"
        else result[name] > allowed
        for name, allowed in tolerance.items()
    }
    return [f"{name} {result[name]}" for name, bad in wrong.items() if bad]
