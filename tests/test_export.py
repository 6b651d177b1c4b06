"""Exported models against their source, and what export refuses."""

import contextlib
import errno
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from own_methods import OwnEmbedding
from own_methods import OwnPlain
from own_methods import OwnStyled
from PIL import Image
from tensorflow.python.tools import saved_model_cli

from tf_i2i import cli
from tf_i2i import export
from tf_i2i import exporting
from tf_i2i.data.reading import fit_image
from tf_i2i.domains import DIRECTIONS
from tf_i2i.errors import UserError
from tf_i2i.exporting import litert
from tf_i2i.exporting import saved_model
from tf_i2i.exporting.pictures import Translation
from tf_i2i.images import to_float
from tf_i2i.methods.cyclegan import CycleGAN
from tf_i2i.methods.twingan import TwinGAN


def photos(count, height=16, width=16, seed=0):
    shape = (count, height, width, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def lively(**arguments):
    """A TwinGAN, every variable away from its initial value."""
    keras.utils.set_random_seed(1)
    model = TwinGAN(image_size=16, width=0.02, **arguments)
    rng = np.random.default_rng(2)
    for variable in model.encoder.variables + model.generator.variables:
        nudge = rng.uniform(-0.3, 0.3, variable.shape)
        variable.assign_add(nudge.astype(np.float32))
    return model


@pytest.fixture(scope="module")
def model():
    """A TwinGAN in a fade."""
    model = lively(start_size=8)
    model.enter_phase(16, images=100, fading=True)
    model.images_shown.assign(37)
    return model


class OwnStyledEmbedding(OwnStyled, OwnEmbedding):
    """A method that is exported sooner than TwinGAN with styles."""


@pytest.fixture(
    scope="module", params=[False, pytest.param(True, marks=pytest.mark.slow)]
)
def styled(request):
    if request.param:
        return lively(start_size=16, style_size=4)
    keras.utils.set_random_seed(1)
    return OwnStyledEmbedding()


@pytest.fixture(scope="module")
def plain():
    """A model that is exported sooner."""
    return CycleGAN(16, residual_blocks=1, width=0.05, critic_layers=1)


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "model"
    exporting.export_saved_model(model, path, "b_to_a")
    return path


@pytest.fixture(scope="module")
def lite(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("lite") / "model.tflite"
    exporting.export_tflite(model, path, "b_to_a")
    return path


@pytest.fixture(scope="module")
def loaded(saved):
    return tf.saved_model.load(str(saved))


def within_a_level(given, wanted):
    assert np.std(np.asarray(wanted)) > 5
    apart = np.asarray(given).astype(int) - np.asarray(wanted).astype(int)
    assert np.abs(apart).max() <= 1


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 24, 40)])
def test_saved_model_is_the_model(model, loaded, direction, shape):
    signatures = loaded.signatures
    images = photos(*shape)
    wanted = exporting.photo_to_photo(model, direction)(images)
    given = signatures[direction](image=tf.constant(images))["image"]
    within_a_level(given, wanted)
    floats = signatures[f"{direction}_float"](
        image=tf.constant(to_float(images))
    )
    np.testing.assert_allclose(
        floats["image"],
        model.translate(to_float(images), direction),
        atol=1e-4,
    )
    domain = direction[0]
    if shape[1:] == (16, 16):  # A vector has one length.
        given_code = signatures[f"encode_{domain}"](image=tf.constant(images))
        wanted_code = model.embed(to_float(images), domain)
        np.testing.assert_allclose(
            given_code["embedding"], wanted_code, atol=1e-4
        )
    default = signatures["serving_default"](image=tf.constant(images))
    same = np.array_equal(default["image"], given)
    assert same == (direction == "b_to_a")


