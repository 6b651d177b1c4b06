"""Prints the page docs/measures.md, made from the descriptions of measures.

python -m tf_i2i.evaluation.documentation > docs/measures.md
"""

import itertools

from tf_i2i.evaluation.baselines import ROWS
from tf_i2i.evaluation.registry import all_outputs
from tf_i2i.evaluation.registry import measure_of

_HEAD = """\
# The numbers of an evaluation

This page is written by `python -m tf_i2i.evaluation.documentation`.

`python -m tf_i2i.evaluate --run_dir=runs/mine` writes all numbers into
`report.html` and `metrics.jsonl`. In the terminal it prints only those numbers
whose names are **bold** in the tables below. By default a run
is scored by the measures of its method (the class attribute `measures`).
`--recipe=full` selects all measures, and `--recipe=quick` selects the measures
that are marked with \\*. `--recipe` also takes the names of methods and of
measures, several of them with commas between: `--recipe=full,skin`. Measures
that are marked with "by name" are not in `full`. `--gin_param` changes the
settings of measures. Some measures need ground-truth images (`--paired`),
labels, label maps, styles, a shared encoder, or a translator in the other
direction. A measure is left out if something that it needs is missing. If a
number depends on the feature network, its name in `metrics.jsonl` ends with the
label of that network in square brackets. Such a number is comparable only with
numbers of the same network.

Numbers "in levels (0 to 255)" are differences of 8-bit pixel values.

The output of an input is its translation to the target domain. The ground-truth
image of an input is the test image of the target domain that shows the same
object. It is used in evaluation only. A cheat is a baseline without a
translator, such as a copy of the input. Each number is computed for the model
and, for comparison, for other images. These are the rows of the tables:

| row | images |
| --- | --- |
"""


def markdown():
    """Returns the text of docs/measures.md."""
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
    star += " (by name)" if measure.by_name else ""
    return (
        f"| {bold}`{output.name}`{bold} | {output.better} | {output.text} | "
        f"{measure.name}{star} |\n"
    )


if __name__ == "__main__":
    print(markdown(), end="")
