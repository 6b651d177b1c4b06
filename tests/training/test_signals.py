"""A first signal asks to stop; handlers are left as they were found."""

import os
import signal
import threading

import pytest

from tf_i2i.training.signals import StopSignals


@pytest.fixture
def received():
    """Signals that came to the handler of whoever embeds the training."""
    found = []
    before = signal.signal(signal.SIGTERM, lambda n, frame: found.append(n))
    yield found
    signal.signal(signal.SIGTERM, before)


def test_the_first_is_noted_and_the_second_passed_on(received):
    own = signal.getsignal(signal.SIGTERM)
    with StopSignals() as signals:
        assert not signals.received
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.received
        assert received == []
        os.kill(os.getpid(), signal.SIGTERM)
        assert received == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) is own


def test_handlers_are_restored_after_an_error(received):
    before = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)]
    with pytest.raises(KeyError), StopSignals():
        raise KeyError
    after = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)]
    assert after == before


def test_other_threads_leave_signals_alone():
    found = []

    def enter():
        with StopSignals() as signals:
            found.append(signals.received)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found == [False]
