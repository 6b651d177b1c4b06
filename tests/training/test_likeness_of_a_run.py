"""The likeness loss of a run: in the log, and not needed afterwards."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from tf_i2i import train
from tf_i2i.methods import CycleGAN
from tf_i2i.runs import load_translator


class Means(tf.Module):
    """A network of the mean levels of each channel."""

    @tf.function
    def embed(self, image):
        return {"embedding": tf.reduce_mean(image, [1, 2])}


@pytest.fixture
def network(tmp_path):
    spec = tf.TensorSpec([None, None, None, 3], tf.float32, name="image")
    module = Means()
    call = module.embed.get_concrete_function(spec)
    tf.saved_model.save(
        module, str(tmp_path / "net"), {"serving_default": call}
    )
    return tmp_path / "net"


def flags(folders, run_dir, **more):
    small = {f"CycleGAN.{k}": v for k, v in CycleGAN.tiny.items()}
    size = small.pop("CycleGAN.image_size")
    settings = {
        "train.image_size": size,
        "train.precision": "float32",
        "single_phase.images": 4,
        "single_phase.batch_size": 2,
    }
    bindings = [f"{k} = {v!r}" for k, v in (small | settings).items()]
    bindings += [f"{k.replace('__', '.')} = {v}" for k, v in more.items()]
    return [
        "--gin_file=cyclegan.gin",
        f"--run_dir={run_dir}",
        *(f"--data_{domain}={folders / domain}" for domain in "ab"),
        *(f"--gin_param={binding}" for binding in bindings),
    ]


def test_a_run_logs_it_and_is_translated_without_its_network(
    folders, network, tmp_path, eagerly
):
    run_dir = tmp_path / "run"
    argv = flags(
        folders,
        run_dir,
        train__likeness="@Likeness()",
        Likeness__network="@teacher",
        Likeness__between="'cycle'",
        Likeness__weight=3.0,
        teacher__name=f"'savedmodel:{network}'",
    )
    with eagerly():
        train.main(argv)
    (line,) = (run_dir / "metrics.jsonl").read_text().splitlines()
    assert {"likeness_a", "likeness_b"} <= {*json.loads(line)}
    shutil.rmtree(network)
    run = load_translator(run_dir)
    images = np.zeros((1, run.phase.size, run.phase.size, 3), np.float32)
    assert run.model.translate(images, "a_to_b").shape == images.shape


@pytest.mark.parametrize(
    ("argument", "settings"),
    [
        ("train.likeness", {"train__likeness": "@Likeness"}),
        ("Likeness.network", {"train__likeness": "@Likeness()"}),
        (
            "kerasfile:",
            {
                "train__likeness": "@Likeness()",
                "Likeness__network": "@teacher",
                "teacher__name": "'kerasfile:no.keras'",
            },
        ),
    ],
)
def test_mistakes_are_found_before_training(
    argument, settings, folders, tmp_path, refuses
):
    with refuses(argument):
        train.main([*flags(folders, tmp_path, **settings), "--dry_run"])
