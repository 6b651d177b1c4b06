"""Images per second from the store, augmented and batched.

    python benchmarks/store.py --size=64

Both domains counted; random bytes, so that nothing is decoded or drawn.
"""

import argparse
import tempfile
import time

import numpy as np

from tf_i2i.data import unpaired


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch_size", type=int, default=8)
    parser.add_argument("--batches", type=int, default=300)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    side = int(np.ceil(args.size / 0.8))
    images = rng.integers(0, 256, (1000, side, side, 3), np.uint8)
    with tempfile.TemporaryDirectory() as cache:
        data = unpaired(
            images, images, args.size, args.batch_size, cache_dir=cache
        )
        batches = iter(data)
        next(batches)
        began = time.perf_counter()
        for _ in range(args.batches):
            next(batches)
        seconds = time.perf_counter() - began
    rate = 2 * args.batch_size * args.batches / seconds
    print(f"{args.size} px: {rate:.0f} images/s")


if __name__ == "__main__":
    main()
