"""Compares the translation of a folder of photos with the network alone.

    python benchmarks/folder.py
    python benchmarks/folder.py --files=200 --side=512 --model=twingan-toy

The photos are JPEG files of random shapes and noise, written to a temporary
folder. Without `--model`, the network is the generator of the CycleGAN paper at
128 px with random weights. In each round, a part of the photos is translated in
three ways, one after another: the network alone, with arrays that are already
in memory; step by step, in which a batch is read, translated and written before
the next is read; and `translate_files`, as the command `translate` calls it.
The rates are those of all rounds together. Processor time is that of the whole
process, in seconds per image.
"""

import argparse
import itertools
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from PIL import ImageDraw

from tf_i2i import cli

PUBLISHED_SIZE = 128


def main(argv):
    args = _parser().parse_args(argv)
    cli.import_tensorflow()
    from tf_i2i.exporting.pictures import Translation
    from tf_i2i.geometry import InputSize

    model = _model(args.model)
    translation = Translation(model, "a_to_b")
    size = InputSize.of(model)

    def translate_fn(images):
        return translation(images, [None])

    ways = {
        "network alone": _alone,
        "step by step": _step_by_step,
        "translate_files": _together,
    }
    spent = {name: np.zeros(2) for name in ways}
    with tempfile.TemporaryDirectory() as folder:
        files = _photos(Path(folder), args.files, args.side)
        _alone(translate_fn, files[: args.batch_size], size, args.batch_size)
        each = -(-len(files) // args.rounds)
        for i in range(0, len(files), each):
            for name, way in ways.items():
                before = _clocks()
                way(translate_fn, files[i : i + each], size, args.batch_size)
                spent[name] += _clocks() - before
        _show(spent, len(files))


def _parser():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--files", type=int, default=1000)
    add("--side", type=int, default=1024, help="side of the photos, in pixels")
    add("--batch_size", type=int, default=8)
    add("--rounds", type=int, default=5)
    add("--model", help="a model of the package, such as twingan-toy")
    return parser


def _model(name):
    if name is None:
        from tf_i2i.methods import CycleGAN

        return CycleGAN(PUBLISHED_SIZE)
    from tf_i2i.models import find_model
    from tf_i2i.runs import load_translator

    return load_translator(find_model(name)).model


def _photos(folder, count, side):
    """Writes JPEG files; returns a list of pairs (input, output path)."""
    rng = np.random.default_rng(0)
    grain = rng.integers(-12, 13, (side, side, 3))
    pairs = []
    for i in range(count):
        picture = Image.new("RGB", (side, side), _colour(rng))
        draw = ImageDraw.Draw(picture)
        for _ in range(20):
            (left, right), (top, bottom) = np.sort(
                rng.integers(0, side, (2, 2))
            )
            draw.ellipse((left, top, right, bottom), _colour(rng))
        pixels = np.clip(np.asarray(picture) + np.roll(grain, i, 0), 0, 255)
        path = folder / f"{i}.jpg"
        Image.fromarray(pixels.astype(np.uint8)).save(path, quality=90)
        pairs.append((path, folder / "out" / f"{i}.png"))
    return pairs


def _colour(rng):
    return tuple(rng.integers(0, 256, 3).tolist())


def _clocks():
    """Returns the seconds of the clock and of the processor so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return np.array([time.perf_counter(), used.ru_utime + used.ru_stime])


def _alone(translate_fn, pairs, size, batch_size):
    side = size.size
    image = np.full((batch_size, side, side, 3), 128, np.uint8)
    for i in range(0, len(pairs), batch_size):
        translate_fn(image[: len(pairs) - i])


def _step_by_step(translate_fn, pairs, size, batch_size):
    from tf_i2i.files import read_input
    from tf_i2i.files import save_image
    from tf_i2i.geometry import prepare
    from tf_i2i.geometry import restored

    pairs = iter(pairs)
    while batch := list(itertools.islice(pairs, batch_size)):
        prepared = [prepare(read_input(path), size) for path, _ in batch]
        made = translate_fn(np.stack([one.pixels for one in prepared]))
        for image, one, (_, target) in zip(made, prepared, batch, strict=True):
            save_image(restored(image, one), target)


def _together(translate_fn, pairs, size, batch_size):
    from tf_i2i.file_translation import translate_files

    report = translate_files(translate_fn, dict(pairs), size, batch_size)
    assert not report.skipped


def _show(spent, count):
    alone = spent["network alone"][0]
    print("| | images/s | of the network alone | processor, ms/image |")
    print("| --- | --- | --- | --- |")
    for name, (seconds, processor) in spent.items():
        print(
            f"| {name} | {count / seconds:.1f} | {alone / seconds:.0%} | "
            f"{1e3 * processor / count:.1f} |"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
