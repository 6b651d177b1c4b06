"""The validation scores of a run, and the rates that they lead to."""

import json
import shutil

import pytest
from test_run import assert_same_state
from test_run import single  # noqa: F401
from test_run import state

from tf_i2i import train
from tf_i2i.training import callbacks
from tf_i2i.training.phases import Phase
from tf_i2i.training.score_history import ScoreHistory


def test_a_resumed_run_leaves_out_later_scores(tmp_path):
    history = ScoreHistory(tmp_path)
    history.read(0)
    for images in (10, 20, 30):
        history.add(images, images / 100)
    resumed = ScoreHistory(tmp_path)
    resumed.read(20)
    phase = Phase("8px", 8, 10, 100, start=10)
    assert history.of_phase(phase) == (0.2, 0.3)
    assert resumed.of_phase(phase) == (0.2,)


@pytest.mark.parametrize("content", ["[[1, 2", "[1]", "{}x", '[["a", 1]]'])
def test_a_damaged_file_is_refused(content, tmp_path, refuses):
    (tmp_path / "scores.json").write_text(content)
    with refuses("run_dir"):
        ScoreHistory(tmp_path).read(0)


class Worsening:
    """A validation that finds each step worse than the one before."""

    def __init__(self, model, *_):
        self.model = model

        class features:
            label = "none"

        self.features = features

    def scores(self):
        return {}, []

    def value(self, scores):
        return -float(self.model.step)


def test_rates_of_a_resumed_run(single, tmp_path, monkeypatch, eagerly):  # noqa: F811
    monkeypatch.setattr(callbacks, "Validation", Worsening)
    params = [
        "train.schedule = @plateau",
        "plateau.patience = 1",
        "train.evaluation = @Evaluation()",
        "Evaluation.kimg = .002",
    ]
    argv = [single(tmp_path / name, params) for name in ("whole", "killed")]
    write = callbacks.Log._write

    def write_and_copy(log):
        write(log)
        if log.state.step == 4:  # The last checkpoint is of step 3.
            shutil.copytree(tmp_path / "whole", tmp_path / "killed")

    with monkeypatch.context() as patch, eagerly():
        patch.setattr(callbacks.Log, "_write", write_and_copy)
        train.main(argv[0])
        assert state(tmp_path / "killed")[0] == "step-000000003.weights.h5"
        patch.setattr(callbacks.Log, "_write", write)
        train.main(argv[1])
    assert_same_state(tmp_path / "whole", tmp_path / "killed")
    rows = json.loads((tmp_path / "killed" / "scores.json").read_text())
    assert rows == [[2, -1], [4, -2], [6, -3], [8, -4]]
    # The scores of steps 2 and 3 were not better than that of step 1.
    _, arrays = state(tmp_path / "killed")
    assert arrays["optimizer/vars/1"] == pytest.approx(0.001 / 4)
