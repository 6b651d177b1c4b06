"""The sample apps name the tensors of a file that was really exported."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from own_methods import OwnPlain
from own_methods import OwnStyled
from PIL import Image

from tf_i2i import cli
from tf_i2i import exporting
from tf_i2i.exporting import coreml
from tf_i2i.exporting.litert import interpreter_of

EXAMPLES = Path(__file__).parents[1] / "examples"
ANDROID = EXAMPLES / "android"
PIXELS = ANDROID / "app/src/main/kotlin/org/tfi2i/sample/Pixels.kt"
NODE = EXAMPLES / "node"
FEATURES = EXAMPLES / "ios/Sources/FaceCartoon/Translator.swift"


@pytest.fixture(scope="module")
def signatures(tmp_path_factory):
    """Signatures of a file that takes styles: inputs and outputs by name."""
    path = tmp_path_factory.mktemp("examples") / "face.tflite"
    exporting.export_tflite(OwnStyled(16), path)
    with cli.silent_stderr():
        return interpreter_of(path.read_bytes()).get_signature_list()


def test_the_android_app_names_the_tensors(signatures):
    named = dict(re.findall(r'const val (\w+) = "(\w+)"', PIXELS.read_text()))
    assert [*signatures] == [named["SIGNATURE"]]
    (tensors,) = signatures.values()
    assert tensors["inputs"] == [named["IMAGE"], named["STYLE"]]
    assert tensors["outputs"] == [named["IMAGE"]]


def swift_names():
    code = FEATURES.read_text()
    return dict(re.findall(r'static let (\w+) = "(\w+)"', code))


def test_the_ios_package_names_the_inputs(signatures):
    named = swift_names()
    (tensors,) = signatures.values()
    assert tensors["inputs"] == [named["image"], named["style"]]


# Folders that coremltools leaves to the garbage collector.
@pytest.mark.filterwarnings("ignore:Implicitly cleaning up:ResourceWarning")
def test_the_ios_package_names_inputs_and_output(tmp_path):
    pytest.importorskip("coremltools", reason="the extra `coreml` is missing")
    path = tmp_path / "face.mlpackage"
    exporting.export_coreml(OwnStyled(16), path)
    about = coreml.read_spec(path).description
    named = swift_names()
    image, style = about.input
    (made,) = about.output
    assert [image.name, style.name] == [named["image"], named["style"]]
    assert made.name == named["translation"]
    # The code reads the constraints of an image and of an array.
    types = [feature.type.WhichOneof("Type") for feature in (image, style)]
    assert types == ["imageType", "multiArrayType"]
    assert made.type.WhichOneof("Type") == "imageType"


def test_the_node_program_names_the_tensors(signatures):
    code = (NODE / "translate.mjs").read_text()
    (tensors,) = signatures.values()
    read = set(re.findall(r"details\.(\w+)", code))
    assert read == {*tensors["inputs"]}
    assert (
        re.findall(r"const \{(\w+)\} = await model", code) == tensors["outputs"]
    )


@pytest.mark.parametrize("method", [OwnPlain, OwnStyled])
def test_the_page_translates_pictures(method, tmp_path, rng, monkeypatch):
    pytest.importorskip(
        "ai_edge_litert", reason="the extra `export` is missing"
    )
    monkeypatch.syspath_prepend(EXAMPLES / "space")
    from picture_translator import Translator

    model = method(16)
    styled = method is OwnStyled
    styles = np.asarray(model.sample_style(3, 0)) if styled else np.empty(0)
    path = tmp_path / "model.tflite"
    exporting.export_tflite(model, path)
    samples = json.dumps({"samples": styles.tolist()})
    (tmp_path / "model.tflite.style.json").write_text(samples)
    image = rng.integers(0, 256, (16, 20, 3), np.uint8)
    with cli.silent_stderr():
        translator = Translator(path)
    assert translator.styles == len(styles)
    translate = exporting.photo_to_photo(model, "a_to_b")
    inputs = [(style[None],) for style in styles] or [()]
    for number, style in enumerate(inputs):
        made = translator(Image.fromarray(image), number)
        wanted = np.asarray(translate(image[None, :, 2:-2], *style))[0]
        assert np.abs(made.astype(int) - wanted.astype(int)).max() <= 1


@pytest.mark.slow
def test_pixels_become_tensors_on_android(tmp_path):
    if not (shutil.which("kotlinc") and shutil.which("java")):
        pytest.skip("kotlinc or java is missing")
    argb = np.random.default_rng(0).integers(0, 256, (256, 4), np.uint8)
    argb[:, 0] = 255
    (tmp_path / "argb.bin").write_bytes(argb.tobytes())
    program = tmp_path / "check.jar"
    sources = [str(PIXELS), str(ANDROID / "check" / "Check.kt")]
    subprocess.run(
        ["kotlinc", *sources, "-include-runtime", "-d", str(program)],
        check=True,
        capture_output=True,
    )
    subprocess.run(["java", "-jar", str(program), str(tmp_path)], check=True)
    made = {
        name: (tmp_path / f"{name}.bin").read_bytes()
        for name in ("tensor", "pixels", "style")
    }
    assert made["tensor"] == argb[:, 1:].tobytes()
    assert made["pixels"] == argb.tobytes()
    assert made["style"] == np.float32([0.5, -2]).tobytes()


@pytest.mark.slow
def test_the_node_program_translates(tmp_path, rng):
    if not (shutil.which("node") and (NODE / "node_modules").is_dir()):
        pytest.skip("npm install was not run in examples/node")
    plain = OwnPlain(16)
    exporting.export_tflite(plain, tmp_path / "plain.tflite")
    images = rng.integers(0, 256, (1, 16, 16, 3), np.uint8)
    Image.fromarray(images[0]).save(tmp_path / "in.png")
    files = ["plain.tflite", "in.png", "out.png"]
    subprocess.run(
        ["node", str(NODE / "translate.mjs"), *files],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    made = np.asarray(Image.open(tmp_path / "out.png")).astype(int)
    wanted = exporting.photo_to_photo(plain, "a_to_b")(images)[0]
    assert np.abs(made - np.asarray(wanted).astype(int)).max() <= 1
