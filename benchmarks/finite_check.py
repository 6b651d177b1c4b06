"""Measures what the check of updated weights costs a training step.

    python benchmarks/finite_check.py --gin_file=twingan.gin

`TwoSidedModel._check_updated` looks for values that are not finite in the
updated weights of the networks after each update. The step of the last phase is
traced twice, with and without this check. The two are run alternately in one
process on random images, and the order changes from round to round. The program
prints the median processor time of a step with and without the check, and the
median of the ratios of the rounds.
"""

import argparse
import statistics
import tempfile
import time

from tf_i2i import cli


def main(args):
    tensorflow = cli.import_tensorflow(training=True)
    from tf_i2i.configs import find_config
    from tf_i2i.runs import open_run

    run = open_run(
        tempfile.mkdtemp(), [find_config(args.gin_file)], args.gin_param
    )
    phase = run.phases[-1]
    run.model.enter_phase(**phase.path)
    shape = (phase.batch_size, phase.size, phase.size, 3)
    images = tensorflow.random.uniform(shape, -1, 1, seed=0)
    data = tensorflow.data.Dataset.from_tensors((images, images)).repeat()
    steps = traced_steps(tensorflow, run.model, iter(data))
    rounds = []
    for number in range(args.rounds):
        names = sorted(steps, reverse=number % 2)
        rounds.append(
            {name: processor_seconds(steps[name], args.steps) for name in names}
        )
    for name in steps:
        median = statistics.median(taken[name] for taken in rounds)
        print(f"{name} the check: {1000 * median:.1f} ms of processor time")
    ratio = statistics.median(
        taken["with"] / taken["without"] for taken in rounds
    )
    print(f"with / without, median of {len(rounds)} rounds: {ratio:.3f}")


def traced_steps(tensorflow, model, iterator):
    """Returns functions that make a step, traced with and without the check."""
    from tf_i2i.methods.training_step import TwoSidedModel

    check = TwoSidedModel._check_updated
    checks = {"with": check, "without": lambda *_: tensorflow.no_op()}
    steps = {}
    for name, chosen in checks.items():
        TwoSidedModel._check_updated = chosen
        function = model.make_train_function(force=True)

        def step(function=function):
            function(iterator)
            # Reading a value waits until the step is finished.
            model.step.numpy()

        step()  # The first call traces the step.
        step()
        steps[name] = step
    TwoSidedModel._check_updated = check
    return steps


def processor_seconds(step, count):
    """Returns the mean processor time of `count` steps, in seconds."""
    began = time.process_time()
    for _ in range(count):
        step()
    return (time.process_time() - began) / count


if __name__ == "__main__":
    flags = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = flags.add_argument
    add("--gin_file", default="twingan.gin", help="name of a config")
    add("--gin_param", action="append", default=[], help="NAME = VALUE")
    add("--rounds", type=int, default=8, help="pairs of measurements")
    add("--steps", type=int, default=10, help="steps of a measurement")
    main(flags.parse_args())
