"""The metadata of .tflite files, read field by field as apps read them."""

import flatbuffers
from flatbuffers import number_types as types
from flatbuffers.table import Table

from tf_i2i.exporting import card
from tf_i2i.exporting import metadata
from tf_i2i.models import find_model


class Row:
    """A table of a flatbuffer, whose fields are read by their numbers."""

    def __init__(self, table):
        self.table = table

    def _place(self, slot):
        offset = self.table.Offset(4 + 2 * slot)
        assert offset, f"field {slot} is missing"
        return self.table.Pos + offset

    def text(self, slot):
        return self.table.String(self._place(slot)).decode()

    def number(self, slot, kind=types.Uint8Flags):
        return self.table.Get(kind, self._place(slot))

    def row(self, slot):
        place = self.table.Indirect(self._place(slot))
        return Row(Table(self.table.Bytes, place))

    def rows(self, slot):
        start = self.table.Vector(self._place(slot) - self.table.Pos)
        count = self.table.VectorLen(self._place(slot) - self.table.Pos)
        places = [self.table.Indirect(start + 4 * i) for i in range(count)]
        return [Row(Table(self.table.Bytes, place)) for place in places]

    def float(self, slot):
        start = self.table.Vector(self._place(slot) - self.table.Pos)
        return self.table.Get(types.Float32Flags, start)


def test_fields_are_those_of_the_schema():
    content = metadata.encode(
        {"name": "a face", "license": "CC0", "version": "3"},
        [
            metadata.Graph(
                "translate",
                [
                    metadata.Tensor("image", "an image", (48, 64)),
                    metadata.Tensor("style", "a style"),
                ],
                [metadata.Tensor("image", "a drawing", (48, 64), 1.0)],
            )
        ],
    )
    assert content[4:8] == b"M001"
    start = flatbuffers.encode.Get(types.UOffsetTFlags.packer_type, content, 0)
    model = Row(Table(content, start))
    assert [model.text(i) for i in (0, 2, 5)] == ["a face", "3", "CC0"]
    (graph,) = model.rows(3)
    assert graph.text(0) == "translate"
    image, style = graph.rows(2)
    (made,) = graph.rows(3)
    assert image.text(0) == made.text(0) == "image"
    assert made.text(1) == "a drawing"
    assert style.row(3).number(0) == 1
    for tensor, largest in ((image, 255), (made, 1)):
        content = tensor.row(3)
        assert content.number(0) == 2
        assert content.row(1).number(0) == 1
        size = content.row(1).row(1)
        sides = [size.number(i, types.Uint32Flags) for i in (0, 1)]
        assert sides == [64, 48]
        (unit,) = tensor.rows(4)
        assert unit.number(0) == 1
        assert unit.row(1).float(0) == 0
        assert unit.row(1).float(1) == 255 / largest
        assert (tensor.row(5).float(0), tensor.row(5).float(1)) == (largest, 0)


class Trained:
    size, size_multiple, fixed_size, images_shown = 16, 4, False, 8


def test_the_card_of_a_shipped_model_says_its_licence(tmp_path):
    facts = card.facts(
        Trained(), ["a_to_b"], ["x_to_y"], find_model("unit-toy")
    )
    assert "Apache-2.0" in facts["licence"]
    assert "\n" not in facts["licence"]
    assert facts["name"]
    assert facts["version"] == "after 8 training images"
    assert "licence" not in card.facts(
        Trained(), ["a_to_b"], ["x_to_y"], tmp_path
    )
