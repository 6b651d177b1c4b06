"""What a command leaves behind in the process of a notebook: nothing."""

import importlib
import logging
import os
import random
import signal
import threading
import time
import warnings
from pathlib import Path

import gin
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.utils import rng_utils
from tensorflow.python import pywrap_tfe
from tensorflow.python.eager import context

from tf_i2i import backend
from tf_i2i import demo
from tf_i2i import process
from tf_i2i import train
from tf_i2i import translate
from tf_i2i.verbs import VERBS

# What the process has, by kind. Each function returns something comparable.
KINDS = {
    "environment": lambda: dict(os.environ),
    "python_seed": random.getstate,
    "numpy_seed": lambda: str(np.random.get_state()),
    "tensorflow_seed": lambda: (context.global_seed(), context.context()._rng),
    "keras_seed": rng_utils.get_random_seed,
    "floatx": keras.config.floatx,
    "data_format": keras.config.image_data_format,
    "dtype_policy": lambda: keras.config.dtype_policy().name,
    "signals": lambda: [signal.getsignal(n) for n in signal.valid_signals()],
    "logging": lambda: (
        [*logging.getLogger().handlers],
        logging.getLogger().level,
    ),
    "warnings": lambda: [*warnings.filters],
    "gin_bindings": lambda: gin.config_str(),
    "gin_used": lambda: gin.operative_config_str(),
    "gin_lock": gin.config_is_locked,
    "gin_folders": lambda: [*gin.config._LOCATION_PREFIXES],
    "gin_readers": lambda: [*gin.config._FILE_READERS],
}


@gin.configurable
def of_the_notebook(value=0):
    return value


def snapshot():
    return {kind: read() for kind, read in KINDS.items()}


@pytest.fixture(scope="module")
def before_and_after(tmp_path_factory):
    """Snapshots around a command that succeeds, and around one that fails."""
    gin.clear_config()
    gin.parse_config("of_the_notebook.value = 1\nof_macro = 2")
    of_the_notebook()
    keras.utils.set_random_seed(7)
    keras.config.set_floatx("float64")
    keras.config.set_image_data_format("channels_first")
    keras.config.set_dtype_policy("mixed_bfloat16")
    given = [
        "--dry_run",
        f"--run_dir={tmp_path_factory.mktemp('run')}",
        "--gin_file=cyclegan.gin",
        "--gin_param=CycleGAN.residual_blocks = 1",
        "--gin_param=CycleGAN.width = 0.02",
        "--gin_param=train.image_size = 16",
    ]
    try:
        start = snapshot()
        train.main(given)
        done = snapshot()
        with pytest.raises(ValueError, match="CycleGAN"):
            train.main([*given, "--gin_param=CycleGAN.no = 1"])
        yield start, done, snapshot()
    finally:
        gin.clear_config()
        keras.config.set_floatx("float32")
        keras.config.set_image_data_format("channels_last")
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("kind", KINDS)
def test_a_command_leaves_nothing_behind(kind, before_and_after):
    start, done, failed = before_and_after
    assert start[kind] == done[kind] == failed[kind]


def _handle(number, frame):
    pass


CHANGES = {
    "environment": lambda: os.environ.update(HOME="x", NEW="y"),
    "python_seed": lambda: random.seed(1),
    "numpy_seed": lambda: np.random.seed(1),
    "signals": lambda: signal.signal(signal.SIGTERM, _handle),
    "logging": lambda: logging.basicConfig(level=1, force=True),
    "warnings": lambda: warnings.simplefilter("ignore"),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_what_is_changed_is_set_back(kind):
    before, changed = KINDS[kind](), []

    @process.unchanged()
    def command():
        CHANGES[kind]()
        changed.append(KINDS[kind]())
        raise KeyError

    with pytest.raises(KeyError):
        command()
    assert KINDS[kind]() == before not in changed


def test_random_numbers_continue_their_sequence(monkeypatch, clear_kernels):
    """Those of TensorFlow and Keras too, though a command sets their seeds."""
    monkeypatch.setattr(pywrap_tfe, clear_kernels.__name__, clear_kernels)

    def numbers(between):
        keras.utils.set_random_seed(5)
        tf.random.normal([]), keras.random.normal([])
        between()
        return float(tf.random.normal([])), float(keras.random.normal([]))

    @process.unchanged()
    def command():
        backend.reset_keras()
        keras.utils.set_random_seed(9)
        tf.random.normal([]), keras.random.normal([])

    assert numbers(command) == numbers(lambda: None)


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_leaves_the_process_unchanged(verb):
    name = "models.__main__" if verb == "models" else verb
    main = importlib.import_module(f"tf_i2i.{name}").main
    assert main.__wrapped__.__module__ == main.__module__


def test_a_current_folder_that_was_removed(tmp_path, monkeypatch, refuses):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    spec = ["--data_a=tfrecord:*", "--data_b=tfrecord:*"]
    for command, argv in (
        (translate, ["--run_dir=run", "--input=x.png", "--output=out"]),
        (
            train,
            ["--gin_file=unit.gin", *spec],
        ),
        (demo, ["--model=x.tflite"]),
    ):
        with refuses("current folder"):
            command.main(argv)


def test_other_missing_files_are_not_about_the_current_folder():
    with pytest.raises(FileNotFoundError), process.unchanged():
        Path("/nowhere/at/all").read_text()


def test_commands_of_several_threads_run_one_after_the_other():
    running, most = [], []

    @process.unchanged()
    def command():
        running.append(1)
        most.append(len(running))
        time.sleep(0.01)
        running.pop()

    @process.unchanged()
    def server():
        with process.serving():
            in_threads(command, 3)

    in_threads(command, 3)
    server()
    assert most == [1] * 6


def in_threads(function, count):
    threads = [threading.Thread(target=function) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
