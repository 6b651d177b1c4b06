"""What holds for every method, whatever its paper says."""

import functools
import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_i2i.methods import keras_config
from tf_i2i.methods import registry
from tf_i2i.methods.capabilities import Annotated
from tf_i2i.methods.capabilities import Classifying
from tf_i2i.methods.capabilities import Described
from tf_i2i.methods.capabilities import stages
from tf_i2i.methods.training_step import SIDES

BATCH = 4
# Name for a test -> arguments of `registry.build_tiny`.
ALL_METHODS = {
    "_".join(filter(None, (name, variant))): (name, variant)
    for name, method in registry.methods().items()
    for variant in method.tiny_variants
}
# Methods whose tests here run with the quick tests: one that grows and takes
# styles, and one that does neither.
QUICK = ("TwinGAN_style", "CycleGAN")


def all_methods(quick=QUICK):
    """Returns all methods as parameters; those not in `quick` are slow."""
    return [
        pytest.param(name, marks=() if name in quick else pytest.mark.slow)
        for name in ALL_METHODS
    ]


def images(seed, size, count=BATCH):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (count, size, size, 3)).astype(np.float32)


def batch_of(model, seed, size=None):
    """Images of both domains, and labels where the model learns them."""
    a, b = (images(2 * seed + i, size=size or model.image_size) for i in (0, 1))
    if isinstance(model, Annotated):
        numbers = np.arange(BATCH * len(model.annotations)) % 2
        return a, b, numbers.reshape(BATCH, -1).astype(np.float32)
    if isinstance(model, Described):
        return a, b, np.zeros((BATCH, len(model.words)), np.float32)
    if not isinstance(model, Classifying):
        return a, b
    return a, b, np.arange(BATCH, dtype=np.int32) % model.classes


def batches(model, count, size=None):
    return [batch_of(model, seed, size) for seed in range(count)]


def dataset(given):
    sides = tuple(np.stack(side) for side in zip(*given, strict=True))
    return tf.data.Dataset.from_tensor_slices(sides)


def build(name, optimizer=keras.optimizers.Adam, rate=1e-3):
    keras.utils.set_random_seed(1)
    model = registry.build_tiny(*ALL_METHODS[name])
    model.compile(optimizer(rate), optimizer(rate))
    return model


def train(model, pairs):
    model.fit(
        dataset(pairs), steps_per_epoch=len(pairs), shuffle=False, verbose=0
    )


def everything(model):
    optimizers = model.optimizers.values()
    return [*model.variables, *(v for o in optimizers for v in o.variables)]


def values(variables):
    return [variable.numpy() for variable in variables]


def equal(xs, ys):
    return all(np.array_equal(x, y) for x, y in zip(xs, ys, strict=True))


def explained_losses():
    """Names in the table of docs/losses.md, without the domain."""
    page = Path(__file__).parents[2] / "docs" / "losses.md"
    cells = re.findall(r"^\| (`.*?) \|", page.read_text("utf-8"), re.M)
    names = re.findall(r"`(\w+)`", " ".join(cells))
    return {re.sub("_[ab]$", "", name) for name in names}


@pytest.fixture(scope="module", params=all_methods())
def trained(request, tmp_path_factory, eagerly):
    """Name, model after three eager steps, and its Keras file."""
    model = build(request.param)
    with eagerly():
        train(model, batches(model, 3))
    path = tmp_path_factory.mktemp(request.param) / "after_3.keras"
    model.save(path)
    return request.param, model, path


@pytest.mark.parametrize("name", registry.methods())
def test_constructor_arguments_survive_a_keras_file(name):
    method = registry.methods()[name]
    for settings in method.tiny_variants.values():
        settings = method.tiny | settings
        settings.pop("stage", None)
        given = keras_config.arguments_of(method.__init__, (), settings)
        assert {*settings} <= {*given}
        text = json.dumps(keras_config.encode(given, name))
        assert_alike(keras_config.decode(json.loads(text)), given)


def assert_alike(found, given):
    """Partial functions are equal if their parts are."""
    for name, value in given.items():
        if isinstance(value, functools.partial):
            assert found[name].func is value.func
            assert found[name].keywords.items() >= value.keywords.items()
            continue
        assert found[name] == value, name


@pytest.mark.parametrize("name", all_methods(quick=("CycleGAN",)))
def test_no_two_kernels_start_alike(name):
    model = build(name)
    kernels = [
        variable.numpy()
        for variable in model.trainable_variables
        if variable.path.endswith("/kernel")
    ]
    for i, kernel in enumerate(kernels):
        for other in kernels[:i]:
            assert not np.array_equal(kernel, other)


def test_the_page_explains_all_losses(trained):
    _, model, _ = trained
    ends = "|".join(("a", "b", *getattr(model, "taps", ())))
    names = {re.sub(f"_({ends})$", "", name) for name in model.loss_metrics}
    assert names <= explained_losses()


