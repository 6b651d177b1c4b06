"""UNIT: equations 3 to 8 in NumPy, sharing by object, its switches."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_i2i.methods import UNIT

SMALL = {"image_size": 16, "width": 0.05, "critic_layers": 2}


def build(**kwargs):
    keras.utils.set_random_seed(1)
    return UNIT(**{**SMALL, **kwargs})


@functools.cache
def shared():
    """A model that no test changes."""
    return build()


def images(seed, count=2):
    x = np.random.default_rng(seed).uniform(-1, 1, (count, 16, 16, 3))
    return tf.constant(x, tf.float32)


def softplus(x):
    return np.log1p(np.exp(x))


def both(model, s):
    return model.translator_losses(s) | model.critic_losses(s)


def test_losses_as_in_numpy():
    model = shared()
    s = model.forward(images(1), images(2), training=True)
    n = {name: value.numpy() for name, value in s.items()}
    terms = both(model, s)
    for o in "ab":
        direct = 0.5 * np.mean(n[f"mean_{o}"] ** 2)
        again = 0.5 * np.mean(n[f"again_{o}"] ** 2)
        fake, real = n[f"fake_score_{o}"], n[f"score_{o}"]
        expected = {
            f"gan_{o}": 10 * np.mean(softplus(-fake)),
            f"likelihood_{o}": 100 * np.mean(np.abs(n[o] - n[f"same_{o}"])),
            f"cycle_{o}": 100 * np.mean(np.abs(n[o] - n[f"cycled_{o}"])),
            f"kl_{o}": (0.1 + 0.1) * direct + 0.1 * again,
            f"critic_{o}": 10
            * (np.mean(softplus(-real)) + np.mean(softplus(fake))),
        }
        for name, value in expected.items():
            assert float(terms[name]) == pytest.approx(value, rel=1e-5), name


def test_tensors_take_the_ways_that_their_names_say():
    model = shared()
    a, b = images(1), images(2)
    s = model.forward(a, b, training=False)
    code_a, code_b = model.encoder_a(a), model.encoder_b(b)
    fake_a, fake_b = model.generator_a(code_b), model.generator_b(code_a)
    expected = {
        "mean_a": code_a,
        "code_b": code_b,
        "same_a": model.generator_a(code_a),
        "same_b": model.generator_b(code_b),
        "fake_a": fake_a,
        "fake_b": fake_b,
        "again_a": model.encoder_b(fake_b),
        "cycled_a": model.generator_a(model.encoder_b(fake_b)),
        "cycled_b": model.generator_b(model.encoder_a(fake_a)),
        "score_a": model.critic_a(a),
        "fake_score_b": model.critic_b(fake_b),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(s[name], value, atol=1e-5, err_msg=name)
    np.testing.assert_allclose(model.translate(a, "a_to_b"), fake_b, atol=1e-6)
    np.testing.assert_allclose(
        model.reconstruct(b, "b"), s["same_b"], atol=1e-6
    )
    assert model.embed(a, "a").shape == (2, np.prod(code_a.shape[1:]))


def test_noise_is_of_deviation_one_and_never_the_same():
    model = shared()
    blank = tf.zeros((32, 16, 16, 3))
    s = model.forward(blank, blank, training=True)
    noise = {i: (s[f"code_{i}"] - s[f"mean_{i}"]).numpy() for i in "ab"}
    for drawn in noise.values():
        assert abs(drawn.mean()) < 0.05
        assert drawn.std() == pytest.approx(1, abs=0.05)
    assert abs(np.corrcoef(noise["a"].ravel(), noise["b"].ravel())[0, 1]) < 0.1


@pytest.mark.parametrize(
    "count",
    [0, 1, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 3, 4))],
)
def test_the_last_of_encoders_and_the_first_of_generators_are_shared(count):
    model = build(shared_blocks=count)
    pairs = zip(model.encoder_a.blocks, model.encoder_b.blocks, strict=True)
    assert [x is y for x, y in pairs] == [False] * (4 - count) + [True] * count
    pairs = zip(model.generator_a.blocks, model.generator_b.blocks, strict=True)
    assert [x is y for x, y in pairs] == [True] * count + [False] * (4 - count)
    assert len({id(v) for v in model.averaged_variables}) == len(model.averages)


# Both encoders and generators at width 1, shared layers counted once.
COUNTS = {0: 77_272_582, 1: 67_833_350, 4: 40_563_718}


@pytest.mark.slow
@pytest.mark.parametrize(("shared", "count"), COUNTS.items())
def test_parameters_at_full_width(shared, count):
    model = UNIT(64, shared_blocks=shared, critic_layers=1)
    assert sum(np.prod(v.shape) for v in model.owned("translator")) == count


def test_parameters_as_in_the_authors_code():
    model = UNIT(16, halvings=2, block_channels=256, critic_layers=1)
    counted = sum(np.prod(v.shape) for v in model.owned("translator"))
    assert counted == 18_017_286
    assert model.size_multiple == 4


def test_ablations_leave_terms_out():
    no_cycle = build(cycle_weight=0.0, cycle_kl_weight=0.0)
    assert {n[:-2] for n in no_cycle.loss_metrics} == {
        *("gan", "likelihood", "kl", "critic")
    }
    s = no_cycle.forward(images(1), images(2), training=True)
    kl = 0.1 * 0.5 * np.mean(s["mean_a"].numpy() ** 2)
    terms = no_cycle.translator_losses(s)
    assert float(terms["kl_a"]) == pytest.approx(kl, rel=1e-5)
    no_sharing = build(shared_blocks=0, likelihood_weight=0.0, kl_weight=0.0)
    assert {n[:-2] for n in no_sharing.loss_metrics} == {
        *("gan", "cycle", "kl", "critic")
    }


def test_translations_may_be_drawn_as_the_paper_does():
    plain, drawn = shared(), build(sample=True)
    x = images(1)
    once, again = (drawn.translate(x, "a_to_b").numpy() for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert np.abs(once - plain.translate(x, "a_to_b").numpy()).max() > 1e-3
    # The same noise for each image, whatever batch it comes in.
    np.testing.assert_allclose(
        once[1:], drawn.translate(x[1:], "a_to_b"), atol=1e-5
    )


def test_the_prior_gives_pairs():
    model = shared()
    codes = model.sample_codes(3, seed=5)
    assert codes.shape == (3, 2, 2, model.encoder_a(images(1)).shape[3])
    np.testing.assert_array_equal(codes, model.sample_codes(3, seed=5))
    pairs = model.decode(codes)
    assert pairs["a"].shape == pairs["b"].shape == (3, 16, 16, 3)
    np.testing.assert_allclose(pairs["b"], model.generator_b(codes), atol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "argument"),
    [
        ({"shared_blocks": 5}, "shared_blocks"),
        ({"halvings": 1}, "halvings"),
        ({"critic_layers": 4}, "critic_layers"),
        ({"image_size": 20}, "image_size"),
    ],
)
def test_what_cannot_be_built_is_refused(wrong, argument, refuses):
    with refuses(argument):
        build(**wrong)


def test_without_sharing_nothing_is_random_but_the_images():
    """Figure 2(d): the method is then CycleGAN, without noise and priors."""
    model = build(
        shared_blocks=0,
        likelihood_weight=0.0,
        kl_weight=0.0,
        cycle_kl_weight=0.0,
        code_noise=False,
    )
    s = model.forward(images(1), images(2), training=True)
    np.testing.assert_array_equal(s["code_a"], s["mean_a"])
    expected = model.generator_a(model.encoder_b(s["fake_b"]))
    np.testing.assert_allclose(s["cycled_a"], expected, atol=1e-5)
    assert float(model.translator_losses(s)["kl_a"]) == 0.0


@pytest.mark.parametrize("side", ["translator", "critic"])
def test_weight_decay_adds_to_the_gradient(side, monkeypatch):
    model = shared()
    s = model.forward(images(1), images(2), training=False)
    losses_of_side = getattr(model, f"{side}_losses")
    assert f"decay_{side}" not in losses_of_side(s)
    monkeypatch.setattr(model, "weight_decay", 0.5)
    squares = sum(np.sum(np.square(w)) for w in model.owned(side))
    found = losses_of_side(s)[f"decay_{side}"]
    assert float(found) == pytest.approx(0.5 * 0.5 * squares, rel=1e-5)
