"""python -m tf_i2i.distill: trains a small network to imitate a trained run.

    python -m tf_i2i.distill --run_dir=runs/mine --student=runs/small
    python -m tf_i2i.distill --run_dir=runs/mine --student=runs/small \
        --direction=both --gin_param='Student.width = 0.5'

The small network, the student, learns to reproduce the run's translations of
the run's own training images. Pairs of real images are not needed. The student
is saved as a run, whose folder `translate`, `evaluate` and `export` take as
`--run_dir`. After an interruption the same command continues its training.
"""

import contextlib
import json
import os
from pathlib import Path

from tf_i2i import cli
from tf_i2i import configs
from tf_i2i import extras
from tf_i2i import messages
from tf_i2i import process
from tf_i2i.domains import DIRECTIONS
from tf_i2i.domains import DOMAINS
from tf_i2i.domains import ends
from tf_i2i.errors import UserError
from tf_i2i.errors import printable
from tf_i2i.exporting import placement
from tf_i2i.methods.capabilities import style_shape

# Name of the folder with the teacher's SavedModel, in the student's folder.
TEACHER = "teacher"
REPORT = "distillation.json"
PARITY_IMAGES = 64


def _parser():
    parser = cli.parser(
        "distill",
        "Trains a small network, the student, to give the same translations "
        "as a run, and prints the scores of both in one table. If it is "
        "interrupted, the same command continues the training.",
        [
            "python -m tf_i2i.distill --run_dir=runs/mine --student=runs/small",
            "python -m tf_i2i.distill --run_dir=runs/mine "
            "--student=runs/small --direction=both "
            "--gin_param='Student.width = 0.5'",
        ],
    )
    add = parser.add_argument
    cli.add_run_flags(add)
    add(
        "--student",
        type=cli.write_path,
        required=True,
        help="folder of the student's run",
    )
    add(
        "--direction",
        choices=(*DIRECTIONS, "both"),
        default="a_to_b",
        help="direction or directions that the student learns (default: "
        "a_to_b)",
    )
    cli.add_gin_flags(
        add,
        "configuration of the student (default: student_mobile.gin); may be "
        "repeated",
        "change of the configuration, such as 'single_phase.images = 10000'; "
        "it takes precedence over the files; may be repeated",
    )
    add(
        "--count",
        type=int,
        help="largest number of test images that the table is computed on "
        "(default: all)",
    )
    return parser


@process.unchanged()
def main(argv):
    """Runs the command.

    Args:
        argv: command line, without the program.

    Raises:
        UserError: wrong flags, no trained run, or a run with styles.
    """
    flags = _parser().parse_args(argv)
    cli.check_run_dir(flags.run_dir)
    student_dir = Path(flags.student)
    if student_dir.resolve() == Path(flags.run_dir).resolve():
        raise UserError(
            "`--student` must be another folder than `--run_dir`. "
            f"Received: {flags.student} for both"
        )
    names = flags.gin_file or ["student_mobile.gin"]
    files = [configs.find_config(name) for name in names]
    # The table of scores at the end needs these packages.
    extras.require("eval", *extras.EVALUATION)
    from tf_i2i.training.lock import locked

    with locked(student_dir, messages.info):
        cli.import_tensorflow(training=True)
        from tf_i2i import runs

        run = runs.load_translator(flags.run_dir, flags.trust_config)
        teacher = run.model
        ways = _ways(teacher, flags.direction)
        # The student's configuration is trusted, and contains the data sources
        # of the teacher's run. Therefore these sources are opened here first,
        # while only the consent to the teacher's run applies.
        for domain in DOMAINS:
            run.data.store(domain)
        with _removed_if_refused(student_dir / TEACHER):
            folder = _write_teacher(teacher, student_dir / TEACHER)
            bindings = _bindings(teacher, run, folder, ways) + flags.gin_param
            state = runs.open_run(student_dir, files, bindings).train()
    if state.stopped:
        print(
            f"Stopped and saved at step {state.step}; the same command "
            "continues the training."
        )
        return
    student = runs.load_translator(student_dir).model
    _compare(run, {"student": student, "teacher": teacher}, flags, student_dir)


def _ways(teacher, direction):
    """Returns the directions that the student learns.

    Args:
        teacher: `UnpairedTranslator`.
        direction: "a_to_b", "b_to_a" or "both".

    Raises:
        UserError: the teacher does not translate in one of the directions, or
            takes styles in it.
    """
    ways = DIRECTIONS if direction == "both" else (direction,)
    for way in ways:
        teacher.check_direction(way)
        if style_shape(teacher, way):
            raise UserError(
                "`--run_dir` must be a run without styles, because a student "
                "learns one translation of each image. "
                f"Received: {type(teacher).__name__} with styles for {way}"
            )
    return ways


