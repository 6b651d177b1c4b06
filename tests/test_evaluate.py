"""A tiny run, scored while it trains and afterwards; pictures of others."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tf_i2i import evaluate
from tf_i2i import train
from tf_i2i.data import toy_faces
from tf_i2i.data.sources import ToyFacesSource
from tf_i2i.data.store import open_store
from tf_i2i.evaluation.evidence import RealImages
from tf_i2i.runs import load_translator
from tf_i2i.training.run_config import RunConfig

TEST, OTHERS = 16, 10


def save(images, names, folder):
    folder.mkdir(parents=True)
    for name, image in zip(names, images, strict=True):
        Image.fromarray(image).save(folder / f"{name}.png")


@pytest.fixture(autouse=True, scope="module")
def _eagerly(eagerly):
    with eagerly():
        yield


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Toy faces as two folders: pairs to test, others to train, labels."""
    root = tmp_path_factory.mktemp("faces")
    for domain, first in (("a", 100), ("b", 200)):
        rows = ["file,hair"]
        for split, start, count in (
            ("test", 0, TEST),
            ("val", first, OTHERS),
            ("train", first + 50, 2 * OTHERS),
        ):
            people = np.arange(start, start + count)
            drawn = toy_faces.render(domain, people, 20)
            save(drawn, people, root / domain / split)
            # Half of them are called dark: enough of each for a probe.
            rows += [f"{i}.png,{'dark' if i % 2 else 'fair'}" for i in people]
        (root / f"{domain}.csv").write_text("\n".join(rows))
    return root


@pytest.fixture(scope="module")
def run_dir(faces, tmp_path_factory):
    """A run of four steps, scored on validation images after each second."""
    path = tmp_path_factory.mktemp("runs") / "run"
    params = (
        "train.image_size = 16",
        "train.precision = 'float32'",
        "train.evaluation = @Evaluation()",
        "Evaluation.kimg = .008",
        "Evaluation.best = 'fd'",
        "TwinGAN.start_size = 16",
        "TwinGAN.width = .02",
        "TwinGAN.same_gan = False",
        "growing_phases.batch_size = 4",
        "growing_phases.images = 16",
        "growing_phases.fade_images = 16",
        "growing_phases.last_images = 16",
    )
    argv = [
        "--gin_file=twingan.gin",
        f"--run_dir={path}",
        f"--data_a={faces / 'a'}",
        f"--data_b={faces / 'b'}",
        *(f"--gin_param={param}" for param in params),
    ]
    train.main(argv)
    return path


