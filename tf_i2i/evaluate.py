"""python -m tf_i2i.evaluate: what a run's translations are worth.

    python -m tf_i2i.evaluate --run_dir=runs/twingan
    python -m tf_i2i.evaluate --data_a=photos/ --data_b=drawings/ \
        --images_b=theirs/ --image_size=64
"""

import dataclasses
import datetime
import functools
import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from tf_i2i import cli
from tf_i2i import models
from tf_i2i.domains import named
from tf_i2i.errors import UserError
from tf_i2i.methods.capabilities import style_shape

STEPS_BETWEEN = 7
SHOWN_INPUTS = 6


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
    flags = _parser().parse_args(argv)
    _check(flags)
    cli.import_tensorflow()
    from tf_i2i.features import load_features

    features = load_features(flags.features)
    subject = _run_subject(flags) if flags.run_dir else _folder_subject(flags)
    reports = []
    scores = {}
    for direction in subject.directions:
        report, table = _judge(subject, direction, features, flags)
        reports.append(report)
        scores[direction] = _flat(table, features)
        _show(_named(subject, direction), table, report.verdicts, features)
    _keep(subject, features, scores, flags)
    path = Path(flags.report) if flags.report else subject.report
    _write(path, subject, features, reports, argv)
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


@dataclasses.dataclass
class _Subject:
    """What is scored.

    Attributes:
        real: `RealImages`.
        directions: those to score.
        make: function (evidence, direction, measures) -> dictionary, name ->
            `Candidate`; pictures are made of the first.
        measures: names of the measures to score by.
        facts: for the report, text by name.
        report: where the report goes by default.
        run, model: of the package; None for pictures of others.
    """

    real: object
    directions: tuple
    make: Callable
    measures: tuple
    facts: dict
    report: Path
    run: object = None
    model: object = None


def _run_subject(flags):
    from tf_i2i.evaluation.evidence import RealImages
    from tf_i2i.evaluation.translations import Translations
    from tf_i2i.training.run import load_translator

    load = functools.partial(
        load_translator, flags.run_dir, flags.allow_imports
    )
    model, run = load(best=flags.checkpoint == "best")
    labels = _labels(flags) or run.label_tables()
    real = RealImages.of_run(
        run, flags.paired, labels, _palettes(flags), _maps(flags)
    )
    if flags.images_a or flags.images_b:
        return _foreign(flags, real, _home(flags.run_dir) / "others.html")
    versions = {"best" if flags.checkpoint == "best" else "model": model}
    if flags.checkpoint == "all" and run.checkpoints.best[0].exists():
        versions["best"], _ = load(best=True)
    made_by = {n: Translations(m, flags.seed) for n, m in versions.items()}

    def make(evidence, direction, measures):
        return {
            name: translations.candidate(evidence, direction, measures)
            for name, translations in made_by.items()
        }

    facts = {
        "run": str(flags.run_dir),
        "method": type(model).__name__,
        "checkpoints": ", ".join(versions),
        "step": f"{run.step:,}",
        "images shown": f"{run.images_shown:,} of each domain",
    }
    return _Subject(
        real,
        model.directions,
        make,
        _measures(flags) or type(model).measures,
        facts,
        _home(flags.run_dir) / "report.html",
        run,
        model,
    )


def _home(run_dir):
    """Where results of a run go; those of the package's own, to `runs/`."""
    name = models.name_of(run_dir)
    return Path("runs") / name if name else Path(run_dir)


def _folder_subject(flags):
    from tf_i2i.data.reading import MAPS
    from tf_i2i.data.sources import source_for
    from tf_i2i.data.store import open_store
    from tf_i2i.evaluation.evidence import RealImages

    stores = {
        domain: open_store(
            source_for(getattr(flags, f"data_{domain}"), domain),
            flags.image_size,
            fit="crop" + MAPS * bool(getattr(flags, f"palette_{domain}")),
        )
        for domain in "ab"
    }
    real = RealImages(
        stores,
        flags.image_size,
        flags.paired,
        _labels(flags),
        _palettes(flags),
        _maps(flags),
    )
    return _foreign(flags, real, Path("report.html"))


