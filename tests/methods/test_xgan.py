"""XGAN: equation 1 in NumPy, who gets which gradient, its switches."""

import functools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_i2i import exporting
from tf_i2i import train
from tf_i2i.methods import XGAN
from tf_i2i.metrics import retrieval

SMALL = {"image_size": 16, "width": 0.05}


def build(**kwargs):
    keras.utils.set_random_seed(1)
    return XGAN(**{**SMALL, **kwargs})


@functools.cache
def shared():
    """A model that no test changes."""
    return build()


def images(seed, count=4):
    x = np.random.default_rng(seed).uniform(-1, 1, (count, 16, 16, 3))
    return tf.constant(x, tf.float32)


def teacher(size=7):
    """Makes a network that maps images to their random projections."""
    kernel = np.random.default_rng(3).normal(size=(16 * 16 * 3, size))
    flat = functools.partial(tf.reshape, shape=[-1, 16 * 16 * 3])
    return lambda: lambda x: flat(x) @ tf.constant(kernel, tf.float32)


@functools.cache
def with_teacher():
    """A model with a teacher, of which no test changes a weight."""
    return build(teacher=teacher())


def softplus(x):
    return np.log1p(np.exp(x))


def cosine(x, y):
    lengths = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    return np.sum(x * y, axis=1) / lengths


def both(model, s):
    return model.translator_losses(s) | model.critic_losses(s)


def test_losses_as_in_numpy():
    model = build(
        dann_weight=0.7,
        semantic_weight=0.5,
        gan_weight=3.0,
        gan_directions=("a_to_b", "b_to_a"),
        variation_weight=0.2,
        teacher=teacher(),
    )
    assert model.critics == ("critic_b", "critic_a")
    s = model.forward(images(1), images(2), training=True)
    n = {name: value.numpy() for name, value in s.items()}
    terms = both(model, s)
    domain = softplus(-n["domain_a"]).mean() + softplus(n["domain_b"]).mean()
    taught = 1 - cosine(n["pupil_a"], n["teacher_a"]).mean()
    expected = {"domain": 0.7 * domain, "teacher": 0.75 * taught}
    for o, i in ("ab", "ba"):
        fake, same = n[f"fake_{o}"], n[f"same_{o}"]
        apart = 1 - cosine(n[f"code_{i}"], n[f"again_{o}"]).mean()
        steps = [np.abs(np.diff(fake, axis=axis)).mean() for axis in (1, 2)]
        expected |= {
            f"reconstruction_{o}": np.mean((n[o] - same) ** 2),
            f"semantic_{o}": 0.5 * apart,
            f"gan_{o}": 3 * softplus(-n[f"fake_score_{o}"]).mean(),
            f"variation_{o}": 0.2 * sum(steps),
            f"critic_{o}": 3
            * (
                softplus(-n[f"score_{o}"]).mean()
                + softplus(n[f"fake_score_{o}"]).mean()
            ),
        }
    assert set(terms) == set(expected)
    for name, value in expected.items():
        assert float(terms[name]) == pytest.approx(value, rel=1e-4), name
    right = np.concatenate([n["domain_a"] > 0, n["domain_b"] < 0]).mean()
    accuracy = float(model.observations(s)["domain_accuracy"])
    assert accuracy == pytest.approx(right)


def test_the_printed_norm_is_of_whole_images(monkeypatch):
    model = shared()
    monkeypatch.setattr(model, "reconstruction", "norm")
    s = model.forward(images(1), images(2), training=False)
    difference = (s["a"] - s["same_a"]).numpy().reshape(4, -1)
    of_each = np.linalg.norm(difference, axis=1)
    found = model.translator_losses(s)["reconstruction_a"]
    assert float(found) == pytest.approx(of_each.mean(), rel=1e-5)


