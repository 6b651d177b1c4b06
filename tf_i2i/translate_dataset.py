"""python -m tf_i2i.translate_dataset: translates a data set with many workers.

    python -m tf_i2i.translate_dataset --run_dir=runs/mine --input=photos/ \
        --output=translated/ --workers=4
    python -m tf_i2i.translate_dataset --model=face-avatar \
        --input=s3://bucket/photos --output=s3://bucket/avatars \
        --output_format=parquet --engine=ray --address=auto --workers=64

The input is divided into shards. A command that was stopped continues with the
shards that are not done if it is started again with the same flags.
"""

import argparse
import csv
import io
import os
import time

from tqdm import tqdm

from tf_i2i import cli
from tf_i2i import messages
from tf_i2i import process
from tf_i2i.data.reading import first_frames
from tf_i2i.datasets import plan
from tf_i2i.datasets import pools
from tf_i2i.datasets import records
from tf_i2i.datasets import storage
from tf_i2i.datasets.worker import Job
from tf_i2i.domains import find_direction
from tf_i2i.domains import named
from tf_i2i.errors import UserError
from tf_i2i.errors import printable
from tf_i2i.extras import require
from tf_i2i.training import settings

SUFFIXES = ("png", "jpeg", "webp")
# Number of bad images that are printed; all of them are in `_errors.csv`.
SHOWN = 20


@process.unchanged()
def main(argv):
    """Runs the command.

    Args:
        argv: command line, without the program.

    Raises:
        UserError: wrong flags, no trained run, a package is missing, or more
            images are bad than `--max_bad_fraction` allows.
    """
    flags = _parser().parse_args(argv)
    _check(flags)
    store = storage.Store(flags.input, "input")
    output = storage.Store(flags.output, "output")
    reads, shards, digest = plan.find_shards(
        store, flags.input_format, flags.shard_size
    )
    job = _job(flags, reads)
    plan.begin(output, _settings(job, flags.shard_size, digest))
    results = plan.results_so_far(output, shards)
    before = sum(result.translated for result in results.values())
    if before:
        messages.info(f"continues after {before} translated images")
    waiting = [shard for shard in shards if shard.number not in results]
    begun = time.monotonic()
    with tqdm(
        total=len(shards), initial=len(results), unit="shard", disable=None
    ) as bar:
        for result in _run(flags, job, waiting):
            results[result.number] = result
            bar.update()
    _report(flags, output, results, before, time.monotonic() - begun)


def _check(flags):
    """Checks the flags, and sets `flags.direction` to its canonical name."""
    cli.check_run_dir(flags.run_dir)
    names = settings.domain_names(flags.run_dir)
    flags.direction = find_direction(flags.direction, names)
    for name in ("workers", "threads", "batch_size", "shard_size"):
        if getattr(flags, name) < 1:
            raise UserError(
                f"`--{name}` must be at least 1. "
                f"Received: {getattr(flags, name)}"
            )
    if not 0 <= flags.max_bad_fraction <= 1:
        raise UserError(
            "`--max_bad_fraction` must be from 0 to 1. "
            f"Received: {flags.max_bad_fraction}"
        )
    if f"{flags.output}/".startswith(f"{flags.input.rstrip('/')}/"):
        raise UserError(
            "`--output` must not be inside of --input, because its files would "
            f"be translated, too. Received: {printable(flags.output)}"
        )
    if flags.address and flags.engine != pools.RAY:
        raise UserError(
            "`--address` must come with --engine=ray. "
            f"Received: --engine={flags.engine}"
        )
    require(storage.EXTRA, "pyarrow")
    if flags.engine == pools.RAY:
        require("ray", "ray")


def _job(flags, reads):
    return Job(
        run_dir=os.path.abspath(flags.run_dir),
        trust_config=flags.trust_config,
        input=flags.input,
        output=flags.output,
        reads=reads,
        writes=flags.output_format or reads,
        column=flags.column,
        direction=flags.direction,
        size=flags.size,
        seed=flags.seed,
        suffix=flags.image_format,
        batch_size=flags.batch_size,
        threads=flags.threads,
    )


def _settings(job, shard_size, digest):
    """Returns the flags that must stay the same when work is continued."""
    return {
        "run_dir": job.run_dir,
        "weights": plan.weights_of(job.run_dir),
        "input": f"{job.input} sha256 {digest}",
        "input_format": job.reads,
        "output_format": job.writes,
        "image_format": job.suffix,
        "column": job.column,
        "direction": job.direction,
        "size": job.size,
        "seed": job.seed,
        "shard_size": shard_size,
    }


def _run(flags, job, shards):
    """Yields the `Result` of each shard, in any order."""
    if not shards:
        return iter(())
    if flags.engine == pools.RAY:
        return pools.run_ray(job, shards, flags.workers, flags.address)
    return pools.run_local(job, shards, flags.workers)


