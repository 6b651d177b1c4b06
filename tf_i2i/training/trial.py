"""What a run will need, from a few steps of its largest phase."""

import math
import statistics
import sys
import time

import tensorflow as tf

from tf_i2i.training.weights_file import size_of

_STEPS, _SECONDS = 5, 10  # Timed, at most; one step at least.
_MATTER = (".batch_size", ".batch_sizes", ".width", "train.image_size")


def largest_phase(phases):
    """The phase of the largest images, and of those the largest batch."""
    return max(phases, key=lambda phase: (phase.size, phase.batch_size))


def plan(run):
    """What is known of a run before its first step.

    Args:
        run: `OpenedRun`.

    Returns:
        Dictionary of plain values: sizes in pixels, `checkpoint_bytes` of one
        checkpoint, `settings` that decide how much memory a step takes.
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
        "checkpoints": config.keep + 1,  # One more while it is written.
        "settings": {
            name: value
            for name, value in run.bindings.items()
            if name.endswith(_MATTER)
        },
    }


def measure(run):
    """Trains a few steps of the largest phase on random images.

    Call it in a process of its own, where nothing else takes memory.

    Args:
        run: `OpenedRun`; the model's weights change.

    Returns:
        Dictionary: `first_step` and `step` in seconds, the first with
        tracing; `memory` and `gpu_memory` (of one GPU, None without any) in
        bytes, the peak; `hours` of the whole run, an estimate.
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
    """Seconds for all phases, from those of a step of the largest one.

    An image is taken to cost in proportion to its side: networks that grow
    are narrow where images are large. Measured on two CPU cores, TwinGAN at
    16, 32 and 64 px: 78, 169 and 317 ms.

    Args:
        phases: list of `Phase`.
        step: seconds of a step of the largest one.
        steps: where the run is cut short, or None.
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
    except ImportError:  # Windows has none.
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _peak_gpu_memory():
    peaks = [
        tf.config.experimental.get_memory_info(gpu.name)["peak"]
        for gpu in tf.config.list_logical_devices("GPU")
    ]
    return max(peaks, default=None)
