"""Measures are found by their files; everything else follows from them."""

import sys
from pathlib import Path

import numpy as np
import pytest

from tf_i2i import report
from tf_i2i.evaluation import documentation
from tf_i2i.evaluation import measures
from tf_i2i.evaluation.judge import Candidate
from tf_i2i.evaluation.judge import Evidence
from tf_i2i.evaluation.judge import Judge
from tf_i2i.evaluation.measure import GROUPS
from tf_i2i.evaluation.registry import add_automatic
from tf_i2i.evaluation.registry import all_measures
from tf_i2i.evaluation.registry import all_outputs
from tf_i2i.evaluation.registry import explain
from tf_i2i.evaluation.registry import find_measures
from tf_i2i.evaluation.registry import find_recipe
from tf_i2i.evaluation.registry import full_name
from tf_i2i.evaluation.registry import in_order
from tf_i2i.evaluation.registry import lower_is_better
from tf_i2i.evaluation.registry import needs_of
from tf_i2i.evaluation.validation import Evaluation
from tf_i2i.methods.registry import methods

PAGE = Path(__file__).parents[2] / "docs" / "measures.md"
BRIGHTNESS = '''
"""Mean level of the outputs."""

from tf_i2i.evaluation.measure import Measure
from tf_i2i.evaluation.measure import Output


def compute(judge, candidate):
    return {"level_mean": candidate.outputs.mean()}


MEASURE = Measure(
    name="level",
    compute=compute,
    needs=("aligned",),
    quick=True,
    outputs=(
        Output(
            "level_*",
            "How bright are the outputs?",
            "lower",
            "Mean level of the outputs.",
            by_features=False,
            in_terminal=True,
        ),
    ),
)
'''


@pytest.fixture
def level(tmp_path, monkeypatch):
    """One file more in the folder of measures."""
    (tmp_path / "level.py").write_text(BRIGHTNESS)
    path = [*measures.__path__, str(tmp_path)]
    monkeypatch.setattr(measures, "__path__", path)
    all_measures.cache_clear()
    yield
    all_measures.cache_clear()
    del sys.modules["tf_i2i.evaluation.measures.level"]


@pytest.fixture
def evidence(rng):
    images = rng.integers(0, 256, (5, 8, 8, 8, 3), np.uint8)
    return Evidence(*images[:4], truth=images[4])


class Pixels:
    label = "pixels/native/00000000"

    def embed(self, images, grid):
        return images.reshape(len(images), -1).astype(np.float32)


def test_a_measure_in_one_file_is_seen_everywhere(level, evidence, tmp_path):
    assert "level" in find_recipe("quick")
    assert "level" in find_recipe("full")
    candidate = Candidate(np.full((8, 8, 8, 3), 7, np.uint8))
    judge = Judge(evidence, Pixels())
    table = judge.table({"model": candidate}, ["level"], cheats=False)
    assert table["model"] == {"level_mean": 7}
    assert "floor" not in table
    assert table["truth"]["level_mean"] == pytest.approx(evidence.truth.mean())

    head, model, *_ = report.format_summary(table).splitlines()
    assert head.split() == ["level_mean"]
    assert model.split() == ["model", "7"]

    path = tmp_path / "report.html"
    direction = report.DirectionReport("a_to_b", table)
    facts = {"features": Pixels.label}
    report.write_report(path, "Title", facts, [direction], {})
    page = path.read_text("utf-8")
    assert "<h3>How bright are the outputs?</h3>" in page
    assert 'title="level_mean: Mean level of the outputs. Lower is' in page

    text = documentation.markdown()
    assert "\n## How bright are the outputs?\n" in text
    assert "| **`level_*`** | lower | Mean level of the outputs. |" in text


def test_the_page_of_the_measures_is_that_of_the_code():
    """See `evaluation/documentation.py` for the command that writes it."""
    assert PAGE.read_text() == documentation.markdown()


def test_files_are_called_as_their_measures():
    folder = Path(measures.__file__).parent
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert files == set(all_measures())
    names = [output.name for output in all_outputs()]
    assert len(names) == len(set(names))


def test_explanations_are_sentences():
    for output in all_outputs():
        assert output.better in ("higher", "lower", "")
        assert output.text[0].isupper()
        assert output.text.endswith(".")


def test_every_method_is_scored_by_known_measures():
    for name, method in methods().items():
        assert find_recipe(name) == method.measures
        assert find_measures(method.measures)
    assert "embedding" in find_recipe("TwinGAN")
    assert "embedding" not in find_recipe("CycleGAN")


def test_unknown_names_are_refused(refuses):
    with refuses("--recipe") as caught:
        find_recipe("ful", "--recipe")
    assert "full" in str(caught.value)
    with refuses("Evaluation.recipe"):
        Evaluation(recipe="ful")
    with refuses("measures") as caught:
        find_measures(["style", "no-such"])
    assert "'no-such'" in str(caught.value)


def test_needs_say_what_is_prepared():
    assert needs_of(["style"]) == set()
    assert needs_of(["round_trip", "diversity"]) == {"returned", "several"}


def test_label_maps_are_scored_whatever_the_recipe(evidence):
    assert add_automatic(("style",), evidence) == ("style",)
    evidence.palette = np.zeros((2, 3), int)
    assert add_automatic(("style",), evidence) == ("style", "segmentation")
    evidence.source_palette = evidence.palette
    evidence.target_maps = evidence.inputs
    names = add_automatic(("segmenter",), evidence)
    assert names == ("segmenter", "segmentation")


def test_a_name_in_full_goes_before_a_pattern():
    assert explain("label_hair").name == "label_*"
    assert explain("code_label_hair").name == "code_label_*"
    assert explain("labels").name == "labels"
    assert explain("of_my_own").text == ""


def test_groups_are_in_the_order_of_the_report():
    names = in_order(["back_noise_1", "of_my_own", "fd", "score", "fd"])
    assert names == ["score", "fd", "back_noise_1", "of_my_own"]
    assert {output.group for output in all_outputs()} == set(GROUPS)


def test_which_numbers_are_better():
    lower = {"fd", "swd_32", "input_median_rank", "round_trip", "back_noise_1"}
    assert all(map(lower_is_better, lower))
    higher = {"score", "r@5", "labels", "psnr", "diversity", "map_iou"}
    assert not any(map(lower_is_better, higher))


def test_a_name_says_what_must_agree_to_compare():
    assert full_name("fd", "random-conv-0") == "fd[random-conv-0]"
    for name in ("psnr", "swd_16", "back_jpeg_75", "code_label_hair"):
        assert full_name(name, "random-conv-0") == name