def test_tensors_take_the_ways_that_their_names_say():
    model = shared()
    a, b = images(1), images(2)
    s = model.forward(a, b, training=False)
    expected = {
        "fake_b": model.translate(a, "a_to_b"),
        "fake_a": model.translate(b, "b_to_a"),
        "same_a": model.reconstruct(a, "a"),
        "same_b": model.reconstruct(b, "b"),
        "code_a": model.embed(a, "a"),
        "code_b": model.embed(b, "b"),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(s[name], value, atol=1e-5, err_msg=name)
    # At the start, before the moving statistics of routes part.
    for o in "ab":
        again = model.embed(s[f"fake_{o}"], o)
        np.testing.assert_allclose(s[f"again_{o}"], again, atol=1e-5)
    assert model.embed(a, "a").shape == (4, 51)


def test_moving_statistics_are_updated_once_in_a_step():
    model = build()
    routes = model.encoder.own_a[0].norm, model.decoder.own_b[0].norm
    for active, moves in ((("translator",), True), (("critic",), False)):
        before = [norm.moving_mean.numpy() for norm in routes]
        model.current_update.sides = active
        model.forward(images(1), images(2), True)
        after = [norm.moving_mean.numpy() for norm in routes]
        for x, y in zip(before, after, strict=True):
            assert np.array_equal(x, y) != moves


def test_gradients_of_the_two_reconstruction_losses(monkeypatch):
    """The paper's norm has sqrt(n) / 2r times the gradient of the squares."""
    a, n, r = images(1), 16 * 16 * 3, 0.3
    norms = {}
    for kind in ("squares", "norm"):
        monkeypatch.setattr(shared(), "reconstruction", kind)
        x = tf.Variable(a + r)
        with tf.GradientTape() as tape:
            loss = shared()._reconstruction({"a": a, "same_a": x}, "a")
        norms[kind] = float(tf.norm(tape.gradient(loss, x)))
    assert norms["norm"] / norms["squares"] == pytest.approx(
        np.sqrt(n) / (2 * r), rel=1e-4
    )


def test_encoders_get_the_reversed_gradient_of_the_classifier():
    model = build(dann_weight=0.5)
    a, b = images(1), images(2)

    def of_domain(reverse):
        with tf.GradientTape() as tape:
            s = model.forward(a, b, training=False)
            if reverse:
                loss = model.translator_losses(s)["domain"]
            else:
                codes = tf.concat([s["code_a"], s["code_b"]], 0)
                logit_a, logit_b = tf.split(model.classifier(codes), 2)
                loss = tf.reduce_mean(tf.nn.softplus(-logit_a))
                loss += tf.reduce_mean(tf.nn.softplus(logit_b))
        return tape.gradient(
            loss,
            [model.encoder.last.kernel, model.classifier.last.kernel],
        )

    encoder, classifier = of_domain(True)
    plain_encoder, plain_classifier = of_domain(False)
    assert np.abs(plain_encoder).max() > 1e-6
    np.testing.assert_allclose(encoder, -0.5 * plain_encoder, rtol=1e-4)
    np.testing.assert_allclose(classifier, 0.5 * plain_classifier, rtol=1e-4)


def test_the_teacher_moves_the_encoder_of_its_domain_alone():
    model = with_teacher()
    own = {d: getattr(model.encoder, f"own_{d}")[0] for d in "ab"}
    kernels = [own[d].convolution.kernel for d in "ab"]
    with tf.GradientTape() as tape:
        s = model.forward(images(1), images(2), training=False)
        loss = model.translator_losses(s)["teacher"]
    of_a, of_b = tape.gradient(loss, kernels)
    assert np.abs(of_a).max() > 1e-6
    assert of_b is None or not np.any(of_b)


def test_a_centred_teacher_in_numpy(monkeypatch):
    model = with_teacher()
    monkeypatch.setattr(model, "teacher_centred", True)
    s = model.forward(images(1), images(2), training=False)
    vectors = teacher()()(images(1)).numpy()
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pupils = (s["code_a"] @ model.projection.kernel).numpy()
    vectors, pupils = (x - x.mean(0) for x in (vectors, pupils))
    np.testing.assert_allclose(s["teacher_a"], vectors, atol=1e-5)
    np.testing.assert_allclose(s["pupil_a"], pupils, atol=1e-5)
    taught = model.translator_losses(s)["teacher"]
    expected = 0.75 * (1 - cosine(pupils, vectors).mean())
    np.testing.assert_allclose(taught, expected, rtol=1e-4)


def test_two_devices_centre_by_the_whole_batch(two_replicas):
    keras.config.set_dtype_policy("mixed_bfloat16")
    with two_replicas.scope():
        model = build(teacher=teacher(), teacher_centred=True)
    a, b = images(1), images(2)

    def share(context):
        i = context.replica_id_in_sync_group
        return a[2 * i : 2 * i + 2], b[2 * i : 2 * i + 2]

    def compared(a, b):
        s = model.forward(a, b, training=False)
        return s["teacher_a"], s["pupil_a"]

    shares = two_replicas.experimental_distribute_values_from_function(share)
    found = two_replicas.run(compared, shares)
    for part, whole in zip(found, compared(a, b), strict=True):
        parts = two_replicas.experimental_local_results(part)
        assert whole.dtype == tf.float32
        np.testing.assert_allclose(tf.concat(parts, 0), whole, atol=2e-3)


@pytest.mark.parametrize(("size", "projected"), [(51, False), (7, True)])
def test_a_projection_where_the_lengths_differ(size, projected):
    model = build(teacher=teacher(size))
    assert ("projection" in model.translators) == projected
    s = model.forward(images(1), images(2), training=False)
    assert s["pupil_a"].shape == s["teacher_a"].shape == (4, size)
    if not projected:
        np.testing.assert_array_equal(s["pupil_a"], s["code_a"])
    # Its weights are none of the model's.
    assert not [v for v in model.variables if v.shape == (16 * 16 * 3, size)]


def test_a_teacher_of_the_other_domain():
    model = build(teacher=teacher(), teacher_domain="b")
    s = model.forward(images(1), images(2), training=False)
    np.testing.assert_allclose(
        s["teacher_b"], teacher()()(images(2)), rtol=1e-4, atol=1e-4
    )
    assert "teacher_a" not in s


def compiled(model, rate=1e-3):
    model.compile(keras.optimizers.Adam(rate), keras.optimizers.Adam(rate))
    return model


def test_a_critic_meets_the_fakes_of_updated_translators():
    model = compiled(build(), 1e-2)
    seen = []
    critic_losses = model.critic_losses

    def watched(s):
        seen.append(s["fake_b"])
        return critic_losses(s)

    model.critic_losses = watched
    a, b = images(1), images(2)
    before = model.forward(a, b, True)["fake_b"].numpy()
    model.train_step((a, b))
    (met,) = seen
    after = model.forward(a, b, True)["fake_b"].numpy()
    assert np.abs(met - before).max() > 1e-2
    # The critic's step changes the critic alone.
    np.testing.assert_allclose(met, after, atol=1e-5)


def test_the_critics_step_makes_no_more_than_it_needs(monkeypatch):
    model = with_teacher()
    monkeypatch.setattr(model.current_update, "sides", ("critic",))
    s = model.forward(images(1), images(2), training=True)
    made = {"code_a", "fake_b", "score_b", "fake_score_b"}
    assert set(s) == {"a", "b"} | made


@pytest.mark.slow
@pytest.mark.parametrize(
    ("offset", "centred", "learnt"),
    [(0.0, False, True), (3.0, True, True), (3.0, False, False)],
)
def test_a_teacher_is_learnt_from(offset, centred, learnt):
    """Embeddings come to lie as a small trained network's vectors do.

    With an offset those all point one way, and that is learnt instead unless
    vectors are centred.
    """
    keras.utils.set_random_seed(0)
    x = images(5, 32)
    light = tf.reduce_mean(x, [1, 2])
    network = keras.Sequential(
        [
            keras.layers.Conv2D(4, 3, 2, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3),
        ]
    )
    network.compile(keras.optimizers.Adam(0.05), "mse")
    fit = network.fit(x, light, epochs=20, verbose=0)
    assert fit.history["loss"][-1] < fit.history["loss"][0] / 2
    network.trainable = False

    def make():
        return lambda pictures: network(pictures, training=False) + offset

    kwargs = {"teacher_weight": 5.0, "teacher_centred": centred}
    model = compiled(build(teacher=make, **kwargs), 3e-3)
    assert "projection" in model.translators
    step = tf.function(model.train_step, autograph=False)
    losses = []
    for _ in range(40):
        model.loss_metrics["teacher"].reset_state()
        step((x, images(6, 32)))
        losses.append(float(model.loss_metrics["teacher"].result()))
    assert losses[-1] < losses[0] / 4, (losses[0], losses[-1])
    s = model.forward(x, images(6, 32), training=False)
    found = retrieval(
        *(s[n] - tf.reduce_mean(s[n], 0) for n in ("pupil_a", "teacher_a"))
    )
    # By chance it is 16.5.
    assert (found["median_rank"] < 12) == learnt, found


@pytest.mark.parametrize(
    ("switches", "terms"),
    [
        pytest.param(
            {"gan_directions": ()},
            {"reconstruction", "semantic", "domain"},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"gan_directions": (), "variation_weight": 1.0},
            {"reconstruction", "semantic", "domain", "variation"},
            marks=pytest.mark.slow,
        ),
        (
            {"semantic_weight": 0.0, "gan_directions": ()},
            {"reconstruction", "domain"},
        ),
        (
            {"dann_weight": 0.0},
            {"reconstruction", "semantic", "gan", "critic"},
        ),
        pytest.param(
            {"teacher": teacher(), "teacher_weight": 0.0},
            {"reconstruction", "semantic", "domain", "gan", "critic"},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_ablations_leave_terms_out_and_train(switches, terms):
    model = compiled(build(**switches))
    losses = set(model.loss_metrics) - {"domain_accuracy"}
    assert {name.split("_")[0] for name in losses} == terms
    assert ("domain_accuracy" in model.loss_metrics) == ("domain" in terms)
    model.train_step((images(1), images(2)))
    assert all(np.isfinite(m.result()) for m in model.metrics)


def test_the_first_critic_is_of_the_first_direction_alone():
    assert shared().critics == ("critic_b",)


@pytest.mark.slow
def test_a_phone_gets_the_same_pictures(tmp_path):
    model = build(teacher=teacher())
    photos = np.random.default_rng(1).integers(0, 256, (2, 16, 16, 3), np.uint8)
    exporting.export_tflite(model, tmp_path / "xgan.tflite")
    found = exporting.parity(
        exporting.photo_to_photo(model, "a_to_b"),
        exporting.load_tflite(tmp_path / "xgan.tflite"),
        photos,
    )
    assert found["max"] <= 1


def test_a_classifier_that_is_never_confused_is_told(monkeypatch):
    model = shared()
    monkeypatch.setattr(model, "dann_weight", 0.3)
    assert model.alarms({"domain_accuracy": 0.6}) == []
    (sentence,) = model.alarms({"domain_accuracy": 0.995})
    assert "too low" in sentence
    assert "too high" in sentence
    assert "0.3" in sentence
    monkeypatch.setattr(model, "dann_weight", 0.0)
    assert model.alarms({"domain": 1.0}) == []


def test_a_run_names_the_failure_once(
    folders, tmp_path, capsys, monkeypatch, eagerly
):
    def certain(model, batch):
        model.loss_metrics["domain_accuracy"].update_state(1.0)
        model.step.assign_add(1)
        model.images_shown.assign_add(2)

    monkeypatch.setattr(XGAN, "train_step", certain)
    bindings = [
        "train.image_size = 16",
        "train.steps = 8",
        "train.precision = 'float32'",
        "train.log_kimg = .002",
        "XGAN.width = .05",
        "single_phase.batch_size = 2",
    ]
    argv = [
        "--gin_file=xgan.gin",
        f"--run_dir={tmp_path}",
        f"--data_a={folders / 'a'}",
        f"--data_b={folders / 'b'}",
        *(f"--gin_param={binding}" for binding in bindings),
    ]
    with eagerly():
        train.main(argv)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["domain_accuracy"] for line in lines] == [1.0] * 8
    # Five lines are judged together, four times here.
    assert capsys.readouterr().err.count("! domain_accuracy:") == 1


@pytest.mark.parametrize(
    ("wrong", "argument"),
    [
        ({"image_size": 24}, "image_size"),
        ({"shared_blocks": 5}, "shared_blocks"),
        ({"gan_directions": ("a",)}, "gan_directions"),
        ({"gan_directions": "a_to_b"}, "gan_directions"),
        ({"reconstruction": "l1"}, "reconstruction"),
        ({"teacher_domain": "ab"}, "teacher_domain"),
        ({"teacher_domain": ("a", "b")}, "teacher_domain"),
    ],
)
def test_what_cannot_be_built_is_refused(wrong, argument, refuses):
    with refuses(argument):
        build(**wrong)


def test_other_sizes_are_refused(refuses):
    with refuses("images"):
        shared().embed(tf.zeros((1, 32, 32, 3)), "a")
