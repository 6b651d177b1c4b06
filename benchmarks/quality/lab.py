"""The quality lab: one command trains, evaluates and keeps a row.

    python benchmarks/quality/lab.py run twingan --seed=1
    python benchmarks/quality/lab.py run twingan_facades --data_root=DATA
    python benchmarks/quality/lab.py score twingan --run_dir=runs/mine
    python benchmarks/quality/lab.py table

`run` goes on with a row that was stopped. Results are appended to
results.jsonl beside this file, from which `table` makes TABLE.md. Budgets are
those of the configs, the same for every row of a task.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tasks import TASKS

HERE = Path(__file__).parent
RESULTS = HERE / "results.jsonl"


class Row(NamedTuple):
    """What is trained.

    Attributes:
        task: a key of `tasks.TASKS`.
        gin_file: a shipped config.
        settings: bindings beside it.
    """

    task: str
    gin_file: str
    settings: tuple = ()


def of(name, **values):
    """Bindings of a configurable."""
    return tuple(f"{name}.{key} = {value}" for key, value in values.items())


# Where the truth is exact, shifts of each domain's colours would blur it.
EXACT = of(
    "Augmentation", contrast=0.0, hue=0.0, brightness=0.0, saturation=0.0
)
# Label maps must come as they are.
MAPS = (
    "train.image_size = 64",
    "Augmentation.crop = None",
    *EXACT,
    "single_phase.images = 4000",
)
NO_SHARING = of("UNIT", shared_blocks=0, likelihood_weight=0.0, kl_weight=0.0)
NO_CYCLE = of("UNIT", cycle_weight=0.0, cycle_kl_weight=0.0)
NARROW = (
    *of("CycleGAN", residual_blocks=6, width=0.25),
    *of("single_phase", batch_size=8, images=40000),
)
NO_IDENTITY = of("CycleGAN", identity_weight=0.0)
ONE_LAYER = "('stage2',)"
STAGES_64 = "('stage2', 'stage3', 'stage5')"
AT_64 = (
    "train.image_size = 64",
    *of("CDFT", taps=STAGES_64, width=1.0, inverter_channels=96),
    *of("cascade_phases", taps=STAGES_64),
)
ROWS = {
    "twingan": Row("toy", "twingan.gin"),
    "no_cycle": Row("toy", "twingan.gin", ("TwinGAN.cycle_weight = 0.0",)),
    "no_semantic": Row(
        "toy", "twingan.gin", ("TwinGAN.semantic_weight = 0.0",)
    ),
    "no_unet": Row("toy", "twingan.gin", ("TwinGAN.skips = False",)),
    "style": Row("toy", "twingan.gin", ("TwinGAN.style_size = 16",)),
    **{
        f"twingan_{task}": Row(task, "twingan.gin")
        for task in TASKS
        if task != "toy"
    },
    "cyclegan": Row("toy", "cyclegan.gin"),
    "cyclegan_narrow": Row("toy", "cyclegan.gin", NARROW),
    "cyclegan_negative": Row(
        "negative", "cyclegan.gin", (*EXACT, *NARROW, *NO_IDENTITY)
    ),
    "cyclegan_permutation": Row(
        "permutation",
        "cyclegan.gin",
        (
            *EXACT,
            *NO_IDENTITY,
            *of("CycleGAN", residual_blocks=6, width=0.5),
            *of("single_phase", images=12000),
        ),
    ),
    "cyclegan_cityscapes": Row("cityscapes", "cyclegan.gin", MAPS),
    "unit": Row("toy", "unit.gin"),
    "unit_negative": Row(
        "negative",
        "unit.gin",
        (
            *EXACT,
            *of("UNIT", shared_blocks=1, critic_width=0.25),
            *of("single_phase", batch_size=8, images=40000),
        ),
    ),
    "unit_negative_2k": Row(
        "negative",
        "unit.gin",
        (
            *EXACT,
            *of("UNIT", shared_blocks=1, critic_width=0.25),
            *of("single_phase", batch_size=8, images=16000),
        ),
    ),
    "unit_permutation": Row(
        "permutation",
        "unit.gin",
        (
            *EXACT,
            *of("UNIT", shared_blocks=1, width=0.5),
            *of("single_phase", images=12000),
        ),
    ),
    "unit_cityscapes": Row("cityscapes", "unit.gin", MAPS),
    "unit_no_sharing": Row("cityscapes", "unit.gin", (*MAPS, *NO_SHARING)),
    "unit_no_cycle": Row("cityscapes", "unit.gin", (*MAPS, *NO_CYCLE)),
    "cyclegan_selfie2anime": Row("selfie2anime", "cyclegan.gin"),
    "cdft": Row("toy", "cdft.gin"),
    "cdft_no_cycle": Row("toy", "cdft.gin", of("CDFT", cycle_weight=0.0)),
    "cdft_no_identity": Row("toy", "cdft.gin", of("CDFT", identity_weight=0.0)),
    "cdft_no_adversarial": Row(
        "toy", "cdft.gin", of("CDFT", adversarial_weight=0.0)
    ),
    "cdft_one_layer": Row(
        "toy",
        "cdft.gin",
        (
            *of("CDFT", taps=ONE_LAYER),
            *of("cascade_phases", taps=ONE_LAYER),
        ),
    ),
    "cdft_selfie_cats": Row("selfie_cats", "cdft.gin", AT_64),
    "cyclegan_selfie_cats": Row(
        "selfie_cats", "cyclegan.gin", ("train.image_size = 64", *NARROW)
    ),
}
# Of both directions: what a line of the table shows.
COLUMNS = (
    *("score", "called_b", "r@5", "labels", "label_turn", "copy_rate"),
    *("map_pixel", "map_class", "map_iou"),
    *("fd", "swd_32", "swd_16", "acc16", "perceptual", "round_trip"),
)
CHEATS = ("truth", "floor", "copy", "colours", "random")


def prepare(task, work, data_root):
    """Flags of train and evaluate for a task's data; makes it if need be."""
    make, paired = TASKS[task]
    if make is None:
        return [], []
    folder = work / "data" / task
    if not (folder / "complete").exists():
        make(folder, data_root)
        (folder / "complete").touch()
    data = [f"--data_{d}={folder / d}" for d in "ab"]
    judging = ["--paired"] if paired else []
    for domain in "ab":
        for kind in ("labels", "palette"):
            table = folder / f"{kind}_{domain}.csv"
            if table.exists():
                judging.append(f"--{kind}_{domain}={table}")
    return data, judging


