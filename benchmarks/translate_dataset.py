"""Translates images with two workers, one of which is killed half-way.

    pip install 'tf-i2i[datasets]' 'tf-i2i[ray]'
    python benchmarks/translate_dataset.py --engine=local --plain
    python benchmarks/translate_dataset.py --engine=ray

The command makes JPEG files of 64 x 64 pixels, starts `translate_dataset`, and
ends one of its workers by SIGKILL when half of the shards are done. It fails if
an image is translated more than once or not at all. The rate is that between
the first and the last shard, including the restart of the worker. With
`--plain`, the rate of `translate` is measured before: the time for 2,200
images minus the time for 200, so that loading the model does not count.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet
from PIL import Image

SIDE = 64
# Texts by which the worker processes of each engine are found in the list of
# processes.
WORKERS = {"local": b"spawn_main", "ray": b"ray::MapWorker"}


def main(argv):
    args = _parser().parse_args(argv)
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        folder = Path(folder)
        make_images(folder / "in", args.images)
        if args.plain:
            print(f"translate: {plain_rate(folder, args.model):.1f} images/s")
        rate = translate_and_kill(folder, args)
        check(folder / "out", args.images)
    print(f"{args.engine}, 2 workers, one killed: {rate:.1f} images/s")
    print(f"each of {args.images} images was translated once")


def _parser():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--model", default="twingan-toy")
    add("--images", type=int, default=20_000)
    add("--shard_size", type=int, default=256)
    add("--engine", choices=WORKERS, default="local")
    add("--plain", action="store_true")
    add("--folder", help="folder for temporary files")
    return parser


def make_images(folder, count):
    """Writes JPEG files, each with another pattern of colours."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(count):
        colours = rng.integers(0, 256, (4, 4, 3), np.uint8)
        picture = Image.fromarray(colours).resize((SIDE, SIDE))
        picture.save(folder / f"{i:06d}.jpg")


def plain_rate(folder, model):
    """Returns the images per second of `translate`."""
    files = sorted((folder / "in").iterdir())
    seconds = []
    for count in (200, 2200):
        some = folder / f"some{count}"
        some.mkdir()
        for file in files[:count]:
            os.link(file, some / file.name)
        command = [sys.executable, "-m", "tf_i2i.translate"]
        flags = [f"--model={model}", f"--input={some}", "--output"]
        begun = time.monotonic()
        subprocess.run([*command, *flags, folder / f"plain{count}"], check=True)
        seconds.append(time.monotonic() - begun)
    return 2000 / (seconds[1] - seconds[0])


def translate_and_kill(folder, args):
    """Runs the command, kills a worker, and returns the images per second."""
    command = [sys.executable, "-m", "tf_i2i.translate_dataset"]
    flags = [
        f"--model={args.model}",
        f"--input={folder / 'in'}",
        f"--output={folder / 'out'}",
        "--output_format=parquet",
        f"--engine={args.engine}",
        f"--shard_size={args.shard_size}",
        "--workers=2",
    ]
    done = folder / "out" / "_done"
    half = args.images // args.shard_size // 2
    process = subprocess.Popen([*command, *flags])
    while len([*done.glob("*.json")]) < half:
        assert process.poll() is None, "ended before half of the shards"
        time.sleep(0.2)
    victim = workers_of(process.pid, WORKERS[args.engine])[0]
    os.kill(victim, signal.SIGKILL)
    print(f"killed the worker {victim} after {half} shards", flush=True)
    assert process.wait() == 0
    times = sorted(path.stat().st_mtime for path in done.glob("*.json"))
    return args.shard_size * (len(times) - 1) / (times[-1] - times[0])


def workers_of(parent, words):
    """Returns the process IDs of some descendants of a process.

    Args:
        parent: process ID of the process.
        words: bytes that the command line of a descendant must contain.
    """
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != parent:
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if words in command and parent in ancestors(int(entry.name)):
                found.append(int(entry.name))
    return found


def ancestors(number):
    """Yields the process IDs of all ancestors of a process."""
    while number > 1:
        stat = Path(f"/proc/{number}/stat").read_text("utf-8")
        number = int(stat.rpartition(")")[2].split()[1])
        yield number


def check(output, count):
    """Raises an error unless each image has one translation."""
    names = []
    for part in sorted(output.glob("*.parquet")):
        names += pyarrow.parquet.read_table(part)["name"].to_pylist()
    assert sorted(names) == [f"{i:06d}.jpg" for i in range(count)]


if __name__ == "__main__":
    main(sys.argv[1:])