@contextlib.contextmanager
def _removed_if_refused(folder):
    """Context that removes the teacher if the student's run does not begin.

    The teacher must be written before the student's run is opened, because
    opening the run loads the teacher.
    """
    try:
        yield
    except BaseException:
        if not (folder.parent / "config.gin").exists():
            placement.remove(folder)
        raise


def _write_teacher(teacher, folder):
    """Writes the teacher's SavedModel, unless the student has begun to learn.

    If the student has not begun to learn, an existing folder is replaced. Such
    a folder comes from an earlier command that stopped with an error, and that
    may have named another teacher.

    Returns:
        Absolute path of the folder.
    """
    from tf_i2i.exporting import export_saved_model
    from tf_i2i.training.checkpoints import Checkpoints

    if not (folder.exists() and Checkpoints(folder.parent).paths()):
        part = folder.with_name(f".{folder.name}.part")
        placement.remove(part)
        try:
            with cli.silent_stderr():
                export_saved_model(teacher, part)
            placement.remove(folder)
            os.replace(part, folder)
        finally:
            placement.remove(part)
    return folder.resolve()


def _bindings(teacher, run, folder, ways):
    """Returns the student's gin bindings that follow from the teacher."""
    bindings = [
        f"train.image_size = {teacher.size}",
        f"train.fit = {run.config.fit!r}",
        f"exported.folder = {str(folder)!r}",
        f"Student.ways = {ways!r}",
    ]
    for domain, spec in run.config.data.items():
        if spec is not None:
            bindings.append(f"train.data_{domain} = {spec!r}")
    return bindings


def _compare(run, models, flags, student_dir):
    """Compares student and teacher on test images of the teacher's run.

    Prints the comparison and writes it to `REPORT` in the student's folder.

    Args:
        run: `TrainedRun` of the teacher.
        models: dictionary with the models "student" and "teacher".
        flags: parsed flags.
        student_dir: folder of the student's run.
    """
    from tf_i2i.exporting import parity
    from tf_i2i.exporting import photo_to_photo

    report: dict[str, dict] = {
        "parameters": {
            name: _parameters(model) for name, model in models.items()
        }
    }
    for way in models["student"].directions:
        table = _table(run, models, way, flags.count)
        alike = parity(
            photo_to_photo(models["teacher"], way),
            photo_to_photo(models["student"], way),
            run.images(ends(way)[0], "test", PARITY_IMAGES),
        )
        report[way] = {"likeness": alike, "scores": table}
        _print_scores(way, table, alike)
    sizes = report["parameters"]
    print(
        f"\nParameters, all directions: student {sizes['student']:,}, teacher "
        f"{sizes['teacher']:,}"
    )
    (student_dir / REPORT).write_text(
        json.dumps(report, indent=2, default=float) + "\n", encoding="utf-8"
    )
    print(
        "Next:       python -m tf_i2i.export "
        f"--run_dir={printable(student_dir)} "
        "--output=face.tflite --precision=int8"
    )


def _parameters(model):
    """Returns the number of network weights that are used at inference."""
    variables = {id(v): v for v in model.averaged_variables}.values()
    return sum(variable.numpy().size for variable in variables)


def _table(run, models, direction, count):
    """Returns the scores of both models and of baselines in one direction.

    Returns:
        Dictionary from the name of each row to its scores, which are a
        dictionary from the name of each measure to a float.
    """
    from tf_i2i.evaluation.evidence import RealImages
    from tf_i2i.evaluation.judge import Judge
    from tf_i2i.evaluation.registry import find_recipe
    from tf_i2i.evaluation.subjects import TrainedModels
    from tf_i2i.features import load_features

    real = RealImages.of_data(run.data, run.phase.size)
    evidence = real.evidence(direction, "test", count)
    judge = Judge(evidence, load_features("random-conv"), use_cache=True)
    measures = find_recipe("quick")
    subject = TrainedModels(real, models)
    candidates = subject.candidates(evidence, direction, measures)
    return judge.table(candidates, measures)


def _print_scores(direction, table, alike):
    from tf_i2i.report import format_summary

    print(f"\n{direction}")
    print(format_summary(table))
    print(
        f"Student and teacher, {alike['images']} test images: mean "
        f"difference {alike['mean']} levels of 255, SSIM {alike['ssim']}."
    )


if __name__ == "__main__":
    cli.run(main)
