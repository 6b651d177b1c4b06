"""Compares all methods on one task, at equal minutes or at equal images.

    python benchmarks/quality/methods.py probe munit toy
    python benchmarks/quality/methods.py run munit toy --minutes=8
    python benchmarks/quality/methods.py run munit synthfaces --images=4000 \
        --data_root=DATA
    python benchmarks/quality/methods.py table
    python benchmarks/quality/methods.py grid toy --minutes=8
    python benchmarks/quality/methods.py grid toy --minutes=8 \
        --figure=twingan/table1

Each method has the settings of its shipped config. Only the lengths of the
phases differ: they keep their ratios to each other. `probe` comes before `run`.
It measures the images per second of each phase by a short run, during which the
machine should do nothing else. `run --minutes` computes the number of images
from it. `run` appends its result to results.jsonl. `table` prints a table for
each task and budget. `grid` draws the same eight test images translated by all
methods, or by those of a figure of one of the papers.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import lab
import papers

SINGLE = ("single_phase.images",)
GROWING = tuple(
    f"growing_phases.{name}"
    for name in ("images", "fade_images", "last_images")
)
CASCADE = ("cascade_phases.inversion_images", "cascade_phases.images")


class Method(NamedTuple):
    """A method of the comparison.

    Attributes:
        gin_file: name of the shipped config for 32 px.
        lengths: names of the settings that are lengths of phases.
        larger: settings that are added at 64 px.
    """

    gin_file: str
    lengths: tuple = SINGLE
    larger: tuple = ()


METHODS = {
    "cyclegan": Method("cyclegan.gin"),
    "unit": Method("unit.gin"),
    "munit": Method("munit.gin"),
    "cut": Method("cut.gin"),
    "fastcut": Method("fastcut.gin"),
    "ugatit": Method("ugatit.gin"),
    "drit": Method("drit.gin"),
    "dualgan": Method("dualgan.gin"),
    "augmented_cyclegan": Method("augmented_cyclegan.gin"),
    "simgan": Method("simgan.gin"),
    "twingan": Method("twingan.gin", GROWING, ("TwinGAN.start_size = 16",)),
    "xgan": Method("xgan.gin"),
    "dtn": Method("dtn.gin"),
    "asymgan": Method("asymgan.gin"),
    "cdft": Method("cdft.gin", CASCADE, ("CDFT.inverter_channels = 96",)),
}


class Figure(NamedTuple):
    """A figure of a paper that compares methods.

    Attributes:
        methods: names of the methods, in the paper's order.
        direction: direction of the translations.
        styles: number of sampled styles for methods with styles.
    """

    methods: tuple
    direction: str = "a_to_b"
    styles: int = 1


FIGURES = {
    "all": Figure(tuple(METHODS)),
    "twingan/table1": Figure(
        ("cyclegan", "unit", "munit", "twingan"), styles=2
    ),
    "cdft/figure8": Figure(("cyclegan", "munit", "drit", "cdft")),
    "asymgan/figure5": Figure(
        ("cyclegan", "dualgan", "augmented_cyclegan", "asymgan"), "b_to_a", 5
    ),
}
# Settings of each task, besides those of the method.
SETTINGS = {
    "toy": (),
    "synthfaces": ("train.image_size = 64", "Augmentation.crop = None"),
}
PROBE = 400  # Images of each phase in the run that measures the speed.
# Measures of the table, and facts that `run` adds to a result.
MEASURES = (
    *("score", "r@5", "labels", "fd", "swd_64", "swd_32", "swd_16"),
    *("copy_rate", "called_b"),
)
FACTS = ("step_seconds", "memory_gb", "parameters", "tflite_mb", "tflite_ms")


def settings_of(name, task):
    """Returns the settings of a method for a task, without lengths."""
    at_64 = METHODS[name].larger if task == "synthfaces" else ()
    return (*SETTINGS[task], *at_64)


def lengths_of(method):
    """Returns the lengths of a method's phases in its config, by setting."""
    from tf_i2i import configuration
    from tf_i2i.configs import find_config

    configuration.configure("no_run", (find_config(method.gin_file),))
    bindings = configuration.given_settings()
    return {name: int(bindings[name]) for name in method.lengths}


