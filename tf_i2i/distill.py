"""python -m tf_i2i.distill: trains a small network to imitate a run.

    python -m tf_i2i.distill --run_dir=runs/mine --student=runs/small
    python -m tf_i2i.distill --run_dir=runs/mine --student=runs/small \
        --direction=both --gin_param='Student.width = 0.5'

The student learns to reproduce the translations of the run's own training
images; no pairs are needed. It is an ordinary run: the same command continues
after a stop, and `translate`, `evaluate` and `export` take its folder.
"""

import json
import os
import shutil
from pathlib import Path

from tf_i2i import cli
from tf_i2i import configs
from tf_i2i.domains import DIRECTIONS
from tf_i2i.domains import ends
from tf_i2i.errors import UserError
from tf_i2i.methods.capabilities import style_shape

TEACHER = "teacher"  # Folder of its SavedModel, in the student's.
REPORT = "distillation.json"
PARITY_IMAGES = 64


def _parser():
    parser = cli.parser(
        "distill",
        "Trains a small network to give a run's translations, and shows both "
        "in one table. The same command again goes on where it stopped.",
        [
            "python -m tf_i2i.distill --run_dir=runs/mine --student=runs/small",
            "python -m tf_i2i.distill --run_dir=runs/mine "
            "--student=runs/small --direction=both "
            "--gin_param='Student.width = 0.5'",
        ],
    )
    add = parser.add_argument
    cli.add_run_flags(add)
    add("--student", required=True, help="folder of the student's run")
    add(
        "--direction",
        choices=(*DIRECTIONS, "both"),
        default="a_to_b",
        help="what it learns (default: a_to_b)",
    )
    cli.add_gin_flags(
        add,
        "its configuration (default: student_mobile.gin); may be repeated",
        "e.g. 'single_phase.images = 10000'; may be repeated, wins over files",
    )
    add("--count", type=int, help="test images of the table at most")
    return parser


def main(argv):
    """Runs the verb.

    Args:
        argv: command line, without the program.

    Raises:
        UserError: wrong flags, no trained run, or one that takes styles.
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
    from tf_i2i.data.store import to_stderr
    from tf_i2i.training.lock import locked

    with locked(student_dir, to_stderr):
        cli.import_tensorflow(training=True)
        from tf_i2i import runs

        run = runs.load_translator(flags.run_dir, flags.allow_imports)
        teacher = run.model
        ways = _ways(teacher, flags.direction)
        folder = _write_teacher(teacher, student_dir / TEACHER)
        bindings = _bindings(teacher, run, folder, ways) + flags.gin_param
        learning = runs.open_run(student_dir, files, bindings)
        learning.write_config()
        trainer = learning.trainer()
        trainer.run()
    if trainer.state.stopped:
        step = trainer.state.step
        print(f"Stopped and saved at step {step}; the same command goes on.")
        return
    student = runs.load_translator(student_dir).model
    _compare(run, {"student": student, "teacher": teacher}, flags, student_dir)


def _ways(teacher, direction):
    """Returns the directions to learn; refuses those that take a style."""
    ways = DIRECTIONS if direction == "both" else (direction,)
    for way in ways:
        teacher.check_direction(way)
        if style_shape(teacher, way):
            raise UserError(
                "`--run_dir` must be a run without styles: a student learns "
                f"one picture for each. Received: {type(teacher).__name__} "
                f"with a style for {way}"
            )
    return ways


def _write_teacher(teacher, folder):
    """Exports the teacher as SavedModel, unless it is there already."""
    from tf_i2i.exporting import export_saved_model

    if not folder.exists():
        part = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        with cli.silent_stderr():
            export_saved_model(teacher, part)
        os.replace(part, folder)
    return folder.resolve()


def _bindings(teacher, run, folder, ways):
    """Returns the student's settings that follow from the teacher."""
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
    """Scores both on the teacher's test images; prints and saves the table."""
    from tf_i2i.exporting import parity
    from tf_i2i.exporting import photo_to_photo

    kept: dict[str, dict] = {
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
        kept[way] = {"likeness": alike, "scores": table}
        _show(way, table, alike)
    sizes = kept["parameters"]
    print(
        f"\nParameters, all directions: student {sizes['student']:,}, teacher "
        f"{sizes['teacher']:,}"
    )
    (student_dir / REPORT).write_text(
        json.dumps(kept, indent=2, default=float) + "\n"
    )
    print(
        f"Next:       python -m tf_i2i.export --run_dir={student_dir} "
        "--output=face.tflite --precision=int8"
    )


def _parameters(model):
    variables = {id(v): v for v in model.averaged_variables}.values()
    return sum(variable.numpy().size for variable in variables)


def _table(run, models, direction, count):
    """Returns row -> (measure -> float) of both models and the baselines."""
    from tf_i2i.evaluation.evidence import RealImages
    from tf_i2i.evaluation.judge import Judge
    from tf_i2i.evaluation.registry import find_recipe
    from tf_i2i.evaluation.subjects import TrainedModels
    from tf_i2i.features import load_features
    from tf_i2i.features.cache import cached_embeddings

    real = RealImages.of_data(run.data, run.phase.size)
    evidence = real.evidence(direction, "test", count)
    judge = Judge(evidence, load_features("random-conv"), 0, cached_embeddings)
    measures = find_recipe("quick")
    made = TrainedModels(real, models).candidates(evidence, direction, measures)
    return judge.table(made, measures)


def _show(direction, table, alike):
    from tf_i2i.report import format_summary

    print(f"\n{direction}")
    print(format_summary(table))
    print(
        f"Student and teacher, {alike['images']} test images: mean "
        f"{alike['mean']} levels apart, SSIM {alike['ssim']}."
    )


if __name__ == "__main__":
    cli.run(main)
