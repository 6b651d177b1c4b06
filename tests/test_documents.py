"""What documents show is what runs."""

import importlib
import inspect
import json
import re
from pathlib import Path

import numpy as np
import pytest

from tf_i2i import configuration
from tf_i2i import methods
from tf_i2i import models
from tf_i2i import train
from tf_i2i.methods import registry
from tf_i2i.runs import load_translator
from tf_i2i.training.run_config import RunConfig
from tf_i2i.verbs import VERBS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(
    path
    for path in [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
    if path.name != "CHANGELOG.md"
)


@pytest.mark.parametrize("name", ["discogan", "munit"])
def test_the_method_of_ones_own_trains(
    name, tmp_path, folders, monkeypatch, refuses
):
    monkeypatch.syspath_prepend(DOCS / "examples")
    train.main(
        [
            f"--gin_file={DOCS / 'examples' / name}.gin",
            f"--run_dir={tmp_path}",
            *(f"--data_{domain}={folders / domain}" for domain in "ab"),
            "--gin_param=train.image_size = 16",
            "--gin_param=train.steps = 2",
            "--gin_param=train.precision = 'float32'",
            "--gin_param=single_phase.batch_size = 2",
        ]
    )
    with refuses() as caught:
        load_translator(tmp_path)
    assert f"import {name}" in str(caught.value)
    model = load_translator(tmp_path, trust_config=True).model
    made = model.translate(np.zeros((1, 16, 16, 3), np.float32), "b_to_a")
    assert made.shape == (1, 16, 16, 3)
    assert int(model.images_shown) == 4


def test_the_page_shows_the_files():
    page = (DOCS / "own_method.md").read_text()
    shown = re.findall(r"^```python\n(.*?)^```", page, re.S | re.M)
    files = ("discogan.py", "munit.py")
    assert shown == [(DOCS / "examples" / file).read_text() for file in files]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M)
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text)
    local = [link for link in links if not re.match(r"\w+:", link)]
    lost = [link for link in local if not (page.parent / link).exists()]
    assert lost == []


@pytest.fixture(scope="module")
def flags():
    """Flags of all commands, and that of `tensorboard`."""
    modules = [importlib.import_module(f"tf_i2i.{verb}") for verb in VERBS]
    parsers = [m._parser() for m in modules if hasattr(m, "_parser")]
    actions = [action for parser in parsers for action in parser._actions]
    return {"--logdir", *(o for a in actions for o in a.option_strings)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_and_flags_exist(page, flags):
    text = page.read_text("utf-8")
    owners = configuration.REGISTERED | {"train": RunConfig}
    settings = re.findall(rf"\b({'|'.join(owners)})\.(\w+)", text)
    lost = [
        f"{owner}.{name}"
        for owner, name in settings
        if name not in inspect.signature(owners[owner]).parameters
        and not hasattr(owners[owner], name)
    ]
    assert lost == []
    assert {*re.findall(r"(?<![\w-])--[a-z]\w+", text)} <= flags


def test_every_method_has_a_page():
    pages = {path.stem for path in (DOCS / "methods").glob("*.md")}
    modules = {m.__module__ for m in registry.methods().values()}
    assert {name.rpartition(".")[2] for name in modules} <= pages


def test_the_tables_name_every_recipe_of_every_method():
    readme = (ROOT / "README.md").read_text()
    (table,) = re.findall(r"^\| method \|.*?\n\n", readme, re.S | re.M)
    pages = DOCS / "methods"
    for name, method in registry.methods().items():
        module = method.__module__.rpartition(".")[2]
        page = (pages / f"{module}.md").read_text()
        recipes = registry.recipes(name)
        assert recipes, f"{name} has no config"
        for recipe in recipes:
            assert f"`{recipe}`" in table, recipe
            assert f"`{recipe}`" in page, recipe


def test_every_model_has_a_card():
    for name, folder in models.shipped_models().items():
        card = (folder / "README.md").read_text()
        assert f"--model={name}" in card
        for heading in ("Data", "Scores", "Limits", "Licence"):
            assert f"\n## {heading}\n" in card, (name, heading)


@pytest.mark.slow
def test_the_notebook_runs(tmp_path, monkeypatch, capsys):
    cells = json.loads((DOCS / "tour.ipynb").read_text())["cells"]
    code = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    small = re.sub(r"steps_per_epoch=\d+", "steps_per_epoch=2", "\n".join(code))
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(small, names)
    assert isinstance(names["model"], methods.CycleGAN)
