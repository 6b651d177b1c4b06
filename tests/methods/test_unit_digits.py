"""UNIT's domain adaptation: its losses, labels and promises."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tf_i2i import train
from tf_i2i.errors import UserError
from tf_i2i.evaluation.evidence import RealImages
from tf_i2i.images import to_float
from tf_i2i.methods import UNITAdaptation
from tf_i2i.methods.training_step import SIDES
from tf_i2i.runs import load_translator

BATCH, CLASSES = 4, 3


def small(size=28, **settings):
    keras.utils.set_random_seed(1)
    model = UNITAdaptation(
        size, width=0.04, critic_width=0.1, classes=CLASSES, **settings
    )
    model.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3))
    return model


@pytest.fixture(scope="module")
def model():
    return small(same_start=False)


def images(seed, count=BATCH, size=28):
    rng = np.random.default_rng(seed)
    shape = (count, size, size, 3)
    return tf.constant(rng.uniform(-1, 1, shape), tf.float32)


def labels(count=BATCH):
    return tf.range(count, dtype=tf.int32) % CLASSES


def values(variables):
    return [variable.numpy() for variable in variables]


def softplus(x):
    return np.log1p(np.exp(x))


# The losses.


@pytest.mark.parametrize("same_gan", [False, True])
def test_losses_are_those_of_numpy(model, monkeypatch, same_gan):
    weights = {
        "gan_weight": 1.0,
        "kl_weight": 2.0,
        "likelihood_weight": 3.0,
        "class_weight": 4.0,
        "feature_weight": 5.0,
        "weight_decay": 6.0,
    }
    for name, weight in {**weights, "same_gan": same_gan}.items():
        monkeypatch.setattr(model, name, weight)
    rng = np.random.default_rng(3)

    def numbers(*shape):
        return rng.normal(size=(BATCH, *shape)).astype(np.float32)

    s = {"labels": np.array([2, 0, 1, 1])}
    for d in "ab":
        s[d], s[f"same_{d}"] = numbers(5, 5, 3), numbers(5, 5, 3)
        s[f"mean_{d}"] = numbers(1, 1, 7)
        for kind in ("", "fake_", "same_"):
            s[f"{kind}score_{d}"] = numbers(1)
            s[f"{kind}features_{d}"] = numbers(6)
            s[f"{kind}classes_{d}"] = numbers(CLASSES)

    def squares(side):
        return sum(np.sum(w**2) for w in values(model.owned(side)))

    translator = {"decay_translator": 6 * 0.5 * squares("translator")}
    critic = {"decay_critic": 6 * 0.5 * squares("critic")}
    for o, i in ("ab", "ba"):
        fake, same = s[f"fake_score_{o}"], s[f"same_score_{o}"]
        real = s[f"score_{o}"]
        translator[f"gan_{o}"] = softplus(-fake).mean()
        fakes = softplus(fake).mean()
        if same_gan:
            translator[f"gan_{o}"] += softplus(-same).mean()
            # Half of the critic's loss is about real images in either case.
            fakes = (softplus(fake).mean() + softplus(same).mean()) / 2
        critic[f"critic_{o}"] = softplus(-real).mean() + fakes
        # Sums over an image, means over images.
        translator[f"kl_{o}"] = 2 * 0.5 * np.sum(s[f"mean_{o}"] ** 2) / BATCH
        translator[f"likelihood_{o}"] = (
            3 * np.sum(np.abs(s[o] - s[f"same_{o}"])) / BATCH
        )
        # Both are made of the code of an image of o.
        apart = s[f"same_features_{o}"] - s[f"fake_features_{i}"]
        critic[f"feature_{o}"] = 5 * np.sum(np.abs(apart)) / BATCH
    logits = s["classes_a"]
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    right = shares[np.arange(BATCH), s["labels"]]
    critic["class"] = 4 * np.mean(-np.log(right))
    for found, expected in (
        (model.translator_losses(s), translator),
        (model.critic_losses(s), critic),
    ):
        assert found.keys() == expected.keys()
        for name, value in found.items():
            assert float(value) == pytest.approx(expected[name], rel=1e-5), name


def test_the_default_weights_are_those_of_the_authors():
    """Their adversarial loss is a mean over both domains; KL lacks the 1/2."""
    model = small()
    mean = np.float32([[[[1.0, -2.0]]], [[[0.5, 3.0]]]])
    score = tf.constant([[0.3], [-0.7]])
    s = {"labels": [0, 1], "classes_a": tf.zeros((2, CLASSES))}
    for d in "ab":
        s |= {f"mean_{d}": tf.constant(mean), d: tf.zeros((2, 1))}
        for kind in ("", "fake_", "same_"):
            s |= {f"{kind}score_{d}": score, f"{kind}features_{d}": score}
        s[f"same_{d}"] = s[d]
    fooling = model.translator_losses(s)
    assert float(fooling["gan_a"] + fooling["gan_b"]) == pytest.approx(
        softplus(-score.numpy()).mean()
    )
    # Sums over the means of both batches, divided by the images of one batch.
    assert float(fooling["kl_a"] + fooling["kl_b"]) == pytest.approx(
        1e-4 * 2 * np.sum(mean**2) / 2
    )


def test_differences_of_features_may_be_squared(model, monkeypatch):
    s = model.forward(images(1), images(2), False, labels())
    monkeypatch.setattr(model, "squared_features", True)
    apart = s["same_features_a"] - s["fake_features_b"]
    assert float(model.critic_losses(s)["feature_a"]) == pytest.approx(
        1e-4 * np.sum(np.square(apart)) / BATCH, rel=1e-4
    )


@pytest.mark.parametrize("stage", ["pseudo_labels", None])
def test_images_of_b_may_get_labels_from_the_critic(model, monkeypatch, stage):
    monkeypatch.setattr(model, "pseudo_label_weight", 3.0)
    monkeypatch.setattr(model, "stage", stage)
    b = images(2)
    s = model.forward(images(1), b, True, labels())
    # In the stage "pseudo_labels", images of B pass through A's own layer.
    clean = model.classify(b, "a" if stage else "b")
    np.testing.assert_array_equal(s["pseudo_labels"], np.argmax(clean, 1))
    logits = s["classes_b"].numpy()
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    picked = shares[np.arange(BATCH), s["pseudo_labels"]]
    assert float(model.critic_losses(s)["pseudo_label"]) == pytest.approx(
        3 * np.mean(-np.log(picked)), rel=1e-4
    )


def test_labels_of_b_come_from_averaged_weights():
    model = small()
    b = images(2, 16)
    before = np.argmax(model.classify(b, "b"), 1)
    for variable in model.critic.classifier.trainable_variables:
        variable.assign(-variable)
    after = np.argmax(model.classify(b, "b"), 1)
    assert not np.array_equal(before, after)
    labels_of_b = model._pseudo_labels(b, "b", True)
    np.testing.assert_array_equal(labels_of_b, before)
    # The weights themselves are unchanged.
    np.testing.assert_array_equal(np.argmax(model.classify(b, "b"), 1), after)


@pytest.mark.parametrize(
    ("shares", "expected"), [(None, [10, 10, 10]), ((3, 2, 1), [15, 10, 5])]
)
def test_classes_of_b_become_as_frequent_as_expected(shares, expected):
    model = small(class_balance=0.5, class_shares=shares)
    # All images look like class 0 most, and like class 2 least.
    logits = np.float32([2, 1, 0])
    found = []
    for _ in range(60):
        label = np.argmax(logits + model.class_offsets)
        found.append(label)
        model._balance(tf.constant([label, label]))
    counts = np.bincount(found[30:], minlength=3)
    np.testing.assert_allclose(counts, expected, atol=2)
    # The offsets are added to the logits.
    model.class_offsets.assign([0.0, 0.0, 100.0])
    labels_of_b = model._pseudo_labels(images(2), "b", False)
    np.testing.assert_array_equal(labels_of_b, [2] * BATCH)
    # Without training, the offsets do not change.
    np.testing.assert_array_equal(model.class_offsets, [0, 0, 100])


def test_a_share_of_each_class_is_needed():
    with pytest.raises(UserError) as error:
        small(class_balance=0.5, class_shares=(0.5, 0.5))
    assert error.value.argument == "class_shares"


def test_features_are_compared_without_dropout():
    model = small(32, critic_relu=True)
    s = model.forward(images(1, size=32), images(2, size=32), True, labels())
    clean, *_ = model.critic(s["fake_b"], domains="b")
    np.testing.assert_allclose(s["fake_features_b"], clean, rtol=1e-4)
    dropped = s["fake_score_b"], model.critic(s["fake_b"], domains="b")[1]
    assert not np.allclose(*dropped, rtol=0.01)


def test_weights_rise_over_a_share_of_the_phase(model, monkeypatch):
    s = model.forward(images(1), images(2), False, labels())
    whole = float(model.critic_losses(s)["critic_a"])
    monkeypatch.setattr(model, "ramp_share", 0.5)
    monkeypatch.setattr(model, "phase_images", 400)
    found = {}
    for shown in (0, 100, 300):
        monkeypatch.setattr(model, "phase_start", model.images_shown - shown)
        found[shown] = float(model.critic_losses(s)["critic_a"])
    assert found == pytest.approx({0: 0, 100: whole / 2, 300: whole})


def test_weight_decay_adds_to_the_gradient(model):
    with tf.GradientTape() as tape:
        (term,) = model.decay_loss("critic", 5e-4).values()
    weights = model.owned("critic")
    for weight, gradient in zip(
        weights, tape.gradient(term, weights), strict=True
    ):
        np.testing.assert_allclose(gradient, 5e-4 * weight, rtol=1e-5)


# The tensors.


def test_tensors_go_where_they_are_said_to_go(model):
    a, b = images(1), images(2)
    s = model.forward(a, b, False, labels())
    for name, image in {
        "same_a": model.reconstruct(a, "a"),
        "same_b": model.reconstruct(b, "b"),
        "fake_b": model.translate(a, "a_to_b"),
        "fake_a": model.translate(b, "b_to_a"),
    }.items():
        np.testing.assert_allclose(s[name], image, rtol=1e-3, atol=1e-9)
    for d, x in (("a", a), ("b", b)):
        np.testing.assert_allclose(
            s[f"mean_{d}"][:, 0, 0], model.embed(x, d), rtol=1e-3, atol=1e-9
        )
        for kind in ("", "fake_", "same_"):
            np.testing.assert_allclose(
                s[f"{kind}classes_{d}"],
                model.classify(s[f"{kind}{d}"], d),
                rtol=1e-3,
                atol=1e-9,
            )
    assert not np.allclose(s["fake_b"], s["same_a"], rtol=0.01, atol=0)


def test_codes_are_noisy_in_training_alone(model):
    given = images(1), images(2)
    s, again = (model.forward(*given, True, labels()) for _ in range(2))
    np.testing.assert_array_equal(s["same_a"], again["same_a"])
    quiet = model.forward(*given, False, labels())
    assert not np.allclose(s["same_a"], quiet["same_a"], rtol=0.1, atol=0)
    noise = model._code_noise(tf.zeros((200, 1, 1, 100)))
    assert np.std(noise) == pytest.approx(1, abs=0.02)
    assert abs(
        np.corrcoef(np.ravel(noise[:100]), np.ravel(noise[100:]))[0, 1]
    ) < (0.05)


def test_domains_may_start_alike():
    model = small()
    for layers in (
        model.encoder.own,
        model.generator.own,
        model.generator.last,
        model.critic.own,
    ):
        for x, y in zip(layers["a"].weights, layers["b"].weights, strict=True):
            np.testing.assert_array_equal(x, y)
    # Averages begin where the weights do.
    for average, variable in model.average_pairs:
        np.testing.assert_array_equal(average, variable)


# Inference.


def test_averages_are_asked_too(model):
    x = images(5)
    model.train_step((images(1), images(2), labels()))
    model.train_step((images(3), images(4), labels()))
    live = model.classify(x, "b").numpy()
    with model.averaged():
        averaged = model.classify(x, "b").numpy()
    assert live.shape == (BATCH, CLASSES)
    assert live.dtype == np.float32
    assert not np.allclose(live, averaged, rtol=0.01, atol=0)
    np.testing.assert_array_equal(live, model.classify(x, "b"))


def test_mistakes_are_told(model, refuses):
    with refuses("images"):
        model.translate(images(1, size=56), "a_to_b")
    with refuses("image_size"):
        UNITAdaptation(16)
    with refuses("classes"):
        UNITAdaptation(28, classes=1)


# Labels.


def everything(model):
    optimizers = model.optimizers.values()
    return [*model.variables, *(v for o in optimizers for v in o.variables)]


def stepped(model, start, *batch):
    """All variables after one step from a state."""
    for variable, value in zip(everything(model), start, strict=True):
        variable.assign(value)
    model.train_step(batch)
    return values(model.variables)


def test_labels_of_a_change_the_weights(model):
    start = values(everything(model))
    a, b = images(1), images(2)
    one, again, other = (
        stepped(model, start, a, b, given)
        for given in (labels(), labels(), labels()[::-1])
    )
    for x, y in zip(one, again, strict=True):
        np.testing.assert_array_equal(x, y)
    assert not all(map(np.array_equal, one, other))


def test_classes_are_learned_first_by_the_critic_alone():
    model = small(same_start=False, critic_relu=True)
    model.enter_phase(28, stage="classes")
    before = {side: values(model.owned(side)) for side in SIDES}
    model.train_step((images(1), images(2), labels()))
    for x, y in zip(
        before["translator"], model.owned("translator"), strict=True
    ):
        np.testing.assert_array_equal(x, y)
    assert not np.array_equal(
        before["critic"][0], model.critic.own["a"].weights[0]
    )
    np.testing.assert_array_equal(
        model.classify(images(3), "a"), model.classify(images(3), "b")
    )
    # The next phase has no stage, and trains everything.
    model.enter_phase(28)
    model.train_step((images(1), images(2), labels()))
    assert not np.array_equal(
        model.classify(images(3), "a"), model.classify(images(3), "b")
    )
    for x, y in zip(
        before["translator"], model.owned("translator"), strict=True
    ):
        assert not np.array_equal(x, y)


def write_digits(root):
    """Folders `a` and `b` of digits that are stripes, with their labels."""
    rng = np.random.default_rng(0)
    for domain in "ab":
        lines = ["file,digit"]
        for split, first, count in (
            ("train", 0, 24),
            ("val", 100, 8),
            ("test", 200, 8),
        ):
            folder = root / domain / split
            folder.mkdir(parents=True)
            for i in range(first, first + count):
                image = rng.integers(0, 60, (28, 28, 3), np.uint8)
                image[:, 3 + 8 * (i % CLASSES)] = 255
                Image.fromarray(image).save(folder / f"{i}.png")
                lines.append(f"{i}.png,{i % CLASSES}")
        (root / f"{domain}.csv").write_text("\n".join([*lines, ""]))
    # The same images of B, all under one label.
    header, *lines = (root / "b.csv").read_text().splitlines()
    names = [line.partition(",")[0] for line in lines]
    lines = [f"{name},0" for name in names]
    (root / "other.csv").write_text("\n".join([header, *lines, ""]))


def flags(data, run_dir, labels_b="b.csv"):
    bindings = [
        "train.precision = 'float32'",
        "UNITAdaptation.width = .04",
        "UNITAdaptation.critic_width = .1",
        f"UNITAdaptation.classes = {CLASSES}",
        "class_phases.class_images = 0",
        "class_phases.pseudo_label_images = 0",
        f"class_phases.batch_size = {BATCH}",
        f"class_phases.images = {2 * BATCH}",
        "Evaluation.kimg = .004",
        "Evaluation.count = 8",
    ]
    return [
        "--gin_file=unit_digits.gin",
        f"--run_dir={run_dir}",
        *(f"--data_{d}={data / d}" for d in "ab"),
        f"--labels_a={data / 'a.csv'}",
        f"--labels_b={data / labels_b}",
        *(f"--gin_param={binding}" for binding in bindings),
    ]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("digits")
    write_digits(root)
    return root


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory, eagerly):
    """Two runs, from other labels of B."""
    root = tmp_path_factory.mktemp("runs")
    with eagerly():
        for labels_b in ("b.csv", "other.csv"):
            train.main(flags(data, root / labels_b, labels_b))
    return [root / "b.csv", root / "other.csv"]


def scored(run_dir):
    """Lines of the log that have scores of validation images."""
    lines = (run_dir / "metrics.jsonl").read_text().splitlines()
    return [row for row in map(json.loads, lines) if "evaluation" in row]


def test_labels_of_b_choose_and_never_train(runs):
    one, other = (load_translator(run_dir).model for run_dir in runs)
    assert int(one.step) == 2
    for x, y in zip(one.variables, other.variables, strict=True):
        np.testing.assert_array_equal(x, y)
    accuracies = [
        [row["a_to_b"]["accuracy"] for row in scored(run_dir)]
        for run_dir in runs
    ]
    assert len(accuracies[0]) == 2  # After each step.
    assert accuracies[0] != accuracies[1]


def test_accuracy_is_that_of_the_classifier_in_b(runs):
    run = load_translator(runs[0])
    data = run.data
    real = RealImages.of_data(data, run.phase.size, labels=data.label_tables())
    evidence = {d: real.evidence(d, "val") for d in ("a_to_b", "b_to_a")}
    _, truth = evidence["a_to_b"].target_labels["digit"]
    # Numbers of classes are those that the classifier learned.
    assert truth.tolist() == [i % CLASSES for i in range(100, 108)]
    pixels = to_float(evidence["a_to_b"].target_test)
    seen = np.argmax(run.model.classify(tf.constant(pixels), "b"), 1)
    last = scored(runs[0])[-1]
    assert last["a_to_b"]["accuracy"] == pytest.approx(np.mean(seen == truth))
    for name, given, domain in (
        ("accuracy_by_source", pixels, "a"),
        ("accuracy_inverted", -pixels, "b"),
    ):
        asked = run.model.classify(tf.constant(given), domain)
        assert last["a_to_b"][name] == pytest.approx(
            np.mean(np.argmax(asked, 1) == truth)
        )
    assert "accuracy" not in last["b_to_a"]
    assert run.checkpoints.best[0].exists()


def test_labels_that_are_missing_are_told(data, tmp_path, refuses):
    given = [f for f in flags(data, tmp_path / "run") if "labels_b" not in f]
    with refuses("Evaluation.best"):
        train.main(given)
    with refuses("--labels_b"):
        train.main([*given, "--labels_b=none.csv"])
