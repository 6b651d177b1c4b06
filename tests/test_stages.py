"""Runs that were stopped before all translators were trained."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import pytest

from tf_i2i.methods import CDFT
from tf_i2i.methods.capabilities import Classifying
from tf_i2i.methods.capabilities import Staged
from tf_i2i.runs import TrainedRun
from tf_i2i.runs import check_stage
from tf_i2i.runs import tell_phase
from tf_i2i.training.phases import Phase
from tf_i2i.training.state import TrainingState


def stopped(stage):
    stages = (*CDFT.preparing_stages, "conv5_1", "conv4_1")
    return SimpleNamespace(
        stage=stage, stages=stages, preparing_stages=CDFT.preparing_stages
    )


class Digits(Classifying, Staged):
    stage, stages = "classes", ("classes", "all")
    preparing_stages = ("classes",)

    def classify(self, images, domain):
        raise NotImplementedError

    def updates_in(self, stage):
        raise NotImplementedError


@pytest.mark.parametrize("stage", ["statistics", "inversion"])
def test_untrained_translators_are_refused(stage, refuses):
    with refuses("run_dir"):
        check_stage("runs/mine", stopped(stage))


def test_a_classifier_can_be_used_before_the_translators(capsys):
    check_stage("runs/mine", Digits())
    assert "classifier" in capsys.readouterr().err


def test_a_run_says_which_translators_are_missing(capsys):
    check_stage("runs/mine", stopped("conv5_1"))
    assert "conv4_1" in capsys.readouterr().err
    without_a_name = SimpleNamespace(
        stage="first", stages=("first", None), preparing_stages=()
    )
    check_stage("runs/mine", without_a_name)
    assert "the last stage" in capsys.readouterr().err
    check_stage("runs/mine", stopped("conv4_1"))
    assert not capsys.readouterr().err


def test_a_growing_run_says_which_phase_it_shows(capsys):
    phases = [Phase("8px", 8, 1, 5), Phase("16px", 16, 1, 5, start=5)]
    tell_phase(TrainingState(phases, images_shown=5))
    said = capsys.readouterr().err
    assert "phase 8px" in said
    assert "8 x 8 pixels" in said
    tell_phase(TrainingState(phases, images_shown=6))
    assert not capsys.readouterr().err


@pytest.mark.parametrize("shown", [0, 8])
def test_only_trained_runs_are_exported(shown, refuses):
    """A run that was stopped at once, or before its translators."""
    model = SimpleNamespace() if not shown else Digits()
    run = TrainedRun(
        Path("runs/mine"),
        config=None,
        model=model,
        phase=None,
        step=shown,
        images_shown=shown,
        data=None,
        checkpoints=None,
    )
    with refuses("run_dir"):
        run.check_trained()
    dataclasses.replace(
        run, model=SimpleNamespace(), images_shown=8
    ).check_trained()
