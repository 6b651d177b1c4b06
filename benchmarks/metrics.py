"""Measures images per second and peak memory of the distribution metrics.

    python benchmarks/metrics.py
    python benchmarks/metrics.py --images=512 --features 256

The metrics are the sliced Wasserstein distance of two sets of random images,
and the Frechet distance of two sets of random features of each width. The
number of images per second counts both sets. Each row is measured in a separate
process. Its peak memory includes the interpreter and the two sets.
"""

import argparse
import multiprocessing
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from tf_i2i.metrics.frechet import frechet_distance
from tf_i2i.metrics.sliced_wasserstein import sliced_wasserstein


def measure_images(count, size):
    rng = np.random.default_rng(0)
    sets = [
        rng.integers(0, 256, (count, size, size, 3), np.uint8) for _ in range(2)
    ]
    return measure(sliced_wasserstein, sets)


def measure_features(count, width):
    rng = np.random.default_rng(0)
    sets = [rng.standard_normal((count, width), np.float32) for _ in range(2)]
    return measure(frechet_distance, sets)


def measure(metric, sets):
    """Returns the seconds of `metric`, and the peak memory in MiB."""
    began = time.perf_counter()
    metric(*sets)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # `ru_maxrss` is in bytes on macOS and in KiB elsewhere.
    return seconds, peak / 2 ** (20 if sys.platform == "darwin" else 10)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--images", type=int, default=8192, help="images per set"
    )
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument(
        "--features", type=int, nargs="*", default=[256, 512, 2048]
    )
    args = parser.parse_args()
    rows = {f"SWD, {args.size} px": (measure_images, args.size)}
    for width in args.features:
        rows[f"FD, {width} features"] = (measure_features, width)
    print(f"2 x {args.images:,}{'seconds':>22}{'images/s':>12}{'peak MiB':>12}")
    for name, (function, width) in rows.items():
        with ProcessPoolExecutor(
            1, multiprocessing.get_context("spawn")
        ) as process:
            seconds, peak = process.submit(
                function, args.images, width
            ).result()
        rate = 2 * args.images / seconds
        print(f"{name:20}{seconds:11.2f}{rate:12,.0f}{peak:12,.0f}")


if __name__ == "__main__":
    main()