def scaled(lengths, factor):
    """Returns gin bindings of lengths that are multiplied by a factor."""
    return tuple(
        f"{name} = {max(round(images * factor), 1)}"
        for name, images in lengths.items()
    )


def train(row, run_dir, seed, data):
    """Trains a row in a process of its own.

    Returns:
        Dictionary with `minutes` and `memory_gb`, the peak memory.
    """
    bindings = (*row.settings, f"train.seed = {seed}")
    command = [sys.executable, "-m", "tf_i2i.train"]
    command += [f"--gin_file={row.gin_file}", f"--run_dir={run_dir}", *data]
    command += [f"--gin_param={binding}" for binding in bindings]
    began = time.monotonic()
    with subprocess.Popen(command) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return {
        "minutes": (time.monotonic() - began) / 60,
        "memory_gb": round(usage.ru_maxrss / 2**20, 2),
    }


def log_of(run_dir):
    """Returns the lines of metrics.jsonl that contain `images_per_second`.

    Each line is a dictionary.
    """
    text = (run_dir / "metrics.jsonl").read_text("utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    return [line for line in lines if "images_per_second" in line]


def rates_of(log):
    """Returns the images per second of each phase, in the order of phases.

    The rates are medians, because the first steps of a phase are slow.
    """
    found = defaultdict(list)
    for line in log:
        found[line["phase"]].append(line["images_per_second"])
    return {phase: statistics.median(values) for phase, values in found.items()}


def seconds_of(log):
    """Returns the seconds of all phases, without tracing and other pauses."""
    ends = {line["phase"]: line["images_shown"] for line in log}
    seconds, start = 0.0, 0
    for phase, rate in rates_of(log).items():
        seconds += (ends[phase] - start) / rate
        start = ends[phase]
    return seconds


def probe_dir(name, task, work):
    return work / "probes" / f"{task}_{name}"


def probe_factor(name):
    """Returns the factor of the lengths in the run that measures the speed."""
    return PROBE / min(lengths_of(METHODS[name]).values())


def probe(name, task, work, data_root):
    """Trains a short run, whose log contains the speed of each phase."""
    data, _ = lab.prepare(task, work, data_root)
    method = METHODS[name]
    run_dir = probe_dir(name, task, work)
    shutil.rmtree(run_dir, ignore_errors=True)
    lengths = scaled(lengths_of(method), probe_factor(name))
    settings = (*settings_of(name, task), "train.log_kimg = 0.1", *lengths)
    train(lab.Row(task, method.gin_file, settings), run_dir, 0, data)


def factor_for_minutes(minutes, name, task, work):
    """Returns the factor of the lengths for some minutes of training."""
    log = log_of(probe_dir(name, task, work))
    return probe_factor(name) * 60 * minutes / seconds_of(log)


def cost(run_dir, speeds, work):
    """Returns the cost of a trained translator from A to B, a dictionary.

    Args:
        run_dir: folder of the trained run.
        speeds: log of the run that measured the speed; see `log_of`.
        work: folder for the exported file.

    Returns:
        A dictionary with these keys. `step_seconds` is the time of a training
        step in the last phase of `speeds`. `parameters` is the number of the
        averaged weights of both directions. `tflite_mb` is the size of the
        float32 .tflite file, and `tflite_ms` is the fastest of its 50 calls
        with two threads.
    """
    from tf_i2i import exporting
    from tf_i2i.exporting.litert import interpreter_of
    from tf_i2i.runs import load_translator

    run = load_translator(run_dir)
    rate = [*rates_of(speeds).values()][-1]
    path = work / "exported.tflite"
    exporting.export_tflite(run.model, path, "a_to_b")
    interpreter = interpreter_of(path.read_bytes(), 2)
    interpreter.allocate_tensors()
    times = []
    for _ in range(50):
        began = time.perf_counter()
        interpreter.invoke()
        times.append(time.perf_counter() - began)
    averaged = run.model.averaged_variables
    parameters = sum(variable.shape.num_elements() for variable in averaged)
    return {
        "step_seconds": round(run.phase.batch_size / rate, 4),
        "parameters": parameters,
        "tflite_mb": round(path.stat().st_size / 1e6, 2),
        "tflite_ms": round(1e3 * min(times), 2),
    }


def row_name(task, name, budget):
    return f"methods/{task}/{name}/{budget}"


def run(name, args):
    """Trains and scores one method, and appends the result to results.jsonl."""
    data, judging = lab.prepare(args.task, args.work, args.data_root)
    lengths = lengths_of(METHODS[name])
    if args.minutes:
        factor = factor_for_minutes(args.minutes, name, args.task, args.work)
    else:
        factor = args.images / sum(lengths.values())
    settings = settings_of(name, args.task) + scaled(lengths, factor)
    row = lab.Row(args.task, METHODS[name].gin_file, settings)
    full = row_name(args.task, name, args.budget)
    run_dir = args.work / "runs" / f"{full}_{args.seed}"
    spent = train(row, run_dir, args.seed, data)
    speeds = log_of(probe_dir(name, args.task, args.work))
    facts = cost(run_dir, speeds, args.work)
    print(f"trained {full}", flush=True)
    lab.keep(
        full,
        row,
        args.seed,
        run_dir,
        spent.pop("minutes"),
        judging,
        "random-conv",
        "all",
        **spent,
        **facts,
    )


def table(task, budget):
    """Returns a Markdown table of all methods for a task and a budget."""
    head = ["", "seeds", "images", *MEASURES, *FACTS]
    lines = [head, ["---"] * len(head)]
    for name in METHODS:
        results = papers.results_of(row_name(task, name, budget))
        scores = [result["a_to_b"]["model"] for result in results]
        lines.append(
            [
                name,
                str(len(results) or "not run"),
                lab.cell([result["images_shown"] for result in results]),
                *(
                    lab.cell([lab.value_of(score, m) for score in scores])
                    for m in MEASURES
                ),
                *(lab.cell([r.get(fact) for r in results]) for fact in FACTS),
            ]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def tables():
    """Returns the tables of all tasks and budgets that have results."""
    text = []
    found = set()
    for line in lab.RESULTS.read_text("utf-8").splitlines():
        parts = json.loads(line)["row"].split("/")
        if parts[0] == "methods":
            found.add((parts[1], parts[3]))
    for task, budget in sorted(found):
        text += [f"## {task}, {budget}", table(task, budget)]
    return "\n\n".join(text)


def grid(args):
    """Draws the translations of a figure's methods that were run."""
    figure = FIGURES[args.figure]
    rows = {
        name: row_name(args.task, name, args.budget)
        for name in figure.methods
        if papers.results_of(row_name(args.task, name, args.budget))
    }
    name = args.figure.replace("/", "_")
    path = args.work / f"methods_{args.task}_{args.budget}_{name}.png"
    return papers.draw(
        rows, figure.direction, figure.styles, args.seed, args.work, path
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("table")
    probing = commands.add_parser("probe")
    running = commands.add_parser("run")
    for command in (probing, running):
        command.add_argument("method", choices=METHODS)
    drawing = commands.add_parser("grid")
    for command in (probing, running, drawing):
        command.add_argument("task", choices=SETTINGS)
        command.add_argument("--work", type=Path, default=Path("runs/lab"))
        command.add_argument("--data_root", type=Path, help="real images")
    for command in (running, drawing):
        budget = command.add_mutually_exclusive_group(required=True)
        budget.add_argument("--minutes", type=float)
        budget.add_argument("--images", type=int)
        command.add_argument("--seed", type=int, default=0)
    drawing.add_argument("--figure", choices=FIGURES, default="all")
    args = parser.parse_args()
    if args.command == "table":
        print(tables())
        return
    if args.command == "probe":
        probe(args.method, args.task, args.work, args.data_root)
        return
    args.budget = (
        f"{args.minutes:g}min" if args.minutes else f"{args.images}images"
    )
    if args.command == "run":
        run(args.method, args)
        return
    print(grid(args))


if __name__ == "__main__":
    main()