def call(verb, *flags):
    """Runs a verb of the package; its output goes to the terminal."""
    subprocess.run([sys.executable, "-m", f"tf_i2i.{verb}", *flags], check=True)


def run_row(name, seed, work, data_root, features):
    """Trains a row, scores it and keeps what came out."""
    row = ROWS[name]
    run_dir = work / "runs" / f"{name}_{seed}"
    data, judging = prepare(row.task, work, data_root)
    bindings = (*row.settings, f"train.seed = {seed}")
    began = time.monotonic()
    call(
        "train",
        f"--gin_file={row.gin_file}",
        f"--run_dir={run_dir}",
        *data,
        *(f"--gin_param={binding}" for binding in bindings),
    )
    minutes = (time.monotonic() - began) / 60
    keep(name, seed, run_dir, minutes, judging, features)


def keep(name, seed, run_dir, minutes, judging, features):
    """Scores a trained run and appends the line to results.jsonl."""
    call("evaluate", f"--run_dir={run_dir}", f"--features={features}", *judging)
    lines = (run_dir / "metrics.jsonl").read_text().splitlines()
    scores = json.loads(lines[-1])
    result = {
        "row": name,
        **ROWS[name]._asdict(),
        "seed": seed,
        "minutes": minutes and round(minutes, 1),
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores",
        **scores,
    }
    with open(RESULTS, "a") as file:
        file.write(json.dumps(result) + "\n")


def table():
    """Markdown of all results: mean and deviation over seeds."""
    groups = defaultdict(list)
    for line in RESULTS.read_text().splitlines():
        result = json.loads(line)
        groups[result["task"], result["features"], result["row"]].append(result)
    text = ["# What came out of the lab", ""]
    text += ["Made by `python benchmarks/quality/lab.py table`.", ""]
    tasks = sorted({key[:2] for key in groups})
    for task, features in tasks:
        text += [f"## {task}, by {features}", ""]
        rows = {k[2]: g for k, g in groups.items() if k[:2] == (task, features)}
        for direction in ("a_to_b", "b_to_a"):
            text += [*_lines(direction, rows), ""]
    return "\n".join(text)


def _lines(direction, rows):
    """One direction's table."""
    some = next(iter(rows.values()))[0][direction]
    known = [n for n in COLUMNS if _value(some["model"], n) is not None]
    yield f"| {direction} | seeds | minutes | {' | '.join(known)} |"
    yield "| --- " * (len(known) + 3) + "|"
    for cheat in CHEATS:
        if cheat in some:
            cells = [_cell([_value(some[cheat], n)]) for n in known]
            yield f"| *{cheat}* | | | {' | '.join(cells)} |"
    for name, results in rows.items():
        scores = [result[direction]["model"] for result in results]
        cells = [_cell([_value(s, n) for s in scores]) for n in known]
        minutes = _cell([result["minutes"] for result in results])
        yield f"| {name} | {len(results)} | {minutes} | {' | '.join(cells)} |"


def _value(scores, name):
    """A measure by its plain name, whatever it must carry."""
    for full, value in scores.items():
        if full.partition("[")[0] == name:
            return value
    return None


def _cell(values):
    values = [value for value in values if value is not None]
    if not values:
        return ""
    text = f"{np.mean(values):.3g}"
    if len(values) > 1:
        text += f" ± {np.std(values, ddof=1):.2g}"
    return text


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=("run", "score", "table", "rows"))
    parser.add_argument("row", nargs="?", choices=ROWS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("runs/lab"))
    parser.add_argument("--data_root", type=Path, help="real images")
    parser.add_argument("--features", default="random-conv")
    parser.add_argument("--run_dir", type=Path, help="for score: a trained run")
    parser.add_argument("--minutes", type=float, help="for score: it took")
    args = parser.parse_args()
    if args.what == "rows":
        for name, row in ROWS.items():
            print(f"{name:22} {row.task:12} {', '.join(row.settings)}")
        return
    if args.what == "table":
        (HERE / "TABLE.md").write_text(table() + "\n")
        return
    if args.what == "score":
        _, judging = prepare(ROWS[args.row].task, args.work, args.data_root)
        keep(
            args.row,
            args.seed,
            args.run_dir,
            args.minutes,
            judging,
            args.features,
        )
        return
    run_row(args.row, args.seed, args.work, args.data_root, args.features)


if __name__ == "__main__":
    main()