def _report(flags, output, results, before, seconds):
    """Prints the result, and writes the table of bad images.

    Raises:
        UserError: more images are bad than `--max_bad_fraction` allows.
    """
    ordered = [results[number] for number in sorted(results)]
    bad = [pair for result in ordered for pair in result.bad]
    count = sum(result.translated for result in ordered)
    if bad:
        table = io.StringIO()
        csv.writer(table).writerows([("name", "reason"), *bad])
        output.write(plan.ERRORS, table.getvalue().encode())
    animated = [name for result in ordered for name in result.animated]
    if animated:
        messages.info(first_frames(animated))
    for name, reason in bad[:SHOWN]:
        print(f"{printable(name)}: {printable(reason)}")
    way = named(flags.direction, settings.domain_names(flags.run_dir))
    print(
        f"Translated {count} of {count + len(bad)} images ({way}) into "
        f"{printable(flags.output)}; this command translated {count - before}, "
        f"{(count - before) / max(seconds, 1e-9):.1f} images/s"
    )
    if len(bad) > flags.max_bad_fraction * (count + len(bad)):
        raise UserError(
            "`--max_bad_fraction` must be at least the share of images that "
            f"cannot be translated. Received: {flags.max_bad_fraction}; "
            f"{len(bad)} of {count + len(bad)} images are bad, and "
            f"{plan.ERRORS} lists them"
        )


def _parser():
    parser = cli.parser(
        "translate_dataset",
        "Translates a data set of any size with a pool of workers. It needs "
        "pip install 'tf-i2i[datasets]', and --engine=ray needs "
        "pip install 'tf-i2i[ray]'.",
        [
            "python -m tf_i2i.translate_dataset --run_dir=runs/mine "
            "--input=photos/ --output=translated/ --workers=4",
            "python -m tf_i2i.translate_dataset --model=face-avatar "
            "--input=s3://bucket/photos --output=s3://bucket/avatars "
            "--output_format=parquet --engine=ray --address=auto --workers=64",
        ],
    )
    add = parser.add_argument
    cli.add_run_flags(add)
    add(
        "--input",
        type=storage.location,
        required=True,
        metavar="FOLDER|URI",
        help="folder of image files, TFRecord files or Parquet files, with all "
        "its subfolders; or such a file; or a URI, such as s3://, gs:// or "
        "file://",
    )
    add(
        "--output",
        type=storage.location,
        required=True,
        metavar="FOLDER|URI",
        help="folder for the results: a new one, or one that the same command "
        "has begun to fill",
    )
    add(
        "--input_format",
        choices=records.FORMATS,
        help="kind of files to read (default: by the names of the files)",
    )
    add(
        "--output_format",
        choices=records.FORMATS,
        help="kind of files to write (default: the kind of the input)",
    )
    add(
        "--column",
        type=_text,
        help="column of Parquet files, or feature of TFRecord files, that "
        f"contains encoded images (default: {' or '.join(records.COLUMNS)})",
    )
    cli.add_direction_flag(add)
    add(
        "--size",
        choices=("model", "input"),
        default="model",
        help="size of the results. model: the short side is as long as in "
        "training; input: the size of the input (default: model)",
    )
    add("--seed", type=int, help="seed of one random style for all images")
    add(
        "--image_format",
        choices=SUFFIXES,
        default="png",
        help="format of the translated images (default: png)",
    )
    add(
        "--engine",
        choices=pools.ENGINES,
        default=pools.LOCAL,
        help="local: processes of this machine; ray: actors of Ray, on this "
        "machine or on the cluster of --address (default: local)",
    )
    add(
        "--address",
        type=_text,
        help="address of a Ray cluster, such as auto or ray://head:10001",
    )
    add(
        "--workers",
        type=int,
        default=os.cpu_count() or 1,
        help="number of workers; each loads the model (default: the number of "
        "cores of this machine)",
    )
    add(
        "--threads",
        type=int,
        default=1,
        help="number of threads of each worker (default: 1)",
    )
    add(
        "--batch_size",
        type=int,
        default=8,
        help="largest number of images that are translated together "
        "(default: 8)",
    )
    add(
        "--shard_size",
        type=int,
        default=256,
        help="number of image files in a shard. Each TFRecord or Parquet file "
        "is one shard (default: 256)",
    )
    add(
        "--max_bad_fraction",
        type=float,
        default=0.01,
        help="largest share of images that cannot be translated; above it, "
        "the exit status is 2 (default: 0.01)",
    )
    return parser


def _text(text):
    """Returns the value of a flag that must not be empty."""
    if not text:
        raise argparse.ArgumentTypeError("must not be empty. Received: no text")
    return text


if __name__ == "__main__":
    cli.run(main)
