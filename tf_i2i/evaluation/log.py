"""The file metrics.jsonl of a run: scores written, training curves read."""

import json

from tf_i2i.disk import reason
from tf_i2i.errors import UserError
from tf_i2i.evaluation.registry import full_name

# Of a row, what is no curve.
_NO_CURVES = ("step", "images_shown", "phase", "images_per_second")


def round_numbers(numbers):
    """A dictionary of floats, rounded to five significant digits for logs."""
    return {name: float(f"{value:.5g}") for name, value in numbers.items()}


def full_names(table, features):
    """A table as it is logged: numbers rounded, and with `full_name`.

    Args:
        table: row -> (name of a number -> float).
        features: label of the feature network.
    """
    return {
        row: round_numbers({full_name(n, features): v for n, v in some.items()})
        for row, some in table.items()
    }


def append_row(path, row):
    """Appends a row to metrics.jsonl; the folder is made.

    Args:
        path: of the file.
        row: dictionary that JSON can hold.

    Raises:
        UserError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a") as file:
            file.write(json.dumps(row) + "\n")
    except OSError as error:
        raise UserError(
            "`--run_dir` must be a folder that can be written. "
            f"Received: {path} ({reason(error)})"
        ) from error


def read_curves(path):
    """Every number that training has logged, over the images shown.

    Args:
        path: of metrics.jsonl; it may be absent.

    Returns:
        Dictionary, name -> list of (images shown, value).
    """
    curves: dict[str, list] = {}
    if not path.exists():
        return curves
    for line in path.read_text().splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue  # A run that was killed may leave half a line.
        if "evaluation" in row:
            continue
        for name in (n for n in row if n not in _NO_CURVES):
            point = row["images_shown"], row[name]
            curves.setdefault(name, []).append(point)
    return curves
