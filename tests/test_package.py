"""What `import tf_i2i` gives, and what the README says of Keras."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tf_i2i
from tf_i2i import methods
from tf_i2i.data import toy_faces
from tf_i2i.methods import registry

README = Path(__file__).parents[1] / "README.md"


def test_importing_the_package_imports_nothing_else():
    code = (
        "import sys; before = set(sys.modules); import tf_i2i; "
        "print(*sorted(set(sys.modules) - before))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded = found.stdout.split()
    theirs = {name.partition(".")[0] for name in loaded}
    assert theirs - sys.stdlib_module_names == {"tf_i2i"}
    assert [name for name in loaded if "tf_i2i" in name] == ["tf_i2i"]


def test_names_of_the_package():
    for name, method in registry.methods().items():
        assert getattr(tf_i2i, name) is getattr(methods, name) is method
        assert name in dir(tf_i2i)
    assert tf_i2i.UnpairedTranslator is methods.UnpairedTranslator
    assert tf_i2i.data.unpaired.__module__ == "tf_i2i.data.unpaired"
    with pytest.raises(AttributeError, match="no attribute 'GAN'"):
        tf_i2i.GAN  # noqa: B018


def test_the_keras_example_of_the_readme(tmp_path, monkeypatch):
    for domain, name in (("a", "photos"), ("b", "drawings")):
        (tmp_path / name).mkdir()
        faces = toy_faces.render(domain, np.arange(24), 40)
        for i, face in enumerate(faces):
            Image.fromarray(face).save(tmp_path / name / f"{i}.png")
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(
        r"^```python\n(.*?)^```", README.read_text(), re.S | re.M
    )
    small = {"steps_per_epoch": 2, "epochs": 1, "width": 0.05, "image_size": 8}
    for name, value in small.items():
        code, found = re.subn(rf"\b{name}=[\d.]+", f"{name}={value}", code)
        assert found == 1 + (name == "image_size")
    names = {}
    exec(code, names)
    assert (tmp_path / "mine.keras").exists()
    with Image.open(tmp_path / "drawn.png") as picture:
        assert picture.size == (8 * 10 + 2, 2 * 10 + 2)
    assert "gan_b" in names["history"].history
