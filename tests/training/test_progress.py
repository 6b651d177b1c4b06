"""The lines that a training prints when stderr is not a terminal."""

from types import SimpleNamespace

from tf_i2i.training.phases import Phase
from tf_i2i.training.progress import Progress


def printed(steps, capsys, *later):
    """Returns the line at the end of a phase of some steps of 8 images."""
    phase = Phase("32px", 32, 8, 8 * steps)
    state = SimpleNamespace(
        phase=phase,
        phases=[phase, *later],
        phase_number=1,
        images_shown=0,
        total_images=phase.images,
    )
    progress = Progress(state)
    progress.on_train_begin()
    for batch in range(steps):
        state.images_shown += phase.batch_size
        progress.on_train_batch_end(batch)
    progress.on_train_end()
    return capsys.readouterr().err


def test_the_speed_is_printed(capsys):
    line = printed(3, capsys)
    assert line.startswith("phase 1/1 32px at 32 px  24/24 images  ")
    assert line.endswith(" images/s  0:00 left\n")


def test_after_one_step_there_is_no_speed(capsys):
    line = printed(1, capsys)
    assert line == "phase 1/1 32px at 32 px  8/8 images\n"


def test_the_time_of_another_stage_is_not_guessed(capsys):
    other = Phase("conv5_1", 32, 8, 10**9, stage="conv5_1")
    assert printed(3, capsys, other).endswith(" 0:00 left in this phase\n")
    larger = Phase("64px", 64, 8, 10**15)
    assert not printed(3, capsys, larger).endswith(" 0:00 left\n")
