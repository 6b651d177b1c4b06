"""Measures the time and memory of a config's training step, for each phase.

    python benchmarks/train_step.py --gin_file=twingan.gin
    python benchmarks/train_step.py --gin_file=twingan.gin --before=OLD_CHECKOUT
    python benchmarks/train_step.py --gin_file=twingan.gin --profile=/tmp/trace

The images are random. The time of a step is the median of `--steps` steps after
the first step. `--before` also measures the same config in another checkout.
The two checkouts are measured alternately, `--rounds` times each. Compare them
by the printed ratio of their times, because milliseconds that were measured on
different days are not comparable.
`--profile` writes a trace of the last phase for TensorBoard and prints the
processor time of each kind of operation.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

STEPS_PROFILED = 10


def measure(args):
    """Returns a row of the table, a dictionary, for each phase."""
    from tf_i2i import cli

    tensorflow = _import(cli)
    from tf_i2i.configs import find_config
    from tf_i2i.runs import open_run

    run = open_run(
        tempfile.mkdtemp(), [find_config(args.gin_file)], args.gin_param
    )
    model = run.model
    peak = matrix_peak(tensorflow, run.config.precision)
    phases = run.phases[-1:] if args.last else run.phases
    rows = []
    for phase in phases:
        step, iterator = prepare(tensorflow, model, phase)
        row = time_steps(model, step, iterator, args.steps)
        flops = step_flops(tensorflow, model, iterator)
        rows.append(
            {
                "phase": phase.name,
                "batch": phase.batch_size,
                **row,
                "images_per_second": phase.batch_size / row["seconds"],
                "gflop": flops / 1e9,
                "peak_share": flops / row["seconds"] / peak,
                "peak_tflops": peak / 1e12,
                "memory_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                / 2**20,
                "precision": run.config.precision,
            }
        )
    if args.profile:
        profile(tensorflow, model, step, iterator, args.profile)
    return rows


def _import(cli):
    """Imports the package as `train` does, also from older checkouts."""
    try:
        return cli.import_tensorflow(training=True)
    except TypeError:
        return cli.import_tensorflow()


def prepare(tf, model, phase):
    """Returns the phase's step function and an iterator of random images."""
    model.enter_phase(**phase.path)
    shape = (phase.batch_size, phase.size, phase.size, 3)
    images = tf.random.uniform(shape, -1, 1)
    data = tf.data.Dataset.from_tensors((images, images)).repeat()
    return model.make_train_function(), iter(data)


def time_steps(model, step, iterator, steps):
    """Returns the time of the first step and medians of the other steps."""
    took, worked = [], []
    for _ in range(steps + 2):
        began, worked_before = time.perf_counter(), time.process_time()
        step(iterator)
        # Reading a value waits until the device has finished the step.
        model.step.numpy()
        took.append(time.perf_counter() - began)
        worked.append(time.process_time() - worked_before)
    return {
        "first_seconds": took[0],
        "seconds": statistics.median(took[2:]),
        "processor_seconds": statistics.median(worked[2:]),
    }


def step_flops(tf, model, iterator):
    """Returns the number of floating point operations of a step.

    TensorFlow's profiler counts them. Operations whose results are not used are
    not counted, because TensorFlow removes these.
    """
    # The profiler exists only in the API of TensorFlow 1, which gives warnings.
    tf.get_logger().setLevel("ERROR")
    step = tf.function(model.train_step, autograph=False)
    graph = step.get_concrete_function(next(iterator)).graph
    wanted = [op.name for op in graph.control_outputs]
    wanted += [tensor.op.name for tensor in graph.outputs]
    used = tf.compat.v1.graph_util.extract_sub_graph(
        graph.as_graph_def(add_shapes=True), wanted
    )
    with tf.Graph().as_default() as pruned:
        tf.import_graph_def(used, name="")
        options = tf.compat.v1.profiler.ProfileOptionBuilder
        options = options(options.float_operation()).with_empty_output()
        found = tf.compat.v1.profiler.profile(pruned, options=options.build())
    return found.total_float_ops


