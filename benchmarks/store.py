"""Measures images per second of the store and of decoding by Pillow.

    python benchmarks/store.py --size=64 --needed=50 --files=100000

The rate of the store counts augmented and batched images of both domains. The
images in the store are random bytes, so that nothing has to be decoded or
rendered. The rate of Pillow is measured on JPEG files with a side of `--photo`
pixels, which are decoded to the size of the store with one thread per core.
`--files` is the number of tiny JPEG files that are written and then read into a
store. The files are read twice: first after their content was removed from the
page cache, and then while the page cache contains it.
"""

import argparse
import io
import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from tf_i2i.data import FolderSource
from tf_i2i.data import open_store
from tf_i2i.data import unpaired
from tf_i2i.data.items import in_threads
from tf_i2i.data.reading import fit_image
from tf_i2i.data.reading import read_image


def jpeg(rng, side):
    """Returns a JPEG whose content is about as smooth as a photo."""
    small = rng.integers(0, 256, (max(2, side // 8),) * 2 + (3,), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(small).resize((side, side)).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def write_files(folder, count):
    """Writes tiny JPEGs, all with different content, 1,000 in each folder."""
    rng = np.random.default_rng(0)
    contents = [jpeg(rng, 16) for _ in range(100)]
    for i in range(count):
        if i % 1000 == 0:
            (folder / f"{i:07d}").mkdir()
        path = folder / f"{i - i % 1000:07d}" / f"{i:07d}.jpg"
        # Decoders ignore bytes after the end of the image. These bytes make the
        # contents of all files different.
        path.write_bytes(contents[i % 100] + i.to_bytes(4))


def forget(folder):
    """Removes the content of the files from the page cache."""
    os.sync()
    for path in folder.rglob("*.jpg"):
        with open(path, "rb") as stream:
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def peak():
    """Returns the peak memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def many_files(count, size):
    with tempfile.TemporaryDirectory() as root:
        data = Path(root) / "data"
        data.mkdir()
        write_files(data, count)
        forget(data)
        before = peak()

        def opened(cache):
            began = time.perf_counter()
            open_store(FolderSource(data), size, cache_dir=Path(root) / cache)
            return time.perf_counter() - began

        cold, again, warm = opened("cold"), opened("cold"), opened("warm")
        grown = peak() - before
    print(f"{count} files of 16 px to {size} px:")
    for name, seconds in (("cold", cold), ("warm", warm)):
        print(
            f"  read, {name}: {count / seconds:.0f} images/s, {seconds:.1f} s"
        )
    print(f"  opened again: {again:.1f} s")
    print(f"  peak memory: +{grown:.0f} MB")


def pillow_rate(photo, size, count=1000):
    rng = np.random.default_rng(0)
    photos = [jpeg(rng, photo) for _ in range(10)]

    def load(i):
        return fit_image(read_image(io.BytesIO(photos[i % 10])), size)

    began = time.perf_counter()
    for _ in in_threads(load, range(count)):
        pass
    return count / (time.perf_counter() - began)


def store_rate(size, batch_size, batches):
    rng = np.random.default_rng(0)
    side = int(np.ceil(size / 0.8))
    images = rng.integers(0, 256, (1000, side, side, 3), np.uint8)
    with tempfile.TemporaryDirectory() as cache:
        data = iter(unpaired(images, images, size, batch_size, cache_dir=cache))
        next(data)
        began = time.perf_counter()
        for _ in range(batches):
            next(data)
        return 2 * batch_size * batches / (time.perf_counter() - began)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch_size", type=int, default=8)
    parser.add_argument("--batches", type=int, default=300)
    parser.add_argument("--photo", type=int, default=256)
    parser.add_argument("--files", type=int, help="number of files to read")
    parser.add_argument(
        "--needed",
        type=float,
        help="images/s of both domains together that training needs",
    )
    args = parser.parse_args()
    # Reading is measured first, because later the memory that TensorFlow uses
    # would hide that of reading.
    if args.files:
        many_files(args.files, args.size)
    decoded = pillow_rate(args.photo, args.size)
    stored = store_rate(args.size, args.batch_size, args.batches)
    print(f"Pillow, {args.photo} px to {args.size}: {decoded:.0f} images/s")
    print(f"store, {args.size} px, augmented: {stored:.0f} images/s")
    if args.needed:
        print(
            f"training needs {args.needed:.0f} images/s: "
            f"Pillow decodes {decoded / args.needed:.1f} times as many, and "
            f"the store delivers {stored / args.needed:.1f} times as many"
        )


if __name__ == "__main__":
    main()
