"""python -m tf_i2i.train: trains a method, or continues a run.

    python -m tf_i2i.train --gin_file=twingan.gin
    python -m tf_i2i.train --gin_file=twingan.gin --run_dir=runs/mine \
        --data_a=photos/ --data_b=drawings/ --gin_param='train.seed = 1'
"""

import contextlib
import os
import sys
from pathlib import Path

from tf_i2i import cli
from tf_i2i import configs
from tf_i2i import messages
from tf_i2i import process
from tf_i2i.data import sources
from tf_i2i.errors import UserError
from tf_i2i.errors import printable
from tf_i2i.training.cluster import read_cluster


def _parser():
    parser = cli.parser(
        "train",
        "Trains an unpaired image-to-image translator. Flags name folders and "
        "files; gin bindings set the method and all its settings. If the "
        "training is stopped, the same command continues it.",
        [
            "python -m tf_i2i.train --gin_file=twingan.gin",
            "python -m tf_i2i.train --gin_file=twingan.gin "
            "--run_dir=runs/mine --data_a=photos/ --data_b=drawings/ "
            "--gin_param='train.image_size = 64'",
        ],
    )
    add = parser.add_argument
    cli.add_gin_flags(
        add,
        "configuration: a .gin file, or the name of a shipped config; may be "
        "repeated",
        "setting, such as 'train.steps = 100'; it takes precedence over the "
        "files; may be repeated",
    )
    add(
        "--run_dir",
        type=cli.read_path,
        help="folder of the run (default: runs/ and the name of the first "
        "config)",
    )
    add(
        "--data",
        help="folder of both domains, with trainA/ and trainB/, or with A/ and "
        "B/; in place of --data_a and --data_b",
    )
    add(
        "--data_a",
        help=f"images of domain A: {sources.forms()} (default: toy)",
    )
    add(
        "--data_b",
        help="images of domain B; give --data_a and --data_b, or neither",
    )
    add(
        "--labels_a",
        type=cli.read_path,
        help="CSV file with the labels of the images of A; its columns are "
        "file name, label, ...",
    )
    add(
        "--labels_b",
        type=cli.read_path,
        help="CSV file with the labels of the images of B. OwnStyle learns "
        "from them; other methods use them for validation and evaluation only",
    )
    add(
        "--init_from",
        type=cli.read_path,
        metavar="RUN|MODEL",
        help="run, or shipped model, whose weights a new run begins with",
    )
    add(
        "--skip_step",
        type=int,
        help="number of a training step whose batch is left out, for example "
        "because it made a loss infinite",
    )
    cli.add_trust_flag(add)
    add(
        "--dry_run",
        action="store_true",
        help="print the configuration, phases and networks, without training",
    )
    add(
        "--list_configs",
        action="store_true",
        help="print the names of the shipped configs, without training",
    )
    return parser


@process.unchanged()
def main(argv):
    """Runs the command.

    Args:
        argv: command line, without the program.

    Raises:
        UserError: wrong flags or configuration, or a fault that stops the
            training.
    """
    args = _parser().parse_args(argv)
    if args.list_configs:
        for name, path in configs.shipped_configs().items():
            print(f"{name:24} {configs.header(path)}")
        return
    files = [configs.find_config(name) for name in args.gin_file]
    run_dir = _run_dir(args)
    _check_start(args, run_dir)
    bindings = _data_bindings(args) + args.gin_param
    cluster = read_cluster()
    if args.dry_run or (cluster and not cluster.chief):
        hold: contextlib.AbstractContextManager = contextlib.nullcontext()
    else:
        from tf_i2i.training.lock import locked

        hold = locked(run_dir, messages.info)
    with hold:
        _train(args, run_dir, files, bindings)


def _train(args, run_dir, files, bindings):
    cli.import_tensorflow(training=True)
    from tf_i2i import configuration
    from tf_i2i import runs

    run = runs.open_run(run_dir, files, bindings, args.trust_config)
    if args.dry_run:
        print(configuration.resolved_config())
        print(run.describe())
        return
    _check_joined(run.workers)
    state = run.train(args.init_from, args.skip_step)
    if run.workers.chief:
        _print_next_steps(run_dir, state)


