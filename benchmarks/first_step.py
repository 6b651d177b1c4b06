"""Measures the time from the start of `train` to the end of its first step.

    python benchmarks/first_step.py --gin_file=twingan.gin
    python benchmarks/first_step.py --gin_file=twingan.gin --before=OLD_CHECKOUT

The run and the cache folder are new, so that the images are read, or the toy
faces are drawn. `--before` also measures another checkout; the two are measured
alternately, `--rounds` times each. Processor time includes that of the
processes that `train` starts.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def measure(args, checkout):
    """Returns seconds until the first step, and processor seconds."""
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder) / "run"
        settings = ["train.log_kimg = 0.001", *args.gin_param]
        command = [sys.executable, "-m", "tf_i2i.train", f"--run_dir={run_dir}"]
        command += [f"--gin_file={args.gin_file}"]
        command += [f"--gin_param={binding}" for binding in settings]
        environment = {
            **os.environ,
            "PYTHONPATH": str(Path(checkout).resolve()),
            "TF_I2I_CACHE": str(Path(folder) / "cache"),
        }
        began = time.perf_counter()
        process = subprocess.Popen(
            command, env=environment, stderr=subprocess.DEVNULL
        )
        # The first step writes the first line of the log.
        log = run_dir / "metrics.jsonl"
        while not (log.exists() and log.stat().st_size):
            if process.poll() is not None:
                raise SystemExit(f"{command} ended before its first step")
            time.sleep(0.02)
        seconds = time.perf_counter() - began
        process.kill()
        _, _, used = os.wait4(process.pid, 0)
        return seconds, used.ru_utime + used.ru_stime


def row(name, seconds, processor):
    return f"{name:7} {seconds:6.1f} s, processor time {processor:.1f} s"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--gin_file", required=True)
    parser.add_argument("--gin_param", action="append", default=[])
    parser.add_argument("--before", help="folder of another checkout")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    checkouts = {"here": Path(__file__).parents[1]}
    if args.before:
        checkouts = {"before": Path(args.before)} | checkouts
    found: dict[str, list] = {name: [] for name in checkouts}
    for _ in range(args.rounds):
        for name, checkout in checkouts.items():
            found[name].append(measure(args, checkout))
            print(row(name, *found[name][-1]))
    for name, pairs in found.items():
        medians = map(statistics.median, zip(*pairs, strict=True))
        print("median", row(name, *medians))


if __name__ == "__main__":
    main()
