"""Writes the HTML page with facts, alarms, tables and images."""

import base64
import dataclasses
import io
import math
from html import escape
from pathlib import Path

from PIL import Image

from tf_i2i.disk import write_whole
from tf_i2i.errors import UserError
from tf_i2i.evaluation.baselines import OWN
from tf_i2i.evaluation.baselines import REAL
from tf_i2i.evaluation.baselines import ROWS
from tf_i2i.evaluation.measure import SENSITIVITY
from tf_i2i.evaluation.measure import SUMMARY
from tf_i2i.evaluation.measure import Output
from tf_i2i.evaluation.registry import UNKNOWN
from tf_i2i.evaluation.registry import explain
from tf_i2i.evaluation.registry import full_name
from tf_i2i.report import drawings
from tf_i2i.report.tables import cells_of
from tf_i2i.report.tables import measures_of
from tf_i2i.report.tables import winners


@dataclasses.dataclass
class DirectionReport:
    """The content of a report for one direction.

    Attributes:
        name: "a_to_b" or "b_to_a".
        table: scores of each row, a dictionary of dictionaries. The outer keys
            are names of rows, with "model" first, and the inner keys are names
            of numbers. See `evaluation.baselines.ROWS` and
            `evaluation.registry.explain`. Numbers of the group `SENSITIVITY`
            are shown as a curve.
        verdicts: sentences from `metrics.checks.verdict` that say what looks
            wrong.
        pictures: list of (caption, image), uint8 `[H, W, 3]`.
        maps: dictionary from names of sets of images to their points in the
            map, floats `[N, 2]`, from `embedding_map`.
    """

    name: str
    table: dict
    verdicts: list = dataclasses.field(default_factory=list)
    pictures: list = dataclasses.field(default_factory=list)
    maps: dict = dataclasses.field(default_factory=dict)

    @property
    def heading(self):
        return escape(self.name.upper().replace("_TO_", " → "))


def write_report(path, title, facts, directions, curves):
    """Writes a report as one HTML file.

    Args:
        path: path of the file; its folder is created if necessary.
        title: title of the page.
        facts: dictionary from names (run, method, step, images shown, command
            and others) to texts, which the page shows. The fact `features` is
            the label of the feature network, which becomes part of the names of
            scores.
        directions: list of `DirectionReport`.
        curves: dictionary from names to lists of (images shown, value), for
            charts of the training.

    Raises:
        UserError: the file cannot be written.
    """
    label = facts.get("features", "")
    links = [(d.name, d.heading) for d in directions]
    training = _training(curves)
    if training:
        links.append(("training", "Training"))
    page = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{escape(title)}</title>\n<style>{_CSS}</style>\n</head>",
        f"<body>\n<h1>{escape(title)}</h1>",
        _facts(facts),
        _tags("nav", (f'<a href="#{escape(i)}">{t}</a>' for i, t in links)),
        _rows_legend(directions) if directions else "",
        *(_direction(direction, label) for direction in directions),
        training,
        "</body>\n</html>\n",
    ]
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # File names in the text may contain bytes that are not UTF-8.
        text = "\n".join(page)
        write_whole(
            path,
            [text.encode("utf-8", "backslashreplace")],
            path.with_name(f".{path.name}.part"),
        )
    except OSError as error:
        raise UserError(
            "`path` of the report must be in a folder that can be written. "
            f"Received: {path} ({error.strerror or error})"
        ) from error