def test_saved_model_takes_files(loaded, tmp_path):
    """As TensorFlow Serving's REST interface passes them."""
    images = photos(2, 16, 24)
    files = []
    for i, image in enumerate(images):
        path = tmp_path / f"{i}.{'png' if i else 'bmp'}"
        Image.fromarray(image).save(path)
        files.append(path.read_bytes())
    (name,) = loaded.signatures["a_to_b_bytes"].structured_input_signature[1]
    made = loaded.signatures["a_to_b_bytes"](**{name: tf.constant(files)})
    squares = tf.constant(images[:, :, 4:20])
    wanted = loaded.signatures["a_to_b"](image=squares)["image"]
    given = [tf.io.decode_png(file) for file in made[name].numpy()]
    assert name == "image_bytes"
    np.testing.assert_array_equal(given, wanted)
    # Other sizes are scaled as files are when they are read.
    large = photos(1, 40, 64)[0]
    Image.fromarray(large).save(tmp_path / "large.png")
    content = (tmp_path / "large.png").read_bytes()
    scaled = saved_model._central_part(content, 16).numpy()
    apart = scaled.astype(int) - fit_image(large, 16).astype(int)
    assert np.abs(apart).max() <= 2


def test_saved_model_needs_no_tf_i2i_and_says_what_it_wants(saved):
    code = (
        "import sys\n"
        "sys.modules['tf_i2i'] = None  # Whoever imports it fails.\n"
        "import numpy as np, tensorflow as tf\n"
        "calls = tf.saved_model.load(sys.argv[1]).signatures\n"
        "images = tf.zeros([2, 32, 16, 3], tf.uint8)\n"
        "print(calls['a_to_b'](image=images)['image'].shape)\n"
        "try: calls['a_to_b'](image=images[:, :30])\n"
        "except tf.errors.InvalidArgumentError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(saved)],
        capture_output=True,
        text=True,
        cwd=saved,
        check=True,
    )
    assert done.stdout.startswith("(2, 32, 16, 3)")
    assert "must be multiples of 4" in done.stdout


def test_saved_model_holds_the_translators_only(model, saved):
    owned = sum(
        int(np.prod(variable.shape))
        for network in (model.encoder, model.generator)
        for variable in network.variables
    )
    stored = tf.train.load_checkpoint(str(saved / "variables/variables"))
    numbers = sum(
        int(np.prod(shape))
        for name, shape in stored.get_variable_to_shape_map().items()
        if name.startswith("translators")
    )
    assert numbers == owned + 1  # images_shown, which says how far it faded.


def test_tflite_is_the_model(model, lite):
    images = photos(4)
    translate = exporting.load_tflite(lite)
    report = exporting.parity(
        exporting.photo_to_photo(model, "b_to_a"), translate, images
    )
    assert report["max"] <= 1
    within_a_level(
        translate(images), exporting.photo_to_photo(model, "b_to_a")(images)
    )


def test_tflite_is_built_of_builtins_with_the_weights_in(lite):
    (inputs,) = _tflite(lite).get_input_details()
    assert inputs["dtype"] == np.uint8
    assert inputs["shape"].tolist() == [1, 16, 16, 3]
    names = {op["op_name"] for op in _tflite(lite)._get_ops_details()}
    assert "CONV_2D" in names
    assert not names & {"VAR_HANDLE", "READ_VARIABLE", "GATHER", "TRANSPOSE"}
    assert not [name for name in names if name.startswith(("Flex", "CUSTOM"))]


def _tflite(path):
    with cli.silent_stderr():
        interpreter = litert.interpreter_of(path.read_bytes())
        interpreter.allocate_tensors()
    return interpreter


