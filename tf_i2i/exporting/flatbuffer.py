"""Changes to a .tflite file that TensorFlow's converter does not make.

The classes of the file's schema (`ModelT`, `SubGraphT`, `TensorT`, ...) come
with TensorFlow.
"""

import json

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
      `exporting.pictures`. The inputs are in that order, too. The converter
      chooses another order and the name `output_0`.
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


def describe(content, facts):
    """Returns a file that says what it contains.

    Its field `description` has the facts as JSON. Its metadata have the fields
    of the TFLite metadata schema; see `exporting.metadata`.

    Args:
        content: bytes of a .tflite file with one signature.
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
    (signature,) = model.signatureDefs
    graph = model.subgraphs[signature.subgraphIndex]
    source, target = (
        [
            _tensor(one.name.decode(), graph.tensors[one.tensorIndex])
            for one in tensors
        ]
        for tensors in (signature.inputs, signature.outputs)
    )
    texts = {key: facts[key] for key in ("name", "version") if key in facts}
    texts["description"] = "; ".join(
        f"{key}: {facts[key]}"
        for key in ("method", "direction", "domains", "sizes")
        if key in facts
    )
    texts["author"] = facts.get("author", "")
    texts["license"] = facts.get("licence", "")
    texts = {key: text for key, text in texts.items() if text}
    return metadata.encode(texts, source, target)


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
    """Returns whether the weights of an operator have another type."""
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
    """Returns the index of the operator code of DEQUANTIZE, which is added."""
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