_CSS = """
:root { color-scheme: light; }
body { margin: 0 auto; max-width: 62rem; padding: 0 1rem 3rem;
  background: #fff; color: #1b1f24; font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 1.2rem 0 .6rem; }
h2 { border-bottom: 2px solid #1b1f24; font-size: 1.35rem;
  margin: 2.6rem 0 1rem; }
h3 { font-size: 1rem; margin: 1.8rem 0 .4rem; }
nav { display: flex; flex-wrap: wrap; gap: 1.2rem; margin: 1rem 0; }
a { color: #0058a3; }
dl { display: grid; grid-template-columns: max-content 1fr; margin: .4rem 0;
  column-gap: 1rem; }
dt { color: #57606a; } dd { margin: 0; overflow-wrap: anywhere; }
dl.legend { color: #57606a; font-size: .8rem; line-height: 1.35;
  row-gap: .15rem; }
dl.legend dt { color: #1b1f24; max-width: 12rem; }
.alarm { background: #fff4e5; border-left: 4px solid #d55e00;
  margin: .6rem 0; padding: .5rem .8rem; }
.group { align-items: flex-start; display: flex; flex-wrap: wrap;
  gap: .4rem 2rem; }
.group dl.legend { flex: 1 1 18rem; }
.scroll { max-width: 100%; overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem;
  font-variant-numeric: tabular-nums; }
th, td { padding: .18rem .6rem; text-align: right; }
thead th { border-bottom: 1px solid #1b1f24; cursor: help;
  vertical-align: bottom; }
tbody th { background: #fff; font-weight: 400; left: 0; position: sticky;
  text-align: left; }
tr.own, tr.own th { background: #e3effa; font-weight: 600; }
tr.real, tr.real th { background: #f1f3f5; color: #495057; }
td.best { text-decoration: underline; text-decoration-color: #009e73;
  text-decoration-thickness: 2px; text-underline-offset: 3px; }
figure { margin: 1rem 0; }
figcaption { color: #57606a; font-size: .85rem; margin-top: .25rem; }
img { display: block; height: auto; max-width: 100%; }
svg { display: block; }
svg text { fill: #57606a; font: 11px system-ui, sans-serif; }
.key { display: inline-block; margin-right: 1.1rem; }
.key i { border-radius: 50%; display: inline-block; height: .7em;
  margin-right: .35em; width: .7em; }
.curves { display: grid; gap: .6rem 1.2rem;
  grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); }
.curves figure { margin: 0; } .curves svg { width: 100%; }
.curves figcaption { color: #1b1f24; margin: 0; }
.map svg { height: auto; max-width: 100%; }
@media (max-width: 40rem) {
  dl.legend { display: block; }
  dl.legend dt, dl.legend dd { display: inline; }
  dl.legend dt { margin-right: .5em; }
  dl.legend dd::after { content: "\\a"; white-space: pre; }
}
"""


def _tags(tag, parts):
    return f"<{tag}>{''.join(parts)}</{tag}>"


def _facts(facts):
    items = (
        f"<dt>{escape(str(name))}</dt><dd>{escape(str(text))}</dd>"
        for name, text in facts.items()
    )
    return _tags("dl", items)


def _direction(direction, label):
    table = direction.table
    groups: dict[str, list] = {}
    for measure in measures_of(table):
        groups.setdefault(explain(measure).group, []).append(measure)
    disturbed = groups.pop(SENSITIVITY, [])
    parts = [f'<h2 id="{escape(direction.name)}">{direction.heading}</h2>']
    parts += [f'<p class="alarm">{escape(v)}</p>' for v in direction.verdicts]
    if headline := groups.pop(SUMMARY, None):
        parts.append(_table(table, SUMMARY, headline, label))
    if direction.pictures:
        parts.append("<h3>Pictures</h3>")
    parts += [_picture(*pair) for pair in direction.pictures]
    parts += [_table(table, g, m, label) for g, m in groups.items()]
    if disturbed:
        parts.append(_sensitivity(table, disturbed))
    if direction.maps:
        parts.append(_map(direction.maps))
    return "\n".join(parts)


def _table(table, group, measures, label):
    """HTML table of the measures of a group, with their explanations."""
    heads = "".join(_head(measure, label) for measure in measures)
    cells = {measure: cells_of(table, measure) for measure in measures}
    best = {m: winners(table, m, cells[m]) for m in measures}
    lines = []
    for row in table:
        if not any(row in column for column in cells.values()):
            continue
        numbers = "".join(
            f"<td{' class=best' if row in best[m] else ''}>"
            f"{cells[m].get(row, '')}</td>"
            for m in measures
        )
        kind = "own" if row in OWN else "real" if row in REAL else "cheat"
        title = escape(ROWS.get(row, ""))
        lines.append(
            f'<tr class={kind}><th title="{title}">{escape(row)}</th>'
            f"{numbers}</tr>"
        )
    return (
        f"<h3>{escape(group)}</h3>\n"
        '<div class="group"><div class="scroll"><table>'
        f"<thead><tr><th></th>{heads}</tr></thead>\n"
        f"{_tags('tbody', lines)}</table></div>\n{_legend(measures)}</div>"
    )


