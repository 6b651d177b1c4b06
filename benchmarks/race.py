"""Measures the speed of variants of two packages, which take turns.

The scripts `compare_pytorch.py` and `compare_pytorch_twingan.py` describe what
they compare by a `Comparison`, and pass it to `main`. Each variant runs in a
separate process. All start from the same weights, and before anything is timed
they must give the same results. Then the variants that compute in the same
precision, such as float32, take turns, first in one order, then in the reverse
order.
"""

import argparse
import contextlib
import dataclasses
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np

from tf_i2i.extras import optional


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What is compared.

    Args:
        script: path of the script, which also starts the workers.
        workers: functions that prepare a worker process of "tf_i2i", of
            "PyTorch" and of further competitors of PyTorch, of which each has
            one variant. The functions take the settings of a variant and the
            file in which the first worker of tf_i2i records its weights and
            results. They return a dictionary of tasks, which are functions
            without arguments, and a list of differences from the recorded
            results: pairs of a name and a number.
        calls: number of calls that a variant does before the next variant's
            turn, for each kind of task.
        kernels: descriptions of PyTorch's "plain" and "fast" variants.
        tolerances: largest allowed differences, for each precision and name.
        size: side of the images in pixels.
        quick_size: the same for `--quick`.
        batch: number of images of each domain in a step.
    """

    script: str
    workers: dict[str, Callable]
    calls: dict[str, int]
    kernels: dict[str, str]
    tolerances: dict[str, dict[str, float]]
    size: int
    quick_size: int
    batch: int


def random_images(size, batch=1):
    """Returns random images of A and of B, two arrays `[N, H, W, 3]`."""
    shape = (2, batch, size, size, 3)
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def losses_differ(record, trace):
    """Returns the largest relative difference from the recorded losses."""
    return float(np.abs(trace / np.load(record)["losses"] - 1).max())


def losses_of_step(model, step, critic_losses):
    """Does a step of a tf_i2i model, and returns its two sums of losses.

    The first is the sum of the translators' losses, and the second that of the
    critics' losses, whose names begin with one of `critic_losses`.
    """
    for metric in model.metrics:
        metric.reset_state()
    step()
    sums = [0.0, 0.0]
    for metric in model.metrics:
        sums[metric.name.startswith(critic_losses)] += float(metric.result())
    return sums


def work(worker, spec, record):
    """Runs a worker process, which does tasks on request and times them.

    Requests are lines of JSON with a task and a number of calls. The answer is
    the mean number of seconds of a call.
    """
    answers = os.fdopen(os.dup(1), "w")
    # What libraries print to stdout goes to stderr, so that it cannot be
    # mistaken for an answer.
    os.dup2(2, 1)

    def answer(value):
        print(json.dumps(value), file=answers, flush=True)

    began = time.perf_counter()
    try:
        tasks, differences = worker(spec, record)
    except Exception as error:
        (reason, *_) = str(error).strip().splitlines() or [""]
        answer({"error": f"{type(error).__name__}: {reason}"})
        return
    answer(
        {
            "tasks": list(tasks),
            "differences": differences,
            "seconds": time.perf_counter() - began,
        }
    )
    for line in sys.stdin:
        name, calls = json.loads(line)
        task = tasks[name]
        # The first call is not timed, because another process has used the
        # processor's caches meanwhile.
        task()
        began = time.perf_counter()
        for _ in range(calls):
            task()
        answer((time.perf_counter() - began) / calls)


class Worker:
    """The parent process's access to a process that runs one variant."""

    def __init__(self, comparison, spec, record):
        self.calls = comparison.calls
        self.spec = spec
        command = [sys.executable, comparison.script]
        command += ["--worker", json.dumps(spec)]
        self.process = subprocess.Popen(
            [*command, "--record", str(record)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ready = self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"error": "the process died"}

    def seconds(self, task):
        calls = self.calls[kind_of(task)]
        print(json.dumps([task, calls]), file=self.process.stdin, flush=True)
        answer = self.answer()
        assert isinstance(answer, float), f"{self.spec['name']}: {answer}"
        return answer

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


def kind_of(task):
    return task.partition(",")[0]


def variants(comparison, precision, size, threads, compiled):
    """Yields the settings of all workers of one precision.

    The workers of tf_i2i come first. The very first worker, in float32 unless
    only bfloat16 is compared, records its initial weights and its results. The
    results of all other workers are compared with these.
    """
    common = {"precision": precision, "size": size, "batch": comparison.batch}
    for kind in comparison.calls:
        yield {"side": "tf_i2i", "name": "tf_i2i", "work": kind, **common}
    for side in comparison.workers:
        if side not in ("tf_i2i", "PyTorch"):
            yield {"side": side, "name": side, **common}
    modes = [("NCHW", "plain", False)]
    for layout in ("NCHW", "channels-last"):
        modes += [(layout, "fast", False)]
        modes += [(layout, "fast", True)] * compiled
    for count, (layout, kernels, mode) in itertools.product(threads, modes):
        how = "torch.compile" if mode else "eager"
        yield {
            "side": "PyTorch",
            "name": f"PyTorch {how}, {layout}, {comparison.kernels[kernels]}, "
            f"{count} thread" + "s" * (count > 1),
            "layout": layout,
            "kernels": kernels,
            "compiled": mode,
            "threads": count,
            **common,
        }


def start_checked(comparison, spec, record):
    """Returns a worker that passed its checks, or None if it cannot run."""
    worker = Worker(comparison, spec, record)
    name = f"{spec['name']}, {spec['precision']}"
    tolerances = comparison.tolerances[spec["precision"]]
    error = worker.ready.get("error") or too_different(worker, tolerances)
    if not error:
        differences = worker.ready["differences"]
        found = (f"{what} {difference:.1g}" for what, difference in differences)
        print(
            f"{name}: ready after {worker.ready['seconds']:.0f} s; "
            f"differences: {', '.join(found)}",
            file=sys.stderr,
        )
        return worker
    worker.stop()
    assert spec.get("compiled"), f"{name}: {error}"
    print(f"{name}: does not work here and is left out. {error}\n")
    return None


def too_different(worker, tolerances):
    """Returns an error message if results differ too much, or None."""
    for what, difference in worker.ready["differences"]:
        limit = tolerances[what]
        if not difference <= limit:
            return f"Its {what} differ by {difference:.3g}, more than {limit}"
    return None


def race(comparison, specs, record, rounds):
    """Returns the milliseconds of each round by task, side and variant."""
    with contextlib.ExitStack() as end:
        workers = []
        for spec in specs:
            worker = start_checked(comparison, spec, record)
            if worker:
                end.callback(worker.stop)
                workers.append(worker)
        return timed(workers, rounds)


def timed(workers, rounds):
    turns = [(w, task) for w in workers for task in w.ready["tasks"]]
    table: dict = {}
    for i in range(rounds):
        for worker, task in turns if i % 2 == 0 else turns[::-1]:
            kind, _, how = task.partition(", ")
            name = ", ".join(filter(None, (worker.spec["name"], how)))
            rows = table.setdefault(kind, {})
            took = rows.setdefault((worker.spec["side"], name), [])
            took.append(1000 * worker.seconds(task))
        print(f"round {i + 1} of {rounds}", file=sys.stderr)
    return table


def show(title, rows):
    """Prints a table, and how each side's best compares with PyTorch's."""
    print(f"\n## {title}")
    print("| variant | ms, median | min | max |")
    print("| --- | --- | --- | --- |")
    best = {}
    for (side, name), took in sorted(
        rows.items(), key=lambda row: statistics.median(row[1])
    ):
        best.setdefault(side, took)
        middle = statistics.median(took)
        print(f"| {name} | {middle:.1f} | {min(took):.1f} | {max(took):.1f} |")
    theirs = best.pop("PyTorch")
    for side, ours in best.items():
        ratio = statistics.median(theirs) / statistics.median(ours)
        ratios = [t / o for t, o in zip(theirs, ours, strict=True)]
        print(
            f"\n{title}: {side} best / PyTorch best = {ratio:.2f} "
            f"(in speed; by rounds {min(ratios):.2f} to {max(ratios):.2f})"
        )


def main(argv, description, comparison):
    """Runs the script of a comparison with the command line `argv`."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawTextHelpFormatter
    )
    cores = os.cpu_count() or 1
    add = parser.add_argument
    add("--rounds", type=int, default=9)
    add(
        "--size",
        type=int,
        default=comparison.size,
        help="side of the images in pixels",
    )
    add(
        "--quick",
        action="store_true",
        help=f"measure {comparison.quick_size} px and two rounds only",
    )
    precisions = tuple(comparison.tolerances)
    add(
        "--precision",
        nargs="+",
        choices=precisions,
        default=precisions,
        help="precisions to compare",
    )
    add("--no_compile", action="store_true", help="leave torch.compile out")
    add(
        "--torch_threads",
        type=int,
        nargs="+",
        default=[cores],
        help="numbers of threads that PyTorch tries",
    )
    add("--worker", type=json.loads, help=argparse.SUPPRESS)
    add("--record", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    # The tables of each precision are printed as soon as they are ready.
    sys.stdout.reconfigure(line_buffering=True)
    if args.worker:
        worker = comparison.workers[args.worker["side"]]
        work(worker, args.worker, args.record)
        return
    torch = optional("torch", "pytorch")
    if args.quick:
        args.size, args.rounds = comparison.quick_size, 2
    print(
        f"{cores} cores, {platform.machine()}, "
        f"TensorFlow {version('tensorflow')}, PyTorch {torch.__version__}, "
        f"{args.size} px, batch {comparison.batch}, {args.rounds} rounds"
    )
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "record.npz"
        for precision in args.precision:
            specs = variants(
                comparison,
                precision,
                args.size,
                args.torch_threads,
                not args.no_compile,
            )
            for kind, rows in race(
                comparison, specs, record, args.rounds
            ).items():
                show(f"{kind}, {precision}", rows)
