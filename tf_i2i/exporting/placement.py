"""Checks an export against its tolerance and moves it to `--output`."""

import json
import os
import shutil

from tf_i2i.domains import DIRECTIONS
from tf_i2i.errors import UserError
from tf_i2i.errors import printable
from tf_i2i.exporting.parity import violations

# A file that every SavedModel contains.
SAVED_MODEL = "saved_model.pb"
# Ends of the names of files that accompany exports. FACE tells apps how faces
# are cropped, and STYLE which styles there are.
CARD, FACE, LAYERS, LICENCE, PARITY, STYLE = SIDECARS = (
    "MODEL_CARD.md",
    "face.json",
    "layers.csv",
    "LICENSE",
    "parity.json",
    "style.json",
)
_REPORT = (
    "Update TensorFlow and ai-edge-litert and export again; if the difference "
    "stays, report it as a bug and attach {where}"
)


def make_room(output, suffix, marker=SAVED_MODEL):
    """Makes the parent folder of an export, and checks what it would replace.

    Args:
        output: path of the future export, a `Path`.
        suffix: suffix of the format; "" for a SavedModel.
        marker: a file that every export of the format contains, if it is a
            folder; None if it is a file.

    Raises:
        UserError: something that is not an export exists at `output`, the
            parent folder cannot be made, or the path is not UTF-8, as
            TensorFlow requires of the path of a SavedModel.
    """
    if not suffix and not _is_utf8(output):
        raise UserError(
            "`--output` must be a path in UTF-8 for a SavedModel. "
            f"Received: {printable(output)}"
        )
    if not _may_replace(output, marker):
        raise UserError(
            "`--output` must be a new path, or an earlier export that is to "
            f"be replaced. Received: {output}, which is neither"
        )
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            "`--output` must be in a folder that can be written. "
            f"Received: {output} ({error.strerror})"
        ) from error


def _is_utf8(path):
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _may_replace(output, marker):
    if output.is_file():
        return marker is None
    if not output.is_dir():
        return not output.exists()
    if marker is None:
        return False
    return (output / marker).is_file() or not any(output.iterdir())


def accept_or_reject(part, output, report, precision, sidecars=None):
    """Moves an export to its final path and writes its `parity.json`.

    Files that accompanied an earlier export at this path are removed, because
    they may describe another model.

    Args:
        part: temporary path of the export.
        output: final path of the export; an earlier export there is replaced.
        report: dictionary from each direction to its result of `parity`.
        precision: the `formats.Precision` of the export, with its tolerance.
        sidecars: texts of the files to write next to the export, a
            dictionary. The keys are names of `SIDECARS`, before which there may
            be a direction.

    Raises:
        UserError: the export exceeds the tolerance. In this case the export
            is moved to `output` with `.rejected` appended, and an earlier
            export at `output` is kept.
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
    for name in SIDECARS:
        for of in ("", *(f"{direction}." for direction in DIRECTIONS)):
            sidecar(place, f"{of}{name}").unlink(missing_ok=True)
    where = sidecar(place, PARITY)
    text = {"tolerance": precision.tolerance, "accepted": not wrong, **report}
    where.write_text(json.dumps(text, indent=2) + "\n", encoding="utf-8")
    for name, content in (sidecars or {}).items():
        sidecar(place, name).write_text(content, encoding="utf-8")
    if not wrong:
        return
    allowed = ", ".join(
        f"{name} {'at least' if name == 'ssim' else 'at most'} {value}"
        for name, value in precision.tolerance.items()
    )
    advice = _REPORT.format(where=where)
    if precision.instead:
        advice = f"Set --precision to {precision.instead}"
    raise UserError(
        "the model exported to `--output` must return the same images as the "
        f"run, within these limits: {allowed} (max and mean are differences "
        f"in levels of 0 to 255). {advice}. Received: "
        f"{', '.join(wrong)}. The export was kept as {place}; do not use it"
    )


def sidecar(place, name):
    """Returns the path of a file that accompanies an export.

    If the export is a SavedModel, the file is in its folder. Otherwise it is
    next to the export, and its name begins with the export's whole name, so
    that exports in several formats do not share files.

    Args:
        place: path of the export.
        name: end of the file's name, such as "parity.json".
    """
    if (place / SAVED_MODEL).is_file():
        return place / name
    return place.with_name(f"{place.name}.{name}")


def remove(path):
    """Removes a file or folder if it exists."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def _replace(part, place):
    """Moves a file or folder to a path, and replaces what exists there."""
    if not place.is_dir():
        os.replace(part, place)
        return
    old = part.with_name(f"{part.name}.old")
    os.replace(place, old)
    os.replace(part, place)
    shutil.rmtree(old)