_ARROWS = {"higher": "&nbsp;↑", "lower": "&nbsp;↓"}


def _head(measure, label):
    """HTML of a column's head, with full name and explanation as tooltip."""
    named = full_name(measure, label) if label else measure
    title = f"{named}: {_sentences(explain(measure))}"
    arrow = _ARROWS.get(explain(measure).better, "")
    name = escape(measure).replace("_", "_<wbr>")
    return f'<th title="{escape(title)}">{name}{arrow}</th>'


def _sentences(output):
    better = output.better
    hint = f" {better.capitalize()} is better." if better else ""
    return f"{output.text}{hint}"


def _legend(measures):
    """HTML list of explanations, with one entry for several similar numbers."""
    names: dict[Output, list] = {}
    for measure in measures:
        names.setdefault(explain(measure), []).append(measure)
    names.pop(UNKNOWN, None)
    items = (
        f"<dt>{escape(_abbreviate(some))}</dt><dd>{escape(_sentences(what))}</dd>"
        for what, some in names.items()
    )
    return f'<dl class="legend">{"".join(items)}</dl>'


def _abbreviate(names):
    return ", ".join(names if len(names) < 3 else [names[0], "…", names[-1]])


def _rows_legend(directions):
    """HTML list that explains the rows of all tables of the page."""
    rows = {row for direction in directions for row in direction.table}
    items = "".join(
        f"<dt>{row}</dt><dd>{escape(text)}</dd>"
        for row, text in ROWS.items()
        if row in rows
    )
    return (
        f'<h3>Rows of the tables</h3>\n<dl class="legend">{items}'
        "<dt><u>underlined</u></dt><dd>the best value of all rows except "
        "truth and floor</dd></dl>"
    )


def _picture(caption, image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", optimize=True)
    data = base64.b64encode(file.getvalue()).decode()
    height, width = image.shape[:2]
    return (
        f'<figure><img src="data:image/png;base64,{data}" width="{width}" '
        f'height="{height}" alt=""><figcaption>{escape(caption)}</figcaption>'
        "</figure>"
    )


def _sensitivity(table, measures):
    rows = {
        row: {m: scores[m] for m in measures}
        for row, scores in table.items()
        if scores.keys() >= set(measures)
    }
    drawing = drawings.sensitivity_chart(rows)
    return (
        f"<h3>{SENSITIVITY}</h3>\n"
        f'<figure><div class="scroll">{drawing}</div>'
        f"<figcaption>{drawings.keys(rows)}<br>"
        f"{escape(explain(measures[0]).text)}</figcaption></figure>"
    )


def _map(maps):
    return (
        "<h3>Map of features</h3>\n"
        f'<figure class="map">{drawings.scatter(maps)}'
        f"<figcaption>{drawings.keys(maps)}<br>t-SNE of all sets together: "
        "neighbouring points stand for similar images. Directions and the "
        "sizes of gaps have no meaning.</figcaption></figure>"
    )


def _training(curves):
    finite = {
        name: [pair for pair in pairs if math.isfinite(pair[1])]
        for name, pairs in curves.items()
    }
    finite = {name: pairs for name, pairs in finite.items() if pairs}
    if not finite:
        return ""
    end = max(shown for pairs in finite.values() for shown, _ in pairs)
    charts = (
        f"<figure><figcaption>{escape(name)} "
        f"<small>last value {pairs[-1][1]:.3g}</small></figcaption>"
        f"{drawings.line_chart(pairs, end)}</figure>"
        for name, pairs in finite.items()
    )
    return (
        '<h2 id="training">Training</h2>\n'
        f'<div class="curves">{"".join(charts)}</div>\n'
        "<p><small>Horizontal axis: images of each domain shown in training. "
        "Points of long curves are means of neighbouring values, and the "
        "shaded area reaches from the lowest to the highest of these values."
        "</small></p>"
    )