def test_tflite_without_litert(model, lite, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    images = photos(2)
    within_a_level(
        exporting.load_tflite(lite)(images),
        exporting.photo_to_photo(model, "b_to_a")(images),
    )


def test_style_is_an_input(styled, tmp_path):
    images = photos(2)
    style = styled.sample_style(2, 3).numpy()
    wanted = exporting.photo_to_photo(styled, "a_to_b")(images, style)

    exporting.export_saved_model(styled, tmp_path / "saved")
    translate = exporting.load_saved_model(tmp_path / "saved")["a_to_b"]
    within_a_level(translate(images, style), wanted)
    assert np.any(translate(images, style) != translate(images, style[::-1]))
    # What `saved_model_cli show` lists.
    shown = saved_model_cli.get_signature_def_map(
        str(tmp_path / "saved"), "serve"
    )
    plain = {"translate", "encode_style", "sample", "serving_default"}
    plain.add("translate_bytes")
    for way in DIRECTIONS:
        plain |= {way, f"{way}_float", f"{way}_bytes", f"encode_{way[0]}"}
        plain |= {f"encode_style_{way}", f"sample_{way}"}
    assert set(shown) - {"__saved_model_init_op"} == plain
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    calls = loaded.signatures
    drawn = np.repeat(styled.sample_style(1, 7), len(images), 0)
    within_a_level(
        calls["sample"](image=tf.constant(images), seed=tf.constant(7))[
            "image"
        ],
        exporting.photo_to_photo(styled, "a_to_b")(images, drawn),
    )
    np.testing.assert_allclose(
        calls["encode_style_b_to_a"](image=tf.constant(images))["style"],
        styled.encode_style(to_float(images), "b_to_a"),
        atol=1e-5,
    )

    exporting.export_tflite(styled, tmp_path / "face.tflite")
    translate = exporting.load_tflite(tmp_path / "face.tflite")
    within_a_level(translate(images, style), wanted)


class Noisy:
    """Draws inside of `translate`, which no phone can."""

    size, size_multiple, fixed_size = 16, 4, False

    def translate(self, images, direction, style=None):
        return images + tf.random.stateless_normal(images.shape, [1, 2])


def test_what_a_phone_cannot_do_is_named(model, tmp_path, capfd, refuses):
    path = tmp_path / "face.tflite"
    with pytest.raises(UserError, match="Received: StatelessRandom"):
        exporting.export_tflite(Noisy(), path)
    for wrong in (0, 18):
        with refuses("size"):
            exporting.export_tflite(model, path, size=wrong)
    assert not path.exists()
    assert capfd.readouterr().err == ""


def test_parity_counts_levels(refuses):
    images = np.full((2, 10, 10, 3), 100, np.uint8)

    def broken(x):
        y = x.copy()
        y[0, 0, 0, 0] = 0
        y[1] += 1
        return y

    report = exporting.parity(lambda x: x, broken, images)
    assert report == {
        "images": 2,
        "max": 100,
        "mean": round((100 + 300) / 600, 4),
        "p99": 1.0,
        "ssim": pytest.approx(0.99, abs=0.01),
    }
    assert exporting.parity(lambda x: x, lambda x: x, images)["ssim"] == 1
    with refuses("exported_fn"):
        exporting.parity(lambda x: x, lambda x: x[:1], images)


def test_parity_compares_images_that_show_something(refuses):
    images = photos(2)
    for side in (0, 1):
        functions = [lambda x: x, lambda x: x]
        functions[side] = np.zeros_like
        with refuses(("reference_fn", "exported_fn")[side]):
            exporting.parity(*functions, images)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_images_that_are_not_finite_are_refused(value, refuses):
    """They would be black."""
    made = np.zeros((1, 8, 8, 3), np.float32)
    made[0, 1, 2, 0] = value
    model = SimpleNamespace(
        translate=lambda images, *_: images * made,
        fixed_size=True,
        averaged_variables=(),
    )
    for translate in (
        exporting.photo_to_photo(model, "a_to_b"),
        partial(Translation(model, "a_to_b"), styles=[None]),
    ):
        with refuses("run_dir"):
            translate(photos(1, 8, 8))


# The verb.


@pytest.fixture
def run_dir(plain, tmp_path, monkeypatch):
    use(monkeypatch, plain)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.gin").touch()
    return tmp_path / "run"


def use(monkeypatch, model):
    """What `--run_dir` leads to."""
    run = SimpleNamespace(
        check_trained=lambda: None,
        model=model,
        images=lambda domain, split, count: photos(
            count, seed=ord(domain) + len(split)
        ),
    )
    stub = SimpleNamespace(load_translator=lambda *_: run)
    monkeypatch.setitem(sys.modules, "tf_i2i.runs", stub)


def verb(run_dir, *argv, **arguments):
    export.main([f"--run_dir={run_dir}", *argv], **arguments)


def test_exports_are_checked_and_replaced(run_dir, tmp_path, capfd):
    folder = tmp_path / "new" / "export"
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_text("an earlier export")
    (folder / "earlier").touch()
    verb(run_dir, f"--output={folder}/")
    assert (folder / "saved_model.pb").stat().st_size > 1000
    assert not (folder / "earlier").exists()
    report = json.loads((folder / "parity.json").read_text())
    assert report["accepted"]
    for direction in DIRECTIONS:
        assert report[direction]["images"] == 16
        assert report[direction]["max"] <= 1
    file = tmp_path / "new" / "face.tflite"
    verb(run_dir, f"--output={file}", "--direction=b_to_a")
    report = json.loads(
        (tmp_path / "new" / "face.tflite.parity.json").read_text()
    )
    assert report["b_to_a"]["max"] <= 1
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "export",
        "face.tflite",
        "face.tflite.MODEL_CARD.md",
        "face.tflite.layers.csv",
        "face.tflite.parity.json",
    ]
    said = capfd.readouterr()
    assert said.err == ""
    lines = said.out.splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("translate: ")
    assert "% of them in int8" in lines[1]
    assert lines[2].startswith(f"Exported {file} (")
    assert "16 real images: b_to_a max" in lines[2]