def test_the_page_explains_no_other_losses():
    """The names are texts in the files of the methods."""
    folder = Path(registry.__file__).parent
    code = "".join(path.read_text("utf-8") for path in folder.glob("*.py"))
    others = {"images_per_second", "content", "style", "variation"}
    for name in explained_losses() - others:
        kind = name.partition("_")[0]
        forms = (f'"{name}"', f'"{name}_', f'"{kind}_{{', f'("{kind}", ')
        assert any(form in code for form in forms), name


def test_losses_are_finite_and_named(trained):
    _, model, _ = trained
    results = {m.name: float(m.result()) for m in model.metrics}
    assert set(results) <= set(model.loss_metrics)
    assert all(np.isfinite(v) and v != 0 for v in results.values()), results


def test_counters_count(trained):
    _, model, _ = trained
    assert int(model.step) == 3
    assert int(model.images_shown) == 3 * BATCH


@pytest.mark.parametrize("name", all_methods(quick=("CycleGAN",)))
def test_a_side_steps_alone(name):
    model = build(name)
    for side, other in (SIDES, reversed(SIDES)):
        if side == "critic" and not model.critics:
            continue
        model.updates = (side,)
        before = {s: values(model.owned(s)) for s in SIDES}
        model.train_step(batch_of(model, 0))
        assert equal(before[other], values(model.owned(other)))
        after = values(model.owned(side))
        moved = [
            not np.array_equal(x, y)
            for x, y in zip(before[side], after, strict=True)
        ]
        # A stage trains its own networks, and of critics there are more.
        assert np.mean(moved) > (0.5 if len(stages(model)) == 1 else 0.05)


def test_every_variable_survives_saving(trained, tmp_path):
    model = build(trained[0])
    drawn = []
    for i, variable in enumerate(everything(model)):
        numbers = np.random.default_rng(i).uniform(1, 100, variable.shape)
        variable.assign(numbers.astype(variable.dtype))
        drawn.append(variable.numpy())
    path = tmp_path / "all.weights.h5"
    model.save_weights(path)
    for variable in everything(model):
        variable.assign(tf.zeros(variable.shape, variable.dtype))
    model.load_weights(path)
    for variable, value in zip(everything(model), drawn, strict=True):
        assert np.array_equal(variable.numpy(), value), variable.path


def assert_resumes(model, path):
    """Trains a model further, and one that loads its file: bit by bit."""
    resumed = keras.saving.load_model(path)
    more = [batch_of(model, 50 + i) for i in range(2)]
    for one in (model, resumed):
        train(one, more)
    assert equal(values(everything(model)), values(everything(resumed)))


def test_resumed_training_is_bit_equal(trained, eagerly):
    with eagerly():
        assert_resumes(*trained[1:])


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL_METHODS)
def test_resumed_training_of_graphs_is_bit_equal(name, tmp_path):
    model = build(name)
    train(model, batches(model, 3))
    model.save(tmp_path / "after_3.keras")
    assert_resumes(model, tmp_path / "after_3.keras")


@pytest.mark.parametrize("name", all_methods(quick=("CycleGAN",)))
def test_two_devices_equal_one(name, two_replicas, eagerly):
    one = build(name, keras.optimizers.SGD, 1e-3)
    with eagerly():
        train(one, batches(one, 3))
    assert two_replicas.num_replicas_in_sync == 2
    with two_replicas.scope():
        two = build(name, keras.optimizers.SGD, 1e-3)
    train(two, batches(two, 3))
    assert two.images_shown.numpy() == one.images_shown.numpy()
    # AsymGAN's is 3e-8 after one step, which norms of few pixels magnify.
    limit = 2e-4 if name.startswith("AsymGAN") else 1e-5
    for mine, its in zip(one.variables, two.variables, strict=True):
        np.testing.assert_allclose(
            mine.numpy(), its.numpy(), atol=limit, err_msg=mine.path
        )


@pytest.mark.parametrize("name", all_methods(quick=("CycleGAN",)))
def test_first_losses_in_bfloat16(name):
    losses = {}
    for precision in ("float32", "mixed_bfloat16"):
        keras.config.set_dtype_policy(precision)
        # No side may move before the other's losses are taken.
        model = build(name, rate=0.0)
        model.train_step(batch_of(model, 0))
        losses[precision] = {m.name: float(m.result()) for m in model.metrics}
    for term, value in losses["float32"].items():
        # A penalty is a small difference, squared: .01 of it is some 2 % of
        # the slope. Wasserstein's loss is a difference of means.
        small = "dragan" in term or name in ("CDFT", "DualGAN")
        assert losses["mixed_bfloat16"][term] == pytest.approx(
            value, rel=0.02, abs=0.01 if small else 1e-3
        ), term


