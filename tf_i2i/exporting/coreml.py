"""Export to Core ML with coremltools; needs the extra `coreml`."""

import os
import tempfile
from pathlib import Path

import numpy as np

from tf_i2i import cli
from tf_i2i.exporting import mil
from tf_i2i.exporting.pictures import IMAGE
from tf_i2i.exporting.pictures import STYLE
from tf_i2i.exporting.pictures import freeze
from tf_i2i.exporting.pictures import level_to_level
from tf_i2i.exporting.pictures import one_size
from tf_i2i.extras import optional
from tf_i2i.extras import require

# In a program of Core ML, an output cannot have the name of an input.
OUTPUT = "translation"
# A file that every .mlpackage folder contains.
MANIFEST = "Manifest.json"
_FOLDER = Path("Data", "com.apple.CoreML")
_KEYS = {"author": "author", "licence": "license", "version": "versionString"}


def check_installed(precision):
    """Raises an error if the extra `coreml` is not installed.

    Args:
        precision: not used, because all precisions need the same packages.
    """
    require("coreml", "coremltools")


def export_coreml(
    model, path, direction="a_to_b", size=None, precision="float32"
):
    """Writes a Core ML package, which runs on iOS 16, macOS 13 and later.

    The model takes `image`, an RGB image, and for a direction with styles
    `style`, float32 `[1, *style_shape]`. It returns `translation`, an RGB image
    of the same size.

    Args:
        model: `UnpairedTranslator`.
        path: folder to write; it must not exist.
        direction: "a_to_b" or "b_to_a".
        size: size of the images; None for the model's own size.
        precision: "float32" or "float16", the type of the network weights and
            of the arithmetic.

    Raises:
        UserError: `size` is not a size that the model takes, or the packages
            of the extra `coreml` are not installed.
    """
    with cli.silent_stderr():
        tools = _tools()
        function, specs = one_size(
            model, direction, size, made_by=level_to_level
        )
        # coremltools requires a name that ends in .mlpackage.
        with tempfile.TemporaryDirectory(dir=Path(path).parent) as folder:
            part = Path(folder, "part.mlpackage")
            tools.convert(
                [freeze(function)],
                source="tensorflow",
                convert_to="mlprogram",
                inputs=[_input(tools, spec) for spec in specs],
                outputs=[tools.ImageType(OUTPUT, color_layout="RGB")],
                compute_precision=tools.precision(precision),
                minimum_deployment_target=tools.target.iOS16,
                package_dir=str(part),
                skip_model_load=True,
            )
            os.replace(part, path)


def _tools():
    """Returns coremltools, after adding one more operation to it.

    `EnsureShape` checks the size of images. The size of a file's images never
    varies, so the check is left out.
    """
    tools = optional("coremltools", "coreml")
    from coremltools.converters.mil import Builder
    from coremltools.converters.mil import register_tf_op

    def skip(context, node):
        given = context[node.inputs[0]]
        context.add(node.name, Builder.identity(x=given, name=node.name))

    register_tf_op(skip, tf_alias=["EnsureShape"], override=True)
    return tools


def _input(tools, spec):
    if spec.name == IMAGE:
        shape = tuple(spec.shape)
        return tools.ImageType(IMAGE, shape, color_layout="RGB")
    return tools.TensorType(spec.name, tuple(spec.shape), np.float32)


def describe(path, facts):
    """Writes facts into the metadata of a Core ML package.

    Author, licence and version are in the fields that Xcode shows. All facts
    are in the user-defined metadata.

    Args:
        path: path of the package, a `Path`.
        facts: texts by name, from `card.facts`.
    """
    spec = read_spec(path)
    about = spec.description.metadata
    about.shortDescription = facts.get("name", facts["method"])
    for key, field in _KEYS.items():
        setattr(about, field, facts.get(key, ""))
    about.userDefined.update(facts)
    _program(path).write_bytes(spec.SerializeToString())


def _program(path):
    return Path(path) / _FOLDER / "model.mlmodel"


def read_spec(path):
    """Returns the specification of a Core ML package, a protocol buffer.

    Args:
        path: path of the package.
    """
    with cli.silent_stderr():
        tools = optional("coremltools", "coreml")
    content = _program(path).read_bytes()
    return tools.proto.Model_pb2.Model.FromString(content)


def load_coreml(path):
    """Returns a function `(images, style=None)` that evaluates a package.

    The package is evaluated with NumPy, as described in `mil`, one image at a
    time. The function takes and returns uint8 `[N, height, width, 3]`.

    Args:
        path: path of the package.
    """
    spec = read_spec(path)
    from coremltools.converters.mil.frontend.milproto.load import load

    weights = str(Path(path) / _FOLDER / "weights")
    program = load(spec, spec.specificationVersion, weights)
    (function,) = program.functions.values()

    def translate(images, style=None):
        made = []
        for i, image in enumerate(np.asarray(images)):
            # A program of Core ML gets images with channels first and values
            # from 0 to 255.
            given = {IMAGE: np.float32(image.transpose(2, 0, 1)[None])}
            if style is not None:
                given[STYLE] = np.float32(style[i : i + 1])
            made.append(mil.evaluate(function, given)[0].transpose(1, 2, 0))
        return np.stack(made).astype(np.uint8)

    return translate
