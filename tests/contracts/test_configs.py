"""Every shipped config builds and trains two steps, small and narrow."""

import json

import pytest
import tensorflow as tf

from tf_i2i import configs
from tf_i2i import configuration
from tf_i2i import train
from tf_i2i.methods import registry
from tf_i2i.methods.capabilities import Annotated
from tf_i2i.methods.capabilities import Classifying

BATCH_SIZES = {
    "single_phase": ["batch_size = 2"],
    "growing_phases": ["batch_size = 2"],
    "class_phases": ["batch_size = 2", "class_batch_size = 2"],
    # A step reads a batch for each update of a critic.
    "cascade_phases": ["batch_size = 4", "inversion_batch_size = 2"],
}


def small(name):
    """Method of a shipped config, and bindings that make it small."""
    configuration.configure("unused", [configs.find_config(name)])
    found = configuration.given_settings()
    method = found["train.model"].lstrip("@")
    tiny = dict(registry.methods()[method].tiny)
    phases = found.get("train.phases", "@single_phase").lstrip("@")
    bindings = [
        f"train.image_size = {tiny.pop('image_size')}",
        "train.steps = 2",
        "train.precision = 'float32'",
        *(f"{phases}.{binding}" for binding in BATCH_SIZES[phases]),
        # Networks from elsewhere stay those of the config.
        *(f"{method}.{k} = {v!r}" for k, v in tiny.items() if not callable(v)),
    ]
    if "perceptual.name" in found:  # The one network that needs no file.
        bindings = [*bindings, "perceptual.name = 'random-conv'"]
    return method, bindings


@pytest.fixture(scope="module")
def labelled(tmp_path_factory, make_labelled_folders):
    """Flags: splits that are large enough to be scored, and their labels."""
    annotated = registry.build_tiny("SpriteTranslator").annotations
    return make_labelled_folders(
        tmp_path_factory.mktemp("labelled"), 28, annotated
    )


@pytest.fixture(scope="module")
def translator(tmp_path_factory):
    """Binding: an exported translator, for a student."""
    module = tf.Module()
    module.call = tf.function(
        lambda image: {"image": -image},
        input_signature=[tf.TensorSpec((None, None, None, 3), name="image")],
    )
    folder = tmp_path_factory.mktemp("translator")
    tf.saved_model.save(
        module, str(folder), signatures={"a_to_b_float": module.call}
    )
    return f"exported.folder = {str(folder)!r}"


def flags(name, run_dir, folders, labelled, translator=None):
    method, bindings = small(name)
    if method == "Student" and translator:
        bindings = [*bindings, translator]
    learns_from_labels = issubclass(
        registry.methods()[method], (Annotated, Classifying)
    )
    data = [f"--data_{domain}={folders / domain}" for domain in "ab"]
    return [
        f"--gin_file={name}",
        f"--run_dir={run_dir}",
        *(labelled if learns_from_labels else data),
        *(f"--gin_param={binding}" for binding in bindings),
    ]


# The first config of each method; the others differ from it in numbers.
FIRST = [registry.recipes(method)[0] for method in registry.methods()]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in FIRST else pytest.mark.slow)
        for name in configs.shipped_configs()
    ],
)
def test_a_shipped_config_builds(name, folders, labelled, tmp_path, capsys):
    train.main([*flags(name, tmp_path, folders, labelled), "--dry_run"])
    assert "Phases" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("name", configs.shipped_configs())
def test_a_shipped_config_trains(name, folders, labelled, translator, tmp_path):
    train.main(flags(name, tmp_path, folders, labelled, translator))
    (line,) = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line)["step"] == 2


def test_every_config_says_what_it_is():
    assert "paper/twingan.gin" in configs.shipped_configs()
    for name, path in configs.shipped_configs().items():
        method, _ = small(name)
        assert configs.header(path).startswith(method)


def test_configs_of_papers_train_in_float32():
    """Reduced precision is not part of any of the papers."""
    papers = [n for n in configs.shipped_configs() if n.startswith("paper/")]
    assert papers
    for name in papers:
        configuration.configure("unused", [configs.find_config(name)])
        assert configuration.given("precision") == "float32", name
