"""Parity: an exported file gives the run's own pictures, or is set aside."""

import json
import os
import shutil

import numpy as np

from tf_i2i.errors import UserError

# How far an export may be from its source, by format or precision, in levels
# of 255; of SSIM, how near it must be.
TOLERANCES: dict[str, dict[str, float]] = {
    "saved_model": {"max": 1},
    "onnx": {"max": 1},
    "float32": {"max": 1},
    "float16": {"max": 2},
    "dynamic": {"mean": 1},
    "int8": {"mean": 3, "ssim": 0.95},
    "mixed": {"mean": 3, "ssim": 0.95},
}
_REPORT = (
    "Update TensorFlow and ai-edge-litert and export again; if it stays, "
    "report it with {where}"
)
_COARSER = {
    "float16": "float32",
    "dynamic": "mixed, or else to float16",
    "int8": "dynamic or mixed, or distill the run into a student "
    "(python -m tf_i2i.distill --help)",
    "mixed": "dynamic or float16",
}
_WINDOW = 11  # Side of SSIM's window, pixels.


def advice(kind, where):
    """What to do where a tolerance is missed.

    Args:
        kind: key of `TOLERANCES`.
        where: path of the report.
    """
    if kind in _COARSER:
        return f"Set --precision to {_COARSER[kind]}"
    return _REPORT.format(where=where)


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


def beyond(result, tolerance):
    """What in a result of `parity` a tolerance does not allow, in words."""
    wrong = {
        name: result[name] < allowed
        if name == "ssim"
        else result[name] > allowed
        for name, allowed in tolerance.items()
    }
    return [f"{name} {result[name]}" for name, bad in wrong.items() if bad]


def settle(part, output, report, kind, beside=None):
    """Puts a checked export in its place, with its `parity.json`.

    Args:
        part: path of the export.
        output: where it goes: replaced if it is there.
        report: dictionary, direction -> result of `parity`.
        kind: key of `TOLERANCES`.
        beside: dictionary, end of a name, as "layers.csv" -> text of a file
            that goes with the export.

    Raises:
        UserError: beyond the tolerance. The export is then at `output` with
            `.rejected` added, and what was at `output` still is.
    """
    tolerance = TOLERANCES[kind]
    wrong = [
        f"{direction} {what}"
        for direction, result in report.items()
        for what in beyond(result, tolerance)
    ]
    place = output
    if wrong:
        place = output.with_name(f"{output.name}.rejected")
    _replace(part, place)
    where = beside_of(place, "parity.json")
    text = {"tolerance": tolerance, "accepted": not wrong, **report}
    where.write_text(json.dumps(text, indent=2) + "\n")
    for name, content in (beside or {}).items():
        beside_of(place, name).write_text(content)
    if wrong:
        allowed = ", ".join(
            f"{name} {'above' if name == 'ssim' else 'at most'} {value}"
            for name, value in tolerance.items()
        )
        raise UserError(
            "`--output` must give the run's own pictures, in levels of 255 "
            f"({allowed}). {advice(kind, where)}. Received: "
            f"{', '.join(wrong)}; kept as {place}, not to be used"
        )


def beside_of(place, name):
    """Path of what belongs to an export: in a folder, or beside a file."""
    return place / name if place.is_dir() else place.with_suffix(f".{name}")


def _replace(part, place):
    """Moves a file or folder over one that may be there."""
    if not place.is_dir():
        os.replace(part, place)
        return
    old = part.with_name(f"{part.name}.old")
    os.replace(place, old)
    os.replace(part, place)
    shutil.rmtree(old)
