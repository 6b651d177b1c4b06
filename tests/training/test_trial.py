"""What a trial concludes from the phases of a run; it runs in test_doctor."""

import pytest

from tf_i2i.training import trial
from tf_i2i.training.phases import Phase

PHASES = Phase.sequence(
    [
        Phase("16px", 16, 8, 800),  # 100 steps, each a quarter of the last.
        Phase("32px-fade", 32, 8, 400, fading=True),  # 50, each a half.
        Phase("32px", 32, 16, 800),  # 50.
        Phase("16px-more", 16, 16, 320),  # 20, each a half.
    ]
)


def test_the_largest_images_and_then_the_largest_batch():
    assert trial.largest_phase(PHASES).name == "32px"


@pytest.mark.parametrize(
    ("steps", "expected"),
    [(None, 25 + 25 + 50 + 10), (100, 25), (110, 30), (1000, 110)],
)
def test_seconds_of_a_run(steps, expected):
    assert trial.estimated_seconds(PHASES, 1.0, steps) == expected
    assert trial.estimated_seconds(PHASES, 3.0, steps) == 3 * expected
