"""Phases and learning rates, by numbers that can be checked in the head."""

import pytest

from tf_i2i.errors import UserError
from tf_i2i.training.schedules import constant_then_linear
from tf_i2i.training.schedules import growing_phases
from tf_i2i.training.schedules import single_phase


def test_growing_fades_before_each_new_size_rests():
    phases = growing_phases(16, start_size=4, images=100, batch_size=10)
    names = [p.name for p in phases]
    assert names == ["4px", "8px-fade", "8px", "16px-fade", "16px"]
    assert [p.start for p in phases] == [0, 100, 200, 300, 400]
    assert [p.fading for p in phases] == [False, True, False, True, False]
    assert all(p.reset_optimizers for p in phases)


def test_paper_batch_sizes_and_image_counts():
    phases = growing_phases(256, batch_sizes={128: 4, 256: 2})
    by_size = {p.size: p.batch_size for p in phases}
    assert by_size == {4: 8, 8: 8, 16: 8, 32: 8, 64: 8, 128: 4, 256: 2}
    assert phases[-1].end == 13 * 300_000  # 4 px has no fade.


def test_phases_are_rounded_up_to_whole_batches():
    (phase,) = single_phase(32, batch_size=8, images=20)
    assert (phase.images, phase.end) == (24, 24)


def test_own_lengths_for_fades_and_the_last_rest():
    phases = growing_phases(
        8, start_size=4, images=8, fade_images=16, last_images=24, batch_size=8
    )
    assert [p.images for p in phases] == [8, 16, 24]


def test_sizes_must_double():
    with pytest.raises(UserError, match=r"start_size=6, image_size=16"):
        growing_phases(16, start_size=6)


def test_constant_then_linear():
    (phase,) = single_phase(32, batch_size=1, images=100)
    factors = [constant_then_linear(i, phase) for i in (0, 50, 75, 100)]
    assert factors == [1.0, 1.0, 0.5, 0.0]
