"""Optional packages: a command names the missing extra before any work."""

import sys

import pytest

from tf_i2i import cli
from tf_i2i import distill
from tf_i2i import evaluate
from tf_i2i import export
from tf_i2i import prepare_faces
from tf_i2i import serve
from tf_i2i import translate
from tf_i2i import translate_dataset
from tf_i2i.data.sample_portraits import FOLDER
from tf_i2i.errors import UserError
from tf_i2i.models import find_model

RUN = f"--run_dir={find_model('cyclegan-toy')}"
COMMANDS = [
    (evaluate, "eval", "skimage", [RUN]),
    (evaluate, "eval", "sklearn", [RUN]),
    (distill, "eval", "sklearn", [RUN, "--student=new"]),
    (export, "onnx", "tf2onnx", [RUN, "--output=x.onnx"]),
    (export, "coreml", "coremltools", [RUN, "--output=x.mlpackage"]),
    (export, "onnx", "onnxruntime", [RUN, "--output=x.onnx"]),
    (
        export,
        "export",
        "ai_edge_quantizer",
        [RUN, "--output=x.tflite", "--precision=int8"],
    ),
    (
        translate,
        "faces",
        "mtcnn",
        [RUN, "--input=sample", "--output=new", "--faces"],
    ),
    (serve, "serve", "starlette", [RUN]),
    (
        translate_dataset,
        "datasets",
        "pyarrow",
        [RUN, f"--input={FOLDER}", "--output=new"],
    ),
    (
        translate_dataset,
        "ray",
        "ray",
        [RUN, f"--input={FOLDER}", "--output=new", "--engine=ray"],
    ),
    (serve, "serve", "prometheus_client", [RUN]),
    (
        translate,
        "video",
        "av",
        [RUN, f"--input={FOLDER / 'sample1.jpg'}", "--output=new.mp4"],
    ),
    (prepare_faces, "faces", "mtcnn", ["--input=sample", "--output=new"]),
]


@pytest.mark.parametrize(("verb", "extra", "module", "flags"), COMMANDS)
def test_an_extra_is_missing(verb, extra, module, flags, tmp_path, monkeypatch):
    def work(*args, **kwargs):
        raise AssertionError("TensorFlow is imported first.")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "import_tensorflow", work)
    for name in [*sys.modules]:
        if name.partition(".")[0] == module:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError, match=rf"tf-i2i\[{extra}\]"):
        verb.main(flags)
    assert not [*tmp_path.iterdir()]