def _check_joined(workers):
    """Raises an error if workers of a cluster would train separately."""
    cluster = read_cluster()
    if cluster and len(cluster.addresses) > workers.count:
        raise UserError(
            "`train.strategy` must be 'multi_worker' if TF_CONFIG names "
            "several workers; otherwise unset TF_CONFIG. "
            f"Received: TF_CONFIG with {len(cluster.addresses)} workers"
        )


def _run_dir(args):
    """Returns the folder of the run, which may not exist yet.

    This function also replaces `args.init_from`, the name of a run or of a
    shipped model, by its folder.

    Raises:
        UserError: a flag names a folder that is not a run, or neither a
            config nor a run is given.
    """
    if args.init_from:
        args.init_from = cli.find_run(args.init_from, "init_from")
    begun = args.run_dir and (Path(args.run_dir) / "checkpoints").is_dir()
    if args.run_dir and not args.gin_file and not begun:
        cli.check_run_dir(args.run_dir)
    if args.run_dir:
        return Path(args.run_dir)
    if args.gin_file:
        name = Path(args.gin_file[0])
        if name.is_file():
            return Path("runs") / name.stem
        return Path("runs") / "-".join(name.with_suffix("").parts)
    raise UserError(
        "`--gin_file` or `--run_dir` must be given. Received: neither; "
        "--list_configs shows the shipped configs"
    )


def _check_start(args, run_dir):
    """Raises an error for a wrong `--init_from` or `--skip_step`."""
    if args.init_from and Path(args.init_from).resolve() == run_dir.resolve():
        raise UserError(
            "`--init_from` must be another run than `--run_dir`; a run is "
            "continued without --init_from. "
            f"Received: {args.init_from} for both"
        )
    if args.skip_step is not None and args.skip_step < 0:
        raise UserError(
            "`--skip_step` must be the number of a step, at least 0. "
            f"Received: {args.skip_step}"
        )


def _data_bindings(args):
    """Returns the gin bindings for the flags of images and labels."""
    bindings = []
    sources.spread_data(args)
    if (args.data_a is None) != (args.data_b is None):
        raise UserError(
            "`--data_a` and `--data_b` must both be given, or neither to "
            "train on the toy faces. "
            f"Received: {args.data_a or args.data_b} alone"
        )
    for name in ("data_a", "data_b"):
        if (spec := getattr(args, name)) is not None:
            bindings.append(f"train.{name} = {sources.locate(spec, name)!r}")
    for name in ("labels_a", "labels_b"):
        if (spec := getattr(args, name)) is not None:
            path = Path(spec).resolve()
            if not path.is_file():
                raise UserError(
                    f"`--{name}` must be the path of an existing CSV file. "
                    f"Received: {spec}"
                )
            bindings.append(f"train.{name} = {str(path)!r}")
    return bindings


def _print_next_steps(run_dir, state):
    """Prints how far the training came, and the commands to use next."""
    if state.stopped:
        print(
            f"Stopped and saved at step {state.step}; the same command "
            "continues the training."
        )
        return
    folder = printable(run_dir)
    if not state.finished:
        print(
            "Ended after the number of steps that train.steps sets, before the "
            "end of the last phase."
        )
    print(
        f"Trained: {state.images_shown} images of each domain, "
        f"{state.step} steps."
    )
    if state.last_sample:
        print(f"Look at:  {printable(state.last_sample)}")
    print(f"Curves:   tensorboard --logdir={printable(run_dir.parent)}")
    print(f"Score:    python -m tf_i2i.evaluate --run_dir={folder}")
    print(
        "Next:     python -m tf_i2i.translate "
        f"--run_dir={folder} --input=me.jpg --output=translated/"
    )


if __name__ == "__main__":
    status = 0
    try:
        cli.run(main)
    except SystemExit as leaving:
        status = int(leaving.code or 0)
    if "TF_CONFIG" not in os.environ:
        sys.exit(status)
    # A normal exit of Python may wait forever for other workers that have
    # already ended.
    sys.stdout.flush()
    os._exit(status)
