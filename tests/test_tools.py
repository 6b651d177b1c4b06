"""Tools that are not verbs."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tf_i2i import train
from tf_i2i.runs import load_translator
from tf_i2i.training.packed import PACKED

TOOLS = Path(__file__).parents[1] / "tools"


def tool(name):
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def run_dir(folders, tmp_path_factory, eagerly):
    run_dir = tmp_path_factory.mktemp("run")
    argv = [
        "--gin_file=cyclegan.gin",
        f"--run_dir={run_dir}",
        f"--data_a={folders / 'a'}",
        f"--data_b={folders / 'b'}",
        "--gin_param=train.image_size = 16",
        "--gin_param=train.precision = 'float32'",
        "--gin_param=train.steps = 2",
        "--gin_param=single_phase.batch_size = 2",
        "--gin_param=CycleGAN.residual_blocks = 1",
        "--gin_param=CycleGAN.critic_layers = 1",
        "--gin_param=CycleGAN.width = .02",
    ]
    with eagerly():
        train.main(argv)
    return run_dir


def test_the_readme_names_every_tool():
    text = (TOOLS.parent / "README.md").read_text()
    for path in TOOLS.glob("*.py"):
        assert f"tools/{path.name}" in text


EXPORTS = [
    ("export_saved_model", "export", "export/saved_model.pb"),
    ("export_tflite", "face.tflite", "face.tflite"),
]


@pytest.mark.parametrize(("name", "output", "made"), EXPORTS)
def test_an_export_tool_writes_its_format(
    run_dir, tmp_path, refuses, name, output, made
):
    main = tool(name).main
    main([f"--run_dir={run_dir}", f"--output={tmp_path / output}"])
    assert (tmp_path / made).is_file()
    with refuses("--output"):
        main([f"--run_dir={run_dir}", "--output=face.onnx"])


@pytest.mark.slow
@pytest.mark.parametrize(("name", "output", "made"), EXPORTS)
def test_an_export_tool_as_a_user_types_it(
    run_dir, tmp_path, name, output, made
):
    subprocess.run(
        [sys.executable, str(TOOLS / f"{name}.py")]
        + [f"--run_dir={run_dir}", f"--output={output}"],
        cwd=tmp_path,
        check=True,
    )
    assert (tmp_path / made).is_file()


def test_a_packed_model_translates_as_its_run(run_dir, tmp_path, rng):
    packed = tmp_path / "packed"
    tool("pack_model").main([f"--run_dir={run_dir}", f"--output={packed}"])
    names = {path.name for path in packed.iterdir()}
    assert names == {PACKED, "config.gin", "metrics.jsonl"}
    x = tf.constant(rng.uniform(-1, 1, (4, 16, 16, 3)).astype(np.float32))
    translations = []
    for folder in (run_dir, packed):
        run = load_translator(folder)
        assert run.images_shown == 4
        translations.append(run.model.translate(x, "a_to_b").numpy())
    # float16 keeps three digits of each weight.
    np.testing.assert_allclose(*translations, atol=0.02)
    assert np.std(translations[0]) > 0.01


def test_weights_of_another_model_are_refused(run_dir, tmp_path):
    packed = tmp_path / "packed"
    tool("pack_model").main([f"--run_dir={run_dir}", f"--output={packed}"])
    other = tmp_path / "other"
    shutil.copytree(packed, other)
    config = (packed / "config.gin").read_text()
    (other / "config.gin").write_text(
        config.replace(".width = 0.02", ".width = 0.1")
    )
    with pytest.raises(ValueError, match="weights of the model that its"):
        load_translator(other)