@pytest.mark.parametrize("name", all_methods())
def test_every_weight_is_trained_in_some_phase(name):
    model = build(name)
    start = values(model.trainable_variables)
    paths = [
        {"size": size, "fading": fading, "stage": stage}
        for stage in stages(model)
        for size in model.sizes
        for fading in {False, size != model.sizes[0]}
    ]
    for path in paths:
        # Halfway through the fade, where both paths have a share.
        model.enter_phase(**path, start=-8, images=16)
        model.train_step(batch_of(model, 0, path["size"]))
    after = values(model.trainable_variables)
    still = [
        v.path
        for v, x, y in zip(model.trainable_variables, start, after, strict=True)
        if np.array_equal(x, y)
    ]
    # Wasserstein's loss, a difference of mean scores, does not depend on the
    # biases of the critics' last layers.
    without_effect = {
        "DualGAN": [
            "critic_a/convolution_2/bias",
            "critic_b/convolution_2/bias",
        ]
    }
    assert still == without_effect.get(name, [])


def test_averaged_weights_swap_in_and_out(trained):
    _, model, _ = trained
    live = values(model.averaged_variables)
    with model.averaged():
        inside = values(model.averaged_variables)
    assert equal(inside, values(model.averages))
    assert not equal(live, inside)
    assert equal(live, values(model.averaged_variables))


def test_translation_keeps_shape_and_range(trained):
    _, model, _ = trained
    x = images(7, model.image_size, count=3)
    for direction in model.directions:
        y = model.translate(tf.constant(x), direction).numpy()
        assert y.shape == x.shape
        assert y.dtype == np.float32
        assert np.abs(y).max() <= 1


def test_an_image_that_is_not_finite_spoils_nothing(trained, eagerly):
    _, model, _ = trained
    batch = batch_of(model, 0)
    # A method that learns from descriptions of B ignores A in training.
    batch[isinstance(model, Described)][0, 0, 0, 0] = np.nan
    with (
        eagerly(),
        pytest.raises(tf.errors.InvalidArgumentError, match="not finite:"),
    ):
        train(model, [batch])
    spoilt = [
        variable.path
        for variable in everything(model)
        if not np.isfinite(variable.numpy()).all()
    ]
    assert spoilt == []


def test_critics_judge_nothing_but_what_they_see(trained, monkeypatch):
    name, model, _ = trained
    if not model.critics_take_images:
        return
    names = []

    def nothing(self, images, name):
        names.append(name)
        return tf.zeros_like(images)

    monkeypatch.setattr(type(model), "augment_for_critic", nothing)
    tensors = []
    for seed in (0, 1):
        a, b, *labels = batch_of(model, seed)
        tensors.append(model.forward(a, b, False, *labels))
    # Codes, whose names are z or content, are judged as they are.
    scores = [s for s in tensors[0] if "score" in s]
    scores = [s for s in scores if not re.search("_z|content", s)]
    assert scores
    for score in scores:
        judged = [s[score].numpy() for s in tensors]
        np.testing.assert_allclose(*judged, atol=1e-6, err_msg=score)
    # Images of one code.
    alike = {"UNITAdaptation": 2, "CoGAN": 2}.get(name, 1)
    assert max(map(names.count, names)) == 2 * alike


@pytest.mark.parametrize("name", all_methods())
def test_recomputed_feature_maps_train_the_same(name, eagerly, refuses):
    kept, again = (build(name, keras.optimizers.SGD, 1e-2) for _ in range(2))
    sides = keras.optimizers.SGD(1e-2), keras.optimizers.SGD(1e-2)
    if not again.recomputable:
        with refuses("recompute"):
            again.compile(*sides, recompute=True)
        return
    again.compile(*sides, recompute=True)
    with eagerly():
        for model in (kept, again):
            train(model, batches(model, 2))
    for mine, its in zip(kept.variables, again.variables, strict=True):
        np.testing.assert_allclose(
            mine.numpy(), its.numpy(), rtol=1e-4, atol=1e-5, err_msg=mine.path
        )


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL_METHODS)
def test_xla_compiles_every_step(name):
    model = build(name)
    model.compile(jit_compile=True)
    before = [v.numpy() for v in model.owned("translator")]
    train(model, batches(model, 1))
    after = [v.numpy() for v in model.owned("translator")]
    assert any(np.any(x != y) for x, y in zip(before, after, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["TwinGAN", "CycleGAN"])
def test_xla_trains_the_same(name):
    # Only where noise is uniform: XLA makes other normal numbers of a seed.
    models = [build(name, keras.optimizers.SGD, 1e-2) for _ in range(2)]
    for model, jit_compile in zip(models, (False, True), strict=True):
        model.compile(
            keras.optimizers.SGD(1e-2),
            keras.optimizers.SGD(1e-2),
            jit_compile=jit_compile,
        )
        train(model, batches(model, 2))
    for mine, its in zip(*(m.variables for m in models), strict=True):
        np.testing.assert_allclose(
            mine.numpy(), its.numpy(), atol=1e-3, err_msg=mine.path
        )
    a, b = batch_of(models[1], 0)
    with pytest.raises(tf.errors.InvalidArgumentError, match="not finite:"):
        train(models[1], [(a * np.nan, b)])
