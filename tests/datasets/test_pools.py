"""Workers that are killed. Their processes import this file, not TensorFlow."""

import os
import signal
from pathlib import Path

from tf_i2i.datasets import pools
from tf_i2i.datasets.plan import Result
from tf_i2i.datasets.plan import Shard


class Deadly:
    """A worker that is killed by the shards of a list, as long as it has any.

    The list is a file with a line for each time that a shard shall do so.
    """

    def __init__(self, path):
        self.path = Path(path)

    def __call__(self, shard):
        lines = self.path.read_text().split()
        if str(shard.number) in lines:
            lines.remove(str(shard.number))
            self.path.write_text(" ".join(lines))
            os.kill(os.getpid(), signal.SIGKILL)
        return Result(shard.number, 1, [], [])


def test_killed_workers_are_replaced(tmp_path):
    deaths = tmp_path / "deaths"
    deaths.write_text("1 1 2")
    shards = [Shard(i, (f"{i}.png",)) for i in range(4)]
    results = pools.run_local(deaths, shards, 2, make_fn=Deadly)
    assert sorted(result.number for result in results) == [0, 1, 2, 3]


def test_a_deadly_shard_is_given_up(tmp_path, refuses):
    deaths = tmp_path / "deaths"
    deaths.write_text("0 " * pools.TRIES)
    shards = [Shard(0, ("0.png",))]
    with refuses("--input"):
        list(pools.run_local(deaths, shards, 1, make_fn=Deadly))
    assert deaths.read_text().split() == []
