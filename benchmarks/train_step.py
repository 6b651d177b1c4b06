"""Milliseconds per training step and images per second of a config.

    python benchmarks/train_step.py --gin_file=twingan.gin
    python benchmarks/train_step.py --gin_file=twingan_64.gin \
        --gin_param="train.precision = 'float32'"

Times the step of each phase on random images, after its graph is traced:
the median of `--steps` steps, and how long the first one took.
"""

import argparse
import statistics
import tempfile
import time

import tensorflow as tf

from tf_i2i.configs import find_config
from tf_i2i.training.run import open_run


def time_phase(model, phase, steps):
    """Seconds of the first step, and the median of the others."""
    model.enter_phase(
        phase.size, phase.start, phase.images, fading=phase.fading
    )
    shape = (phase.batch_size, phase.size, phase.size, 3)
    images = tf.random.uniform(shape, -1, 1)
    data = tf.data.Dataset.from_tensors((images, images)).repeat()
    step, iterator = model.make_train_function(), iter(data)
    took = []
    for _ in range(steps + 1):
        began = time.perf_counter()
        step(iterator)
        model.step.numpy()  # Waits for the device.
        took.append(time.perf_counter() - began)
    return took[0], statistics.median(took[1:])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gin_file", required=True)
    parser.add_argument("--gin_param", action="append", default=[])
    parser.add_argument("--steps", type=int, default=30)
    args = parser.parse_args()
    run, model = open_run(
        tempfile.mkdtemp(), [find_config(args.gin_file)], args.gin_param
    )
    print(f"{args.gin_file}, {run.precision}")
    for phase in run.phases:
        first, median = time_phase(model, phase, args.steps)
        print(
            f"{phase.name:12} batch {phase.batch_size:2}  "
            f"{1000 * median:7.1f} ms/step  "
            f"{phase.batch_size / median:6.1f} images/s  "
            f"first step {first:.1f} s"
        )


if __name__ == "__main__":
    main()
