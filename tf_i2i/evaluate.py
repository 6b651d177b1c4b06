"""python -m tf_i2i.evaluate: scores the translations of a run.

    python -m tf_i2i.evaluate --run_dir=runs/twingan
    python -m tf_i2i.evaluate --data_a=photos/ --data_b=drawings/ \
        --images_b=theirs/ --image_size=64
"""

import dataclasses
import datetime
import functools
import os
import shlex
from pathlib import Path

from tf_i2i import cli
from tf_i2i import extras
from tf_i2i import messages
from tf_i2i import models
from tf_i2i import process
from tf_i2i.data.sources import locate
from tf_i2i.data.sources import spread_data
from tf_i2i.domains import named
from tf_i2i.errors import UserError
from tf_i2i.errors import printable


def _parser():
    parser = cli.parser(
        "evaluate",
        "Scores both directions of a run on its test images, in a table with "
        "rows to compare with: the ground truth (if the test images are "
        "pairs); cheats, which are trivial baselines such as copying the "
        "input; and the floor, which compares real images with other real "
        "images.",
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
        help="checkpoint to score: final is the last one, best is the best on "
        "the validation images, all is both if there are two (default: all)",
    )
    add(
        "--images_a",
        type=cli.read_folder,
        help="folder of translations into domain A that another program made",
    )
    add(
        "--images_b",
        type=cli.read_folder,
        help="folder of translations into domain B that another program made",
    )
    add(
        "--data",
        help="folder of both domains, with trainA/ and trainB/, or with A/ and "
        "B/; in place of --data_a and --data_b",
    )
    add(
        "--data_a",
        help="real images of domain A (default: those of the run)",
    )
    add(
        "--data_b",
        help="real images of domain B (default: those of the run)",
    )
    add(
        "--image_size",
        type=cli.image_size,
        help="side in pixels, or HEIGHTxWIDTH, at which images are scored "
        "without --run_dir",
    )
    add(
        "--paired",
        action="store_true",
        help="declare that test images of A and B with the same name show the "
        "same object, so that translations are compared with the ground truth",
    )
    add(
        "--labels_a",
        type=cli.read_path,
        help="CSV file with the labels of the images of A; its columns are "
        "file name, label, ... Empty cells are labels that are not known. "
        "Only columns that --labels_b has too are scored",
    )
    add(
        "--labels_b",
        type=cli.read_path,
        help="CSV file with the labels of the images of B",
    )
    add(
        "--palette_a",
        type=cli.read_path,
        help="CSV file with columns r, g, b: the colours of the label maps "
        "that are the images of A (default: the colours found in the images of "
        "A, if train.label_maps includes 'a')",
    )
    add(
        "--palette_b",
        type=cli.read_path,
        help="CSV file with the colours of the label maps of B",
    )
    add(
        "--maps_a",
        type=cli.read_folder,
        help="folder of label maps of the photos of A, with the same file "
        "names as the photos and in the colours of B. A segmenter is trained "
        "on the training photos and their maps, and scores translations into A",
    )
    add(
        "--maps_b",
        type=cli.read_folder,
        help="folder of label maps of the photos of B, in the colours of A",
    )
    add(
        "--features",
        default="random-conv",
        help="feature network by which images are compared (default: "
        "random-conv)",
    )
    add(
        "--recipe",
        help="measures to compute: quick, full, or the name of a method or "
        "measure; or several of them with commas between, such as full,skin "
        "(default: those of the run's method)",
    )
    cli.add_binding_flag(
        add,
        "setting of a measure, such as "
        "'skin.boxes_b = ((0.4, 0.5, 0.3, 0.4),)'; may be repeated",
    )
    add(
        "--count",
        type=int,
        help="largest number of test images (default: all)",
    )
    add(
        "--cheats",
        choices=("all", "needed"),
        default="all",
        help="rows to compare with: all of them, or, to save time, only the "
        "three that `score` is computed from (default: all)",
    )
    add(
        "--seed",
        type=int,
        default=0,
        help="seed of all random numbers (default: 0)",
    )
    add(
        "--report",
        type=cli.write_path,
        help="HTML file to write (default: report.html in the run's folder)",
    )
    return parser


@process.unchanged()
def main(argv):
    """Runs the command.

    Args:
        argv: command line, without the program.

    Raises:
        UserError: wrong flags, no trained run, or images that cannot be
            scored.
    """
    flags = _parser().parse_args(argv)
    _check(flags)
    extras.require("eval", *extras.EVALUATION)
    cli.import_tensorflow()
    from tf_i2i import configuration
    from tf_i2i.evaluation.log import full_names
    from tf_i2i.evaluation.registry import find_recipe
    from tf_i2i.features import load_features
    from tf_i2i.report import format_summary

    measures = None
    if flags.recipe:
        measures = find_recipe(flags.recipe, "--recipe")
    features = load_features(flags.features)
    job = _run_job(flags) if flags.run_dir else _folder_job(flags)
    measures = measures or job.subject.measures
    configuration.configure_measures(flags.gin_param, measures)
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
    print(f"report: {printable(path)}")


