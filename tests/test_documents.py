"""What documents show is what runs."""

import importlib
import inspect
import json
import re
import shlex
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
BENCHMARKS = sorted((ROOT / "benchmarks").rglob("*.md"))
CARDS = [folder / "README.md" for folder in models.shipped_models().values()]
# Pairs (language, text) of the blocks between lines of three backticks.
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.S | re.M)
COMMAND = re.compile(r"(?:python -m tf_i2i\.|tf-i2i )(\w+)( .*)?$")


def name_of(page):
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("name", ["discogan", "small_munit"])
def test_the_method_of_ones_own_trains(
    name, tmp_path, folders, monkeypatch, refuses, eagerly
):
    monkeypatch.syspath_prepend(DOCS / "examples")
    argv = [
        f"--gin_file={DOCS / 'examples' / name}.gin",
        f"--run_dir={tmp_path}",
        *(f"--data_{domain}={folders / domain}" for domain in "ab"),
        "--gin_param=train.image_size = 16",
        "--gin_param=train.steps = 2",
        "--gin_param=train.precision = 'float32'",
        "--gin_param=single_phase.batch_size = 2",
    ]
    with eagerly():
        train.main(argv)
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
    files = ("discogan.py", "small_munit.py")
    assert shown == [(DOCS / "examples" / file).read_text() for file in files]


@pytest.mark.parametrize("page", [*PAGES, *BENCHMARKS], ids=name_of)
def test_no_conflict_marks_of_git(page):
    assert not re.search(r"^(<<<<<<<|=======|>>>>>>>)", page.read_text(), re.M)


@pytest.mark.parametrize("page", [*PAGES, *BENCHMARKS], ids=name_of)
def test_links_lead_somewhere(page):
    text = BLOCK.sub("", page.read_text())
    links = re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", text)
    lost = [
        link
        for link, anchor in links
        if not re.match(r"\w+:", link)
        and not leads_somewhere(page.parent / link if link else page, anchor)
    ]
    assert lost == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_named_files_of_the_repository_exist(page):
    folders = "benchmarks|docs|gin_configs|tests|tf_i2i|tools"
    named = rf"(?<![\w/])(?:{folders})/[\w/]+\.(?:gin|jpg|md|py)\b"
    for name in re.findall(named, page.read_text()):
        assert (ROOT / name).exists(), name


def leads_somewhere(path, anchor):
    """Whether a file exists, and has a heading with the anchor if given."""
    if not anchor:
        return path.exists()
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.M)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return anchor in [heading.replace(" ", "-") for heading in plain]


def parser_of(verb):
    name = "models.__main__" if verb == "models" else verb
    return importlib.import_module(f"tf_i2i.{name}")._parser()


def commands(page):
    """Yields (verb, arguments, whether the command stands in a block)."""
    text = page.read_text("utf-8")
    inline = re.findall(r"`([^`]+)`", BLOCK.sub("", text))
    blocks = "".join(block for kind, block in BLOCK.findall(text) if not kind)
    lines = blocks.replace("\\\n", " ").splitlines()
    for in_block, texts in ((True, lines), (False, inline)):
        for text in texts:
            found = COMMAND.search(text.replace("\n", " "))
            if found and found[1] in VERBS:
                arguments = shlex.split(found[2] or "", comments=True)
                yield found[1], arguments, in_block


@pytest.mark.parametrize("page", [*PAGES, *CARDS], ids=name_of)
def test_commands_have_valid_flags(page):
    for verb, arguments, in_block in commands(page):
        parser = parser_of(verb)
        if not in_block:
            # A command in a sentence need not have all flags.
            for part in (*parser._actions, *parser._mutually_exclusive_groups):
                part.required = False
        parser.parse_args([text for text in arguments if text != "..."])


@pytest.fixture(scope="module")
def flags():
    """Flags of all commands, and one each of `tensorboard` and `pip`."""
    actions = [action for verb in VERBS for action in parser_of(verb)._actions]
    foreign = {"--logdir", "--no-deps"}
    return foreign | {o for a in actions for o in a.option_strings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
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
    assert {*re.findall(r"(?<![\w-])--[a-z][\w-]*\w", text)} <= flags


def test_the_list_of_guides_is_complete():
    listed = re.findall(
        r"^\| \[(.*?)\]", (DOCS / "README.md").read_text(), re.M
    )
    guides = {
        path.name for path in DOCS.iterdir() if path.suffix in (".md", ".ipynb")
    }
    assert sorted(listed) == sorted(guides - {"README.md"})


def page_of(method):
    return DOCS / "methods" / f"{method.__module__.rpartition('.')[2]}.md"


def test_every_method_has_a_page():
    pages = {page_of(method) for method in registry.methods().values()}
    readme = (ROOT / "README.md").read_text()
    for page in pages:
        assert page.exists()
        assert f"](docs/methods/{page.name})" in readme


@pytest.mark.parametrize("name", registry.methods())
def test_the_page_of_a_method_states_its_loss_weights(name):
    method = registry.methods()[name]
    value = r"(?:\$\\\w+ = )?(\.?\d[\d.e-]*)"
    text = page_of(method).read_text()
    stated = dict(re.findall(rf"`(\w+_weight)`,\s+{value}", text))
    parameters = inspect.signature(method).parameters.values()
    weights = {p.name: p.default for p in parameters if "_weight" in p.name}
    assert {name: float(value) for name, value in stated.items()} == weights


def test_the_page_of_losses_states_those_of_the_shipped_models():
    (row,) = re.findall(
        r"^\| `gan_a`, .*$", (DOCS / "losses.md").read_text(), re.M
    )
    stated = re.findall(r"(\w+) ([\d.]+) to ([\d.]+)", row)
    assert len(stated) == 5
    for method, *limits in stated:
        log = models.find_model(f"{method.lower()}-toy") / "metrics.jsonl"
        rows = map(json.loads, log.read_text().splitlines())
        losses = [
            row[f"gan_{d}"] for row in rows for d in "ab" if "gan_b" in row
        ]
        found = [float(f"{limit(losses):.2g}") for limit in (min, max)]
        assert found == [float(limit) for limit in limits], method


def test_the_readme_names_the_methods_of_one_size():
    readme = (ROOT / "README.md").read_text()
    (named,) = re.findall(r"((?:`\w+`,?(?: and)?\s+)+)take squares of", readme)
    methods = registry.methods().items()
    fixed = {name for name, method in methods if method.fixed_size}
    assert {*re.findall(r"`(\w+)`", named)} == fixed


def test_the_tables_name_every_recipe_of_every_method():
    readme = (ROOT / "README.md").read_text()
    (table,) = re.findall(r"^\| method \|.*?\n\n", readme, re.S | re.M)
    for name, method in registry.methods().items():
        page = page_of(method).read_text()
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
