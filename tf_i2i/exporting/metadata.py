"""The metadata of a .tflite file, which apps and tools for phones read.

The numbers of the fields are taken from `metadata_schema.fbs` (MediaPipe; file
identifier M001). The Python package of MediaPipe is not needed, because
`flatbuffers`, which comes with TensorFlow, can write any table.
"""

from typing import NamedTuple

# Name of the entry with the metadata in a .tflite file.
NAME = "TFLITE_METADATA"
_IDENTIFIER = b"M001"
# First version of the parser that can read all fields that are written here.
_PARSER_VERSION = "1.0.0"
_RGB = 1
# Values of the unions `ContentProperties` and `ProcessUnitOptions`.
_FEATURE, _IMAGE, _NORMALIZATION = 1, 2, 1


class Tensor(NamedTuple):
    """An input or an output of the model.

    Attributes:
        name: name of the tensor.
        description: what it contains.
        size: (height, width) in pixels, or None if the tensor is no image.
        largest: value of the brightest pixel, 255 or 1.
    """

    name: str
    description: str
    size: tuple[int, int] | None = None
    largest: float = 255.0


class Graph(NamedTuple):
    """A signature of the model.

    Attributes:
        name: name of the signature.
        inputs: the `Tensor`s that it takes, in the order of the file.
        outputs: the `Tensor`s that it returns.
    """

    name: str
    inputs: list[Tensor]
    outputs: list[Tensor]


def encode(texts, graphs):
    """Returns the metadata as bytes.

    Args:
        texts: dictionary with any of the keys "name", "description",
            "version", "author" and "license".
        graphs: list of `Graph`s, in the order of the file.
    """
    import flatbuffers

    builder = flatbuffers.Builder()
    parts = [_graph(builder, graph) for graph in graphs]
    fields = {3: _vector(builder, parts)}
    slots = {"name": 0, "description": 1, "version": 2}
    slots |= {"author": 4, "license": 5}
    for key, text in texts.items():
        fields[slots[key]] = builder.CreateString(text)
    fields[7] = builder.CreateString(_PARSER_VERSION)
    builder.Finish(_table(builder, fields), file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


def _graph(builder, graph):
    """Writes a `SubGraphMetadata`."""
    inputs, outputs = (
        _vector(builder, [_tensor(builder, tensor) for tensor in tensors])
        for tensors in (graph.inputs, graph.outputs)
    )
    name = builder.CreateString(graph.name)
    return _table(builder, {0: name, 2: inputs, 3: outputs})


def _tensor(builder, tensor):
    """Writes a `TensorMetadata`."""
    fields = {
        0: builder.CreateString(tensor.name),
        1: builder.CreateString(tensor.description),
    }
    if tensor.size is None:
        fields[3] = _table(builder, {1: _table(builder, {})}, {0: _FEATURE})
        return _table(builder, fields)
    height, width = tensor.size
    size = _table(builder, {}, numbers={0: width, 1: height})
    image = _table(builder, {1: size}, {0: _RGB})
    fields[3] = _table(builder, {1: image}, {0: _IMAGE})
    # The tensor contains (pixel - mean) / std. Field 0 is the mean, and field 1
    # is std.
    scaling = _table(
        builder,
        {
            0: _floats(builder, 0.0),
            1: _floats(builder, 255.0 / tensor.largest),
        },
    )
    unit = _table(builder, {1: scaling}, {0: _NORMALIZATION})
    fields[4] = _vector(builder, [unit])
    fields[5] = _table(
        builder,
        {0: _floats(builder, tensor.largest), 1: _floats(builder, 0.0)},
    )
    return _table(builder, fields)


def _table(builder, offsets, kinds=None, numbers=None):
    """Writes a table, and returns its offset.

    Args:
        builder: `flatbuffers.Builder`.
        offsets: dictionary from the number of a field to the offset of its
            string, vector or table.
        kinds: dictionary from the number of a field to a value of one byte.
        numbers: dictionary from the number of a field to an unsigned integer.
    """
    fields = [*offsets, *(kinds or {}), *(numbers or {})]
    builder.StartObject(1 + max(fields, default=-1))
    for slot, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    for slot, kind in (kinds or {}).items():
        builder.PrependUint8Slot(slot, kind, 0)
    for slot, number in (numbers or {}).items():
        builder.PrependUint32Slot(slot, number, 0)
    return builder.EndObject()


def _vector(builder, offsets):
    """Writes a vector of tables, and returns its offset."""
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


def _floats(builder, value):
    """Writes a vector of one number, and returns its offset."""
    builder.StartVector(4, 1, 4)
    builder.PrependFloat32(value)
    return builder.EndVector()
