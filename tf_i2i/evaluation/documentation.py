"""The page docs/measures.md, written from the measures.

python -m tf_i2i.evaluation.documentation > docs/measures.md
"""

import itertools

from tf_i2i.evaluation.baselines import ROWS
from tf_i2i.evaluation.registry import all_outputs
from tf_i2i.evaluation.registry import measure_of

_HEAD = """\
# The numbers of an evaluation

This page is written by `python -m tf_i2i.evaluation.documentation`.

`python -m tf_i2i.evaluate --run_dir=runs/mine` prints the numbers in **bold**
and writes all of them into `report.html` and `metrics.jsonl`. A run is scored
by the measures that its method states (the class attribute `measures`);
`--recipe=full` takes all measures, `--recipe=quick` those marked with \\*. A
measure is left out where what it needs is missing: hidden partners
(`--paired`), labels, label maps, styles, a shared encoder, or a translator in
the other direction. A number whose name ends with `[...]` in `metrics.jsonl`
depends on the feature network, and is comparable only with numbers of the same
network.

Each number has a row for the model and, to compare it with, rows of other
images:

| row | images |
| --- | --- |
"""


def markdown():
    """The text of docs/measures.md."""
    lines = [f"| `{row}` | {text} |\n" for row, text in ROWS.items()]
    parts = [_HEAD, *lines]
    for group, outputs in itertools.groupby(all_outputs(), lambda o: o.group):
        parts.append(f"\n## {group}\n\n")
        parts.append("| number | better | meaning | measure |\n")
        parts.append("| --- | --- | --- | --- |\n")
        parts += map(_line, outputs)
    return "".join(parts)


def _line(output):
    measure = measure_of(output)
    bold = "**" if output.in_terminal else ""
    star = "\\*" if measure.quick else ""
    return (
        f"| {bold}`{output.name}`{bold} | {output.better} | {output.text} | "
        f"{measure.name}{star} |\n"
    )


if __name__ == "__main__":
    print(markdown(), end="")
