"""Tables of scores as text for the terminal."""

import itertools
import math

import numpy as np

from tf_i2i.evaluation.baselines import REAL
from tf_i2i.evaluation.registry import explain
from tf_i2i.evaluation.registry import in_order
from tf_i2i.evaluation.registry import terminal_columns

WIDTH = 100  # Width of the terminal, in characters.


def format_table(table, measures=None):
    """Returns a table of scores as text.

    Args:
        table: scores of each row, a dictionary of dictionaries. The outer keys
            are names of rows, the inner keys names of measures. Measures may be
            missing in some rows.
        measures: list of the measures to show, in their order; None for all.

    Returns:
        Lines of at most about `WIDTH` characters. If there are too many
        measures for a line, the table is split into blocks, one below the
        other. A block leaves out rows that have none of its measures.
    """
    measures = measures_of(table) if measures is None else list(measures)
    margin = max(map(len, table), default=0)
    blocks: list[list[tuple]] = [[]]
    used = margin
    for measure in measures:
        cells = cells_of(table, measure)
        width = max(map(len, [measure, *cells.values()])) + 2
        if used + width > WIDTH and blocks[-1]:
            blocks.append([])
            used = margin
        blocks[-1].append((measure, cells, width))
        used += width
    return "\n\n".join(_block(table, block, margin) for block in blocks)


def format_summary(table):
    """Returns a table of the main numbers that the first row has, as text.

    Args:
        table: scores of each row, as in `format_table`.

    Returns:
        Lines as from `format_table`, for the numbers whose `Output` is
        `in_terminal`.
    """
    return format_table(table, terminal_columns(next(iter(table.values()))))


def _block(table, columns, margin):
    lines = [" " * margin + "".join(f"{m:>{w}}" for m, _, w in columns)]
    for row in table:
        if any(row in cells for _, cells, _ in columns):
            lines.append(
                f"{row:<{margin}}"
                + "".join(
                    f"{cells.get(row, '-'):>{w}}" for _, cells, w in columns
                )
            )
    return "\n".join(lines)


def measures_of(table):
    """Returns the names of all numbers of a table, in the measures' order."""
    return in_order(itertools.chain.from_iterable(table.values()))


def cells_of(table, measure):
    """Returns the values of a measure as text, with equally many decimals.

    Args:
        table: as in `format_table`.
        measure: name of the measure.

    Returns:
        Dictionary from rows to texts; rows without the measure are left out.
    """
    values = {
        row: scores[measure]
        for row, scores in table.items()
        if measure in scores
    }
    decimals = _decimals(list(values.values()))
    # Adding 0.0 converts -0.0 to 0.0, so that no minus sign is shown.
    return {
        row: f"{round(value, decimals) + 0.0:.{decimals}f}"
        for row, value in values.items()
    }


def _decimals(values):
    """Returns the number of decimals that gives the median three digits.

    The number is larger than three only if the largest value needs more
    decimals to show three digits.
    """
    sizes = [abs(v) for v in values if math.isfinite(v) and v]
    if not sizes:
        return 0
    median, largest = (
        2 - math.floor(math.log10(size))
        for size in (np.median(sizes), max(sizes))
    )
    return max(0, min(median, max(3, largest)))


def winners(table, measure, cells):
    """Returns the rows with the best value, except rows of real images.

    Args:
        table: as in `format_table`.
        measure: name of the measure.
        cells: texts of its values, from `cells_of`; rows whose texts are equal
            are equally good.

    Returns:
        Set of rows; empty if neither high nor low values of the measure are
        better, or if all values are equal.
    """
    better = explain(measure).better
    values = {
        row: table[row][measure]
        for row in cells
        if row not in REAL and math.isfinite(table[row][measure])
    }
    if not better or len({cells[row] for row in values}) < 2:
        return set()
    pick = max if better == "higher" else min
    best = cells[pick(values, key=values.__getitem__)]
    return {row for row in values if cells[row] == best}
