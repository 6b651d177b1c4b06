"""Line charts and scatter plots as SVG text, to be put into an HTML page."""

import itertools
import math
from html import escape

import numpy as np

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_MOST_POINTS = 200  # Largest number of points of a curve.
_SCATTER = 480  # Longer side of a scatter plot, in pixels.
_DISTURBANCES = {
    "noise": "noise, levels",
    "rounding": "8 bits",
    "jpeg": "JPEG",
    "shift": "shift, pixels",
}


def line_chart(pairs, end):
    """Returns a chart of one value during training.

    Args:
        pairs: list of (images shown, value), finite numbers.
        end: upper end of the horizontal axis, which counts the images that
            training has shown. Charts with the same `end` have the same axis.

    Returns:
        SVG text.
    """
    x, low, mean, high = _thin(np.array(sorted(pairs), np.float64))
    end = end or 1
    plot = _Plot(300, 150, (0, end), _span(low.min(), high.max()))
    parts = list(plot.axes([(tick, _short(tick)) for tick in _ticks(0, end)]))
    if (low < high).any():
        around = np.column_stack([[*x, *x[::-1]], [*low, *high[::-1]]])
        parts.append(
            f'<polygon points="{plot.path(around)}" fill="{_COLOURS[0]}" '
            'opacity=".2"/>'
        )
    line = list(zip(x, mean, strict=True))
    parts.append(_line(plot.path(line), _COLOURS[0]))
    if len(line) == 1:
        parts.append(_dot(plot.at(*line[0]), _COLOURS[0]))
    return _svg(plot.width, plot.height, parts)


def sensitivity_chart(rows):
    """Returns a chart of the errors that disturbances cause, a curve per row.

    A disturbance is, for example, noise that is added to a translation before
    it is translated back.

    Args:
        rows: errors of each row, a dictionary of dictionaries. The outer keys
            are names of rows, the inner keys names of measures such as
            `back_noise_0.5`.

    Returns:
        SVG text.
    """
    kinds = _kinds(next(iter(rows.values())))
    points = list(itertools.chain.from_iterable(kinds.values()))
    last = points[-1][2]
    highest = max(max(scores.values()) for scores in rows.values())
    plot = _Plot(
        round(60 + 27 * (last + 2)),
        240,
        (-1, last + 1),
        (0, highest * 1.05 or 1),
        bottom=42,
    )
    parts = list(plot.axes([(x, tick) for _, tick, x in points]))
    for kind, some in kinds.items():
        x, y = plot.at((some[0][2] + some[-1][2]) / 2, 0)
        parts.append(_text((x, y + 33), _DISTURBANCES.get(kind, kind)))
    for (row, scores), colour in _with_colours(rows.items()):
        for some in kinds.values():
            line = [(x, scores[measure]) for measure, _, x in some]
            parts.append(_line(plot.path(line), colour))
        parts += [
            _dot(
                plot.at(x, scores[measure]),
                colour,
                f"{row}, {measure}: {scores[measure]:.3g}",
            )
            for measure, _, x in points
        ]
    return _svg(plot.width, plot.height, parts)


def scatter(sets):
    """Returns a scatter plot of several sets, with one scale for both axes.

    Args:
        sets: dictionary from the name of a set to its points, floats
            `[N, 2]`.

    Returns:
        SVG text.
    """
    points = np.concatenate(list(sets.values()))
    low, high = points.min(0), points.max(0)
    margin = (high - low).max() / 40 or 1.0
    low, high = low - margin, high + margin
    scale = _SCATTER / (high - low).max()
    width, height = np.ceil(scale * (high - low)).astype(int)
    frame = (
        f'<rect width="{width}" height="{height}" fill="none" '
        'stroke="#c8ced4"/>'
    )
    dots = []
    for (name, some), colour in _with_colours(sets.items()):
        for x, y in (some - low) * scale:
            dots.append(_dot((x, height - y), colour, name, radius=2.5))
    return _svg(width, height, [frame, *dots])


