"""Changes to a .tflite file that TensorFlow's converter does not make.

The classes of the file's schema (`ModelT`, `SubGraphT`, `TensorT`, ...) come
with TensorFlow.
"""

import copy
import json
import re

import numpy as np

from tf_i2i.exporting import metadata
from tf_i2i.exporting.pictures import IMAGE
from tf_i2i.exporting.pictures import STYLE
from tf_i2i.exporting.pictures import TRANSLATE

# Highest version of the TFLite operator FULLY_CONNECTED whose weights and
# inputs are float32.
_FLOAT_VERSION = 6


def tidy(content):
    """Returns a converted file that apps and old runtimes can use.

    - The signature, its inputs and its output have the names of
      `exporting.pictures`. The inputs are in the order of that module. The
      converter chooses another order and the name `output_0`.
    - Transposed convolutions and dense layers with int8 weights and float32
      inputs compute with weights that are converted to float32. TFLite 2.14
      cannot load such layers if they compute with both types.

    Args:
        content: bytes of a .tflite file with one signature.
    """
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    _name_tensors(model)
    _widen_weights(model)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def join(contents):
    """Returns one file with the signatures of several files.

    Constants that are equal are stored once. Therefore, if two directions share
    their networks, the file of both directions is hardly larger than the file
    of one direction.

    Args:
        contents: dictionary from the new name of each signature to the bytes
            of a .tflite file that has one signature and one graph.
    """
    from tensorflow.lite.tools import flatbuffer_utils

    models = {
        name: flatbuffer_utils.read_model_from_bytearray(bytearray(content))
        for name, content in contents.items()
    }
    # Each graph needs a runtime of a certain version or later. The whole file
    # needs the latest of these versions.
    joined = copy.copy(max(models.values(), key=_needed_runtime))
    joined.operatorCodes, joined.subgraphs, joined.signatureDefs = [], [], []
    pool = _Pool()
    for entry in joined.metadata or []:
        entry.buffer = pool.add(joined.buffers[entry.buffer])
    for name, model in models.items():
        (graph,), (signature,) = model.subgraphs, model.signatureDefs
        graph.name = signature.signatureKey = name.encode()
        signature.subgraphIndex = len(joined.subgraphs)
        for tensor in graph.tensors:
            tensor.buffer = pool.add(model.buffers[tensor.buffer])
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex]
            operator.opcodeIndex = _index_of(code, joined.operatorCodes)
        joined.subgraphs.append(graph)
        joined.signatureDefs.append(signature)
    joined.buffers = pool.buffers
    return bytes(flatbuffer_utils.convert_object_to_bytearray(joined))


class _Pool:
    """The buffers of several files; of equal buffers, only one is kept."""

    def __init__(self):
        from tensorflow.lite.python import schema_py_generated as schema

        # The format requires that the first buffer is empty. Tensors that are
        # computed refer to it.
        self.buffers = [schema.BufferT()]
        self._places = {b"": 0}

    def add(self, buffer):
        """Returns the index of a buffer with the content of `buffer`."""
        content = b"" if buffer.data is None else bytes(buffer.data)
        if content not in self._places:
            self._places[content] = len(self.buffers)
            self.buffers.append(buffer)
        return self._places[content]


def _index_of(code, codes):
    """Returns the index of an operator code in a list; adds it if missing."""
    for index, known in enumerate(codes):
        if vars(known) == vars(code):
            return index
    codes.append(code)
    return len(codes) - 1


def _needed_runtime(model):
    """Returns the version of the oldest runtime that can load a file."""
    for entry in model.metadata or []:
        if entry.name == b"min_runtime_version":
            text = bytes(model.buffers[entry.buffer].data)
            return [int(part) for part in re.findall(rb"\d+", text)]
    return []


def operations(content):
    """Yields the operations of a .tflite file.

    Args:
        content: bytes of the file.

    Yields:
        `(signature, kind, inputs, outputs)`: the name of the operation's
        signature, the kind of the operation, such as "CONV_2D", and lists of
        its tensors, which are dictionaries. These have the keys `name`,
        `shape` (list), `type` (such as "float32") and `constant` (whether the
        tensor is a constant).
    """
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    for signature in model.signatureDefs:
        graph = model.subgraphs[signature.subgraphIndex]
        tensors = [_summary(model, tensor) for tensor in graph.tensors]
        for operator in graph.operators:
            yield (
                signature.signatureKey.decode(),
                flatbuffer_utils.opcode_to_name(model, operator.opcodeIndex),
                # The index -1 stands for an input that is left out.
                [tensors[i] for i in operator.inputs if i >= 0],
                [tensors[i] for i in operator.outputs],
            )


