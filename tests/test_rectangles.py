"""Runs on rectangles: training, resumption, and the commands for runs."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tf_i2i import distill
from tf_i2i import doctor
from tf_i2i import evaluate
from tf_i2i import export
from tf_i2i import neighbours
from tf_i2i import train
from tf_i2i import translate
from tf_i2i.compare import main as compare
from tf_i2i.data.augment import Augmentation
from tf_i2i.data.reading import fit_image
from tf_i2i.data.sources import source_for
from tf_i2i.data.store import open_store
from tf_i2i.data.unpaired import unpaired
from tf_i2i.exporting.litert import load_tflite
from tf_i2i.methods import registry
from tf_i2i.metrics.sliced_wasserstein import sliced_wasserstein
from tf_i2i.runs import load_translator
from tf_i2i.serving.translator import Options
from tf_i2i.serving.translator import Translator
from tf_i2i.sizes import height_width
from tf_i2i.sizes import short_side
from tf_i2i.sizes import shortest
from tf_i2i.sizes import size_text

RECTANGULAR = {
    *("CycleGAN", "DualGAN", "UNIT", "CUT", "MUNIT", "DRIT", "UGATIT"),
    *("SimGAN", "AsymGAN", "AugmentedCycleGAN", "Student"),
}
QUICK = {"CUT"}
SIZE = (16, 24)


def test_forms_of_a_size():
    assert height_width(64) == (64, 64)
    assert height_width([48, 64]) == (48, 64)
    assert shortest([64, 64]) == 64
    assert shortest([48, 64]) == (48, 64)
    assert short_side((64, 48)) == 48
    assert [size_text(s) for s in (64, (64, 64), (48, 64))] == [
        *("64", "64", "48x64")
    ]


def pixel_size(path):
    """Width and height of an image file."""
    with Image.open(path) as image:
        return image.size


def columns(height, width):
    """An image whose pixels hold the number of their column."""
    row = np.arange(width, dtype=np.uint8)[:, None].repeat(3, 1)
    return np.tile(row, (height, 1, 1))


def test_images_are_fitted_to_rectangles():
    image = columns(8, 40)
    cropped = fit_image(image, (8, 16))
    assert np.array_equal(cropped, image[:, 12:28])
    assert np.array_equal(fit_image(image, (8, 40), "stretch"), image)
    padded = fit_image(image, (16, 40), "pad")
    assert np.array_equal(padded[4:12], image)
    assert (np.delete(padded, range(4, 12), 0) == 255).all()
    maps = fit_image(image, (4, 20), "stretch maps")
    assert set(maps[0, :, 0]) <= set(range(40))


@pytest.mark.parametrize("maps", [False, True])
def test_a_crop_of_a_larger_image_has_its_pixels(maps):
    """Crops of half of the sides are not scaled."""
    image = columns(32, 48)
    plain = {"contrast": 0.0, "hue": 0.0, "brightness": 0.0, "saturation": 0.0}
    crop = Augmentation(crop=(0.5, 0.5), flip=False, maps=maps, **plain)
    view = np.asarray(crop(tf.constant(image), tf.constant([0, 3]), SIZE))
    assert view.shape == (*SIZE, 3)
    steps = np.diff((view + 1) * 127.5, axis=1)
    np.testing.assert_allclose(steps, 1.0, atol=1e-3)


def test_batches_of_rectangles(folders):
    stores = [
        open_store(source_for(folders / domain, domain), (20, 30))
        for domain in "ab"
    ]
    assert stores[0].images.shape[1:] == (20, 30, 3)
    batches = unpaired(*stores, image_size=SIZE, batch_size=2)
    for images in next(iter(batches)):
        assert images.shape == (2, *SIZE, 3)


def test_distances_of_rectangles(rng):
    x = rng.integers(0, 256, (6, 32, 48, 3), np.uint8)
    found = sliced_wasserstein(x, x, paired=True)
    assert found == {32: 0.0, 16: 0.0, "average": 0.0}
    assert sliced_wasserstein(x, 255 - x[:, ::-1])["average"] > 0


@pytest.mark.parametrize(
    "name",
    [
        name if name in QUICK else pytest.param(name, marks=pytest.mark.slow)
        for name in sorted(RECTANGULAR)
    ],
)
def test_a_method_trains_on_rectangles(name, eagerly):
    method = registry.methods()[name]
    settings = method.tiny | method.tiny_variants[""] | {"image_size": SIZE}
    model = method(**settings)
    model.compile()
    rng = np.random.default_rng(0)
    a, b = rng.uniform(-1, 1, (2, 4, *SIZE, 3)).astype(np.float32)
    with eagerly():
        model.fit(a, b, batch_size=4, verbose=0)
    assert model(a).shape == a.shape
    again = keras.models.clone_model(model)
    assert again.image_size == again.size == SIZE


@pytest.mark.parametrize("name", ["CycleGAN", "UNIT"])
def test_both_sides_must_be_multiples(name, refuses):
    method = registry.methods()[name]
    with refuses("image_size"):
        method(**method.tiny | {"image_size": (16, 23)})


def test_other_methods_take_squares_only(refuses):
    for name, method in registry.methods().items():
        if name not in RECTANGULAR:
            with refuses("image_size") as error:
                method(image_size=SIZE)
            # The pair is refused, and not the size of the images.
            assert "must be a whole number" in str(error.value), name


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory, eagerly):
    """A run of CUT on 16 x 24 pixels, which was resumed once."""
    root = tmp_path_factory.mktemp("rectangles")
    rng = np.random.default_rng(0)
    for domain in "ab":
        for split in ("train", "val", "test"):
            folder = root / domain / split
            folder.mkdir(parents=True)
            for i in range(8):
                pixels = rng.integers(0, 256, (24, 36, 3), np.uint8)
                Image.fromarray(pixels).save(folder / f"{i}.png")
    settings = (
        f"train.image_size = {SIZE}",
        "CUT.residual_blocks = 1",
        "CUT.width = 0.05",
        "CUT.critic_layers = 1",
        "CUT.head_size = 8",
        "CUT.patches = 8",
        "single_phase.batch_size = 2",
        "single_phase.images = 8",
    )
    flags = [
        "--gin_file=cut.gin",
        f"--run_dir={root / 'run'}",
        *(f"--data_{domain}={root / domain}" for domain in "ab"),
        *(f"--gin_param={setting}" for setting in settings),
    ]
    with eagerly():
        train.main([*flags, "--gin_param=train.steps = 2"])
        train.main([*flags, "--gin_param=train.steps = 4"])
    return root / "run"


def test_a_run_on_rectangles_is_resumed(run_dir):
    run = load_translator(run_dir)
    assert (run.step, run.model.size) == (4, SIZE)
    assert run.images("a", "test").shape == (8, *SIZE, 3)
    assert "train.image_size = (16, 24)" in (run_dir / "config.gin").read_text()
    last = sorted((run_dir / "samples").iterdir())[-1]
    # Five rows of eight images, which are enlarged four times, in white lines.
    assert pixel_size(last) == (8 * 98 + 2, 5 * 66 + 2)


def test_rectangles_are_translated_and_compared(run_dir, tmp_path):
    image = np.zeros((60, 40, 3), np.uint8)
    Image.fromarray(image).save(tmp_path / "tall.png")
    given = f"--input={tmp_path / 'tall.png'}"
    translate.main([f"--run_dir={run_dir}", given, f"--output={tmp_path}/made"])
    (made,) = (tmp_path / "made").iterdir()
    # The short side is the short side of the training images.
    assert pixel_size(made) == (16, 24)
    grid = tmp_path / "grid.png"
    compare([f"--runs={run_dir}", given, f"--output={grid}", "--side=16"])
    # Two columns of images of 16 x 24 pixels, with lines of 2 pixels.
    assert pixel_size(grid)[0] == 2 + 2 * 26


def test_faces_need_a_run_on_squares(run_dir, tmp_path, refuses):
    Image.new("RGB", (40, 40)).save(tmp_path / "face.png")
    with refuses("--faces"):
        translate.main(
            [
                f"--run_dir={run_dir}",
                f"--input={tmp_path / 'face.png'}",
                f"--output={tmp_path}/made",
                "--faces=largest",
            ]
        )


def test_rectangles_are_exported(run_dir, tmp_path):
    path = tmp_path / "model.tflite"
    export.main([f"--run_dir={run_dir}", f"--output={path}"])
    images = np.zeros((1, *SIZE, 3), np.uint8)
    assert load_tflite(path)(images).shape == images.shape


@pytest.mark.slow
def test_saved_models_take_rectangles_and_files(run_dir, tmp_path):
    export.main([f"--run_dir={run_dir}", f"--output={tmp_path / 'saved'}"])
    signatures = tf.saved_model.load(str(tmp_path / "saved")).signatures
    file = tf.io.encode_png(np.zeros((50, 90, 3), np.uint8))
    (made,) = signatures["translate_bytes"](tf.stack([file])).values()
    assert tf.io.decode_png(made[0]).shape == (*SIZE, 3)


@pytest.mark.slow
def test_other_commands_take_a_run_on_rectangles(run_dir, tmp_path, capsys):
    run = f"--run_dir={run_dir}"
    neighbours.main([run, "--features=random-conv", f"--output={tmp_path}/n"])
    assert (tmp_path / "n" / "neighbours.csv").exists()
    distill.main(
        [
            run,
            f"--student={tmp_path / 'student'}",
            "--gin_param=train.steps = 1",
            "--gin_param=Student.width = 0.1",
        ]
    )
    assert load_translator(tmp_path / "student").model.size == SIZE
    doctor.main([run])
    assert "16x24" in capsys.readouterr().out
    server = Translator(load_translator(run_dir).model)
    key, item = server.prepare(
        np.zeros((48, 80, 3), np.uint8), Options("a_to_b")
    )
    (made,) = server.translate(key, [item])
    assert server.finish(made, item, Options("a_to_b")).shape == (16, 27, 3)


def test_rectangles_are_scored(run_dir, eagerly):
    with eagerly():
        evaluate.main(
            [
                f"--run_dir={run_dir}",
                "--features=random-conv",
                "--cheats=needed",
            ]
        )
    lines = (run_dir / "metrics.jsonl").read_text().splitlines()
    scores = json.loads(lines[-1])["a_to_b"]["model"]
    assert scores["swd_16"] > 0