def _check(flags):
    """Raises an error for flags that contradict each other.

    `main` calls this function before it imports TensorFlow, so that an error is
    reported immediately.
    """
    spread_data(flags)
    if flags.run_dir:
        cli.check_run_dir(flags.run_dir)
    elif not (flags.images_a or flags.images_b):
        raise UserError(
            "`--run_dir` must be given, or else --images_a or --images_b (or "
            "both) with --data_a, --data_b and --image_size, which describe "
            "the real images. Received: none of --run_dir, --images_a, "
            "--images_b"
        )
    elif not (flags.data_a and flags.data_b and flags.image_size):
        raise UserError(
            "`--data_a`, `--data_b` and `--image_size` must be given to "
            "describe the real images, unless --run_dir is given. "
            "Received: not all of the three"
        )
    if flags.images_a and flags.images_b:
        a, b = map(os.path.realpath, (flags.images_a, flags.images_b))
        if a == b:
            raise UserError(
                "`--images_b` must be another folder than --images_a. "
                f"Received: {flags.images_a} for both"
            )
    if flags.count is not None and flags.count < 1:
        raise UserError(
            f"`--count` must be at least 1. Received: {flags.count}"
        )


@dataclasses.dataclass(frozen=True)
class _Job:
    """The translations to evaluate, and where their results are written.

    Attributes:
        subject: `TrainedModels` or `ImageFolders`.
        facts: facts to print in the report, a dictionary from the name of
            each fact to its text.
        report: default path of the report.
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

    load = functools.partial(load_translator, flags.run_dir, flags.trust_config)
    run = load(best=flags.checkpoint == "best")
    home = _home(flags.run_dir)
    known = _known(flags)
    data = _data_of(flags, run)
    known["labels"] = known["labels"] or data.label_tables()
    real = RealImages.of_data(data, run.phase.size, flags.paired, **known)
    if flags.data_a or flags.data_b:
        a, b = run.config.augmentations.values()
        _refuse_same(real.stores, may_share=a != b)
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


def _data_of(flags, run):
    """Returns the `RunData` of a run, with the images that the flags name.

    The run's labels of a domain are not used if the flags replace the images of
    that domain.
    """
    from tf_i2i.training.run_data import RunData

    new: dict[str, str | None] = {}
    for domain in "ab":
        if spec := getattr(flags, f"data_{domain}"):
            new[f"data_{domain}"] = locate(spec, f"data_{domain}")
            new[f"labels_{domain}"] = None
    if not new:
        return run.data
    config = dataclasses.replace(run.config, **new)
    return RunData(config, run.data.classes, consent=run.data.consent)


def _home(run_dir):
    """Returns the folder for the results of a run.

    The folder is the run directory, or `runs/NAME` for a shipped model.
    """
    name = models.name_of(run_dir)
    return Path("runs") / name if name else Path(run_dir)


def _folder_job(flags):
    from tf_i2i import configuration
    from tf_i2i.data.reading import MAPS
    from tf_i2i.data.sources import source_for
    from tf_i2i.data.store import open_store
    from tf_i2i.evaluation.evidence import RealImages

    configuration.clear()
    known = _known(flags)
    stores = {
        domain: open_store(
            source_for(getattr(flags, f"data_{domain}"), domain),
            flags.image_size,
            fit="crop" + MAPS * (domain in known["palettes"]),
        )
        for domain in "ab"
    }
    _refuse_same(stores)
    real = RealImages(stores, flags.image_size, flags.paired, **known)
    return _images_job(flags, real, Path("report.html"))


def _refuse_same(stores, may_share=False):
    """Raises an error if the real images of both domains are the same.

    Args:
        stores: dictionary of an open `Store` for each domain.
        may_share: see `data_record.check_domains`.
    """
    from tf_i2i.training import data_record

    record = {d: data_record.record(s, None) for d, s in stores.items()}
    data_record.check_domains(record, messages.info, may_share)


def _images_job(flags, real, report):
    """Returns the `_Job` for translations that another program made.

    Args:
        flags: parsed flags.
        real: `RealImages` that the translations are compared with.
        report: default path of the report.
    """
    from tf_i2i.evaluation.subjects import ImageFolders

    folders = {"a_to_b": flags.images_b, "b_to_a": flags.images_a}
    folders = {way: folder for way, folder in folders.items() if folder}
    subject = ImageFolders(real, folders, flags.count)
    return _Job(subject, {"images": ", ".join(folders.values())}, report)


def _known(flags):
    """Returns the labels, palettes and maps that the flags give."""
    from tf_i2i.data.labels import read_labels
    from tf_i2i.data.maps import read_palette

    def by_domain(flag, read):
        found = {}
        for domain in "ab":
            name = f"{flag}_{domain}"
            if path := getattr(flags, name):
                found[domain] = read(path, name)
        return found

    return {
        "labels": by_domain("labels", read_labels),
        "palettes": by_domain("palette", read_palette),
        "maps": by_domain("maps", lambda path, name: path),
    }


def _score(job, direction, features, measures, flags):
    """Returns the `DirectionReport` of one direction.

    Args:
        job: `_Job`.
        direction: "a_to_b" or "b_to_a".
        features: `Features`.
        measures: names of the measures to compute.
        flags: parsed flags.
    """
    from tf_i2i.evaluation.judge import Judge
    from tf_i2i.evaluation.registry import add_automatic
    from tf_i2i.report.direction import report_direction

    subject = job.subject
    evidence = subject.real.evidence(direction, "test", flags.count)
    measures = add_automatic(measures, evidence)
    candidates = subject.candidates(evidence, direction, measures)
    judge = Judge(evidence, features, flags.seed, use_cache=True)
    table = judge.table(candidates, measures, flags.cheats == "all")
    return report_direction(
        named(direction, job.run.config.domains) if job.run else direction,
        judge,
        next(iter(candidates.values())),
        table,
        subject.interpolate(evidence.inputs, direction),
    )


def _log(job, features, scores, flags):
    """Appends the scores to the run's metrics.jsonl."""
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
