"""What a run computes on, and in which precision."""

import functools
import time

import tensorflow as tf

STRATEGIES = ("auto", "none", "mirrored")


@functools.cache
def make_strategy(name):
    """The `tf.distribute` strategy of a name in `STRATEGIES`.

    One for a process: a second one over the same devices numbers its
    collective operations as the first did, and TensorFlow confuses them.
    """
    gpus = tf.config.list_logical_devices("GPU")
    if name == "none" or (name == "auto" and len(gpus) < 2):
        return tf.distribute.get_strategy()
    devices = gpus or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([d.name for d in devices])


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