def keys(names):
    """Returns the legend of a chart as HTML: a coloured dot before each name.

    Args:
        names: names in the order in which the chart shows them.
    """
    return "".join(
        f'<span class="key"><i style="background:{colour}"></i>'
        f"{escape(name)}</span>"
        for name, colour in _with_colours(names)
    )


def _with_colours(things):
    return zip(things, itertools.cycle(_COLOURS), strict=False)


class _Plot:
    """The area of a chart with axes; `at` converts values to positions."""

    left, right, top = 48, 18, 8

    def __init__(self, width, height, x_span, y_span, bottom=22):
        self.width, self.height, self.bottom = width, height, bottom
        self.spans = x_span, y_span

    def at(self, x, y):
        (x_low, x_high), (y_low, y_high) = self.spans
        wide = self.width - self.left - self.right
        high = self.height - self.top - self.bottom
        return (
            self.left + wide * (x - x_low) / (x_high - x_low),
            self.top + high * (y_high - y) / (y_high - y_low),
        )

    def path(self, points):
        pixels = (self.at(x, y) for x, y in points)
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in pixels)

    def axes(self, x_ticks):
        """Yields horizontal lines and the labels of both axes as SVG.

        Args:
            x_ticks: list of (value, label) of the horizontal axis.
        """
        (x_low, x_high), (y_low, y_high) = self.spans
        for value in _ticks(y_low, y_high):
            (left, y), (right, _) = (self.at(x, value) for x in (x_low, x_high))
            yield (
                f'<path d="M{left} {y:.1f}H{right}" stroke="#dde1e5"/>'
                + _text((left - 6, y + 4), _short(value), "end")
            )
        for value, text in x_ticks:
            x, y = self.at(value, y_low)
            yield _text((x, y + 15), text)


def _svg(width, height, parts):
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}">'
        f"{''.join(parts)}</svg>"
    )


def _text(point, text, anchor="middle"):
    x, y = point
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
        f"{escape(text)}</text>"
    )


def _line(path, colour):
    return (
        f'<polyline points="{path}" fill="none" stroke="{colour}" '
        'stroke-width="1.5"/>'
    )


def _dot(point, colour, title="", radius=3):
    x, y = point
    title = f"<title>{escape(title)}</title>" if title else ""
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}">'
        f"{title}</circle>"
    )


def _thin(points):
    """Summarizes a curve by at most `_MOST_POINTS` groups of points.

    Args:
        points: `[N, 2]`, sorted by the first column.

    Returns:
        Four arrays with one element for each group: the mean of the first
        column, and the smallest, the mean and the largest value of the second
        column.
    """
    size = math.ceil(len(points) / _MOST_POINTS)
    parts = [points[i : i + size] for i in range(0, len(points), size)]
    x = np.array([part[:, 0].mean() for part in parts])
    values = [part[:, 1] for part in parts]
    return x, *(
        np.array([f(v) for v in values]) for f in (np.min, np.mean, np.max)
    )


def _span(low, high):
    """Returns the range of an axis for values `low` to `high`, with a margin.

    The range starts at 0 if `low` is positive and less than half of `high`.
    """
    if low == high:
        low, high = low - (abs(low) / 2 or 1), high + (abs(high) / 2 or 1)
    elif 0 < low < high / 2:
        low = 0.0
    return low, high + (high - low) / 20


def _ticks(low, high, count=4):
    """List of about `count` round values from `low` to `high`."""
    rough = (high - low) / count
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(s * unit for s in (1, 2, 5, 10) if s * unit >= rough * 0.99)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def _short(value):
    """Label of a value on an axis, such as 50k, 1.5M or 0.2."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:.4g}"


def _kinds(measures):
    """Groups measures such as `back_noise_0.5` by the kind of disturbance.

    Returns:
        Dictionary from the kind of disturbance to a list of (measure, label,
        position on the axis).
    """
    kinds: dict[str, list] = {}
    position = 0
    for measure in measures:
        name = measure.removeprefix("back_")
        kind, _, tick = name.rpartition("_")
        if not tick[:1].isdigit():
            kind, tick = name, ""
        if kinds and kind not in kinds:
            position += 1
        kinds.setdefault(kind, []).append((measure, tick, position))
        position += 1
    return kinds
