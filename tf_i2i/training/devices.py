"""The devices and processes that a run computes on, and its precision."""

import contextlib
import functools
import re
import signal
from pathlib import Path

import numpy as np
import tensorflow as tf

from tf_i2i import messages
from tf_i2i.errors import UserError
from tf_i2i.training.cluster import Cluster
from tf_i2i.training.cluster import read_cluster

STRATEGIES = ("auto", "none", "mirrored", "multi_worker")
PRECISIONS = ("auto", "float32", "mixed_bfloat16", "mixed_float16")


@functools.cache
def make_strategy(name):
    """Returns the `tf.distribute` strategy with a given name.

    The strategy is cached, so that a process has at most one strategy of each
    name. A second strategy over the same devices would give its collective
    operations the same numbers as the first, and TensorFlow would confuse the
    operations.

    Args:
        name: one of `STRATEGIES`.

    Raises:
        UserError: the name is "multi_worker" and `TF_CONFIG` is not usable.
    """
    if name == "multi_worker":
        return _join(read_cluster(needed=True))
    gpus = tf.config.list_logical_devices("GPU")
    if name == "none" or (name == "auto" and len(gpus) < 2):
        return tf.distribute.get_strategy()
    devices = gpus or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([d.name for d in devices])


# The following functions and classes are for training with several processes.


def _join(cluster):
    """Waits for all workers of a cluster, and returns a strategy over them."""
    address = cluster.addresses[cluster.own]
    others = [a for a in cluster.addresses.values() if a != address]
    messages.info(
        f"{cluster.own} at {address}: waiting for "
        f"{', '.join(others) or 'nobody'}"
    )
    # The system's default handler of SIGINT is set, so that Ctrl-C ends the
    # process. While TensorFlow waits, Python cannot run its own handler.
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.OpError as error:
        raise UserError(
            f"`TF_CONFIG` must give {cluster.own} a free port on this "
            "machine, and every worker in `TF_CONFIG` must be running. "
            f"Received: {address} ({_first_line(error)})"
        ) from error
    except RuntimeError as error:
        raise UserError(
            "`train.strategy` 'multi_worker' must be set up before "
            f"TensorFlow is first used. Received: {_first_line(error)}"
        ) from error
    finally:
        signal.signal(signal.SIGINT, before)
    # This pass of TensorFlow's graph optimizer is switched off, because it
    # fails on collective operations. The pass would print an error and change
    # nothing.
    tf.config.optimizer.set_experimental_options({"remapping": False})
    return strategy


def _first_line(error):
    return str(error).strip().partition("\n")[0]


class Workers:
    """The processes that train a run together, or the only process.

    Some methods of this class and the training step exchange data with the
    other processes, and wait for them. Therefore all processes must call these
    methods and the training step in the same order.

    Args:
        strategy: strategy from `make_strategy`.

    Attributes:
        names: list of the names of all workers.
        chief: whether this process is the chief, which writes the run's files.
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
        """Number of workers."""
        return len(self.names)

    def gather(self, *numbers):
        """Returns the numbers of all workers, int64 `[workers, N]`.

        Args:
            *numbers: N whole numbers of this worker.
        """
        rows = np.zeros((self.count, len(numbers)), np.int64)
        rows[self.names.index(self.cluster.own)] = numbers
        if self.count == 1:
            return rows
        return self.strategy.reduce("SUM", rows, axis=None).numpy()

    def any(self, flag):
        """Returns whether `flag` is true on at least one worker."""
        return bool(self.gather(bool(flag)).any())

    def check_same(self, name, expected, **numbers):
        """Raises an error if numbers differ between the workers.

        Args:
            name: name of the setting in the error message.
            expected: text in the error message that says what the setting
                must be.
            **numbers: whole numbers that must be the same on all workers.

        Raises:
            UserError: the numbers differ. The error is raised on every worker
                and names the first worker whose numbers differ.
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
        """Context in which a lost worker causes a `UserError`.

        TensorFlow detects a broken connection immediately. TensorFlow needs ten
        seconds to detect a worker that no longer answers.

        Raises:
            UserError: another worker is lost. This error replaces
                TensorFlow's error.
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
                f"{self._lost(str(error))} stopped answering. Read the output "
                "of that worker, and start all workers again with the same "
                "command. They continue from the last undamaged checkpoint"
            ) from error

    def _lost(self, text):
        """Returns a text that names the worker that was lost.

        If the coordination service failed, the lost worker is the chief,
        because the chief runs that service.

        Args:
            text: message of TensorFlow's error.
        """
        job = r"/job:(chief|worker)(?:/replica:\d+)?/task:(\d+)"
        named = [f"{kind} {index}" for kind, index in re.findall(job, text)]
        if "CoordinationService/" in text:
            named.append(self.names[0])
        for name in named:
            if name != self.cluster.own:
                address = self.cluster.addresses[name]
                return f"{name} of {self.count} ({address})"
        return f"one of {self.count} workers"


# Processor features, as Linux names them, with which bfloat16 numbers are
# multiplied faster than float32 numbers: Intel's matrix unit AMX, and Arm SVE.
_BFLOAT16_FEATURES = {"amx_bf16", "svebf16"}
# AMD's processors with this feature multiply bfloat16 numbers faster than
# float32 numbers. Intel's processors have only half as many units for this
# feature as for float32. Therefore bfloat16 is faster on Intel's processors
# only with AMX, which a virtual machine may hide.
_AVX512_BFLOAT16 = "avx512_bf16"
_INTEL = "GenuineIntel"
_CPU_INFO = Path("/proc/cpuinfo")
# The first NVIDIA GPUs with bfloat16 have this compute capability.
_BFLOAT16_CAPABILITY = (8, 0)


def fastest_precision():
    """Returns the faster precision for training on this machine.

    The choice depends on the features of the GPUs or, without GPUs, on those of
    the processor. If /proc/cpuinfo does not list the processor's features, the
    result is "float32".

    Returns:
        "mixed_bfloat16" if the devices multiply bfloat16 numbers faster than
        float32 numbers, else "float32".
    """
    gpus = tf.config.list_physical_devices("GPU")
    fast = all(map(_multiplies_bfloat16, gpus)) if gpus else _cpu_is_fast()
    return "mixed_bfloat16" if fast else "float32"


def compiles_by_xla(setting):
    """Returns whether XLA compiles the training step on this machine.

    Args:
        setting: `train.jit_compile`: True, False, or "auto" for GPUs only.
    """
    if setting == "auto":
        return bool(tf.config.list_physical_devices("GPU"))
    return setting


def _multiplies_bfloat16(gpu):
    details = tf.config.experimental.get_device_details(gpu)
    return details.get("compute_capability", (0, 0)) >= _BFLOAT16_CAPABILITY


def _cpu_is_fast():
    try:
        words = set(_CPU_INFO.read_text("utf-8", "replace").split())
    except OSError:
        return False
    if _AVX512_BFLOAT16 in words and _INTEL not in words:
        return True
    return not _BFLOAT16_FEATURES.isdisjoint(words)
