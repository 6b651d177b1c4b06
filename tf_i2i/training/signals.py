"""Handles signals as a request to stop after the current step.

The signals are SIGTERM, SIGINT (sent by Ctrl-C) and SIGHUP (sent when the
terminal is closed).
"""

import signal
import threading

_NUMBERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class StopSignals:
    """Context in which the first signal is only a request to stop.

    The earlier signal handlers are restored after the first signal, so that a
    second signal ends the process immediately. The earlier handlers are also
    restored at the end of the context. Outside the main thread the context does
    nothing, because Python allows signal handlers in the main thread only.

    Attributes:
        received: whether this process has received a signal.
    """

    def __init__(self):
        self.received = False
        self._before = {}

    def __enter__(self):
        if threading.current_thread() is not threading.main_thread():
            return self
        for number in _NUMBERS:
            # Two kinds of handlers are not replaced. A handler of None was not
            # set by Python, and could not be restored later. A signal that is
            # ignored, such as SIGHUP under `nohup`, must stay ignored.
            if signal.getsignal(number) not in (None, signal.SIG_IGN):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error):
        self._restore()

    def _note(self, number, frame):
        self.received = True
        self._restore()

    def _restore(self):
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
