"""Trains and scores domain adaptation on digits: UNIT, CoGAN and DANN.

    python benchmarks/quality/digits.py run mnist_usps --data_root=DATA
    python benchmarks/quality/digits.py run mnist_usps_dann --data_root=DATA
    python benchmarks/quality/digits.py run svhn_mnist --seed=1 --minutes=20 \
        --data_root=DATA --work=runs/digits
    python benchmarks/quality/digits.py table

`run` first trains two baseline classifiers with the same network: one on labels
of A (source only), and one on labels of B (target-trained, an upper reference).
Then it adapts from A to B without labels of B, and appends a line to
digits.jsonl in this folder, from which `table` makes DIGITS.md. Some labelled
training images of B form the validation split. They are used to choose the best
checkpoint, and are not used for training. If `run` is stopped, the same command
continues it.

DANN (Ganin et al. 2016, arXiv:1505.07818) is trained in this file. It is no
method of the package, because it translates no images. It is the baseline
classifier with one addition: a second classifier learns to tell the domains
apart from the features of the first one, whose layers are trained to prevent
this by a reversed gradient. As in the paper, the strength of the reversed
gradient rises from 0 to 1. Unlike in the paper, the optimizer is Adam, with the
learning rates of the baselines.

The rows `mnist_usps_crops` and `usps_mnist_crops` train no adaptation. They are
the source-only classifier, trained with the random crops of UNIT's configs.
They show which part of UNIT's improvement is due to these crops.
"""

import argparse
import ast
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tasks
from PIL import Image

HERE = Path(__file__).parent
RESULTS = HERE / "digits.jsonl"
HELD_OUT = 500  # Number of B's training images held out to choose a checkpoint.
# Number of A's images that are held out. Sample images during training show
# translations of them.
LOOKED_AT = 64
CLASSES = 10
# Number of passes over the data, and batch size, in the training of the two
# baseline classifiers.
EPOCHS, BATCH = 15, 64
# Number of steps that are timed, to compute how many images can be trained on
# in a number of minutes.
PROBED = 40


class Task(NamedTuple):
    """A pair of data sets, source and target.

    Attributes:
        source, target: names of the data sets.
        size: side of the images, in pixels.
        gin_file: name of a shipped config; None for DANN and for the
            source-only classifier with crops.
        paper: accuracy in Table 2 of UNIT's paper. For DANN it is that of
            Table 2 of ADDA (Tzeng et al. 2017, arXiv:1702.05464), which is for
            2,000 images of MNIST and 1,800 of USPS. It is None for the
            classifier with crops.
        iterations: number of iterations in the authors' code, if their code
            has the task.
        phases: the function of `train.phases`.
        crop: `Augmentation.crop` of the source-only classifier with crops.
    """

    source: str
    target: str
    size: int
    gin_file: str | None
    paper: float | None
    iterations: int | None = None
    phases: str = "single_phase"
    crop: tuple[float, float] | None = None


TASKS = {
    "mnist_usps": Task(
        *("mnist", "usps", 28, "unit_digits.gin", 0.9597),
        phases="class_phases",
    ),
    "usps_mnist": Task(
        *("usps", "mnist", 28, "unit_digits_usps.gin", 0.9358),
        phases="class_phases",
    ),
    "svhn_mnist": Task(
        *("svhn", "mnist", 32, "unit_digits_svhn.gin", 0.9053, 200_000),
        phases="class_phases",
    ),
    "mnist_usps_cogan": Task("mnist", "usps", 28, "cogan.gin", 0.9565, 10_000),
    "usps_mnist_cogan": Task("usps", "mnist", 28, "cogan.gin", 0.9315, 10_000),
    "mnist_usps_dann": Task("mnist", "usps", 28, None, 0.771),
    "usps_mnist_dann": Task("usps", "mnist", 28, None, 0.730),
    "mnist_usps_crops": Task("mnist", "usps", 28, None, None, crop=(0.7, 1.0)),
    "usps_mnist_crops": Task("usps", "mnist", 28, None, None, crop=(1.2, 1.6)),
}
PAPER_IMAGES = {"mnist": 60_000, "usps": 7_291, "svhn": 531_131}