def test_style_of_a_test_image_is_used(run_dir, tmp_path, monkeypatch):
    use(monkeypatch, lively(start_size=16, style_size=4))
    verb(run_dir, f"--output={tmp_path}/face.tflite")
    assert (tmp_path / "face.tflite.parity.json").is_file()
    about = json.loads((tmp_path / "face.tflite.style.json").read_text())
    assert about["shape"] == [4]
    assert about["order"].startswith("row-major")
    assert about["distribution"]["length"] == 1
    assert about["distribution"]["deviation"] == pytest.approx(0.5, abs=0.02)
    lengths = np.linalg.norm(about["samples"], axis=1)
    np.testing.assert_allclose(lengths, np.ones(10), atol=1e-4)


def test_both_directions_in_one_file(run_dir, tmp_path, monkeypatch, refuses):
    use(monkeypatch, OwnPlain())
    (run_dir / "LICENSE").write_text("for all")
    (run_dir / "config.gin").write_text("train.face_margin = 0.45\n")
    file = tmp_path / "both.tflite"
    verb(run_dir, f"--output={file}", "--direction=both")
    report = json.loads((tmp_path / "both.tflite.parity.json").read_text())
    assert report["a_to_b"]["max"] <= 1
    assert report["b_to_a"]["max"] <= 1
    assert list(_tflite(file).get_signature_list()) == list(DIRECTIONS)
    one, other = (
        litert.load_tflite(file, signature=way)(photos(1)) for way in DIRECTIONS
    )
    assert np.any(one != other)
    card = (tmp_path / "both.tflite.MODEL_CARD.md").read_text()
    assert "| direction | a_to_b, b_to_a |" in card
    assert "can be resized to other multiples of 1 pixels (tested: 24 x" in card
    assert (tmp_path / "both.tflite.LICENSE").read_text() == "for all"
    about = json.loads((tmp_path / "both.tflite.face.json").read_text())
    assert about == {"margin": 0.45}
    with refuses("--direction"):
        verb(run_dir, f"--output={tmp_path}/both.onnx", "--direction=both")


