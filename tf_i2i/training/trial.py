"""Measures what a run will need, by a few steps of its largest phase."""

import math
import statistics
import sys
import time

import tensorflow as tf

from tf_i2i.training.weights_file import size_of

# Limits of the measurement: it ends after this many steps, or after the step
# in which this many seconds have passed.
_STEPS, _SECONDS = 5, 10
# Ends of the names of settings that decide how much memory a step needs.
_MATTER = (".batch_size", ".batch_sizes", ".width", "train.image_size")


def largest_phase(phases):
    """Returns the phase of the largest images.

    Of several, it is the one with the largest batch.
    """
    return max(phases, key=lambda phase: (phase.size, phase.batch_size))


def plan(run):
    """Returns what is known about a run before its first step.

    Args:
        run: `OpenedRun`.

    Returns:
        Dictionary that JSON can represent: settings of the run; sizes in
        pixels; `checkpoint_bytes`, the size of one checkpoint; and
        `settings`, a dictionary of the settings that decide how much memory
        a step needs.
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
        "checkpoints": config.keep + 1,  # Plus the one being written.
        "settings": {
            name: value
            for name, value in run.bindings.items()
            if name.endswith(_MATTER)
        },
    }


def measure(run):
    """Trains a few steps of the largest phase on random images, and measures.

    It should run in a process of its own, because it returns the peak memory
    of the whole process.

    Args:
        run: `OpenedRun`; its model's weights are changed.

    Returns:
        Dictionary: `first_step` and `step`, seconds of the first step, which
        includes tracing, and of a later one; `memory` and `gpu_memory`, the
        peak memory in bytes of the process and of one GPU, None if unknown;
        `hours`, an estimate for the whole run.
    """
    model = run.model
    phase = largest_phase(run.phases)
    model.enter_phase(**phase.path)
    shape = (phase.batch_size, phase.size, phase.size, 3)
    images = tf.random.uniform(shape, -1, 1)
    batch = (images, images, *model.blank_labels(phase.batch_size))
    data = tf.data.Dataset.from_tensors(batch).repeat()
    iterator = iter(run.workers.strategy.experimental_distribute_dataset(data))
    train_step = model.make_train_function()

    def timed():
        began = time.perf_counter()
        train_step(iterator)
        model.step.numpy()  # Waits for the device.
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

    It assumes that the time per image is proportional to its side, because
    networks that grow have few channels where feature maps are large. TwinGAN
    on two CPU cores took 78, 169 and 317 ms at 16, 32 and 64 px.

    Args:
        phases: list of `Phase`.
        step: seconds of a step of the largest phase.
        steps: step at which the run ends before the last phase, or None.
    """
    largest = largest_phase(phases)
    side_batch = step / (largest.size * largest.batch_size)
    seconds, left = 0.0, math.inf if steps is None else steps
    for phase in phases:
        count = min(left, phase.images / phase.batch_size)
        seconds += count * phase.size * phase.batch_size * side_batch
        left -= count
    return seconds


def _peak_memory():
    try:
        import resource
    except ImportError:  # The module does not exist on Windows.
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _peak_gpu_memory():
    peaks = [
        tf.config.experimental.get_memory_info(gpu.name)["peak"]
        for gpu in tf.config.list_logical_devices("GPU")
    ]
    return max(peaks, default=None)
