"""The table of cheats, on hidden pairs of toy faces."""

import dataclasses

import numpy as np
import pytest

from tf_i2i.data import toy_faces
from tf_i2i.evaluation.baselines import baselines
from tf_i2i.evaluation.baselines import blur
from tf_i2i.evaluation.baselines import recolour
from tf_i2i.evaluation.judge import Candidate
from tf_i2i.evaluation.judge import Evidence
from tf_i2i.evaluation.judge import Judge
from tf_i2i.evaluation.registry import find_recipe
from tf_i2i.features import load_features
from tf_i2i.metrics import gate

PAIRS, TRAIN = 96, 256


def labels(people):
    hair = toy_faces.attributes(people)["hair_color"]
    return hair.astype(np.int64)


@pytest.fixture(scope="module")
def evidence():
    pairs = np.arange(PAIRS)
    train_a = PAIRS + 2 * np.arange(TRAIN)
    target = toy_faces.render("b", pairs, 32)
    return Evidence(
        inputs=toy_faces.render("a", pairs, 32),
        target_test=target,
        target_train=toy_faces.render("b", train_a + 1, 32),
        source_train=toy_faces.render("a", train_a, 32),
        truth=target,
        labels={"hair": labels(pairs)},
        target_labels={"hair": (labels(train_a + 1), labels(pairs))},
    )


@pytest.fixture(scope="module")
def judge(evidence):
    return Judge(evidence, load_features("random-conv"))


@pytest.fixture(scope="module")
def table(judge, evidence):
    """Scores of a translator that draws the right cartoon, tinted a little."""
    outputs = np.clip(evidence.truth.astype(np.int32) - 6, 0, 255)
    candidate = Candidate(outputs.astype(np.uint8), returned=evidence.inputs)
    return judge.table(
        {"model": candidate}, (*find_recipe("quick"), "labels", "round_trip")
    )


def test_no_cheat_passes_the_gate_and_the_truth_does(table):
    scores = {row: s["score"] for row, s in table.items() if "score" in s}
    assert set(scores) == {
        *("model", "truth", "copy", "colours", "blur", "nearest"),
        *("random", "mean", "commonest", "white"),
    }
    assert scores.pop("truth") == 1
    assert scores.pop("model") > 0.8
    assert max(scores.values()) < 0.1


def test_what_betrays_each_cheat(table):
    assert table["copy"]["style"] == table["colours"]["style"] == 0
    assert table["blur"]["style"] == 0
    assert table["random"]["content"] == 0
    assert table["nearest"]["copy_rate"] == table["random"]["copy_rate"] == 1
    assert table["mean"]["content"] < 0.1 > table["white"]["content"]
    # What distances between sets alone would make of it.
    assert table["random"]["fd"] < table["model"]["fd"] * 3
    assert table["floor"]["fd"] < table["copy"]["fd"] / 5


def test_numbers_of_the_truth_and_of_a_round_trip(table):
    assert table["truth"]["r@1"] == 1
    assert table["truth"]["called_b"] > 0.95
    assert table["truth"]["label_hair"] > 2 * table["random"]["label_hair"]
    assert table["model"]["round_trip"] == 0
    assert table["model"]["returned_r@1"] == 1
    assert "round_trip" not in table["truth"]
    assert table["model"]["change"] == pytest.approx(
        table["truth"]["change"], rel=0.1
    )


def test_who_comes_back_must_be_who_went(judge, evidence):
    others = np.roll(evidence.inputs, 1, axis=0)
    candidate = Candidate(evidence.truth, returned=others)
    scores = judge.score(candidate, ["round_trip"])
    assert scores["returned_r@1"] == 0
    assert scores["returned_r@5"] < 0.3
    assert scores["round_trip"] > 10


class Counting:
    """Features that count the images they are asked for."""

    name = label = "counting"
    weights_sha256, embedding = "0", ("x",)

    def __init__(self):
        self.embedded = []

    def embed(self, images, grid):
        self.embedded.append(len(images))
        small = images[:, ::8, ::8].reshape(len(images), -1)
        return small.astype(np.float32)


def test_next_evaluation_computes_what_depends_on_the_candidate(
    evidence, monkeypatch, tmp_path
):
    """Real images and cheats are read from the cache, even after damage."""
    monkeypatch.setenv("TF_I2I_CACHE", str(tmp_path))
    fields = ("inputs", "target_test", "target_train", "source_train")
    few = Evidence(*(getattr(evidence, name)[:16] for name in fields))
    made = {"model": Candidate(255 - few.target_test)}

    def evaluate(evidence, seed=0):
        features = Counting()
        judge = Judge(evidence, features, seed, use_cache=True)
        return judge.table(made, ("style",)), features.embedded

    first, embedded = evaluate(few)
    again, embedded_again = evaluate(dataclasses.replace(few))
    assert again == first
    assert embedded_again == [16] != embedded
    changed = dataclasses.replace(few, inputs=255 - few.inputs)
    assert evaluate(changed)[0]["copy"] != first["copy"]
    assert evaluate(few, seed=1)[0]["random"] != first["random"]
    for path in (tmp_path / "scores").iterdir():
        path.write_bytes(path.read_bytes()[:-90])
    assert evaluate(few)[0] == first


