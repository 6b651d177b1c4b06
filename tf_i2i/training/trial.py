"""Measures the memory and time of a run by a few steps of its largest phase."""

import math
import statistics
import sys
import time

import tensorflow as tf

from tf_i2i.sizes import image_shape
from tf_i2i.sizes import short_side
from tf_i2i.training.weights_file import size_of

# The measurement ends after this number of steps, or after the step in which
# this number of seconds has passed.
_STEPS, _SECONDS = 5, 10
# Ends of the names of the settings that `doctor` advises to lower if a step
# needs too much memory.
_MATTER = (".batch_size", ".batch_sizes", ".width", "train.image_size")


def largest_phase(phases):
    """Returns the phase with the largest images.

    If several phases have images of this size, the result is the one with the
    largest batch.
    """
    return max(
        phases, key=lambda phase: (short_side(phase.size), phase.batch_size)
    )


def plan(run):
    """Returns what is known about a run before its first step.

    Args:
        run: `OpenedRun`.

    Returns:
        Dictionary that JSON can represent. It contains settings of the run and
        sizes in pixels. `checkpoint_bytes` is the size of one checkpoint.
        `settings` is a dictionary of the settings on which the memory of a
        step depends. `can_recompute` says whether `train.recompute` is False
        and could be True.
    """
    config, phase = run.config, largest_phase(run.phases)
    return {
        "image_size": config.image_size,
        "load_size": config.load_size("a"),
        "fit": config.fit,
        "max_bad_fraction": config.max_bad_fraction,
        "data": config.data,
        "precision": config.precision,
        "phase": phase.name,
        "batch_size": phase.batch_size,
        "checkpoint_bytes": size_of(run.model),
        # While a new checkpoint is written, there is one checkpoint more than
        # the run keeps.
        "checkpoints": config.keep + 1,
        "can_recompute": bool(run.model.recomputable) and not config.recompute,
        "settings": {
            name: value
            for name, value in run.bindings.items()
            if name.endswith(_MATTER)
        },
    }


def measure(run):
    """Returns the memory and time of training steps of the largest phase.

    The steps are made on random images. The function should run in a separate
    process, because it returns the peak memory of the whole process.

    Args:
        run: `OpenedRun`, whose model's weights are changed.

    Returns:
        Dictionary. `first_step` is the time in seconds of the first step,
        which includes tracing, and `step` is the time of a later step.
        `memory` and `gpu_memory` are the peak memory in bytes of the process
        and of one GPU, or None if unknown. `hours` is an estimate of the time
        of the whole run.
    """
    model = run.model
    phase = largest_phase(run.phases)
    model.enter_phase(**phase.path)
    shape = (phase.batch_size, *image_shape(phase.size))
    images = tf.random.uniform(shape, -1, 1)
    batch = (images, images, *model.blank_labels(phase.batch_size))
    data = tf.data.Dataset.from_tensors(batch).repeat()
    iterator = iter(run.workers.strategy.experimental_distribute_dataset(data))
    train_step = model.make_train_function()

    def timed():
        began = time.perf_counter()
        train_step(iterator)
        # Reading the counter waits until the device has finished the step.
        model.step.numpy()
        return time.perf_counter() - began

    first, took = timed(), [timed()]
    while len(took) < _STEPS and sum(took) < _SECONDS:
        took.append(timed())
    step = statistics.median(took)
    return {
        "first_step": first,
        "step": step,
        "memory": _peak_memory(),
        "gpu_memory": _peak_gpu_memory(),
        "hours": estimated_seconds(run.phases, step, run.config.steps) / 3600,
    }


def estimated_seconds(phases, step, steps=None):
    """Returns an estimate of the seconds for all phases.

    The estimate assumes that the time per image is proportional to the side of
    the images and not to their area, because progressively growing networks
    have few channels at large sizes. For example, a training step of an earlier
    version of TwinGAN took 78, 169 and 317 ms at 16, 32 and 64 px on two CPU
    cores.

    Args:
        phases: list of `Phase`.
        step: time in seconds of a step of the largest phase.
        steps: step at which the run ends, or None for the end of the last
            phase.
    """
    largest = largest_phase(phases)
    side_batch = step / (short_side(largest.size) * largest.batch_size)
    seconds, left = 0.0, math.inf if steps is None else steps
    for phase in phases:
        count = min(left, phase.images / phase.batch_size)
        side = short_side(phase.size)
        seconds += count * side * phase.batch_size * side_batch
        left -= count
    return seconds


def _peak_memory():
    try:
        import resource
    except ImportError:  # The module `resource` does not exist on Windows.
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _peak_gpu_memory():
    peaks = [
        tf.config.experimental.get_memory_info(gpu.name)["peak"]
        for gpu in tf.config.list_logical_devices("GPU")
    ]
    return max(peaks, default=None)