def log(run_dir):
    text = (run_dir / "metrics.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_training_is_scored_on_validation_images(run_dir):
    rows = [row for row in log(run_dir) if row.get("evaluation") == "val"]
    assert [row["step"] for row in rows] == [2, 4]
    for row in rows:
        assert row["features"].startswith("random-conv-0/")
        for direction in ("a_to_b", "b_to_a"):
            assert {"called_b", "fd", "score"} <= row[direction].keys()


def test_the_best_checkpoint_is_the_one_of_the_lowest_distance(run_dir):
    rows = [row for row in log(run_dir) if row.get("evaluation") == "val"]
    distance = {
        row["step"]: (row["a_to_b"]["fd"] + row["b_to_a"]["fd"]) / 2
        for row in rows
    }
    best = min(distance, key=distance.get)
    known = json.loads((run_dir / "checkpoints" / "best.json").read_text())
    assert known["step"] == best
    assert -known["value"] == pytest.approx(distance[best], rel=1e-3)
    assert load_translator(run_dir, best=True).step == best


def test_both_directions_beside_the_cheats(run_dir, faces, capsys):
    evaluate.main(
        [
            f"--run_dir={run_dir}",
            "--paired",
            f"--labels_a={faces / 'a.csv'}",
            f"--labels_b={faces / 'b.csv'}",
        ]
    )
    printed = capsys.readouterr().out
    assert "a_to_b, by random-conv-0" in printed
    for row in ("model", "best", "truth", "copy", "floor"):
        assert f"\n{row} " in printed
    kept = log(run_dir)[-1]
    assert kept["evaluation"] == "test"
    name = next(n for n in kept["a_to_b"]["truth"] if n.startswith("r@1["))
    assert kept["a_to_b"]["truth"][name] == 1
    assert kept["a_to_b"]["copy"]["change"] == 0
    assert any(n.startswith("label_hair[") for n in kept["b_to_a"]["model"])
    page = (run_dir / "report.html").read_text()
    assert "data:image/png" in page
    assert page.count("<svg") > 3


def test_the_best_alone_is_of_its_own_step(run_dir, tmp_path, capsys):
    evaluate.main(
        [
            f"--run_dir={run_dir}",
            "--checkpoint=best",
            "--recipe=quick",
            "--cheats=needed",
            f"--report={tmp_path / 'best.html'}",
        ]
    )
    printed = capsys.readouterr().out
    assert "\nbest " in printed
    assert "\ncopy " in printed
    for left_out in ("model", "blur"):
        assert f"\n{left_out} " not in printed
    best = json.loads((run_dir / "checkpoints" / "best.json").read_text())
    assert log(run_dir)[-1]["step"] == best["step"]


def test_pictures_of_another_program(faces, tmp_path, capsys):
    """The truth itself, handed in as translations, passes for the truth."""
    flags = [
        f"--data_a={faces / 'a'}",
        f"--data_b={faces / 'b'}",
        "--image_size=16",
        "--paired",
        "--recipe=quick,skin",
        "--gin_param=skin.boxes_a = ((0.4, 0.6, 0.4, 0.6),)",
        f"--report={tmp_path / 'theirs.html'}",
    ]
    evaluate.main([*flags, f"--images_b={faces / 'b' / 'test'}"])
    printed = capsys.readouterr().out
    assert "skin_rank" in printed
    assert "b_to_a" not in printed
    assert (tmp_path / "theirs.html").exists()
    rows = [line.split() for line in printed.splitlines()]
    model, truth = (
        next(row[1:] for row in rows if row[:1] == [name])
        for name in ("model", "truth")
    )
    assert [cell.rstrip("*") for cell in model] == [
        cell.rstrip("*") for cell in truth
    ]


def test_pictures_without_the_inputs_names_are_only_a_set(
    faces, tmp_path, capsys
):
    for i, path in enumerate(sorted((faces / "b" / "val").iterdir())):
        (tmp_path / "made").mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / "made" / f"x{i}.png")
    evaluate.main(
        [
            f"--data_a={faces / 'a'}",
            f"--data_b={faces / 'b'}",
            "--image_size=16",
            "--recipe=quick",
            f"--report={tmp_path / 'theirs.html'}",
            f"--images_b={tmp_path / 'made'}",
        ]
    )
    captured = capsys.readouterr()
    assert "16 of 16 test images have no translation" in captured.err
    assert "called_b" in captured.out


def test_the_same_images_for_both_domains_are_refused(faces, refuses):
    folder = faces / "a"
    flags = [f"--data_a={folder}", f"--data_b={folder}", "--image_size=16"]
    with refuses("--data_b"):
        evaluate.main([*flags, f"--images_b={folder}"])


def test_data_flags_replace_the_images_of_a_run(run_dir, faces):
    run = load_translator(run_dir)
    flags = SimpleNamespace(data_a=None, data_b=None)
    assert evaluate._data_of(flags, run) is run.data
    flags.data_a = str(faces / "b")
    config = evaluate._data_of(flags, run).config
    assert config.data_a == str(faces / "b")
    assert config.data_b == run.config.data_b


@pytest.mark.parametrize(
    ("flags", "argument"),
    [
        ([], "--run_dir"),
        (["--images_b=tests"], "--data_a"),
        (["--run_dir=nowhere"], "--run_dir"),
        (
            [
                *("--data_a=x", "--data_b=y", "--image_size=16"),
                *("--images_a=tests", "--images_b=tests/../tests"),
            ],
            "--images_b",
        ),
    ],
)
def test_flags_that_mean_nothing(flags, argument, refuses):
    with refuses(argument):
        evaluate.main(flags)


def test_evidence_is_in_the_order_of_the_pairs(run_dir):
    run = load_translator(run_dir)
    real = RealImages.of_data(run.data, run.phase.size, paired=True)
    evidence = real.evidence("b_to_a", count=5)
    assert real.names("a")[:5] == real.names("b")[:5]
    assert len(evidence.inputs) == len(evidence.truth) == 5
    assert evidence.truth is evidence.target_test
    a_to_b = real.evidence("a_to_b", count=5)
    assert np.array_equal(evidence.truth, a_to_b.inputs)
    assert real.evidence("a_to_b", "val").truth is None


@pytest.mark.parametrize("data", [None, "toy"])
def test_toy_faces_are_pairs_with_labels_however_they_are_named(data):
    class Data:
        config = RunConfig(data_a=data, data_b=data)

        def store(self, domain):
            source = ToyFacesSource(domain, train=8, val=8, test=8)
            return open_store(source, 16, progress=lambda line: None)

    evidence = RealImages.of_data(Data(), 16).evidence("a_to_b")
    assert evidence.truth is not None
    assert {"hair_color", "turn"} <= evidence.labels.keys()
