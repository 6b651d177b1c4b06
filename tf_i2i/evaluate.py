"""python -m tf_i2i.evaluate: scores of a run's translations.

    python -m tf_i2i.evaluate --run_dir=runs/twingan
    python -m tf_i2i.evaluate --data_a=photos/ --data_b=drawings/ \
        --images_b=theirs/ --image_size=64
"""

import dataclasses
import datetime
import functools
import shlex
from pathlib import Path

from tf_i2i import cli
from tf_i2i import models
from tf_i2i.domains import named
from tf_i2i.errors import UserError


def _parser():
    parser = cli.parser(
        "evaluate",
        "Scores both directions of a run on its test split, beside the truth "
        "(where test images are pairs), copying and other cheats, and the "
        "floor of real against real.",
        [
            "python -m tf_i2i.evaluate --run_dir=runs/twingan",
            "python -m tf_i2i.evaluate --data_a=photos/ --data_b=drawings/ "
            "--images_b=theirs/ --image_size=64",
        ],
    )
    add = parser.add_argument
    cli.add_run_flags(add, required=False)
    add(
        "--checkpoint",
        choices=("all", "final", "best"),
        default="all",
        help="the last, the best on validation, or what there is of both",
    )
    add("--images_a", help="translations into A by another program")
    add("--images_b", help="translations into B by another program")
    add("--data_a", help="real images of A, for --images_a and --images_b")
    add("--data_b", help="real images of B")
    add("--image_size", type=int, help="side at which those are scored")
    add(
        "--paired",
        action="store_true",
        help="test images of equal names in A and B are hidden pairs",
    )
    add("--labels_a", help="CSV: file name, label, ...; of A's images")
    add("--labels_b", help="the same of B's")
    add(
        "--palette_a",
        help="CSV with r, g, b: A's images are label maps (default: the "
        "colours in A where train.label_maps has 'a')",
    )
    add("--palette_b", help="the same of B's")
    add(
        "--maps_a",
        help="folder: label maps of A's photos by name, in B's colours; from "
        "those of training photos a segmenter learns to judge translations",
    )
    add("--maps_b", help="the same of B's photos, in A's colours")
    add(
        "--features",
        default="random-conv",
        help="network that looks at the images (default: random-conv)",
    )
    add("--recipe", help="quick, full, or a method (default: the run's)")
    add("--count", type=int, help="test images at most (default: all)")
    add(
        "--cheats",
        choices=("all", "needed"),
        default="all",
        help="rows to compare with: all, or, for less time, the three that "
        "`score` needs",
    )
    add("--seed", type=int, default=0, help="of all that is drawn")
    add("--report", help="HTML file (default: report.html in the run)")
    return parser


def main(argv):
    """Runs the verb.

    Args:
        argv: command line, without the program.

    Raises:
        UserError: wrong flags, no trained run, or images that cannot be
            scored.
    """
    flags = _parser().parse_args(argv)
    _check(flags)
    cli.import_tensorflow()
    from tf_i2i.evaluation.log import full_names
    from tf_i2i.evaluation.registry import find_recipe
    from tf_i2i.features import load_features
    from tf_i2i.report import format_summary

    measures = None
    if flags.recipe:
        measures = find_recipe(flags.recipe, "--recipe")
    features = load_features(flags.features)
    job = _run_job(flags) if flags.run_dir else _folder_job(flags)
    reports, scores = [], {}
    for direction in job.subject.directions:
        report = _score(job, direction, features, measures, flags)
        reports.append(report)
        scores[direction] = full_names(report.table, features.label)
        print(f"\n{report.name}, by {features.label}")
        print(format_summary(report.table))
        for sentence in report.verdicts:
            print(f"! {sentence}")
    _log(job, features, scores, flags)
    path = Path(flags.report) if flags.report else job.report
    _write(path, job, features, reports, argv)
    print(f"report: {path}")


def _check(flags):
    """Refuses flags that mean nothing together, before TensorFlow loads."""
    if flags.run_dir:
        cli.check_run_dir(flags.run_dir)
    elif not (flags.images_a or flags.images_b):
        raise UserError(
            "`--run_dir`, or `--images_a` or `--images_b` with the real "
            "images, must be given. Received: none of them"
        )
    elif not (flags.data_a and flags.data_b and flags.image_size):
        raise UserError(
            "`--data_a`, `--data_b` and `--image_size` must say what the "
            "images are scored against, or --run_dir. Received: not all three"
        )
    if flags.count is not None and flags.count < 1:
        raise UserError(
            f"`--count` must be at least 1. Received: {flags.count}"
        )


@dataclasses.dataclass(frozen=True)
class _Job:
    """What is evaluated, and where the results go.

    Attributes:
        subject: `TrainedModels` or `ImageFolders`.
        facts: of the report, text by name.
        report: path of the report, unless a flag gives another.
        run: the `TrainedRun` of `TrainedModels`; None for images in folders.
    """

    subject: object
    facts: dict
    report: Path
    run: object = None


