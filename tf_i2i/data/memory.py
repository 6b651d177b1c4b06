"""A limit on the memory that all threads together use to decode images."""

import contextlib
import threading


class MemoryBudget:
    """An amount of memory that threads share.

    Args:
        total: the amount in bytes.
    """

    def __init__(self, total):
        self.total = total
        self._used = 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def reserved(self, amount):
        """Context in which a part of the memory is reserved.

        The thread waits until enough memory is free. A thread that needs more
        than the total waits until no other thread has reserved memory.

        Args:
            amount: number of bytes.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: not self._used or self._used + amount <= self.total
            )
            self._used += amount
        try:
            yield
        finally:
            with self._changed:
                self._used -= amount
                self._changed.notify_all()
