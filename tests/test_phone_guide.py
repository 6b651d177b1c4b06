"""docs/phone.md names the tensors of a file that was really exported."""

import re
from pathlib import Path

import numpy as np
import pytest
from own_methods import OwnPlain
from own_methods import OwnStyled

from tf_i2i import cli
from tf_i2i import exporting
from tf_i2i.exporting.formats import TFLITE
from tf_i2i.exporting.litert import interpreter_of

GUIDE = (Path(__file__).parents[1] / "docs" / "phone.md").read_text()
SIZE = 16
(STYLE,) = OwnStyled.style_shape


def table():
    """Rows of the guide's table: (input or output, name, type, shape)."""
    row = r"^\| (input|output)([^|]*)\| `(\w+)` \| (\w+) \| `\[(.*)\]` \|$"
    return [
        (kind, "styles" in which, name, dtype, shape)
        for kind, which, name, dtype, shape in re.findall(row, GUIDE, re.M)
    ]


@pytest.fixture(scope="module", params=[OwnPlain, OwnStyled])
def tensors(request, tmp_path_factory):
    """Whether there is a style, and the signature's tensors as the table."""
    path = tmp_path_factory.mktemp("phone") / "face.tflite"
    exporting.export_tflite(request.param(SIZE), path)
    with cli.silent_stderr():
        interpreter = interpreter_of(path.read_bytes())
        interpreter.allocate_tensors()
    (key,) = interpreter.get_signature_list()
    run = interpreter.get_signature_runner(key)
    found = {
        (kind, name, np.dtype(d["dtype"]).name, tuple(d["shape"].tolist()))
        for kind, details in (
            ("input", run.get_input_details()),
            ("output", run.get_output_details()),
        )
        for name, d in details.items()
    }
    return request.param is OwnStyled, key, found


def test_the_table_is_a_real_file(tensors):
    styled, key, found = tensors
    numbers = {"S": SIZE, "K": STYLE}
    told = {
        (
            kind,
            name,
            dtype,
            tuple(numbers.get(side) or int(side) for side in shape.split(", ")),
        )
        for kind, with_style, name, dtype, shape in table()
        if styled or not with_style
    }
    assert told == found
    assert f'"{key}"' in GUIDE
    for _, name, _, _ in found:
        assert f'"{name}"' in GUIDE


def test_the_guide_offers_what_there_is():
    rows = re.findall(r"^\| `(\w+)` \| 1", GUIDE, re.M)
    assert set(rows) == set(TFLITE.precisions)