def _summary(model, tensor):
    from tensorflow.lite.tools import flatbuffer_utils

    return {
        "name": tensor.name.decode(),
        "shape": [] if tensor.shape is None else [int(n) for n in tensor.shape],
        "type": flatbuffer_utils.type_to_name(tensor.type).lower(),
        "constant": model.buffers[tensor.buffer].data is not None,
    }


def describe(content, facts):
    """Returns a .tflite file to which facts about it have been added.

    The field `description` has the facts as JSON. The metadata have the fields
    of the TFLite metadata schema; see `exporting.metadata`.

    Args:
        content: bytes of a .tflite file.
        facts: texts by name, from `card.facts`.
    """
    from tensorflow.lite.python import schema_py_generated as schema
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    model.description = json.dumps(facts).encode()
    entry, buffer = schema.MetadataT(), schema.BufferT()
    entry.name, entry.buffer = metadata.NAME, len(model.buffers)
    buffer.data = np.frombuffer(_metadata(model, facts), np.uint8)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _metadata(model, facts):
    """Returns the metadata of a file as bytes."""
    graphs = []
    for signature in model.signatureDefs:
        tensors = model.subgraphs[signature.subgraphIndex].tensors
        source, target = (
            [
                _tensor(one.name.decode(), tensors[one.tensorIndex])
                for one in ends
            ]
            for ends in (signature.inputs, signature.outputs)
        )
        name = signature.signatureKey.decode()
        graphs.append(metadata.Graph(name, source, target))
    texts = {key: facts[key] for key in ("name", "version") if key in facts}
    texts["description"] = "; ".join(
        f"{key}: {facts[key]}"
        for key in ("method", "direction", "domains", "sizes")
        if key in facts
    )
    texts["author"] = facts.get("author", "")
    texts["license"] = facts.get("licence", "")
    texts = {key: text for key, text in texts.items() if text}
    return metadata.encode(texts, graphs)


def _tensor(name, tensor):
    """Returns the `metadata.Tensor` of a tensor of the file."""
    from tensorflow.lite.python import schema_py_generated as schema

    if name == STYLE:
        return metadata.Tensor(name, "style of the translation")
    height, width = (int(side) for side in tensor.shape[1:3])
    bright = 255.0 if tensor.type == schema.TensorType.UINT8 else 1.0
    text = f"RGB image, values from 0 (black) to {bright:g} (white)"
    return metadata.Tensor(name, text, (height, width), bright)


def _name_tensors(model):
    (signature,) = model.signatureDefs
    graph = model.subgraphs[signature.subgraphIndex]
    signature.signatureKey = TRANSLATE.encode()
    (output,) = signature.outputs
    output.name = IMAGE.encode()
    names = (IMAGE.encode(), STYLE.encode())
    signature.inputs.sort(key=lambda given: names.index(given.name))
    graph.inputs = [given.tensorIndex for given in signature.inputs]
    for given in signature.inputs:
        graph.tensors[given.tensorIndex].name = given.name


def _widen_weights(model):
    """Inserts the conversion of int8 weights to float32 where it is needed."""
    from tensorflow.lite.python import schema_py_generated as schema

    kinds = schema.BuiltinOperator
    # Positions of the features among the inputs; the weights are at 1.
    features = {kinds.TRANSPOSE_CONV: 2, kinds.FULLY_CONNECTED: 0}
    for graph in model.subgraphs:
        operators = []
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex]
            given = features.get(code.builtinCode)
            if given is not None and _is_hybrid(graph, operator, given):
                code.version = min(code.version, _FLOAT_VERSION)
                operators.append(
                    _widening(schema, model, graph, operator, given)
                )
            operators.append(operator)
        graph.operators = operators


def _is_hybrid(graph, operator, given):
    """Returns whether an operator's weights and features differ in type."""
    weights, features = (graph.tensors[operator.inputs[i]] for i in (1, given))
    return weights.type != features.type


def _widening(schema, model, graph, operator, given):
    """Returns the operator that makes float32 weights for another operator."""
    narrow = operator.inputs[1]
    weights = graph.tensors[narrow]
    wide = schema.TensorT()
    wide.name = weights.name + b"_float32"
    wide.shape = weights.shape
    wide.type = graph.tensors[operator.inputs[given]].type
    wide.buffer = 0  # This buffer is empty: the tensor is computed.
    operator.inputs[1] = len(graph.tensors)
    graph.tensors.append(wide)
    widening = schema.OperatorT()
    widening.opcodeIndex = _code(schema, model)
    widening.inputs, widening.outputs = [narrow], [operator.inputs[1]]
    return widening


def _code(schema, model):
    """Returns the index of DEQUANTIZE's operator code; adds it if missing."""
    kind = schema.BuiltinOperator.DEQUANTIZE
    for index, code in enumerate(model.operatorCodes):
        if code.builtinCode == kind:
            return index
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = kind
    # Version 5 has one scale for each channel.
    code.version = 5
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1
