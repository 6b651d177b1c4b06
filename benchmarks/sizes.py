"""Measures what larger images cost, with and without pixel-unshuffle.

    pip install 'tf-i2i[export]'
    python benchmarks/sizes.py
    python benchmarks/sizes.py --steps=30 --rounds=5 --threads=2
    python benchmarks/sizes.py --run_dir=runs/mine

The cases are images of 64 px, images of 128 px, and images of 128 px whose
translators see blocks of 2 x 2 pixels as one pixel (`unshuffle = 2`). In one
process, CycleGANs of the three cases are trained on the toy faces. They take
turns of `--steps` steps, for `--rounds` rounds. Then each is exported, and
students of the three cases learn from them in the same way. Compare the ratios
of the speeds, because other processes change the speeds of all cases by about
the same factor.

For each case the table has
- the speed of training in images of each domain per second, the median of the
  rounds, and its ratio to the speed at 64 px,
- milliseconds per image of the exported .tflite file and its size. A CycleGAN
  is exported with convolutions in int8 ("mixed"), a student in int8.
- the strength of periodic patterns, such as a checkerboard, in the translations
  of test images before and after these few steps. It is the energy in the
  spectrum at the frequencies of patterns that repeat every 2, 4 or 8 pixels,
  divided by the energy at the frequencies around them, and the largest of the
  three is given. It is about 1 or lower if there is no such pattern, as in real
  images, and far above 1 if there is one.

`--run_dir` only prints these patterns in the translations of a trained run and
in real images, and how strong they are in levels of 255.
"""

import argparse
import dataclasses
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from latency import race

from tf_i2i import cli

# Name of a case -> side of the images, and side of a block.
CASES = {
    "64 px": (64, 1),
    "128 px": (128, 1),
    "128 px, unshuffle 2": (128, 2),
}
METHODS = {
    "CycleGAN": (
        "cyclegan.gin",
        "mixed",
        [
            "CycleGAN.residual_blocks = 4",
            "CycleGAN.critic_layers = 3",
            "single_phase.batch_size = 2",
        ],
    ),
    "Student": ("student_mobile.gin", "int8", []),
}
FACES, TEST_IMAGES, CALIBRATION_IMAGES = 300, 32, 32
# Periods of the patterns in pixels.
PERIODS = (2, 4, 8)


@dataclasses.dataclass
class Case:
    """A model of one case, and its training images."""

    model: Any
    batches: Iterator
    step: Any
    batch_size: int
    test_images: np.ndarray
    calibration: np.ndarray
    speeds: list[float] = dataclasses.field(default_factory=list)

    def train(self, steps):
        """Trains for some steps, and records the speed."""
        began = time.perf_counter()
        for _ in range(steps):
            self.step(self.batches)
        # Reading a value waits until the device has finished the steps.
        self.model.step.numpy()
        seconds = time.perf_counter() - began
        self.speeds.append(steps * self.batch_size / seconds)

    def checkerboard(self):
        """Returns the strongest pattern in translations of test images."""
        from tf_i2i.images import to_float

        images = to_float(self.test_images)
        with self.model.averaged():
            made = self.model.translate(images, "a_to_b")
        return max(checkerboard(made.numpy(), p)[0] for p in PERIODS)


