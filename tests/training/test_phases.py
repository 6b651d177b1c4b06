"""Phases and learning rates, by numbers that can be checked in the head."""

from types import SimpleNamespace

import numpy as np
import pytest

from tf_i2i.training.phases import Phase
from tf_i2i.training.phases import cascade_phases
from tf_i2i.training.phases import class_phases
from tf_i2i.training.phases import constant_then_linear
from tf_i2i.training.phases import cosine
from tf_i2i.training.phases import growing_phases
from tf_i2i.training.phases import plateau
from tf_i2i.training.phases import single_phase
from tf_i2i.training.phases import step_decay
from tf_i2i.training.phases import warm_up


def model(*sizes):
    """What phases read of a model that trains these sizes."""
    return SimpleNamespace(sizes=sizes, image_size=sizes[-1])


def test_growing_fades_before_each_new_size_rests():
    phases = growing_phases(model(4, 8, 16), images=100, batch_size=10)
    names = [p.name for p in phases]
    assert names == ["4px", "8px-fade", "8px", "16px-fade", "16px"]
    assert [p.start for p in phases] == [0, 100, 200, 300, 400]
    assert [p.fading for p in phases] == [False, True, False, True, False]
    assert all(p.reset_optimizers for p in phases)


def test_paper_batch_sizes_and_image_counts():
    phases = growing_phases(
        model(4, 8, 16, 32, 64, 128, 256), batch_sizes={128: 4, 256: 2}
    )
    by_size = {p.size: p.batch_size for p in phases}
    assert by_size == {4: 8, 8: 8, 16: 8, 32: 8, 64: 8, 128: 4, 256: 2}
    assert phases[-1].end == 13 * 300_000  # 4 px has no fade.


def test_phases_are_rounded_up_to_whole_batches():
    (phase,) = single_phase(model(32), batch_size=8, images=20)
    assert (phase.images, phase.end) == (24, 24)


def test_own_lengths_for_fades_and_the_last_rest():
    phases = growing_phases(
        model(4, 8), images=8, fade_images=16, last_images=24, batch_size=8
    )
    assert [p.images for p in phases] == [8, 16, 24]


def test_a_model_of_one_size_does_not_grow():
    assert [p.name for p in growing_phases(model(32))] == ["32px"]


def test_classes_come_first():
    phases = class_phases(
        model(32),
        class_images=12,
        pseudo_label_images=8,
        class_batch_size=4,
        images=20,
        batch_size=8,
    )
    found = [(p.stage, p.batch_size, p.start, p.end) for p in phases]
    assert found == [
        *(("classes", 4, 0, 12), ("pseudo_labels", 4, 12, 20)),
        (None, 8, 20, 44),
    ]
    (only,) = class_phases(model(32), images=16)
    assert (only.stage, only.images) == (None, 16)


def test_cascades_need_a_model_with_stages(refuses):
    with refuses("train.phases"):
        cascade_phases(model(32))


def test_constant_then_linear():
    (phase,) = single_phase(model(32), batch_size=1, images=100)
    factors = [constant_then_linear(i, phase) for i in (0, 50, 75, 100)]
    assert factors == [1.0, 1.0, 0.5, 0.0]


SHOWN = (100, 150, 175, 200)


@pytest.mark.parametrize(
    ("schedule", "settings", "expected"),
    [
        (cosine, {}, (1, 0.5, (1 - 0.5**0.5) / 2, 0)),
        (cosine, {"final": 0.5}, (1, 0.75, 0.75 - 0.5**2.5, 0.5)),
        (step_decay, {}, (1, 0.1, 0.01, 0.01)),
        (step_decay, {"shares": (0.6,), "factor": 0.5}, (1, 1, 0.5, 0.5)),
        (warm_up, {"images": 60}, (1 / 6, 1, 1, 1)),
        (warm_up, {"images": 80, "then": cosine}, (0.125, 0.375, 0.1464, 0)),
    ],
)
def test_schedules_of_a_later_phase(schedule, settings, expected):
    phase = Phase("64px", 64, 10, 100, start=100)
    factors = [schedule(shown, phase, **settings) for shown in SHOWN]
    np.testing.assert_allclose(factors, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ((), 1),
        ((1, 2, 3, 4), 1),
        ((5, 4), 1),
        ((5, 4, 5), 0.5),
        ((5, 4, 4, 6, 5), 0.5),
        ((5, 4, 4, 6, 5, 5), 0.25),
        ((5, 4, 4, 4, 4, 4, 4), 0.2),
    ],
)
def test_a_plateau_lowers_the_rates(scores, expected):
    phase = Phase("64px", 64, 10, 100, scores=scores)
    assert plateau(0, phase, patience=2, least=0.2) == expected


def test_a_plateau_needs_scores(refuses):
    with refuses("train.evaluation"):
        plateau(0, Phase("64px", 64, 10, 100))
