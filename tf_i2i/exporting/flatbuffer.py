"""Changes to a .tflite file that TensorFlow's converter does not make.

The classes of the file's schema (`ModelT`, `SubGraphT`, `TensorT`, ...) come
with TensorFlow.
"""

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


def describe(content, text):
    """Returns a file whose field `description` has the given text.

    Args:
        content: bytes of a .tflite file.
        text: the description.
    """
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    model.description = text.encode()
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


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