def test_images_of_floats(run_dir, tmp_path):
    file = tmp_path / "face.tflite"
    verb(run_dir, f"--output={file}", "--float_io")
    report = json.loads((tmp_path / "face.tflite.parity.json").read_text())
    assert report["a_to_b"]["max"] <= 1
    run = _tflite(file).get_signature_runner()
    (given,) = run.get_input_details().values()
    (made,) = run.get_output_details().values()
    assert given["dtype"] == made["dtype"] == np.float32
    image = np.float32(photos(1)) / 255
    values = run(image=image)["image"]
    assert values.min() >= 0
    assert 0.2 < values.max() <= 1
    card = (tmp_path / "face.tflite.MODEL_CARD.md").read_text()
    assert "| sizes | 16 x 16 pixels only |" in card  # Transposed convolutions.
    assert "float32 RGB in [0, 1]" in card


def test_a_wrong_export_is_set_aside(run_dir, tmp_path, monkeypatch, refuses):
    file = tmp_path / "face.tflite"
    file.write_bytes(b"an earlier export")
    right = litert.load_tflite

    def broken(path):
        translate = right(path)
        return lambda images: translate(images) // 2

    monkeypatch.setattr(litert, "load_tflite", broken)
    with refuses("--output"):
        verb(run_dir, f"--output={file}")
    assert file.read_bytes() == b"an earlier export"
    assert (tmp_path / "face.tflite.rejected").stat().st_size > 10000
    report = json.loads(
        (tmp_path / "face.tflite.rejected.parity.json").read_text()
    )
    assert not report["accepted"]
    assert report["a_to_b"]["max"] > 1


def test_int8_of_per_image_norms_is_named(run_dir, tmp_path, capsys):
    flags = [f"--output={tmp_path}/face.tflite", "--precision=int8"]
    with contextlib.suppress(UserError):  # Random weights: as it comes.
        verb(run_dir, *flags)
    assert "14 layers that normalize each image" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "argument"),
    [
        (["--output=face.pb"], "--output"),
        (["--output=.."], "--output"),
        (["--precision=int4"], "--precision"),
        (["--precision=int8"], "--precision"),
        (["--float_io"], "--float_io"),
        (["--size=64"], "--size"),
        (["--direction=c_to_d"], "--direction"),
        (["--run_dir=nowhere"], "--run_dir"),
        (["--output={tmp}/full"], "--output"),
        (["--output={tmp}/full/file"], "--output"),
        (["--output={tmp}/full/file/face.tflite"], "--output"),
    ],
)
def test_wrong_flags(run_dir, tmp_path, monkeypatch, flags, argument, refuses):
    def no_tensorflow():
        raise AssertionError("flags must be checked before the import")

    monkeypatch.setattr(export.cli, "import_tensorflow", no_tensorflow)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    flags = [flag.format(tmp=tmp_path) for flag in flags]
    with refuses(argument):
        verb(run_dir, f"--output={tmp_path}/export", *flags)


def test_an_export_that_fills_the_disk(run_dir, tmp_path, monkeypatch):
    """The error has the name of the export, of which nothing is left."""
    full = os.strerror(errno.ENOSPC)

    def write(self, content):
        raise OSError(errno.ENOSPC, full)

    def save(module, path, signatures):
        Path(path).mkdir()
        raise tf.errors.ResourceExhaustedError(None, None, f"{path}; {full}")

    monkeypatch.setattr(Path, "write_bytes", write)
    monkeypatch.setattr(tf.saved_model, "save", save)
    for name in ("x.tflite", "x"):
        with pytest.raises(OSError, match=full) as error:
            verb(run_dir, f"--output={tmp_path / 'out' / name}")
        assert error.value.filename == str(tmp_path / "out" / name)
        assert not [*(tmp_path / "out").iterdir()]
