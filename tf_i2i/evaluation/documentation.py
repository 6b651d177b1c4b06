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
that are marked with \\*. `--recipe` also takes names of methods and of
measures, separated by commas, for example `--recipe=full,skin`. Measures that
are marked with "by name" are not in `full`. `--gin_param` changes the settings
of measures. Some measures need ground-truth images (`--paired`), labels, label
maps, styles, a shared encoder, or a translator in the other direction. A
measure is left out if something that it needs is missing. If a number depends
on the feature network, its name in `metrics.jsonl` ends with the label of that
network in square brackets. Such a number is comparable only with numbers of the
same network.

Numbers "in levels (0 to 255)" are differences of 8-bit pixel values.

The output of an input is its translation to the target domain. The ground-truth
image of an input is the test image of the target domain that shows the same
object. It is used in evaluation only. A cheat is a baseline without a
translator, such as a copy of the input. Each number is computed for the model
and, for comparison, for other images. These are the rows of the tables:

| row | images |
| --- | --- |
"""

_TAIL = """\

## Numbers that other programs report

Some numbers of papers need networks whose weights no package contains. This
package downloads none of them. Get the file once, and give its path:

- FID and KID: `--features=fid-inception:FILE` adds the numbers `fid` and `kid`,
  as torch-fidelity 0.4.0 computes them. With `FILE@299` they are those of
  clean-fid 0.1.35 (mode "clean"), which differs only in how images are resized
  to 299 x 299 pixels. The file is weights-inception-2015-12-05-6726825d.pth
  from [torch-fidelity's release
  0.2.0](https://github.com/toshas/torch-fidelity/releases/tag/v0.2.0). The full
  names of the numbers in `metrics.jsonl` tell which kind they are:
  `fid[fid-inception/native/...]` is that of torch-fidelity, and
  `fid[fid-inception/bicubic299/...]` is that of clean-fid.
- LPIPS 0.1 with AlexNet: with `--features=lpips:FILE`, the numbers `perceptual`
  and `diversity` are LPIPS. The file is torchvision's
  [alexnet-owt-7be5be79.pth](https://download.pytorch.org/models/alexnet-owt-7be5be79.pth).
  The other weights come with `pip install --no-deps lpips`. With this network,
  all measures except `paired` and `diversity` need much memory if images have
  sides of 128 pixels or more. Use `--recipe=paired,diversity` for such images.

Images are compared at the size at which the run was trained. TensorFlow
computes the networks, so that PyTorch is not needed.

A slow test compares FID and KID with those of both programs on two folders of
images. The network has random weights in this test:
`pip install '.[fid]' && python -m pytest -m slow
tests/features/test_fid_inception.py`.

The structure distance by DINO (Splice, arXiv:2201.00424) is not computed. It
needs a vision transformer, for which this package would need PyTorch, and
PyTorch crashes in a process that has imported TensorFlow (PyTorch 2.14.1,
TensorFlow 2.21).
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
    return "".join((*parts, _TAIL))


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