def _run_job(flags):
    from tf_i2i.evaluation.evidence import RealImages
    from tf_i2i.evaluation.subjects import TrainedModels
    from tf_i2i.runs import load_translator

    load = functools.partial(
        load_translator, flags.run_dir, flags.allow_imports
    )
    run = load(best=flags.checkpoint == "best")
    home = _home(flags.run_dir)
    known = _known(flags)
    known["labels"] = known["labels"] or run.data.label_tables()
    real = RealImages.of_data(run.data, run.phase.size, flags.paired, **known)
    if flags.images_a or flags.images_b:
        return _images_job(flags, real, home / "others.html")
    versions = {"best" if flags.checkpoint == "best" else "model": run.model}
    if flags.checkpoint == "all" and run.checkpoints.best[0].exists():
        versions["best"] = load(best=True).model
    facts = {
        "run": str(flags.run_dir),
        "method": type(run.model).__name__,
        "checkpoints": ", ".join(versions),
        "step": f"{run.step:,}",
        "images shown": f"{run.images_shown:,} of each domain",
    }
    subject = TrainedModels(real, versions, flags.seed)
    return _Job(subject, facts, home / "report.html", run)


def _home(run_dir):
    """The folder for results of a run; `runs/NAME` for a shipped model."""
    name = models.name_of(run_dir)
    return Path("runs") / name if name else Path(run_dir)


def _folder_job(flags):
    from tf_i2i.data.reading import MAPS
    from tf_i2i.data.sources import source_for
    from tf_i2i.data.store import open_store
    from tf_i2i.evaluation.evidence import RealImages

    known = _known(flags)
    stores = {
        domain: open_store(
            source_for(getattr(flags, f"data_{domain}"), domain),
            flags.image_size,
            fit="crop" + MAPS * (domain in known["palettes"]),
        )
        for domain in "ab"
    }
    real = RealImages(stores, flags.image_size, flags.paired, **known)
    return _images_job(flags, real, Path("report.html"))


def _images_job(flags, real, report):
    """The job for translations that another program wrote."""
    from tf_i2i.evaluation.subjects import ImageFolders

    folders = {"a_to_b": flags.images_b, "b_to_a": flags.images_a}
    folders = {way: folder for way, folder in folders.items() if folder}
    subject = ImageFolders(real, folders, flags.count)
    return _Job(subject, {"images": ", ".join(folders.values())}, report)


def _known(flags):
    """What flags tell of the real images, as `RealImages` takes it."""
    from tf_i2i.data.labels import read_labels
    from tf_i2i.data.maps import read_palette

    def by_domain(flag, read):
        paths = {domain: getattr(flags, f"{flag}_{domain}") for domain in "ab"}
        return {domain: read(path) for domain, path in paths.items() if path}

    return {
        "labels": by_domain("labels", read_labels),
        "palettes": by_domain("palette", read_palette),
        "maps": by_domain("maps", str),
    }


def _score(job, direction, features, measures, flags):
    """The `DirectionReport` of a direction; by default by its own measures."""
    from tf_i2i.evaluation.judge import Judge
    from tf_i2i.evaluation.registry import add_automatic
    from tf_i2i.features.cache import cached_embeddings
    from tf_i2i.report.direction import report_direction

    subject = job.subject
    evidence = subject.real.evidence(direction, "test", flags.count)
    measures = add_automatic(measures or subject.measures, evidence)
    candidates = subject.candidates(evidence, direction, measures)
    judge = Judge(evidence, features, flags.seed, cached_embeddings)
    table = judge.table(candidates, measures, flags.cheats == "all")
    return report_direction(
        named(direction, job.run.config.domains) if job.run else direction,
        judge,
        next(iter(candidates.values())),
        table,
        subject.interpolate(evidence.inputs, direction),
    )


def _log(job, features, scores, flags):
    """Appends the numbers to the run's metrics.jsonl."""
    from tf_i2i.evaluation.log import append_row

    if job.run is None:
        return
    row = {
        "step": job.run.step,
        "images_shown": job.run.images_shown,
        "evaluation": "test",
        "features": features.label,
        "evaluation_seed": flags.seed,
        **scores,
    }
    append_row(_home(flags.run_dir) / "metrics.jsonl", row)


def _write(path, job, features, reports, argv):
    from tf_i2i.evaluation.log import read_curves
    from tf_i2i.report import write_report

    facts = {
        **job.facts,
        "features": features.label,
        "test images": ", ".join(
            f"{len(job.subject.real.names(domain))} of {domain.upper()}"
            for domain in "ab"
        ),
        "date": f"{datetime.datetime.now():%Y-%m-%d %H:%M}",
        "command": shlex.join(["python", "-m", "tf_i2i.evaluate", *argv]),
    }
    curves = {}
    if job.run is not None:
        curves = read_curves(job.run.run_dir / "metrics.jsonl")
    write_report(path, "tf_i2i evaluation", facts, reports, curves)


if __name__ == "__main__":
    cli.run(main)
