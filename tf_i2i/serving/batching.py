"""Batches of requests that wait at the same time."""

import asyncio
from concurrent.futures import ThreadPoolExecutor


class Batcher:
    """Joins items that wait at the same time, and works on them together.

    A batch consists of the items that arrived while the preceding batch was
    worked on. If nothing is worked on when an item arrives, work on this item
    begins immediately, and does not wait until a batch is full.

    All methods belong to one event loop.

    Args:
        work_fn: function `(key, items)` that returns a list of results, one for
            each item. All calls are made by one thread, one after the other.
        batch_size: largest number of items in a call of `work_fn`.
    """

    def __init__(self, work_fn, batch_size):
        self._work_fn, self._batch_size = work_fn, batch_size
        # Key -> list of pairs (item, future of its result). The key that has
        # waited longest is the first.
        self._waiting: dict[object, list[tuple]] = {}
        self._arrived = asyncio.Event()

    async def submit(self, key, item):
        """Returns the result for an item.

        An item whose caller was cancelled is not worked on.

        Args:
            key: hashable value; only items with equal keys share a batch.
            item: value for `work_fn`.

        Raises:
            Exception: what `work_fn` raised for the batch of this item.
        """
        result = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append((item, result))
        self._arrived.set()
        return await result

    async def run(self):
        """Works on batches until it is cancelled."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as thread:
            while True:
                await self._arrived.wait()
                key, batch = self._take()
                if not batch:
                    continue
                items = [item for item, _ in batch]
                try:
                    results = await loop.run_in_executor(
                        thread, self._work_fn, key, items
                    )
                except Exception as error:
                    _finish(batch, [error] * len(batch), "set_exception")
                else:
                    _finish(batch, results, "set_result")

    def _take(self):
        """Removes the next batch and returns `(key, batch)`."""
        key = next(iter(self._waiting))
        waiting = [
            (item, result)
            for item, result in self._waiting.pop(key)
            if not result.done()
        ]
        batch, rest = waiting[: self._batch_size], waiting[self._batch_size :]
        if rest:
            self._waiting[key] = rest
        if not self._waiting:
            self._arrived.clear()
        return key, batch


def _finish(batch, values, setter):
    """Sets the futures of a batch, except those that have been cancelled."""
    for (_, result), value in zip(batch, values, strict=True):
        if not result.done():
            getattr(result, setter)(value)