class Digits(NamedTuple):
    """Images, uint8 `[N, size, size, 3]`, and labels, int64 `[N]`, by split."""

    images: dict
    labels: dict


def read(name, data_root, size, val, trained_on):
    """Reads a data set, resized to a given size.

    Args:
        name: name of the data set.
        data_root: folder that contains `digits/`.
        size: side of the images, pixels.
        val: number of training images that form the validation split.
        trained_on: whether the validation images are also used for training.
    """
    arrays = tasks._digits(Path(data_root) / "digits", name)
    # The images are shuffled, because some data sets are sorted by class.
    order = np.random.default_rng(0).permutation(len(arrays["train_y"]))
    parts = {
        "train": ("train", order if trained_on else order[val:]),
        "val": ("train", order[:val]),
        "test": ("test", np.arange(len(arrays["test_y"]))),
    }
    images, labels = {}, {}
    for split, (array, rows) in parts.items():
        images[split] = np.stack(
            [_resized(image, size) for image in arrays[f"{array}_x"][rows]]
        )
        labels[split] = arrays[f"{array}_y"][rows].astype(np.int64)
    return Digits(images, labels)


def _resized(image, size):
    picture = Image.fromarray(image).convert("RGB")
    return np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR))


def write(digits, folder):
    """Writes a folder for each split and a table of labels if missing."""
    table = folder / "labels.csv"
    if table.exists():
        return
    lines = ["file,digit"]
    for split, images in digits.images.items():
        (folder / split).mkdir(parents=True, exist_ok=True)
        for i, image in enumerate(images):
            name = f"{split}_{i:05d}.png"
            Image.fromarray(image).save(folder / split / name)
            lines.append(f"{name},{digits.labels[split][i]}")
    # The table is written last, because its existence means that the folder is
    # complete.
    table.write_text("\n".join([*lines, ""]), encoding="utf-8")