def _foreign(flags, real, report):
    """Translations that another program wrote."""
    from tf_i2i.evaluation.registry import find_recipe

    folders = {
        direction: folder
        for direction, folder in (
            ("a_to_b", flags.images_b),
            ("b_to_a", flags.images_a),
        )
        if folder
    }

    def make(evidence, direction, measures):
        del measures
        names = real.names(direction[0])[: flags.count]
        folder = folders[direction]
        maps = evidence.palette is not None
        return {"model": _read_candidate(folder, names, real.size, maps)}

    facts = {"images": ", ".join(folders.values())}
    measures = _measures(flags) or find_recipe("full")
    return _Subject(real, tuple(folders), make, measures, facts, report)


def _read_candidate(folder, names, size, maps):
    """A folder's images; by the names of the inputs where it has them all."""
    import numpy as np

    from tf_i2i.data.reading import MAPS
    from tf_i2i.data.reading import fit_image
    from tf_i2i.data.reading import list_images
    from tf_i2i.data.reading import read_image
    from tf_i2i.evaluation.judge import Candidate

    files = {path.stem: path for path in list_images(folder)[0]}
    if not files:
        raise UserError(
            f"`--images` must be a folder of images. Received: {folder}"
        )
    aligned = all(name in files for name in names)
    if not aligned:
        missing = sum(name not in files for name in names)
        print(
            f"{folder}: {missing} of {len(names)} test images have no "
            "translation of their name; only distances between sets are taken",
            file=sys.stderr,
        )
    chosen = [files[n] for n in names] if aligned else list(files.values())
    fit = "crop" + MAPS * maps
    images = [fit_image(read_image(path), size, fit) for path in chosen]
    return Candidate(np.stack(images), aligned=aligned)


def _labels(flags):
    from tf_i2i.data.labels import read_labels

    return {
        domain: read_labels(path)
        for domain in "ab"
        if (path := getattr(flags, f"labels_{domain}"))
    }


def _palettes(flags):
    from tf_i2i.data.maps import read_palette

    return {
        domain: read_palette(path)
        for domain in "ab"
        if (path := getattr(flags, f"palette_{domain}"))
    }


def _maps(flags):
    """Folders of label maps by the domain of their photos."""
    return {
        domain: folder
        for domain in "ab"
        if (folder := getattr(flags, f"maps_{domain}"))
    }


def _measures(flags):
    """The measures of `--recipe`, None where it is not given."""
    from tf_i2i.evaluation.registry import find_recipe

    return find_recipe(flags.recipe, "--recipe") if flags.recipe else None


def _named(subject, direction):
    """A direction as the run calls it."""
    return named(direction, subject.run.domains) if subject.run else direction


def _judge(subject, direction, features, flags):
    """The direction's part of the report, and its table."""
    from tf_i2i.evaluation.judge import Judge
    from tf_i2i.evaluation.registry import add_automatic
    from tf_i2i.features.cache import cached_embeddings

    evidence = subject.real.evidence(direction, "test", flags.count)
    measures = add_automatic(subject.measures, evidence)
    candidates = subject.make(evidence, direction, measures)
    judge = Judge(evidence, features, flags.seed, cached_embeddings)
    table = judge.table(candidates, measures, flags.cheats == "all")
    made = next(iter(candidates.values()))
    return _report(subject, direction, judge, made, table), table


def _report(subject, direction, judge, made, table):
    """Pictures beside the numbers."""
    from tf_i2i import report as html
    from tf_i2i.evaluation.judge import PLACES
    from tf_i2i.metrics.checks import verdict
    from tf_i2i.metrics.copying import nearest

    e = judge.evidence
    distances, indices = nearest(
        judge.vectors(made.outputs, PLACES),
        judge.vectors(e.target_train, PLACES),
    )
    pictures = []
    if made.aligned:
        pictures += _examples(judge, made, distances)
    pictures.append(
        html.training_neighbours(
            made.outputs, e.target_train, distances, indices
        )
    )
    if subject.model is not None:
        pictures.append(_between(subject.model, e.inputs, direction))
    if made.several is not None:
        pictures.append(_under_styles(e.inputs, made.several))
    maps = {
        "real source": judge.vectors(e.inputs),
        "real target": judge.vectors(e.target_test),
        "translations": judge.vectors(made.outputs),
    }
    return html.DirectionReport(
        name=_named(subject, direction),
        table=table,
        verdicts=verdict(made.outputs, e.inputs) if made.aligned else [],
        pictures=pictures,
        maps=html.embedding_map(maps),
    )