def matrix_peak(tf, precision, side=4096, products=2):
    """Returns the peak speed of matrix products on all cores, in FLOP/s."""
    dtype = tf.bfloat16 if precision == "mixed_bfloat16" else tf.float32
    factors = [tf.ones((side, side), dtype) for _ in range(products)]

    @tf.function
    def multiply(*factors):
        # The products are independent. Therefore they share the cores, as the
        # operations of a step do.
        return tf.add_n([tf.reduce_sum(tf.matmul(x, x)) for x in factors])

    took = []
    for _ in range(5):
        began = time.perf_counter()
        multiply(*factors).numpy()
        took.append(time.perf_counter() - began)
    return 2 * products * side**3 / min(took[1:])


def profile(tf, model, step, iterator, folder):
    """Prints processor time by kind of operation, in descending order."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    options = tf.profiler.experimental.ProfilerOptions(host_tracer_level=2)
    tf.profiler.experimental.start(folder, options=options)
    for _ in range(STEPS_PROFILED):
        step(iterator)
    model.step.numpy()
    tf.profiler.experimental.stop()
    (path, *_) = sorted(Path(folder).rglob("*.xplane.pb"), reverse=True)
    space = xplane_pb2.XSpace.FromString(path.read_bytes())
    spent, count = Counter(), Counter()
    for plane in space.planes:
        names = {key: meta.name for key, meta in plane.event_metadata.items()}
        for event in (e for line in plane.lines for e in line.events):
            name, _, kind = names[event.metadata_id].rpartition(":")
            if name and not name.endswith(":") and "__" not in kind:
                spent[kind] += event.duration_ps / 1e9 / STEPS_PROFILED
                count[kind] += 1 / STEPS_PROFILED
    total = sum(spent.values())
    print(f"\n{'operation':45} ms/step  share  calls")
    for kind, milliseconds in spent.most_common(15):
        share = milliseconds / total
        print(
            f"{kind:45} {milliseconds:7.1f}  {share:5.1%}  {count[kind]:5.0f}"
        )


def elsewhere(args, checkout):
    """Returns the rows that the package of another checkout measures."""
    command = [sys.executable, __file__, "--json", f"--steps={args.steps}"]
    command += [f"--gin_file={args.gin_file}", *(["--last"] * args.last)]
    command += [f"--gin_param={binding}" for binding in args.gin_param]
    environment = {**os.environ, "PYTHONPATH": str(Path(checkout).resolve())}
    done = subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def show(rows):
    for row in rows:
        print(
            f"{row['phase']:12} batch {row['batch']:2}  "
            f"{1000 * row['seconds']:7.1f} ms/step  "
            f"{row['images_per_second']:6.1f} images/s  "
            f"{row['gflop']:6.1f} GFLOP, {row['peak_share']:4.0%} of the peak "
            f"({row['peak_tflops']:.2f} TFLOP/s)  "
            f"{row['memory_gb']:.2f} GB  "
            f"first step {row['first_seconds']:.1f} s"
        )


def compare(args):
    """Measures both checkouts in turns, and prints the median ratios."""
    here = Path(__file__).parents[1]
    ratios: dict[str, list] = {}
    for _ in range(args.rounds):
        before, after = (elsewhere(args, path) for path in (args.before, here))
        for title, rows in (("before", before), ("after", after)):
            print(title)
            show(rows)
        for old, new in zip(before, after, strict=True):
            ratio = ratios.setdefault(old["phase"], [])
            ratio.append(
                (
                    old["seconds"] / new["seconds"],
                    old["processor_seconds"] / new["processor_seconds"],
                )
            )
    for phase, pairs in ratios.items():
        wall, processor = (
            statistics.median(r) for r in zip(*pairs, strict=True)
        )
        print(
            f"{phase:12} {wall:.2f} times as fast; "
            f"{processor:.2f} times less processor time"
        )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--gin_file", required=True)
    parser.add_argument("--gin_param", action="append", default=[])
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument(
        "--last", action="store_true", help="measure the last phase only"
    )
    parser.add_argument("--before", help="folder of another checkout")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", metavar="FOLDER")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.before:
        compare(args)
        return
    rows = measure(args)
    if args.json:
        print(json.dumps(rows))
        return
    print(f"{args.gin_file}, {rows[0]['precision']}")
    show(rows)


if __name__ == "__main__":
    main()