def test_tables_leave_nothing_behind_and_cheats_are_scored_once(evidence):
    """Training asks for one table after the other, for hours."""
    features = Counting()
    judge = Judge(evidence, features)
    tables, asked, kept = [], [], []
    for _ in range(3):
        made = Candidate(255 - evidence.truth)
        tables.append(judge.table({"model": made}, find_recipe("quick")))
        asked.append(len(features.embedded))
        kept.append(len(judge._made))
    assert tables[0] == tables[1] == tables[2]
    # The same few for each table: those of its own candidate.
    assert asked[2] - asked[1] == asked[1] - asked[0] == kept[0] == 2
    assert kept[0] == kept[1] == kept[2]


def test_without_pairs_the_input_must_be_found_again(evidence):
    alone = Evidence(
        evidence.inputs,
        evidence.target_test,
        evidence.target_train,
        evidence.source_train,
    )
    judge = Judge(alone, load_features("random-conv"))
    table = judge.table(
        {"model": Candidate(evidence.truth)}, find_recipe("quick"), cheats=False
    )
    assert list(table) == ["model", "copy", "random"]
    assert table["copy"]["input_r@5"] == 1
    assert table["copy"]["score"] == table["random"]["score"] == 0
    assert 0 < table["model"]["score"] < 1


def test_where_a_copy_finds_nobody_the_truth_is_the_measure(evidence):
    negative = Evidence(
        evidence.inputs,
        255 - evidence.inputs,
        255 - evidence.source_train,
        evidence.source_train,
        truth=255 - evidence.inputs,
    )
    judge = Judge(negative, load_features("random-conv"))
    half = 255 - evidence.inputs
    half[PAIRS // 2 :] = negative.target_train[: PAIRS - PAIRS // 2]
    rows = {"model": Candidate(255 - evidence.inputs), "half": Candidate(half)}
    table = judge.table(
        rows, ("style", "content", "copying", "score"), cheats=False
    )
    assert table["copy"]["r@5"] <= table["random"]["r@5"]
    assert table["model"]["content"] == table["truth"]["content"] == 1
    assert 0.4 < table["half"]["content"] < 0.6


def test_sets_that_do_not_belong_to_inputs_have_no_content(judge, evidence):
    scores = judge.score(
        Candidate(evidence.target_train, aligned=False),
        ("content", "paired", "checks", "labels", "style"),
    )
    assert {"called_b", "fd"} <= scores.keys()
    assert not {"r@5", "psnr", "change", "labels"} & scores.keys()


def test_codes_must_hold_labels_and_not_only_be_alike(judge, evidence):
    hair = labels(np.arange(PAIRS))
    shared = np.eye(hair.max() + 1)[hair]
    useless = np.random.default_rng(0).normal(size=shared.shape)
    scores = {
        name: judge.score(
            Candidate(evidence.truth, codes=(code, code, code)), ["embedding"]
        )
        for name, code in {"shared": shared, "useless": useless}.items()
    }
    for found in scores.values():
        assert found["code_a_distance"] < 0.4
        assert found["code_labels"] == found["code_label_hair"]
    assert scores["shared"]["code_labels"] > 0.9
    assert scores["useless"]["code_labels"] < 0.4


def test_label_maps_are_read_by_their_colours(evidence):
    """Half of the truth's pixels are sky; the output calls all of them so."""
    palette = np.array([[0, 0, 255], [0, 255, 0], [255, 0, 0]])
    truth = np.zeros((8, 32, 32, 3), np.uint8)
    truth[:, :16], truth[:, 16:] = palette[0], palette[1]
    maps = Evidence(*[evidence.inputs[:8]] * 4, truth, palette=palette)
    sky = np.full_like(truth, palette[0] + [9, 9, -9])
    judge = Judge(maps, load_features("random-conv"))
    assert judge.score(Candidate(sky), ["segmentation"]) == pytest.approx(
        {
            "map_pixel": 1 / 2,
            "map_class": (1 + 0 + 0) / 3,
            "map_iou": (1 / 2 + 0 + 0) / 3,
            "map_iou_present": (1 / 2 + 0) / 2,
            "map_matched": 1 / 2,
        }
    )


def test_too_few_images_are_refused(evidence, refuses):
    few = Evidence(evidence.inputs[:3], *[evidence.target_test] * 3)
    with refuses("inputs"):
        Judge(few, load_features("random-conv"))


def test_colours_and_blur_by_hand():
    x = np.uint8([[[[0, 0, 0]], [[100, 100, 100]]]])  # Mean 50, deviation 50.
    y = np.uint8([[[[100, 0, 0]], [[120, 0, 200]]]])
    assert recolour(x, y).tolist() == [[[[100, 0, 0]], [[120, 0, 200]]]]
    spot = np.zeros((1, 64, 64, 3), np.uint8)
    spot[0, 32, 32] = 255
    assert 0 < blur(spot).max() < 128


def test_baselines_have_one_output_for_each_input(evidence):
    rows = baselines(evidence)
    assert {len(o) for name, o in rows.items() if name != "floor"} == {PAIRS}
    assert gate(
        called_b=0.5,
        called_b_copy=0,
        called_b_truth=1,
        recall=0.5,
        recall_copy=1,
        recall_random=0,
        copy_rate=0.05,
    )["score"] == pytest.approx(0.5)