def checkerboard(images, period=2):
    """Measures patterns that repeat every `period` pixels, by two numbers.

    The patterns run along one axis or along both. Patterns that also repeat
    every `period / 2` pixels do not count. A Hann window keeps the edges of the
    images, which have energy at all frequencies, out of the two numbers.

    Args:
        images: `[N, S, S, 3]`, of any range; S is a multiple of 8 * period.
        period: 2, 4 or 8.

    Returns:
        Pair. The first is the mean energy of the frequencies of these patterns,
        divided by the mean energy of the frequencies around them. The second is
        the root mean square of the patterns, in the unit of the images.
    """
    grey = images.astype(np.float64).mean(3)
    grey -= grey.mean((1, 2), keepdims=True)
    side = grey.shape[1]
    window = np.hanning(side)
    spectra = np.fft.fft2(grey * window[:, None] * window)
    energy = np.mean(np.abs(spectra) ** 2, 0)
    at, around, power = 0.0, 0.0, 0.0
    for center in itertools.product(range(period), repeat=2):
        if all(c % 2 == 0 for c in center):
            continue
        distances = [
            np.abs(
                (np.arange(side) - c * side // period + side // 2) % side
                - side // 2
            )
            for c in center
        ]
        distance = np.maximum.outer(*distances)
        at += energy[distance <= 1].mean()
        around += energy[(distance > 1) & (distance <= 3)].mean()
        power += energy[distance <= 1].sum()
    # Parseval's theorem, for images multiplied by the window.
    windowed = np.square(np.outer(window, window)).sum()
    return at / around, np.sqrt(power / (windowed * grey[0].size))


def write_faces(folder):
    """Writes toy faces of both domains, as PNG files for training and test."""
    from PIL import Image

    from tf_i2i.data import toy_faces

    side = max(size for size, _ in CASES.values())
    for domain in "ab":
        faces = toy_faces.render(domain, range(FACES), side)
        for i, face in enumerate(faces):
            split = "test" if i < TEST_IMAGES else "train"
            path = folder / domain / split / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(face).save(path)


def open_case(method, size, unshuffle, teacher, data, folder):
    """Returns a `Case` that is ready to be trained.

    Args:
        method: "CycleGAN" or "Student".
        size: side of the images in pixels.
        unshuffle: side of a block in pixels.
        teacher: folder with the teacher's SavedModel; None for a CycleGAN.
        data: folder with the images of both domains.
        folder: folder of the run.
    """
    from tf_i2i.configs import find_config
    from tf_i2i.runs import open_run

    config, _, bindings = METHODS[method]
    bindings = [
        *bindings,
        f"train.image_size = {size}",
        f"{method}.unshuffle = {unshuffle}",
        *(f"train.data_{d} = {str(data / d)!r}" for d in "ab"),
    ]
    if teacher:
        bindings += [f"exported.folder = {str(teacher)!r}"]
    run = open_run(folder, [find_config(config)], bindings)
    run.data.read()
    (phase,) = run.phases
    run.model.enter_phase(**phase.path)
    return Case(
        run.model,
        iter(run.data.batches(phase, 0, run.workers.strategy)),
        run.model.make_train_function(),
        phase.batch_size,
        run.data.images("a", "test", size, TEST_IMAGES),
        run.data.images("a", "train", size, CALIBRATION_IMAGES),
    )


def train_in_turns(cases, steps, rounds):
    """Trains all cases, in turns; the first step is not measured."""
    for case in cases.values():
        case.train(1)
        case.speeds.clear()
    for _ in range(rounds):
        for case in cases.values():
            case.train(steps)


def measure(method, teachers, data, folder, args):
    """Trains and exports the cases of a method.

    Args:
        method: "CycleGAN" or "Student".
        teachers: dictionary of the teachers' folders, by the names of the
            cases; empty for CycleGAN.
        data: folder with the images of both domains.
        folder: folder for files.
        args: parsed flags.

    Returns:
        Pair: the rows of the table, lists of texts, and a dictionary of the
        folders of exported models, by the names of the cases.
    """
    from tf_i2i import exporting
    from tf_i2i.disk import size_on_disk
    from tf_i2i.exporting.litert import examples

    _, precision, _ = METHODS[method]
    cases = {
        name: open_case(
            method,
            *settings,
            teachers.get(name),
            data,
            folder / f"{method}_{name}",
        )
        for name, settings in CASES.items()
    }
    before = {name: case.checkerboard() for name, case in cases.items()}
    train_in_turns(cases, args.steps, args.rounds)
    calls, sizes, exported = {}, {}, {}
    for name, case in cases.items():
        path = folder / f"{method}_{name}.tflite"
        exported[name] = folder / f"{method}_{name}_saved"
        with case.model.averaged():
            exporting.export_tflite(
                case.model,
                path,
                precision=precision,
                calibration=examples(case.calibration),
            )
            with cli.silent_stderr():
                exporting.export_saved_model(case.model, exported[name])
        lite = exporting.load_tflite(path, args.threads)
        image = case.test_images[:1]
        calls[name] = lambda lite=lite, image=image: lite(image)
        sizes[name] = size_on_disk(path) / 1e6
    seconds = race(calls, args.rounds, 20)
    first = next(iter(cases.values())).speeds
    rows = []
    for name, case in cases.items():
        ratios = [x / y for x, y in zip(case.speeds, first, strict=True)]
        rows.append(
            [
                method,
                name,
                f"{statistics.median(case.speeds):.1f}",
                f"{statistics.median(ratios):.2f}",
                f"{1e3 * statistics.median(seconds[name]):.2f}",
                f"{sizes[name]:.2f}",
                f"{before[name]:.2f}",
                f"{case.checkerboard():.2f}",
            ]
        )
    return rows, exported


def main(argv):
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--steps", type=int, default=20, help="number of steps per turn")
    add("--rounds", type=int, default=5, help="number of turns of each case")
    add("--threads", type=int, default=2, help="threads of the .tflite files")
    add("--run_dir", help="folder of a trained run")
    args = parser.parse_args(argv)
    # TensorFlow would warn that the steps of several models are traced.
    cli.import_tensorflow(training=True).get_logger().setLevel("ERROR")
    if args.run_dir:
        measure_run(args.run_dir)
        return
    with tempfile.TemporaryDirectory() as place:
        folder, data = Path(place), Path(place) / "faces"
        write_faces(data)
        rows, teachers = measure("CycleGAN", {}, data, folder, args)
        more, _ = measure("Student", teachers, data, folder, args)
    print(
        "| | | images/s | relative | ms, .tflite | MB | pattern at the start | "
        "after training |\n" + "| --- " * 8 + "|"
    )
    for row in [*rows, *more]:
        print(f"| {' | '.join(row)} |")


def measure_run(run_dir):
    """Prints the periodic patterns of a run's translations to B."""
    from tf_i2i.exporting import photo_to_photo
    from tf_i2i.runs import load_translator

    run = load_translator(run_dir)
    images = {domain: run.images(domain, "test", 200) for domain in "ab"}
    translate = photo_to_photo(run.model, "a_to_b")
    made = [translate(image[None]) for image in images["a"]]
    for name, what in (
        ("translations", np.concatenate(made)),
        ("real images of B", images["b"]),
    ):
        for period in PERIODS:
            ratio, levels = checkerboard(what, period)
            print(f"{name}, {period} px: {ratio:.2f}, {levels:.2f} levels")


if __name__ == "__main__":
    main(sys.argv[1:])
