"""Writes scores to a run's metrics.jsonl, and reads training curves."""

import contextlib
import json

from tf_i2i.disk import reason
from tf_i2i.errors import UserError
from tf_i2i.evaluation.registry import full_name
from tf_i2i.foreign_files import open_to_append
from tf_i2i.foreign_files import parse_json
from tf_i2i.foreign_files import read_utf8

# Fields of a row that are not plotted as curves.
_NO_CURVES = ("step", "images_shown", "phase", "images_per_second")


def round_numbers(numbers):
    """Returns a dictionary of floats, rounded to five significant digits."""
    return {name: float(f"{value:.5g}") for name, value in numbers.items()}


def full_names(table, features):
    """Returns a table for the log, with rounded values and full names.

    Args:
        table: scores of each row, a dictionary of dictionaries. The outer keys
            are names of rows, the inner keys names of scores.
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
        with open_to_append(path) as file:
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

    Raises:
        UserError: the file cannot be read.
    """
    curves: dict[str, list] = {}
    for row in _rows(path):
        if "evaluation" in row or not _is_number(row.get("images_shown")):
            continue
        for name, value in row.items():
            if name not in _NO_CURVES and _is_number(value):
                point = row["images_shown"], value
                curves.setdefault(name, []).append(point)
    return curves


def _rows(path):
    """Yields the rows of metrics.jsonl, and skips lines that are not JSON.

    A run that was killed may have left an incomplete line, and users may have
    added lines.
    """
    if not path.exists():
        return
    try:
        text = read_utf8(path, errors="replace")
    except OSError as error:
        raise UserError(
            "`--run_dir` must be a folder whose metrics.jsonl can be read. "
            f"Received: {path} ({reason(error)})"
        ) from error
    for line in text.splitlines():
        with contextlib.suppress(ValueError):
            row = parse_json(line)
            if isinstance(row, dict):
                yield row


def _is_number(value):
    return isinstance(value, int | float)