def train_classifier(digits, size, width, relu, seed, others=None, crop=None):
    """Trains UNIT's critic as a classifier; returns its function `predict`.

    Args:
        digits: `Digits`, whose training images and labels are used.
        size, width, relu: arguments of `DigitCritic`.
        seed: seed of the weights, of dropout and of the order of the images.
        others: uint8 `[N, size, size, 3]`, images without labels, to which the
            classifier is adapted by DANN; None for no adaptation.
        crop: `Augmentation.crop` of the training images; None for no crops.
    """
    import keras
    import tensorflow as tf

    from tf_i2i import losses
    from tf_i2i.data.augment import Augmentation
    from tf_i2i.images import to_float
    from tf_i2i.layers.reversal import reverse_gradient
    from tf_i2i.networks.digits import DigitCritic
    from tf_i2i.training.devices import fastest_precision

    keras.config.set_dtype_policy(fastest_precision())
    keras.utils.set_random_seed(seed)
    network = DigitCritic(size, width, CLASSES, relu)
    network(tf.zeros((1, size, size, 3)), domains="a")
    # These variables are built together with the network, but are not trained
    # here.
    unused = {id(v) for v in network.own["b"].trainable_variables}
    unused |= {id(v) for v in network.score.trainable_variables}
    variables = [v for v in network.trainable_variables if id(v) not in unused]
    domain_classifier = keras.Sequential(
        [
            keras.layers.Dense(100, "relu", dtype="float32"),
            keras.layers.Dense(1, dtype="float32"),
        ]
    )
    if others is not None:
        domain_classifier.build((None, network.score.kernel.shape[0]))
        variables += domain_classifier.trainable_variables
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(variables)

    augmentation = Augmentation(crop, False, 0.0, 0.0, 0.0, 0.0)

    @tf.function(autograph=False)
    def prepare(images, number):
        if crop is None:
            return to_float(images)
        rows = tf.range(tf.shape(images)[0])
        seeds = tf.stack([tf.fill(tf.shape(rows), number), rows], 1)
        return tf.map_fn(
            lambda given: augmentation(*given, size),
            (images, seeds),
            fn_output_signature=tf.float32,
        )

    @tf.function(autograph=False)
    def step(images, labels, strength):
        with tf.GradientTape() as tape:
            features, _, classes = network(
                images,
                domains="a",
                dropout=lambda shape, layer: tf.random.uniform(shape),
            )
            loss = losses.cross_entropy(labels, classes[: labels.shape[0]])
            total = loss
            if others is not None:
                reversed_ = reverse_gradient(features, strength)
                of_a, of_b = tf.split(domain_classifier(reversed_), 2)
                total += losses.gan_critic(of_a, of_b) / 2.0
        optimizer.apply(tape.gradient(total, variables), variables)
        return loss

    @tf.function(autograph=False, reduce_retracing=True)
    def classify(images):
        _, _, classes = network(to_float(images), domains="a")
        return tf.argmax(classes, 1)

    images, labels = digits.images["train"], digits.labels["train"]
    rng = np.random.default_rng(seed)
    for epoch in range(EPOCHS):
        if epoch == EPOCHS - 3:
            optimizer.learning_rate = 1e-4
        order = rng.permutation(len(images))
        for at in range(0, len(order) - BATCH + 1, BATCH):
            rows = order[at : at + BATCH]
            batch = images[rows]
            if others is not None:
                batch = np.concatenate([batch, rng.choice(others, BATCH)])
            progress = (epoch + at / len(order)) / EPOCHS
            strength = 2.0 / (1.0 + np.exp(-10.0 * progress)) - 1.0
            number = tf.constant(epoch * len(order) + at)
            loss = step(
                prepare(tf.constant(batch), number),
                tf.constant(labels[rows]),
                tf.constant(strength, tf.float32),
            )
    print(f"classifier: cross-entropy {float(loss):.4f} after {EPOCHS} epochs")

    def predict(images):
        parts = [
            classify(tf.constant(images[i : i + 256])).numpy()
            for i in range(0, len(images), 256)
        ]
        return np.concatenate(parts)

    return predict


def baselines(source, target, *network):
    """Trains two classifiers; returns their accuracies on B's test set.

    The first is trained on labels of A, the second on labels of B.

    Args:
        source, target: `Digits`.
        *network: further arguments of `train_classifier`.
    """
    test, truth = target.images["test"], target.labels["test"]
    found = {}
    for name, digits in (("source_only", source), ("target_trained", target)):
        predict = train_classifier(digits, *network)
        found[name] = float(np.mean(predict(test) == truth))
        print(f"{name}: {found[name]:.4f}", flush=True)
    return found


def kept_baselines(task, source, target, network, seed, work):
    """Returns `baselines`, which are kept in a file for further rows."""
    width, relu = network
    name = f"{task.source}_{task.target}_{task.size}_{width}_{relu}_{seed}.json"
    path = work / "baselines" / name
    if not path.exists():
        found = baselines(source, target, task.size, *network, seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found), encoding="utf-8")
    return json.loads(path.read_text("utf-8"))


def call_train(run_dir, folders, gin_file, bindings):
    """Runs the command `train`, and returns the minutes that it took."""
    flags = [f"--gin_file={gin_file}", f"--run_dir={run_dir}"]
    for domain, folder in zip("ab", folders, strict=True):
        flags.append(f"--data_{domain}={folder}")
        flags.append(f"--labels_{domain}={folder / 'labels.csv'}")
    flags += [f"--gin_param={binding}" for binding in bindings]
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "tf_i2i.train", *flags], check=True)
    return (time.monotonic() - began) / 60


