"""The experiments of the papers, as rows of the lab."""

import importlib
from pathlib import Path

import pytest

QUALITY = Path(__file__).parents[1] / "benchmarks" / "quality"


@pytest.fixture
def papers(monkeypatch):
    monkeypatch.syspath_prepend(QUALITY)
    return importlib.import_module("papers")


def test_every_experiment_shows_its_rows_beside_the_paper(papers):
    for name, experiment in papers.EXPERIMENTS.items():
        assert set(experiment.rows.values()) <= set(papers.lab.ROWS), name
        assert set(experiment.paper) <= set(experiment.rows), name
        lines = papers.table(experiment).splitlines()
        assert len(lines) == 2 + len(experiment.rows)
        assert len({line.count("|") for line in lines}) == 1


def test_recorded_numbers_are_shown_and_missing_ones_are_named(
    papers, monkeypatch, tmp_path
):
    results = tmp_path / "results.jsonl"
    line = (
        '{"row": "%s", "seed": %d, "images_shown": 40, "minutes": 2.0, '
        '"a_to_b": {"model": {"fd[x]": %f}}}\n'
    )
    results.write_text(
        line % ("cyclegan", 0, 9.0)
        + line % ("cyclegan", 0, 1.0)
        + line % ("cyclegan", 1, 3.0)
    )
    monkeypatch.setattr(papers.lab, "RESULTS", results)
    experiment = papers.Experiment(
        "", {"CycleGAN": "cyclegan", "UNIT": "unit"}, ("fd",), "", {"UNIT": "5"}
    )
    # The latest result of each seed counts: the mean of 1 and 3 is 2.
    assert papers.table(experiment).splitlines()[2:] == [
        "| CycleGAN | 2 | 40 | 2 ± 0 | 2 ± 1.4 |  |",
        "| UNIT | not run |  |  |  | 5 |",
    ]
