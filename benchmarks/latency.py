"""Measures the time for one image in TensorFlow and in exported files.

    pip install 'tf-i2i[export,onnx,pytorch]'
    python benchmarks/latency.py --run_dir=tf_i2i/models/twingan_toy
    python benchmarks/latency.py --published --threads=2 --rounds=9

The candidates are TensorFlow, SavedModel, TFLite, ONNX Runtime and PyTorch.
Each candidate is a function that takes and returns one uint8 image (for
PyTorch, a float image). The first calls of a function are not measured.
`--published` measures the generator of the CycleGAN paper at 128 px (6 blocks,
full width, random weights), and also the eager PyTorch generator of
benchmarks/compare_pytorch.py. There is a process for each number of threads.
Each process measures the candidates in turn, round after round. The result is
the median of all calls. Compare only ratios of times within one run, because
milliseconds that were measured on different days are not comparable. Packages
that are not installed are left out, with a message.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tf_i2i import cli
from tf_i2i.domains import ends
from tf_i2i.methods.capabilities import style_shape

PUBLISHED_SIZE = 128
REFERENCE = "TensorFlow"
CALIBRATION_IMAGES = 100


def main(argv):
    args = _parser().parse_args(argv)
    if args.worker:
        print(json.dumps(measure(args)))
        return
    for threads in args.threads or (1, 2):
        command = [sys.executable, __file__, *argv]
        command += ["--worker", f"--threads={threads}"]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, check=True
        )
        show(json.loads(done.stdout.splitlines()[-1]), threads)


def _parser():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--run_dir", help="folder of a trained or packed run")
    what.add_argument("--published", action="store_true")
    add("--direction", default="a_to_b")
    add(
        "--threads",
        type=int,
        action="append",
        help="number of threads (default: 1 and 2)",
    )
    add("--rounds", type=int, default=5)
    add("--calls", type=int, default=20, help="calls per round")
    add("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser


def measure(args):
    """Returns each candidate's time and file size, or its error message."""
    threads = args.threads[-1]
    os.environ["TF_NUM_INTRAOP_THREADS"] = str(threads)
    os.environ["TF_NUM_INTEROP_THREADS"] = "1"
    cli.import_tensorflow()
    model, images = _subject(args)
    with tempfile.TemporaryDirectory() as folder:
        made = candidates(model, images, args.direction, Path(folder), threads)
        if args.published:
            made["PyTorch, eager"] = _pytorch(threads, PUBLISHED_SIZE)
        calls = {n: call for n, (call, _) in made.items() if callable(call)}
        seconds = race(calls, args.rounds, args.calls)
    rows = {}
    for name, (call, size) in made.items():
        rows[name] = {"missing": call}
        if callable(call):
            times = seconds[name]
            rows[name] = {
                "ms": 1e3 * statistics.median(times),
                "least": 1e3 * min(times),
                "mb": size,
            }
    return rows


def _subject(args):
    """Returns the model and training images for it."""
    if args.published:
        from tf_i2i.methods import CycleGAN

        shape = (CALIBRATION_IMAGES, PUBLISHED_SIZE, PUBLISHED_SIZE, 3)
        noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        return CycleGAN(PUBLISHED_SIZE), noise
    from tf_i2i.runs import load_translator

    run = load_translator(args.run_dir)
    source, _ = ends(args.direction)
    return run.model, run.images(source, "train", CALIBRATION_IMAGES)


def candidates(model, images, direction, folder, threads):
    """Returns each candidate's function or error message, and file size."""
    import tensorflow as tf

    from tf_i2i import exporting
    from tf_i2i.disk import size_on_disk
    from tf_i2i.exporting.formats import TFLITE
    from tf_i2i.exporting.litert import examples
    from tf_i2i.exporting.pictures import photo_to_photo

    image, style = images[:1], None
    if shape := style_shape(model, direction):
        style = np.zeros((1, *shape), np.float32)
    given = [tf.constant(x) for x in (image, style) if x is not None]
    function = tf.function(photo_to_photo(model, direction), autograph=False)
    weights = sum(v.numpy().nbytes for v in model.averaged_variables)
    made = {REFERENCE: (lambda: function(*given).numpy(), weights / 1e6)}

    path = folder / "saved_model"
    with cli.silent_stderr():
        exporting.export_saved_model(model, path, direction)
    saved = exporting.load_saved_model(path)[direction]
    made["SavedModel"] = (
        lambda: saved(*given).numpy(),
        size_on_disk(path) / 1e6,
    )
    styles = None if style is None else np.repeat(style, len(images), 0)
    for precision in TFLITE.precisions:
        path = folder / f"{precision}.tflite"
        exporting.export_tflite(
            model,
            path,
            direction,
            precision=precision,
            calibration=examples(images, styles),
        )
        lite = exporting.load_tflite(path, threads)
        made[f"TFLite {precision}"] = (
            lambda lite=lite: lite(image, style),
            size_on_disk(path) / 1e6,
        )
    made["ONNX Runtime"] = _onnx(
        model, direction, folder / "model.onnx", threads, image, style
    )
    return made


def _onnx(model, direction, path, threads, image, style):
    from tf_i2i import exporting
    from tf_i2i.disk import size_on_disk
    from tf_i2i.errors import UserError

    try:
        exporting.export_onnx(model, path, direction)
        run = exporting.load_onnx(path, threads)
    except UserError as error:
        return str(error), None
    return lambda: run(image, style), size_on_disk(path) / 1e6


def _pytorch(threads, size):
    """Returns PyTorch's CycleGAN generator, as in compare_pytorch.py."""
    try:
        import torch
    except ImportError as error:
        return str(error), None
    from compare_pytorch import networks

    torch.set_num_threads(threads)
    network = networks(torch, "plain")[0]().eval()
    image = torch.rand(1, 3, size, size)

    def call():
        with torch.inference_mode():
            return network(image)

    return call, sum(p.numel() for p in network.parameters()) * 4 / 1e6


def race(calls, rounds, repeats):
    """Calls functions in turns, and returns the seconds of each call.

    Args:
        calls: dictionary from names to functions without arguments.
        rounds: number of turns of each function, after a first turn that is
            not counted.
        repeats: number of calls in a turn.

    Returns:
        Dictionary from names to lists of seconds.
    """
    seconds = {name: [] for name in calls}
    for i in range(rounds + 1):
        for name, call in calls.items():
            for _ in range(repeats if i else 3):
                began = time.perf_counter()
                call()
                if i:
                    seconds[name].append(time.perf_counter() - began)
    return seconds


def show(rows, threads):
    """Prints a table with speed-ups over TensorFlow."""
    reference = rows[REFERENCE]["ms"]
    print(f"\n{threads} thread{'s' if threads > 1 else ''}\n")
    print("| | ms | least | times as fast | MB |")
    print("| --- | --- | --- | --- | --- |")
    for name, row in rows.items():
        if "ms" not in row:
            print(f"| {name} | not measured: {row['missing']} | | | |")
            continue
        print(
            f"| {name} | {row['ms']:.2f} | {row['least']:.2f} | "
            f"{reference / row['ms']:.2f} | {row['mb']:.2f} |"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