def images_in(minutes, run_dir, folders, gin_file, bindings):
    """Measures how many images a training of `minutes` minutes can process."""
    probe = run_dir.with_name(f"{run_dir.name}_probe")
    shutil.rmtree(probe, ignore_errors=True)
    call_train(
        probe,
        folders,
        gin_file,
        [*bindings, f"train.steps = {PROBED}", "train.log_kimg = 0.5"],
    )
    rates = [
        line["images_per_second"]
        for line in map(json.loads, _lines(probe / "metrics.jsonl"))
        if "images_per_second" in line
    ]
    shutil.rmtree(probe)
    # The first step is left out, because it includes tracing.
    return round(60 * minutes * float(np.median(rates[1:])))


def _lines(path):
    return path.read_text("utf-8").splitlines() if path.exists() else []


def accuracy(run_dir, best):
    """Returns a run's accuracy on B's test set and its checkpoint's step."""
    from tf_i2i.evaluation.evidence import RealImages
    from tf_i2i.evaluation.translations import Translations
    from tf_i2i.runs import load_translator

    run = load_translator(run_dir, best=best)
    data = run.data
    real = RealImages.of_data(data, run.phase.size, labels=data.label_tables())
    evidence = real.evidence("a_to_b")
    predicted = Translations(run.model).classify(evidence.target_test, "b")
    _, truth = evidence.target_labels["digit"]
    return float(np.mean(predicted == truth)), run.step


def train_row(name, seed, minutes, source, target, work, settings):
    """Trains and scores a row whose method is in the package.

    Returns:
        The results, and the width and `relu` of its critic.
    """
    task = TASKS[name]
    folders = [work / "data" / name / domain for domain in "ab"]
    for digits, folder in zip((source, target), folders, strict=True):
        write(digits, folder)
    run_dir = work / "runs" / f"{name}_{seed}"
    bindings = [*settings, f"train.seed = {seed}"]
    rest = folders, task.gin_file
    budget = run_dir / "budget.json"
    if minutes is not None:
        if not budget.exists():
            images = images_in(minutes, run_dir, *rest, bindings)
            run_dir.mkdir(parents=True, exist_ok=True)
            budget.write_text(json.dumps(images), encoding="utf-8")
        images = json.loads(budget.read_text("utf-8"))
        bindings.append(f"{task.phases}.images = {images}")
    took = call_train(run_dir, *rest, bindings)

    from tf_i2i import cli

    cli.import_tensorflow(training=True)
    final, steps = accuracy(run_dir, best=False)
    best, best_step = accuracy(run_dir, best=True)
    result = {
        "final": final,
        "best": best,
        "minutes": took,
        "steps": steps,
        "best_step": best_step,
    }
    return result, _critic(run_dir)


