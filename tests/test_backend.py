"""Keras' global settings, which other work of the user may have changed."""

import ast
import functools
import json
import os
import pwd
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import tf_i2i
from tf_i2i import backend
from tf_i2i import methods
from tf_i2i import optimizers
from tf_i2i.methods.registry import build_tiny
from tf_i2i.training.build import build_model
from tf_i2i.training.devices import make_strategy
from tf_i2i.training.run_config import RunConfig

PACKAGE = Path(tf_i2i.__file__).parent
SPATIAL = {"Conv2DTranspose", "DepthwiseConv2D", "ZeroPadding2D"}
UNUSED = {"UpSampling2D", "AveragePooling2D", "MaxPooling2D", "Flatten"}


@pytest.fixture
def channels_first():
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format("channels_last")


@pytest.mark.parametrize("name", ["CycleGAN", "UNITAdaptation"])
def test_a_method_does_not_depend_on_the_data_format(name, channels_first):
    model = build_tiny(name)
    images = np.zeros((1, model.size, model.size, 3), np.float32)
    assert model.translate(images, "a_to_b").shape == images.shape


def test_all_layers_state_their_data_format():
    for path in (PACKAGE / "networks").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            name = getattr(getattr(node, "func", None), "attr", None)
            assert name not in UNUSED, path
            if name in SPATIAL:
                words = {keyword.arg for keyword in node.keywords}
                assert "data_format" in words, (path, ast.unparse(node))


def test_commands_have_the_defaults_of_keras(channels_first):
    keras.config.set_floatx("float64")
    backend.reset_keras()
    assert keras.config.floatx() == "float32"
    assert keras.config.image_data_format() == "channels_last"


def test_another_backend_is_one_line(monkeypatch, refuses):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with refuses("KERAS_BACKEND"):
        methods.TwinGAN  # noqa: B018
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    with refuses("KERAS_BACKEND"):
        backend.check_backend()


def test_the_backend_of_a_file_has_no_effect(tmp_path):
    (tmp_path / "keras.json").write_text(json.dumps({"backend": "jax"}))
    env = {k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"}
    code = "import os, tf_i2i; print(os.environ['KERAS_BACKEND'])"
    found = subprocess.run(
        [sys.executable, "-c", code],
        env=env | {"KERAS_HOME": str(tmp_path)},
        cwd=PACKAGE.parent,
        capture_output=True,
        check=True,
    )
    assert found.stdout == b"tensorflow\n"


def test_a_user_without_home_gets_no_folder_of_that_name(monkeypatch):
    def getpwuid(number):
        raise KeyError(number)

    monkeypatch.setattr(pwd, "getpwuid", getpwuid)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setenv("KERAS_HOME", "/keras")
    backend.find_keras_home()
    assert os.environ["KERAS_HOME"] == "/keras"
    monkeypatch.delenv("KERAS_HOME")
    backend.find_keras_home()
    assert os.environ.pop("KERAS_HOME").endswith("/.keras")


def test_a_run_leaves_the_precision_of_the_process():
    adam = functools.partial(optimizers.adam, 1e-3, 0.5, 0.9)
    model = functools.partial(methods.CycleGAN, **methods.CycleGAN.tiny)
    config = RunConfig(
        lambda image_size, seed: model(seed=seed),
        translator_optimizer=adam,
        critic_optimizer=adam,
        precision="mixed_bfloat16",
    )
    made = build_model(config, make_strategy("none"))
    assert made.generator_a.first.compute_dtype == "bfloat16"
    assert keras.config.dtype_policy().name == "float32"
