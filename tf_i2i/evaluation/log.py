"""Writes scores to a run's metrics.jsonl, and reads training curves."""

import json

from tf_i2i.disk import reason
from tf_i2i.errors import UserError
from tf_i2i.evaluation.registry import full_name

# Fields of a row that are not plotted as curves.
_NO_CURVES = ("step", "images_shown", "phase", "images_per_second")


def round_numbers(numbers):
    """Returns a dictionary of floats, rounded to five significant digits."""
    return {name: float(f"{value:.5g}") for name, value in numbers.items()}


def full_names(table, features):
    """Returns a table for the log, with rounded values and full names.

    Args:
        table: scores of each row, a dictionary of dictionaries. The outer keys
            are names of rows, the inner keys names of numbers.
        features: label of the feature network; see `full_name`.
    """
    return {
        row: round_numbers({full_name(n, features): v for n, v in some.items()})
        for row, some in table.items()
    }


def append_row(path, row):
    """Appends a row to metrics.jsonl, and creates its folder if needed.

    Args:
        path: path of the file.
        row: dictionary of values that JSON supports.

    Raises:
        UserError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    except OSError as error:
        raise UserError(
            "`--run_dir` must be a folder in which files can be written. "
            f"Received: {path} ({reason(error)})"
        ) from error


def read_curves(path):
    """Returns the curves of all numbers that training has logged.

    Args:
        path: path of metrics.jsonl, which need not exist.

    Returns:
        Dictionary from the name of a number to a list of pairs (number of
        images shown, value).
    """
    curves: dict[str, list] = {}
    if not path.exists():
        return curves
    for line in path.read_text("utf-8", "replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue  # A run that was killed may have left an incomplete line.
        if "evaluation" in row:
            continue
        for name in (n for n in row if n not in _NO_CURVES):
            point = row["images_shown"], row[name]
            curves.setdefault(name, []).append(point)
    return curves
