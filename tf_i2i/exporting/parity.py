"""Parity: how far an export's images are from those of the run."""

import numpy as np

from tf_i2i.errors import UserError

_WINDOW = 11  # Side of SSIM's window, pixels.


def parity(reference_fn, exported_fn, images):
    """How far an exported model's pictures are from its source's.

    Args:
        reference_fn, exported_fn: functions of uint8 images to uint8 images.
        images: uint8 `[N, height, width, 3]`.

    Returns:
        Dictionary: `images` (their number), the `max`, `mean` and `p99`
        absolute difference in levels of 255, and the mean `ssim` (Wang et
        al. 2004; windows of 11 pixels, or of the whole of smaller images).

    Raises:
        UserError: the two give pictures of different shapes or types.
    """
    import tensorflow as tf

    wanted = np.asarray(reference_fn(images))
    given = np.asarray(exported_fn(images))
    if (given.shape, given.dtype) != (wanted.shape, wanted.dtype):
        raise UserError(
            "`exported_fn` must return what the source does, "
            f"{wanted.dtype} {list(wanted.shape)}. "
            f"Received: {given.dtype} {list(given.shape)}"
        )
    apart = np.abs(given.astype(int) - wanted.astype(int))
    window = min(_WINDOW, *wanted.shape[1:3])
    ssim = tf.image.ssim(wanted, given, 255, filter_size=window)
    return {
        "images": len(images),
        "max": int(apart.max()),
        "mean": round(float(apart.mean()), 4),
        "p99": float(np.percentile(apart, 99)),
        "ssim": round(float(np.mean(ssim)), 4),
    }


def violations(result, tolerance):
    """Texts of the values in a result of `parity` that a tolerance forbids."""
    wrong = {
        name: result[name] < allowed
        if name == "ssim"
        else result[name] > allowed
        for name, allowed in tolerance.items()
    }
    return [f"{name} {result[name]}" for name, bad in wrong.items() if bad]
