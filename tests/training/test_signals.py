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


def test_a_closed_terminal_is_a_request_to_stop():
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with StopSignals() as signals:
        os.kill(os.getpid(), signal.SIGHUP)
        assert signals.received
    assert signal.signal(signal.SIGHUP, before) == signal.SIG_DFL


def test_ignored_signals_stay_ignored():
    """As `nohup` arranges it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with StopSignals() as signals:
        os.kill(os.getpid(), signal.SIGHUP)
        assert not signals.received
    assert signal.signal(signal.SIGHUP, before) == signal.SIG_IGN


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
