"""Where an export is written, and whether it is accepted or rejected."""

import json
import os
import shutil

from tf_i2i.errors import UserError
from tf_i2i.exporting.parity import violations

_REPORT = (
    "Update TensorFlow and ai-edge-litert and export again; if the difference "
    "stays, report it with {where}"
)


def make_room(output, suffix):
    """Makes the folder above an export, and protects what is no export.

    Args:
        output: where the export will be, a `Path`.
        suffix: of the format; "" for a folder.

    Raises:
        UserError: there is something else at `output`, or its folder cannot
            be made.
    """
    if not _may_replace(output, suffix):
        raise UserError(
            "`--output` must be new, or an earlier export that is replaced. "
            f"Received: {output}, which holds something else"
        )
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            "`--output` must lie where it can be written. "
            f"Received: {output} ({error.strerror})"
        ) from error


def _may_replace(output, suffix):
    if output.is_file():
        return bool(suffix)
    if not output.is_dir():
        return not output.exists()
    if suffix:
        return False
    is_export = (output / "saved_model.pb").is_file()
    return is_export or not any(output.iterdir())


def accept_or_reject(part, output, report, precision, sidecars=None):
    """Moves a checked export to its place, with its `parity.json`.

    Args:
        part: path of the export.
        output: where it goes; an earlier export there is replaced.
        report: dictionary, direction -> result of `parity`.
        precision: `formats.Precision` with the tolerance.
        sidecars: dictionary, end of a name, such as "layers.csv" -> text of a
            file that is put beside the export.

    Raises:
        UserError: the tolerance is missed. The export is then at `output`
            with `.rejected` added, and what was at `output` is still there.
    """
    wrong = [
        f"{direction} {what}"
        for direction, result in report.items()
        for what in violations(result, precision.tolerance)
    ]
    place = output
    if wrong:
        place = output.with_name(f"{output.name}.rejected")
    _replace(part, place)
    where = sidecar(place, "parity.json")
    text = {"tolerance": precision.tolerance, "accepted": not wrong, **report}
    where.write_text(json.dumps(text, indent=2) + "\n")
    for name, content in (sidecars or {}).items():
        sidecar(place, name).write_text(content)
    if not wrong:
        return
    allowed = ", ".join(
        f"{name} {'above' if name == 'ssim' else 'at most'} {value}"
        for name, value in precision.tolerance.items()
    )
    advice = _REPORT.format(where=where)
    if precision.instead:
        advice = f"Set --precision to {precision.instead}"
    raise UserError(
        "`--output` must give the run's own images, in levels of 255 "
        f"({allowed}). {advice}. Received: {', '.join(wrong)}; kept as "
        f"{place}, not to be used"
    )


def sidecar(place, name):
    """Path of a file that belongs to an export: in its folder or beside it."""
    return place / name if place.is_dir() else place.with_suffix(f".{name}")


def remove(path):
    """Removes a file or folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def _replace(part, place):
    """Moves a file or folder over one that may be there."""
    if not place.is_dir():
        os.replace(part, place)
        return
    old = part.with_name(f"{part.name}.old")
    os.replace(place, old)
    os.replace(part, place)
    shutil.rmtree(old)
