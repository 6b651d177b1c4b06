"""python -m tf_i2i.train: trains a method; the same command again goes on.

    python -m tf_i2i.train --gin_file=twingan.gin
    python -m tf_i2i.train --gin_file=twingan.gin --run_dir=runs/mine \
        --data_a=photos/ --data_b=drawings/ --gin_param='train.seed = 1'
"""

from pathlib import Path

from tf_i2i import cli
from tf_i2i import configs
from tf_i2i.errors import UserError


def _parser():
    parser = cli.parser(
        "train",
        "Trains an unpaired image-to-image translator. Flags say where, gin "
        "says what. The same command again goes on where the run stopped.",
        [
            "python -m tf_i2i.train --gin_file=twingan.gin",
            "python -m tf_i2i.train --gin_file=twingan.gin "
            "--run_dir=runs/mine --data_a=photos/ --data_b=drawings/ "
            "--gin_param='train.image_size = 64'",
        ],
    )
    add = parser.add_argument
    add(
        "--gin_file",
        action="append",
        default=[],
        metavar="FILE",
        help="a .gin file, or the name of a shipped one; may be repeated",
    )
    add(
        "--gin_param",
        action="append",
        default=[],
        metavar="BINDING",
        help="e.g. 'train.steps = 100'; may be repeated, wins over files",
    )
    add("--run_dir", help="default: runs/ and the name of the first config")
    add("--data_a", help="folder of images of domain A (default: toy faces)")
    add("--data_b", help="folder of images of domain B (both or neither)")
    add("--init_from", metavar="RUN", help="begin with another run's weights")
    add("--skip_step", type=int, help="leave out the batch of this step")
    add(
        "--allow_imports",
        action="store_true",
        help="trust a run's own config.gin that imports code",
    )
    add(
        "--dry_run",
        action="store_true",
        help="print configuration, phases and networks, and stop",
    )
    add(
        "--list_configs",
        action="store_true",
        help="print the shipped configs, and stop",
    )
    return parser


def main(argv):
    args = _parser().parse_args(argv)
    if args.list_configs:
        for name, path in configs.shipped_configs().items():
            print(f"{name:24} {configs.header(path)}")
        return
    files = [configs.find_config(name) for name in args.gin_file]
    run_dir = _run_dir(args)
    bindings = _data_bindings(args) + args.gin_param

    cli.import_tensorflow()
    from tf_i2i.training import run as runs

    run, model = runs.open_run(run_dir, files, bindings, args.allow_imports)
    if args.dry_run:
        print(runs.resolved_config())
        print(runs.describe(run, model))
        return
    runs.write_config(run)
    run.train(model, args.init_from, args.skip_step)
    _say_what_next(run)


def _run_dir(args):
    """Where the run is or will be; refuses what cannot be one."""
    if args.init_from:
        cli.check_run_dir(args.init_from, "init_from")
    if args.run_dir and not args.gin_file:
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


def _data_bindings(args):
    bindings = []
    if (args.data_a is None) != (args.data_b is None):
        raise UserError(
            "`--data_a` and `--data_b` must both be given, or neither, for "
            f"the toy faces. Received: {args.data_a or args.data_b} alone"
        )
    for name in ("data_a", "data_b"):
        folder = getattr(args, name)
        if folder is None:
            continue
        if not Path(folder).is_dir():
            raise UserError(
                f"`--{name}` must be a folder of images. Received: {folder}"
            )
        bindings.append(f"train.{name} = {str(Path(folder).resolve())!r}")
    return bindings


def _say_what_next(run):
    if run.stop_requested:
        print(
            f"Stopped and saved at step {run.step}; the same command goes on."
        )
        return
    if run.images_shown < run.phases[-1].end:
        print("Cut short by train.steps; the phases go on.")
    print(
        f"Trained: {run.images_shown} images of each domain, {run.step} steps."
    )
    if run.last_sample:
        print(f"Look at:  {run.last_sample}")
    print(f"Curves:   tensorboard --logdir={run.run_dir.parent}")
    print(
        "Next:     python -m tf_i2i.translate "
        f"--run_dir={run.run_dir} --input=me.jpg --output=translated/"
    )


if __name__ == "__main__":
    cli.run(main)
