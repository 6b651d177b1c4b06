"""The measure of skin: boxes of both domains, and its settings."""

import numpy as np
import pytest

from tf_i2i import configuration
from tf_i2i.evaluation.judge import Candidate
from tf_i2i.evaluation.judge import Evidence
from tf_i2i.evaluation.judge import Judge
from tf_i2i.evaluation.measures.skin import Skin
from tf_i2i.evaluation.registry import find_recipe
from tf_i2i.evaluation.validation import Evaluation

TOP, BOTTOM = "((0, 0.5, 0, 1),)", "((0.5, 1, 0, 1),)"


@pytest.fixture(autouse=True)
def _no_settings():
    configuration.clear()
    yield
    configuration.clear()


def faces(top, bottom):
    """Returns images `[N, 4, 4, 3]` of two grey levels."""
    images = np.empty((len(top), 4, 4, 3), np.uint8)
    images[:, :2] = np.reshape(top, (-1, 1, 1, 1))
    images[:, 2:] = np.reshape(bottom, (-1, 1, 1, 1))
    return images


def test_each_domain_has_its_boxes():
    levels = np.arange(10, 100, 10)
    inputs = faces(top=levels, bottom=levels[::-1])
    outputs = faces(top=levels[::-1], bottom=levels + 5)
    evidence = Evidence(inputs, *[outputs] * 3)
    bindings = [f"skin.boxes_a = {TOP}", f"skin.boxes_b = {BOTTOM}"]
    configuration.configure_measures(bindings, ["skin"])
    scores = Judge(evidence, None).score(Candidate(outputs), ["skin"])
    assert scores == pytest.approx(
        {
            "skin_rank": 1,
            "skin_shift_dark": 5,
            "skin_shift_middle": 5,
            "skin_shift_light": 5,
        }
    )
    evidence.direction = "b_to_a"
    scores = Judge(evidence, None).score(Candidate(inputs), ["skin"])
    assert scores["skin_rank"] == pytest.approx(-1)


def test_it_is_computed_if_its_name_is_given():
    assert "skin" not in find_recipe("full")
    assert find_recipe("full, skin")[-1] == "skin"
    assert find_recipe("labels,skin,labels") == ("labels", "skin")
    assert find_recipe("skin,SpriteTranslator")[:2] == ("skin", "score")


@pytest.mark.parametrize(
    "boxes", [(), ((0.1, 0.2, 0.3),), ((0.2, 0.1, 0.3, 0.4),), ((0, 2, 0, 1),)]
)
def test_boxes_that_are_none_are_refused(boxes, refuses):
    with refuses("skin.boxes_b"):
        Skin(boxes_b=boxes)


def test_wrong_settings_are_refused_before_scores_are_computed(refuses):
    def configure(binding, *measures):
        configuration.configure_measures([binding], measures)

    with refuses("--gin_param"):
        configure(f"skin.boxes_a = {TOP}", "labels")
    with refuses("--gin_param"):
        configure("train.seed = 1", "skin")
    with refuses("configuration"):
        configure(f"skin.boxes_c = {TOP}", "skin")
    with refuses("skin.boxes_a"):
        configure("skin.boxes_a = ((0.5, 0.1, 0, 1),)", "skin")
    with refuses("skin.boxes_a"):
        Evaluation(recipe="quick,skin")
    configuration.clear()
    assert Evaluation(recipe="quick,skin").recipe == "quick,skin"
