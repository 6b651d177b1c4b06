"""Exported files in old runtimes, each in an environment of its own."""

import subprocess
import venv

import numpy as np
import pytest

from tf_i2i import exporting
from tf_i2i import models
from tf_i2i.runs import load_translator

CODE = """
import sys
import numpy as np
try:
    from tflite_runtime.interpreter import Interpreter
except ImportError:
    from ai_edge_litert.interpreter import Interpreter
for path in sys.argv[1:]:
    interpreter = Interpreter(path)
    run = interpreter.get_signature_runner("translate")
    given = {n: np.load(f"{path}.{n}.npy") for n in run.get_input_details()}
    np.save(path + ".made.npy", run(**given)["image"])
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Exports, their inputs, and the images that the new runtime makes."""
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    found = {}
    for name in ("twingan-toy", "asymgan-toy", "cdft-toy"):
        model = load_translator(models.find_model(name)).model
        way, size = model.directions[-1], model.size
        image = rng.integers(0, 256, (1, size, size, 3), np.uint8)
        for precision in ("float32", "float16", "dynamic"):
            path = folder / f"{name}.{precision}.tflite"
            exporting.export_tflite(model, path, way, precision=precision)
            style = None
            if name == "asymgan-toy":
                style = model.sample_style(1, 0).numpy()
                np.save(f"{path}.style.npy", style)
            np.save(f"{path}.image.npy", image)
            found[path] = exporting.load_tflite(path)(image, style)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    "runtime", ["tflite-runtime==2.14.0", "ai-edge-litert==1.0.1"]
)
def test_old_runtimes_make_the_same_images(runtime, files, tmp_path):
    venv.create(tmp_path, with_pip=True)
    pip = [tmp_path / "bin" / "pip", "install", "-q", runtime, "numpy<2"]
    if subprocess.run(pip, check=False, capture_output=True).returncode:
        pytest.skip(f"{runtime} cannot be installed here")
    python = tmp_path / "bin" / "python"
    subprocess.run([python, "-c", CODE, *map(str, files)], check=True)
    for path, wanted in files.items():
        made = np.load(f"{path}.made.npy").astype(int)
        apart = np.abs(made - wanted.astype(int))
        # Each runtime rounds sums of int8 products a little differently. The
        # networks of CDFT, which run one after the other, amplify this.
        dynamic = 5 if "cdft" in path.name else 1
        assert apart.mean() < (dynamic if "dynamic" in path.name else 0.1)
