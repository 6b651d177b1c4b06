"""What the configuration of a stranger's run may not load."""

import os
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import tensorflow as tf

from tf_i2i import configuration
from tf_i2i import consent
from tf_i2i import runs
from tf_i2i.consent import Consent
from tf_i2i.data.tfds import TfdsSource
from tf_i2i.errors import UserError
from tf_i2i.evaluation import validation
from tf_i2i.features import FORMS
from tf_i2i.features import load_features
from tf_i2i.features.backbone import load_backbone
from tf_i2i.features.perceptual import perceptual
from tf_i2i.features.teacher import face_path
from tf_i2i.features.teacher import teacher
from tf_i2i.features.translator import exported
from tf_i2i.training import callbacks
from tf_i2i.training import run_data
from tf_i2i.training.run_config import RunConfig

STRANGER = Consent(trusted=False, config="RUN/config.gin")
# Networks that need no file, or whose files pip installs.
HARMLESS = ("random-conv", "hed-vgg16", "efficientnet-lite0")
LOADERS = (load_features, teacher, perceptual)


class Loaded(Exception):
    """Raised in place of loading a file."""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a file of each kind, and loaders that raise `Loaded`."""

    def load(*args, **kwargs):
        raise Loaded

    monkeypatch.setattr(tf.saved_model, "load", load)
    monkeypatch.setattr("keras.models.load_model", load)
    monkeypatch.setattr("keras.utils.get_file", load)
    monkeypatch.setattr("tf_i2i.features.tflite._interpreter", load)
    monkeypatch.setattr("tf_i2i.features.keras_applications._build", load)
    monkeypatch.setattr("tf_i2i.features.lpips.read_tensors", load)
    monkeypatch.setattr("tf_i2i.features.lpips._linear_file", str)
    monkeypatch.setattr("tf_i2i.features.fid_inception.read_tensors", load)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("TF_I2I_CACHE", str(tmp_path / "cache"))
    run = tmp_path / "run"
    (run / "variables").mkdir(parents=True)
    (run / "saved_model.pb").write_bytes(b"graph")
    (run / "variables" / "data").write_bytes(b"weights")
    (run / "net.file").write_bytes(b"network")
    return run


NAMES = (
    "keras:VGG16",
    "keras:MobileNetV2:{}/net.file",
    "savedmodel:{}",
    "kerasfile:{}/net.file",
    "tflite:{}/net.file:0:1@32",
    "lpips:{}/net.file",
    "fid-inception:{}/net.file",
)


def test_all_forms_are_tested():
    kinds = {form.partition(":")[0].partition("[")[0] for form in FORMS}
    tested = {name.partition(":")[0] for name in NAMES}
    assert kinds == tested | {*HARMLESS}


@pytest.mark.parametrize("name", NAMES)
def test_a_stranger_loads_no_network(name, place, refuses):
    name = name.format(place)
    with STRANGER.applied():
        for load in LOADERS:
            with refuses("run_dir") as error:
                load(name)
        if not name.startswith("tflite:"):
            with refuses("run_dir"):
                load_backbone(name, ("a",))
    assert "--trust_config" in str(error.value)
    assert "RUN/config.gin" in str(error.value)
    # What the user names is loaded, and so is what a training has recorded.
    load = load_features
    if name.startswith("keras:VGG16"):
        with pytest.raises(UserError, match="downloaded"):
            load(name)
        return
    for given in (Consent(), Consent(recording=True), STRANGER):
        with given.applied(), pytest.raises(Loaded):
            load(name)


def test_a_record_is_of_the_content(place, refuses):
    name = f"savedmodel:{place / 'model'}"
    model = place / "model"
    model.mkdir()
    (model / "saved_model.pb").write_bytes(b"good")
    with Consent(recording=True).applied(), pytest.raises(Loaded):
        load_features(name)
    with STRANGER.applied(), pytest.raises(Loaded):
        load_features(name)
    (model / "saved_model.pb").write_bytes(b"evil")
    with STRANGER.applied(), refuses("run_dir"):
        load_features(name)
    (model / "saved_model.pb").write_bytes(b"good")
    (model / "saved_model.pb").unlink()
    os.mkfifo(model / "pipe")
    with STRANGER.applied(), refuses():
        load_features(name)


def test_a_strangers_student_comes_without_its_teacher(place, refuses):
    with STRANGER.applied():
        translate = exported(str(place))
    with refuses("run_dir"):
        translate(None, "a_to_b")
    with pytest.raises(Loaded):
        exported(str(place))


def test_the_users_own_face_network_is_loaded(place):
    face_path().mkdir(parents=True)
    (face_path() / "saved_model.pb").write_bytes(b"graph")
    with STRANGER.applied(), pytest.raises(Loaded):
        teacher("face")


def test_a_stranger_downloads_no_data(place, monkeypatch, refuses):
    """The data set is known, but it is not on this machine."""
    info = SimpleNamespace(features={}, full_name="mnist")
    builder = SimpleNamespace(
        data_path=place / "none", builder_configs={}, info=info
    )
    monkeypatch.setitem(
        sys.modules,
        "tensorflow_datasets",
        SimpleNamespace(builder=lambda name, data_dir: builder),
    )
    monkeypatch.setattr(TfdsSource, "_image_feature", lambda self: "image")
    with STRANGER.applied(), refuses("run_dir"):
        TfdsSource("tfds:mnist/train")


def test_opening_a_run_runs_nothing_of_it(place, refuses):
    """A graph in the run is not called while the model is built."""
    (place / "config.gin").write_text(
        "train.image_size = 16\n"
        "train.precision = 'float32'\n"
        "train.model = @CDFT\n"
        f"CDFT.backbone = 'savedmodel:{place}'\n"
    )
    for open_it in (runs.load_translator, runs.open_run):
        with refuses("run_dir"):
            open_it(place)
    with pytest.raises(Loaded):
        runs.load_translator(place, trust_config=True)


def test_files_of_flags_are_trusted(place):
    (place / "config.gin").write_text("train.steps = 1\n")
    assert configuration.configure(place) == Consent(
        False, config=place / "config.gin"
    )
    (place / "own.gin").write_text("train.steps = 1\n")
    assert configuration.configure(place, [place / "own.gin"]).trusted


def test_data_are_read_with_the_consent_to_the_run(monkeypatch):
    """They are read long after the model was built."""
    asked = []

    def source_for(spec, domain):
        asked.append(consent._current)
        raise Loaded

    monkeypatch.setattr(run_data, "source_for", source_for)
    data = run_data.RunData(RunConfig(data_a="x"), consent=STRANGER)
    with pytest.raises(Loaded):
        data.store("a")
    assert asked == [STRANGER]
    assert consent._current == consent.TRUSTED


def test_validation_loads_features_with_the_consent_to_the_run(
    place, monkeypatch, refuses
):
    monkeypatch.setattr(
        callbacks, "RealImages", SimpleNamespace(of_data=lambda *a, **k: None)
    )
    monkeypatch.setattr(validation, "Translations", lambda *a: None)
    data = SimpleNamespace(consent=STRANGER, label_tables=dict)
    evaluation = validation.Evaluation(features=f"savedmodel:{place}")
    config = RunConfig(evaluation=evaluation)
    state = SimpleNamespace(
        phase=SimpleNamespace(size=8), images_shown=0, total_images=1
    )
    evaluate = callbacks.Evaluate(state, None, data, config, None, None, print)
    with refuses("run_dir"):
        evaluate.on_train_begin()


def test_whatever_loads_asks_for_consent():
    """New loaders, too. `export` loads what it has just written."""
    loads = re.compile(
        r"saved_model\.load\(|load_model\(|\.get_file\(|"
        r"download_and_prepare\(|litert\.Interpreter\("
    )
    package = Path(consent.__file__).parent
    for path in package.rglob("*.py"):
        text = path.read_text("utf-8")
        if loads.search(text) and path.parent.name != "exporting":
            assert "consent.check_" in text, path