def _examples(judge, made, distances):
    """Best, median and worst by each number that single images have."""
    from tf_i2i import report as html
    from tf_i2i.evaluation.measures.paired import truth_taps
    from tf_i2i.metrics.perceptual import perceptual_distance
    from tf_i2i.metrics.pixels import psnr

    e = judge.evidence
    by: dict[str, tuple] = {
        "distance to the nearest training image": (distances, None)
    }
    if e.truth is not None:
        apart = perceptual_distance(
            judge.features.taps(made.outputs),
            judge.once(truth_taps),
            per_image=True,
        )
        by["perceptual distance to the truth"] = (apart, False)
        noise = psnr(made.outputs, e.truth, per_image=True)
        by["PSNR, in decibels"] = (noise, True)
    return [
        html.examples(e.inputs, made.outputs, e.truth, values, caption, better)
        for caption, (values, better) in by.items()
    ]


def _between(model, inputs, direction):
    """Translations of what lies between two inputs, pixel by pixel."""
    import numpy as np

    from tf_i2i import report as html
    from tf_i2i.images import to_float
    from tf_i2i.images import to_uint8

    share = np.linspace(0, 1, STEPS_BETWEEN)[:, None, None, None]
    frames = []
    for first, last in zip(inputs[:4:2], inputs[1:4:2], strict=False):
        mixed = (1 - share) * to_float(first) + share * to_float(last)
        style = None
        if style_shape(model, direction):
            style = np.repeat(model.sample_style(1, 0), STEPS_BETWEEN, 0)
        mixed = mixed.astype(np.float32)
        made = to_uint8(model.translate(mixed, direction, style)).numpy()
        frames += [to_uint8(mixed), made]
    return html.interpolations(frames)


def _under_styles(inputs, several):
    """Some inputs, each before its translations in several styles."""
    import numpy as np

    from tf_i2i import report as html

    rows = [
        np.concatenate([inputs[i : i + 1], several[:, i]])
        for i in range(min(SHOWN_INPUTS, several.shape[1]))
    ]
    caption = "Inputs, and translations of each; a column is not one style."
    return html.interpolations(rows, caption)


def _flat(table, features):
    """Row -> measure with all that makes it comparable -> rounded number."""
    from tf_i2i.evaluation.registry import full_name
    from tf_i2i.evaluation.validation import round_numbers

    return {
        row: round_numbers(
            {full_name(n, features.label): v for n, v in scores.items()}
        )
        for row, scores in table.items()
    }


def _show(direction, table, verdicts, features):
    """The main numbers, and alarms."""
    from tf_i2i.report import format_summary

    print(f"\n{direction}, by {features.label}")
    print(format_summary(table))
    for sentence in verdicts:
        print(f"! {sentence}")


def _keep(subject, features, scores, flags):
    """Appends the numbers to the run's metrics.jsonl."""
    if subject.run is None:
        return
    row = {
        "step": subject.run.step,
        "images_shown": subject.run.images_shown,
        "evaluation": "test",
        "features": features.label,
        "evaluation_seed": flags.seed,
        **scores,
    }
    path = _home(flags.run_dir) / "metrics.jsonl"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a") as file:
            file.write(json.dumps(row) + "\n")
    except OSError as error:
        raise UserError(
            "`--run_dir` must be a folder that can be written. "
            f"Received: {path} ({error.strerror})"
        ) from error


def _write(path, subject, features, reports, argv):
    from tf_i2i.report import write_report

    facts = {
        **subject.facts,
        "features": features.label,
        "test images": ", ".join(
            f"{len(subject.real.names(domain))} of {domain.upper()}"
            for domain in "ab"
        ),
        "date": f"{datetime.datetime.now():%Y-%m-%d %H:%M}",
        "command": shlex.join(["python", "-m", "tf_i2i.evaluate", *argv]),
    }
    curves = {}
    if subject.run is not None:
        curves = _curves(subject.run.run_dir / "metrics.jsonl")
    write_report(path, "tf_i2i evaluation", facts, reports, curves)


def _curves(path):
    """Every number of the training log over the images shown."""
    curves: dict[str, list] = {}
    if not path.exists():
        return curves
    for line in path.read_text().splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue  # Half a line, of a run that was killed.
        if "evaluation" in row:
            continue
        for name, value in row.items():
            if name in ("step", "images_shown", "phase", "images_per_second"):
                continue
            curves.setdefault(name, []).append((row["images_shown"], value))
    return curves


if __name__ == "__main__":
    cli.run(main)
