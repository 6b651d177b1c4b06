"""Export to ONNX with tf2onnx; needs the extra `onnx`."""

import warnings
from pathlib import Path

import numpy as np

from tf_i2i import cli
from tf_i2i.exporting.pictures import IMAGE
from tf_i2i.exporting.pictures import STYLE
from tf_i2i.exporting.pictures import freeze
from tf_i2i.exporting.pictures import one_size
from tf_i2i.extras import optional
from tf_i2i.extras import require

# ONNX does not allow an output to have the name of an input.
OUTPUT = "translation"


def check_installed(precision):
    """Raises an error if the extra `onnx` is not installed.

    Args:
        precision: not used, because all precisions need the same packages.
    """
    require("onnx", "tf2onnx", "onnxruntime")


def export_onnx(model, path, direction="a_to_b", size=None):
    """Writes an ONNX model.

    The model takes `image`, uint8 `[N, height, width, 3]`, and for a direction
    with styles `style`, float32 `[N, *style_shape]`. It returns `translation`,
    uint8 of the shape of `image`.

    Args:
        model: `UnpairedTranslator`.
        path: file to write.
        direction: "a_to_b" or "b_to_a".
        size: size of the images; None for the model's own size.

    Raises:
        UserError: `size` is not a size that the model takes, or the packages
            of the extra `onnx` are not installed.
    """
    require("onnx", "tf2onnx")
    function, _ = one_size(model, direction, size, batch=None)
    # The weights are frozen, because tf2onnx would take each constant that the
    # function captures for an input of the model.
    frozen = freeze(function)
    with warnings.catch_warnings(), cli.silent_stderr():
        # With NumPy 2, tf2onnx gives warnings.
        warnings.simplefilter("ignore")
        from tf2onnx import convert

        content, _ = convert.from_graph_def(
            frozen.graph.as_graph_def(),
            input_names=[tensor.name for tensor in frozen.inputs],
            output_names=[tensor.name for tensor in frozen.outputs],
        )
    _rename(content.graph)
    Path(path).write_bytes(content.SerializeToString())


def describe(path, facts):
    """Writes facts into the `metadata_props` of an ONNX file.

    Args:
        path: path of the ONNX file, a `Path`.
        facts: texts by name, from `card.facts`.
    """
    onnx = optional("onnx", "onnx")
    content = onnx.load_from_string(path.read_bytes())
    for name, text in facts.items():
        content.metadata_props.add(key=name, value=text)
    path.write_bytes(content.SerializeToString())


def _rename(graph):
    """Gives the inputs and the output of an ONNX graph their names."""
    names = {node.name: node.name.partition(":")[0] for node in graph.input}
    names |= {node.name: OUTPUT for node in graph.output}
    for node in [*graph.input, *graph.output]:
        node.name = names[node.name]
    for node in graph.node:
        for tensors in (node.input, node.output):
            tensors[:] = [names.get(name, name) for name in tensors]


def load_onnx(path, threads=None):
    """Returns a function `(images, style=None)` that runs an ONNX file.

    Args:
        path: path of the ONNX file.
        threads: number of threads that ONNX Runtime may use; None for its
            default.

    Raises:
        UserError: the packages of the extra `onnx` are not installed.
    """
    runtime = optional("onnxruntime", "onnx")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    if threads:
        options.intra_op_num_threads = threads
    session = runtime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"]
    )

    def translate(images, style=None):
        given = {IMAGE: images}
        if style is not None:
            given[STYLE] = np.float32(style)
        return session.run([OUTPUT], given)[0]

    return translate
