"""What a run computes on, alone or with others, and in which precision."""

import contextlib
import functools
import re
import signal
import sys
import time

import numpy as np
import tensorflow as tf

from tf_i2i.errors import UserError
from tf_i2i.training.cluster import Cluster
from tf_i2i.training.cluster import read_cluster

STRATEGIES = ("auto", "none", "mirrored", "multi_worker")
PRECISIONS = ("auto", "float32", "mixed_bfloat16")


@functools.cache
def make_strategy(name):
    """The `tf.distribute` strategy of a name in `STRATEGIES`.

    One for a process: a second one over the same devices numbers its
    collective operations as the first did, and TensorFlow confuses them.

    Raises:
        UserError: "multi_worker" without a usable `TF_CONFIG`.
    """
    if name == "multi_worker":
        return _join(read_cluster(needed=True))
    gpus = tf.config.list_logical_devices("GPU")
    if name == "none" or (name == "auto" and len(gpus) < 2):
        return tf.distribute.get_strategy()
    devices = gpus or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([d.name for d in devices])


# Several processes.


def _join(cluster):
    """Waits for all workers of a cluster; a strategy over them."""
    address = cluster.addresses[cluster.own]
    others = [a for a in cluster.addresses.values() if a != address]
    print(
        f"{cluster.own} at {address}: waiting for "
        f"{', '.join(others) or 'nobody'}",
        file=sys.stderr,
        flush=True,
    )
    # TensorFlow waits without ever looking at Python's signals.
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.OpError as error:
        raise UserError(
            "`TF_CONFIG` must have a free port of this machine for "
            f"{cluster.own}, and workers that all start. "
            f"Received: {address} ({_first_line(error)})"
        ) from error
    except RuntimeError as error:
        raise UserError(
            "`train.strategy` 'multi_worker' must be set up before "
            f"TensorFlow is first used. Received: {_first_line(error)}"
        ) from error
    finally:
        signal.signal(signal.SIGINT, before)
    # It fails on collective operations, with a line of alarm, and changes
    # nothing then.
    tf.config.optimizer.set_experimental_options({"remapping": False})
    return strategy


def _first_line(error):
    return str(error).strip().partition("\n")[0]


class Workers:
    """The processes that train together; mostly this one alone.

    Each does what the others do, in the same order: they wait for each
    other in every method here and in every training step.

    Args:
        strategy: from `make_strategy`.

    Attributes:
        names: of all of them.
        chief: whether this process is the one that writes the run's files.
    """

    def __init__(self, strategy):
        self.strategy = strategy
        self.cluster = Cluster({"worker 0": "here"}, "worker 0")
        if strategy.cluster_resolver is not None:
            self.cluster = read_cluster(needed=True)
        self.names = list(self.cluster.addresses)
        self.chief = self.cluster.chief

    @property
    def count(self):
        return len(self.names)

    def gather(self, *numbers):
        """int64 `[workers, numbers]`: what each of them passed."""
        rows = np.zeros((self.count, len(numbers)), np.int64)
        rows[self.names.index(self.cluster.own)] = numbers
        if self.count == 1:
            return rows
        return self.strategy.reduce("SUM", rows, axis=None).numpy()

    def any(self, flag):
        """Whether one of them passed a true value."""
        return bool(self.gather(bool(flag)).any())

    def check_same(self, name, expected, **numbers):
        """Refuses to go on where numbers differ from worker to worker.

        Args:
            name: of the setting, for the message.
            expected: what it must be, likewise.
            **numbers: whole numbers that must be the same everywhere.

        Raises:
            UserError: on every worker, naming the first that differs.
        """
        rows = self.gather(*numbers.values())
        others = np.flatnonzero((rows != rows[0]).any(1))
        if not others.size:
            return
        told = [
            f"{self.names[i]} has "
            + ", ".join(
                f"{n} {v}" for n, v in zip(numbers, rows[i], strict=True)
            )
            for i in (0, others[0])
        ]
        raise UserError(
            f"`{name}` must be {expected}. Received: {'; '.join(told)}"
        )

    @contextlib.contextmanager
    def watched(self):
        """Within this context the loss of a worker is one line.

        TensorFlow notices at once where a connection breaks, and after ten
        seconds where nothing answers any more.

        Raises:
            UserError: in place of the errors by which it tells.
        """
        try:
            yield
        except (
            tf.errors.UnavailableError,
            tf.errors.AbortedError,
            tf.errors.CancelledError,
            tf.errors.DeadlineExceededError,
        ) as error:
            if self.count == 1:
                raise
            raise UserError(
                f"{self._lost(str(error))} stopped answering. What was saved "
                "is good: see what that worker said, and start all of them "
                "again with the same command"
            ) from error

    def _lost(self, text):
        """Whom an error is about; the chief keeps the list of the living."""
        job = r"/job:(chief|worker)(?:/replica:\d+)?/task:(\d+)"
        named = [f"{kind} {index}" for kind, index in re.findall(job, text)]
        if "CoordinationService/" in text:
            named.append(self.names[0])
        for name in named:
            if name != self.cluster.own:
                address = self.cluster.addresses[name]
                return f"{name} of {self.count} ({address})"
        return f"one of {self.count} workers"


def fastest_precision(side=1024, products=4, times=5, gain=1.2):
    """ "mixed_bfloat16" where it multiplies at least `gain` times faster."""
    seconds = {}
    for dtype in (tf.float32, tf.bfloat16):
        x = tf.ones((side, side), dtype) / side
        took = []
        for _ in range(times + 1):
            began = time.perf_counter()
            y = x
            for _ in range(products):
                y = tf.matmul(y, x)
            tf.reduce_sum(y).numpy()  # Waits, and copies one number.
            took.append(time.perf_counter() - began)
        seconds[dtype] = min(took[1:])
    faster = seconds[tf.float32] > gain * seconds[tf.bfloat16]
    return "mixed_bfloat16" if faster else "float32"