def train_here(task, seed, source, target):
    """Trains and scores DANN, or the source-only classifier with crops.

    The results are those of `train_row`. There is no best checkpoint, because
    nothing is saved during the training.
    """
    network = 1.0, False
    others = None if task.crop else target.images["train"]
    began = time.monotonic()
    predict = train_classifier(
        source, task.size, *network, seed, others, task.crop
    )
    final = np.mean(predict(target.images["test"]) == target.labels["test"])
    result = {
        "final": float(final),
        "best": float(final),
        "minutes": (time.monotonic() - began) / 60,
        "steps": EPOCHS * (len(source.images["train"]) // BATCH),
        "best_step": None,
    }
    return result, network


def run_row(name, seed, minutes, data_root, work, settings):
    """Trains a row, scores it and appends the result to digits.jsonl."""
    task = TASKS[name]
    source = read(task.source, data_root, task.size, LOOKED_AT, True)
    target = read(task.target, data_root, task.size, HELD_OUT, False)
    if task.gin_file is None:
        scored, network = train_here(task, seed, source, target)
    else:
        scored, network = train_row(
            name, seed, minutes, source, target, work, settings
        )
    found = kept_baselines(task, source, target, network, seed, work)
    reach = found["target_trained"] - found["source_only"]
    result = {
        "task": name,
        "seed": seed,
        "settings": settings,
        **found,
        **scored,
        "way_final": (scored["final"] - found["source_only"]) / reach,
        "way_best": (scored["best"] - found["source_only"]) / reach,
        "n_train": {
            "a": len(source.images["train"]),
            "b": len(target.images["train"]),
        },
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores",
    }
    result = {
        key: round(value, 4) if isinstance(value, float) else value
        for key, value in result.items()
    }
    with open(RESULTS, "a", encoding="utf-8") as file:
        file.write(json.dumps(result) + "\n")
    print(json.dumps(result))


def _critic(run_dir):
    """Returns the width and `relu` of the critic of a run."""
    from tf_i2i.training.settings import saved_bindings

    found = saved_bindings(run_dir / "config.gin")
    method = found["train.model"].lstrip("@")
    width = ast.literal_eval(found[f"{method}.critic_width"])
    # Critics of CoGAN have no such setting, and no ReLU.
    relu = ast.literal_eval(found.get(f"{method}.critic_relu", "False"))
    return width, relu


def table():
    """Returns a Markdown table of means and standard deviations over seeds."""
    groups = defaultdict(list)
    for line in map(json.loads, _lines(RESULTS)):
        groups[line["task"], "; ".join(line["settings"])].append(line)
    head = (
        *("task", "seeds", "paper", "final", "best", "source only"),
        *("target-trained", "gap closed: final", "best"),
        *("images of A", "of B", "iterations", "minutes"),
    )
    text = [
        "# Domain adaptation of digits",
        "",
        "Made by `python benchmarks/quality/digits.py table`. The table shows "
        "the accuracy on the whole",
        "test set of the target. `final` is the last checkpoint of the run, "
        "`best` the one with the",
        f"highest accuracy on {HELD_OUT} labelled images that were held out of "
        "the target's training set.",
        '"Gap closed" is the improvement over source-only training, divided '
        "by that of training on",
        "the target's labels. The paper's numbers are from Table 2 of UNIT "
        "(1703.00848), those of DANN from Table 2",
        'of ADDA (1702.05464). The numbers after "of" are the images and '
        "iterations of the paper or its authors' code.",
        "",
        f"| {' | '.join(head)} |",
        "| --- " * len(head) + "|",
    ]
    for (name, settings), lines in sorted(groups.items()):
        task = TASKS[name]
        label = f"{name} ({settings})" if settings else name
        paper = f"{task.paper:.4f}" if task.paper else "-"
        cells = [label, len(lines), paper]
        for key in ("final", "best", "source_only", "target_trained"):
            cells.append(_cell([line[key] for line in lines]))
        for key in ("way_final", "way_best"):
            cells.append(_cell([line[key] for line in lines], 2))
        for domain, collection in (("a", task.source), ("b", task.target)):
            count = lines[0]["n_train"][domain]
            cells.append(f"{count:,} of {PAPER_IMAGES[collection]:,}")
        steps = f"{np.mean([line['steps'] for line in lines]):,.0f} of "
        cells.append(
            steps + (f"{task.iterations:,}" if task.iterations else "unknown")
        )
        cells.append(_cell([line["minutes"] for line in lines], 1))
        text.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(text)


def _cell(values, digits=4):
    text = f"{np.mean(values):.{digits}f}"
    if len(values) > 1:
        text += f" ± {np.std(values, ddof=1):.{digits}f}"
    return text


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=("run", "table"))
    parser.add_argument("task", nargs="?", choices=TASKS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--minutes",
        type=float,
        help="minutes of training (default: as long as the config says)",
    )
    parser.add_argument("--data_root", type=Path, help="folder with digits/")
    parser.add_argument("--work", type=Path, default=Path("runs/digits"))
    parser.add_argument("--gin_param", action="append", default=[])
    args = parser.parse_args()
    if args.what == "table":
        (HERE / "DIGITS.md").write_text(table() + "\n", encoding="utf-8")
        return
    run_row(
        args.task,
        args.seed,
        args.minutes,
        args.data_root,
        args.work,
        args.gin_param,
    )


if __name__ == "__main__":
    main()
