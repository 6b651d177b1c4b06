"""Where a run stands: its phases by the images shown, and its last step."""

import pytest

from tf_i2i.training.phases import Phase
from tf_i2i.training.state import TrainingState

PHASES = Phase.sequence(
    [Phase("4px", 4, 2, 32), Phase("8px-fade", 8, 4, 16), Phase("8px", 8, 2, 8)]
)


@pytest.mark.parametrize(
    ("shown", "following", "last"),
    [
        (0, "4px", "4px"),
        (30, "4px", "4px"),
        (32, "8px-fade", "4px"),
        (36, "8px-fade", "8px-fade"),
        (48, "8px", "8px-fade"),
        (56, "8px", "8px"),
    ],
)
def test_phases_of_the_next_and_the_last_image(shown, following, last):
    state = TrainingState(PHASES, images_shown=shown)
    assert state.next_phase().name == following
    assert state.last_phase().name == last
    assert state.finished == (shown == 56)


def test_steps_to_the_end():
    state = TrainingState(PHASES)
    assert state.steps_left() == 16
    assert state.last_step() == 16 + 4 + 4
    assert state.last_step(limit=7) == 7
    state.count_step()
    assert (state.step, state.images_shown) == (1, 2)
    assert state.steps_left() == 15
    assert state.last_step() == 24


def test_the_phase_changes_only_when_it_is_entered():
    """At its end, callbacks still belong to the phase that ended."""
    state = TrainingState(PHASES, step=15, images_shown=30)
    state.count_step()
    assert state.phase.name == "4px"
    assert state.phase_number == 1
    state.phase = state.next_phase()
    assert state.phase_number == 2
