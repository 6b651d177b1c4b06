"""A limit on the memory that all threads together use to decode images."""

import contextlib
import math
import re
import threading
from pathlib import Path

from tf_i2i.disk import format_bytes

# Paths at which Linux says how much memory is free, and how much memory a
# container may use.
_FREE = Path("/proc/meminfo")
_CONTAINER = Path("/sys/fs/cgroup")


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

        Raises:
            ValueError: the amount is larger than the total and larger than the
                free memory. If the image were decoded anyway, the operating
                system might kill the process for lack of memory.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: not self._used or self._used + amount <= self.total
            )
            self._used += amount
        try:
            if amount > self.total:
                _check_free(amount)
            yield
        finally:
            with self._changed:
                self._used -= amount
                self._changed.notify_all()


def _check_free(amount):
    free = free_memory()
    if amount > free:
        raise ValueError(
            f"Decoding it takes {format_bytes(amount)} of memory, and "
            f"{format_bytes(free)} are free; make the image smaller."
        )


def free_memory():
    """Returns the number of bytes that this process can still use.

    The result is infinite if the system does not state the number.
    """
    free: float = math.inf
    with contextlib.suppress(OSError):
        found = re.search(r"MemAvailable: *(\d+) kB", _FREE.read_text("utf-8"))
        free = 1024 * int(found[1]) if found else free
    with contextlib.suppress(OSError, ValueError):
        most, used = (
            int((_CONTAINER / f"memory.{name}").read_text("utf-8"))
            for name in ("max", "current")
        )
        free = min(free, max(0, most - used))
    return free
