"""Precisions of a .tflite: what is in int8, and what it costs."""

import csv
import io

import numpy as np
import pytest

from tf_i2i import exporting
from tf_i2i.exporting import flatbuffer
from tf_i2i.exporting import litert
from tf_i2i.exporting.formats import TFLITE
from tf_i2i.exporting.parity import violations
from tf_i2i.methods import AsymGAN
from tf_i2i.methods import CycleGAN
from tf_i2i.methods import Student

SIZE = 16


def photos(count, seed=0):
    """Smooth pictures: noise would be no test of averages."""
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 255, (count, 2, 2, 3))
    way = np.linspace(0, 1, SIZE)
    ramp = np.stack([1 - way, way])
    return np.uint8(np.einsum("nijc,iy,jx->nyxc", corners, ramp, ramp))


@pytest.fixture(scope="module")
def student():
    return Student(SIZE, lambda: None, width=0.25, blocks=1)


def exported(model, path, precision):
    exporting.export_tflite(
        model,
        path,
        precision=precision,
        calibration=litert.examples(photos(20)),
    )
    return exporting.parity(
        exporting.photo_to_photo(model, "a_to_b"),
        exporting.load_tflite(path),
        photos(8, seed=1),
    )


def convolutions(path):
    return {
        row["type"] for row in litert.layers(path) if row["multiplications"]
    }


@pytest.mark.parametrize(
    ("precision", "types"),
    [
        pytest.param("float16", {"float32"}, marks=pytest.mark.slow),
        pytest.param("dynamic", {"float32"}, marks=pytest.mark.slow),
        ("int8", {"int8"}),
        pytest.param("mixed", {"int8"}, marks=pytest.mark.slow),
    ],
)
def test_a_student_keeps_its_pictures(student, tmp_path, precision, types):
    path = tmp_path / "face.tflite"
    result = exported(student, path, precision)
    tolerance = TFLITE.precisions[precision].tolerance
    assert violations(result, tolerance) == []
    assert convolutions(path) == types
    rows = litert.layers(path)
    between = {r["type"] for r in rows if r["operation"] == "ADD"}
    assert between == ({"int8"} if precision == "int8" else {"float32"})


def test_ranges_are_those_of_each_operation(tmp_path):
    class Nothing(CycleGAN):
        def translate(self, images, direction, style=None):
            return images

    model = Nothing(SIZE, residual_blocks=1, width=0.1, critic_layers=1)
    assert litert.count_per_image_norms(model) == 2 * 7
    # Scaling to [-1, 1], clipping and scaling back write over their input.
    result = exported(model, tmp_path / "face.tflite", "int8")
    assert result["mean"] < 1


@pytest.fixture(scope="module")
def content(student):
    """A file in float32."""
    return litert.convert(student, "a_to_b")


def test_the_table_of_layers_by_hand(content, tmp_path):
    path = tmp_path / "face.tflite"
    path.write_bytes(content)
    rows = litert.layers(path)
    first = next(row for row in rows if row["operation"] == "CONV_2D")
    # 3x3 of 3 colours to 8 channels, at half of the side.
    assert first["shape"] == "1x8x8x8"
    assert first["multiplications"] == 27 * 8 * 8 * 8
    assert first["weights"] == 4 * (27 * 8 + 8)
    deep = next(row for row in rows if row["operation"] == "DEPTHWISE_CONV_2D")
    assert deep["multiplications"] == 9 * 8 * 4 * 4
    text = list(csv.DictReader(io.StringIO(litert.table(rows))))
    assert len(text) == len(rows)
    assert text[0]["operation"] == rows[0]["operation"]
    assert litert.summary(rows).startswith(f"{len(rows)} operations, ")


def test_equal_constants_are_stored_once(content):
    joined = flatbuffer.join({"one": content, "two": content})
    rows = list(flatbuffer.operations(joined))
    assert [row[1:] for row in rows if row[0] == "one"] == [
        row[1:] for row in rows if row[0] == "two"
    ]
    weights = sum(
        4 * np.prod(tensor["shape"])
        for name, _, inputs, _ in rows
        for tensor in inputs
        if name == "two" and tensor["constant"]
    )
    assert len(joined) - len(content) < len(content) - 0.9 * weights


def test_styles_are_calibrated_by_name(tmp_path):
    model = AsymGAN(SIZE, residual_blocks=1, width=0.05, critic_layers=1)
    images = photos(4)
    styles = model.sample_style(4, seed=0).numpy()
    exporting.export_tflite(
        model,
        tmp_path / "styled.tflite",
        "b_to_a",
        precision="int8",
        calibration=litert.examples(images, styles),
    )
    translate = exporting.load_tflite(tmp_path / "styled.tflite")
    assert translate(images, styles).shape == images.shape


@pytest.mark.parametrize(
    "precision", [pytest.param("float32", marks=pytest.mark.slow), "int8"]
)
def test_blocks_of_pixels_are_kept(tmp_path, precision):
    student = Student(SIZE, lambda: None, width=0.25, blocks=1, unshuffle=2)
    path = tmp_path / "face.tflite"
    result = exported(student, path, precision)
    tolerance = TFLITE.precisions[precision].tolerance
    assert violations(result, tolerance) == []
    operations = {row["operation"] for row in litert.layers(path)}
    assert {"SPACE_TO_DEPTH", "DEPTH_TO_SPACE"} <= operations
