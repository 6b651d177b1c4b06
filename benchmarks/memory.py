"""Measures the memory and the time of training at several image sizes.

    python benchmarks/memory.py
    python benchmarks/memory.py --methods CycleGAN --sizes 256 --limit=8

TwinGAN and CycleGAN have the networks and the precision of their papers, and
`--batch_size` images of each domain in a step. A separate process makes a few
training steps with random images, as for `doctor`. If it needs more than
`--limit` GB and the method has residual blocks, another process measures the
same with `train.recompute = True`.

For each process the table has the images of each domain per second, the peak
memory of the process, and the time of the first step, which includes tracing.
"""

import argparse
import math

from tf_i2i import doctor
from tf_i2i.configs import find_config

RECOMPUTE = "train.recompute = True"
CONFIGS = {"TwinGAN": "paper/twingan.gin", "CycleGAN": "paper/cyclegan.gin"}


def settings(method, size, batch_size):
    """Returns gin bindings for images of one size from the first step on."""
    bindings = [
        f"train.image_size = {size}",
        "train.phases = @single_phase",
        f"single_phase.batch_size = {batch_size}",
        "train.label_maps = ()",
    ]
    if method == "TwinGAN":
        bindings += [f"TwinGAN.start_size = {size}"]
    return bindings


def row(method, size, recompute, needs):
    """Returns a line of the table; `needs` is from `doctor.try_out`."""
    cells = [method, f"{size} px", recompute]
    if "step" in needs:
        cells += [
            f"{needs['batch_size'] / needs['step']:.3g}",
            f"{needs['memory'] / 1e9:.2f}",
            f"{needs['first_step']:.0f}",
        ]
    else:
        cells += ["no step could be made", "", ""]
    return f"| {' | '.join(cells)} |"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--methods", nargs="+", choices=CONFIGS, default=list(CONFIGS))
    add("--sizes", nargs="+", type=int, default=[32, 64, 128, 256])
    add("--batch_size", type=int, default=4)
    add("--limit", type=float, default=8.0, help="memory in GB")
    args = parser.parse_args()
    print(
        "| method | images | recompute | images/s | memory, GB | first step, s "
        "|\n" + "| --- " * 6 + "|"
    )
    for method in args.methods:
        files = [str(find_config(CONFIGS[method]))]
        for size in args.sizes:
            bindings = settings(method, size, args.batch_size)
            needs, _ = doctor.try_out(files, bindings)
            print(row(method, size, "no", needs), flush=True)
            fits = needs.get("memory", math.inf) <= args.limit * 1e9
            if needs["can_recompute"] and not fits:
                needs, _ = doctor.try_out(files, [*bindings, RECOMPUTE])
                print(row(method, size, "yes", needs), flush=True)


if __name__ == "__main__":
    main()
