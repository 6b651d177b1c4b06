"""TwinGAN: its losses rewritten in NumPy, its switches, its routes."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_i2i import losses
from tf_i2i.exporting.litert import count_per_image_norms
from tf_i2i.layers import DomainBatchRenormalization
from tf_i2i.layers import NormRouting
from tf_i2i.methods import TwinGAN

TINY = {"image_size": 8, "width": 0.03}
BATCH = 4


def images(seed, size=8, count=BATCH):
    rng = np.random.default_rng(seed)
    # Domains, and images within one, unlike each other in mean and contrast.
    x = rng.uniform(-1, 1, (count, size, size, 3)) * 0.3
    x += rng.uniform(-0.6, 0.6, (count, 1, 1, 3))
    return tf.constant(x, tf.float32)


def build(**kwargs):
    """A tiny model whose constants all differ; equal for equal networks."""
    keras.utils.set_random_seed(1)
    model = TwinGAN(**{**TINY, **kwargs})
    rng = np.random.default_rng(3)
    for variable in model.variables:
        if variable.path.split("/")[-1] in (
            "beta",
            "gamma",
            "moving_mean",
            "moving_deviation",
        ):
            drawn = rng.uniform(0.5, 1.5, variable.shape)
            variable.assign(drawn * (0.3 if model.style_size else 1))
    return model


@functools.cache
def shared(**kwargs):
    """A model that no test changes but in its statistics."""
    return build(**kwargs)


def tensors(model, training=True):
    return model.forward(images(1), images(2), training=training)


def terms(model, s):
    both = {**model.translator_losses(s), **model.critic_losses(s)}
    return {name: float(value) for name, value in both.items()}


@functools.cache
def fresh_terms():
    """The terms of a new model, because the statistics of `shared` move."""
    model = build()
    return terms(model, tensors(model))


def values(variables):
    return [variable.numpy() for variable in variables]


def close(x, y, rtol=1e-4, atol=1e-5):
    np.testing.assert_allclose(x, y, rtol=rtol, atol=atol)


# Losses.


def rewritten(
    s,
    gan=1.0,
    cycle=1.0,
    semantic=0.1,
    style=0.1,
    dragan=0.25,
    same=True,
):
    """Section 3.3 of the paper, in NumPy: terms by name."""

    def real(name):
        return np.logaddexp(0, -s[name]).mean()

    def fake(name):
        return np.logaddexp(0, s[name]).mean()

    def l1(x, y):
        return np.abs(s[x] - s[y]).mean()

    expected = {
        "gan_a": gan * (real("fake_score_a") + same * real("same_score_a")),
        "gan_b": gan * (real("fake_score_b") + same * real("same_score_b")),
        # The real batch counts with each of its two counterparts.
        "critic_a": gan
        * (
            (1 + same) * real("score_a")
            + fake("fake_score_a")
            + same * fake("same_score_a")
        ),
        "critic_b": gan
        * (
            (1 + same) * real("score_b")
            + fake("fake_score_b")
            + same * fake("same_score_b")
        ),
    }
    if cycle:
        expected["cycle_a"] = cycle * l1("a", "same_a")
        expected["cycle_b"] = cycle * l1("b", "same_b")
    if semantic:
        # Of a translation *into* the domain: E_b(G_b(E_a(a))) and E_a(a).
        expected["semantic_b"] = semantic * l1("content_a", "again_b")
        expected["semantic_a"] = semantic * l1("content_b", "again_a")
    if dragan:
        for o in "ab":
            penalty = np.square(s[f"slope_{o}"] - 1).mean()
            expected[f"dragan_{o}"] = dragan * penalty
    if "draw_a" in s:
        expected["style_a"] = style * l1("draw_a", "fake_style_a")
        expected["style_b"] = style * l1("draw_b", "fake_style_b")
    return expected


def numpy_tensors(s, same):
    s = {name: value.numpy().astype(np.float64) for name, value in s.items()}
    if not same:
        assert "same_score_a" not in s
        s["same_score_a"] = s["same_score_b"] = np.zeros(1)
    return s


@pytest.mark.parametrize(
    ("switches", "weights"),
    [
        ({}, {}),
        ({}, {"gan": 2.0, "dragan": 3.0}),
        ({}, {"cycle": 5.0, "semantic": 7.0}),
        ({"same_gan": False}, {}),
        ({"skips": False}, {}),
        ({"style_size": 16}, {}),
        ({"style_size": 16}, {"style": 11.0}),
    ],
    ids=str,
)
def test_losses_equal_their_formulas(switches, weights, monkeypatch):
    model = shared(**switches)
    for name, weight in weights.items():
        monkeypatch.setattr(model, f"{name}_weight", weight)
    s = tensors(model)
    same = model.same_gan
    expected = rewritten(numpy_tensors(s, same), same=same, **weights)
    assert terms(model, s) == pytest.approx(expected, rel=1e-4)
    assert set(model.loss_metrics) == set(expected)


@pytest.mark.parametrize(
    ("switch", "gone"),
    [
        ({"cycle_weight": 0}, ("cycle_a", "cycle_b")),
        ({"semantic_weight": 0}, ("semantic_a", "semantic_b")),
        ({"dragan_weight": 0}, ("dragan_a", "dragan_b")),
    ],
    ids=str,
)
def test_a_weight_of_zero_removes_its_terms_and_nothing_else(switch, gone):
    expected = fresh_terms()
    without = build(**switch)
    assert set(gone) < set(expected)
    kept = {k: v for k, v in expected.items() if k not in gone}
    assert set(without.loss_metrics) == set(kept)
    assert terms(without, tensors(without)) == pytest.approx(kept, rel=1e-5)


def test_without_u_net_only_the_generator_is_smaller():
    whole, without = shared(), shared(skips=False)

    def count(model, name):
        return getattr(model, name).count_params()

    for name in ("encoder", "critic_a", "critic_b"):
        assert count(whole, name) == count(without, name)
    # 3x3 kernels of the block at 8 px, 8 channels of the skip to 8.
    difference = count(whole, "generator") - count(without, "generator")
    assert difference == 3 * 3 * 8 * 8


def test_without_same_gan_critics_see_no_reconstruction():
    whole, without = build(), build(same_gan=False)
    s, t = tensors(whole), tensors(without)
    assert set(s) - set(t) == {"same_score_a", "same_score_b"}
    for name in t:
        close(s[name], t[name])


def test_style_adds_its_terms_and_its_network():
    plain, styled = shared(), shared(style_size=16)
    s = tensors(styled)
    added = set(terms(styled, s)) - set(terms(plain, tensors(plain)))
    assert added == {"style_a", "style_b"}
    assert styled.translators == ("encoder", "generator", "style_encoder")
    for name in ("style_a", "style_b", "draw_a", "draw_b", "fake_style_a"):
        close(np.linalg.norm(s[name], axis=1), np.ones(BATCH))
    # One dense layer to 8 channels and its bias, for each of two domains.
    gamma = styled.generator.stem.norm.gamma
    assert gamma.shape == (2, 16 + 1, 8)


# DRAGAN.


@pytest.mark.parametrize("distribution", ["uniform", "normal"])
def test_dragan_s_images(distribution):
    """The critic's slope is taken at x + noise of the stated width."""
    model = shared(dragan_noise=distribution, dragan_width=0.3)
    s = tensors(model)
    for domain, seed in (("a", 1), ("b", 2)):
        x = images(seed).numpy()
        name = f"slope_{domain}"
        # One number of the whole batch; the deviation, not the variance.
        noise = 0.3 * x.std() * model.noise(x.shape, name, distribution)
        if distribution == "uniform":
            share = model.noise((BATCH, 1, 1, 1), f"{name}/share", "uniform")
            noise = 3 * share * (2 * noise - 0.3 * x.std())
        critic = getattr(model, f"critic_{domain}")
        slopes = losses.slope(lambda z, c=critic: c(z, size=8), x + noise)
        close(s[f"slope_{domain}"], slopes)


@pytest.mark.parametrize("distribution", ["uniform", "normal"])
def test_both_kinds_of_noise_have_the_stated_width(distribution):
    model = shared(dragan_noise=distribution, dragan_width=0.3)
    x = images(1, count=1000)
    noise = (model._add_noise(x, "slope_a") - x).numpy()
    assert noise.std() == pytest.approx(0.3 * x.numpy().std(), rel=0.03)
    assert abs(noise.mean()) < 0.01


def test_by_default_the_noise_is_as_wide_as_in_the_author_s_code():
    """There, images are in [0, 1] and the greatest noise is var(x) / 2."""
    x = images(1, count=100)
    x *= 0.48 / x.numpy().std()  # As face images.
    noise = (shared()._add_noise(x, "slope_a") - x).numpy() / 2
    author = (x.numpy() / 2).var() / 2
    assert np.abs(noise).max() == pytest.approx(author, rel=0.05)


def test_dragan_s_noise_is_another_one_at_each_step():
    model = shared()
    before = model._add_noise(images(1), "slope_a")
    model.step.assign(1)
    after = model._add_noise(images(1), "slope_a")
    model.step.assign(0)
    assert not np.allclose(before, after)


def test_wgan_gp():
    """Gulrajani et al. 2017: slopes between real images and translations."""
    model = build(gan_loss="wgan_gp", dragan_weight=10.0)
    s = tensors(model)
    found = terms(model, s)
    real, fake, same = (
        s[f"{kind}score_a"].numpy().mean() for kind in ("", "fake_", "same_")
    )
    assert found["critic_a"] == pytest.approx(fake + same - 2 * real, rel=1e-4)
    assert found["gan_a"] == pytest.approx(-fake - same, rel=1e-4)
    assert "dragan_a" not in found
    share = model.noise((BATCH, 1, 1, 1), "slope_a/share", "uniform")
    between = s["a"] + share * (s["fake_a"] - s["a"])
    slopes = losses.slope(lambda z: model.critic_a(z, size=8), between).numpy()
    penalty = 10 * np.square(slopes - 1).mean()
    assert found["wgan_gp_a"] == pytest.approx(penalty, rel=1e-4)


def test_r1():
    """Mescheder et al. 2018, eq. 9: squared slopes at real images."""
    model = build(gan_loss="r1", dragan_weight=5.0)
    s = tensors(model)
    found = terms(model, s)
    slopes = losses.slope(lambda z: model.critic_a(z, size=8), s["a"]).numpy()
    penalty = 5 * np.square(slopes).mean()
    assert found["r1_a"] == pytest.approx(penalty, rel=1e-4)
    scores = s["score_a"].numpy(), s["fake_score_a"], s["same_score_a"]
    real, fake, same = (np.log1p(np.exp(x)).mean() for x in scores)
    real -= s["score_a"].numpy().mean()  # softplus(-x) = softplus(x) - x.
    assert found["critic_a"] == pytest.approx(2 * real + fake + same, rel=1e-4)


def penalties(steps, **kwargs):
    """A's penalty and the weights of the critics, after each of `steps` steps.

    The critics alone are trained, because they alone meet the penalty.
    """
    model = build(gan_loss="r1", **kwargs)
    model.compile(keras.optimizers.SGD(1e-3), keras.optimizers.SGD(1e-3))
    model.updates = ("critic",)
    found = []
    # The condition must be one of the graph, as in training.
    step = tf.function(model.train_step, autograph=False)
    for _ in range(steps):
        model.reset_metrics()
        step((images(1), images(2)))
        penalty = float(model.loss_metrics["r1_a"].result())
        found.append((penalty, values(model.owned("critic"))))
    return found


def test_lazy_penalty_is_as_often_as_stated_and_as_much_larger(eagerly):
    (lazy, after), (none, _), (again, last) = penalties(
        3, dragan_weight=1.0, penalty_every=2
    )
    assert none == 0.0
    assert again > 0.0
    # The first step is one with twice the weight.
    with eagerly():
        ((heavy, expected),) = penalties(1, dragan_weight=2.0)
    assert lazy == pytest.approx(heavy, rel=1e-6)
    for mine, its in zip(after, expected, strict=True):
        close(mine, its, atol=1e-7)
    assert all(np.isfinite(x).all() for x in last)


# Clips of renormalization.


def test_batch_normalization_in_place_of_renormalization():
    """Outputs do not depend on the moving statistics, which differ."""
    x, model = images(1), build(renormalize=False)
    model.enter_phase(8, start=0, images=100)
    for renormalize in (False, True):
        model.renormalize = renormalize
        routing = NormRouting(("a",), model.renorm_limits(BATCH))
        before, _ = model.encoder(x, size=8, routing=routing)
        for variable in model.encoder.variables:
            if variable.path.endswith("moving_mean"):
                variable.assign(variable + 1)
        after, _ = model.encoder(x, size=8, routing=routing)
        assert np.allclose(before, after, atol=1e-4) != renormalize


def limits(model, shown, batch=BATCH):
    model.images_shown.assign(shown)
    pair = model.renorm_limits(batch)
    return round(float(pair.r_max), 3), round(float(pair.d_max), 3)


def test_renorm_boundaries_as_shares_of_a_phase():
    model = build(renorm_boundaries=(0.25, 0.5, 0.75))
    assert limits(model, 0) == (4, 1)  # No phases: the widest.
    model.enter_phase(8, start=1000, images=400)
    assert limits(model, 1000) == (1.1, 0.1)
    assert limits(model, 1099) == (1.1, 0.1)
    assert limits(model, 1100) == (1.5, 0.3)
    assert limits(model, 1200) == (2.0, 0.5)
    assert limits(model, 1299) == (2.0, 0.5)
    assert limits(model, 1300) == (4.0, 1.0)


def test_renorm_boundaries_in_steps_of_a_phase():
    model = build(renorm_boundaries=(10, 20, 30))
    model.enter_phase(8, start=1000, images=40)
    assert limits(model, 1079, batch=8) == (1.1, 0.1)
    assert limits(model, 1080, batch=8) == (1.5, 0.3)
    assert limits(model, 1080, batch=4) == (2.0, 0.5)
    assert limits(model, 1240, batch=8) == (4.0, 1.0)


# Inference.


def test_translations_are_clipped():
    model = build()
    gamma = model.generator.to_rgb["8"].norm.gamma
    gamma.assign(10 * gamma)
    raw = tensors(model, training=False)["fake_b"].numpy()
    assert np.abs(raw).max() > 1
    y = model.translate(images(1), "a_to_b").numpy()
    close(y, np.clip(raw, -1, 1))
    assert y.dtype == np.float32


@pytest.mark.parametrize("style_size", [None, 4])
def test_reconstruction_stays_in_its_domain(style_size):
    model = shared(style_size=style_size)
    s = tensors(model, training=False)
    for domain, seed in (("a", 1), ("b", 2)):
        y = model.reconstruct(images(seed), domain)
        close(y, np.clip(s[f"same_{domain}"], -1, 1))


def test_a_style_decides_how_a_translation_looks():
    model = shared(style_size=4)
    s = tensors(model, training=False)
    y = model.translate(images(1), "a_to_b", style=s["draw_b"])
    close(y, np.clip(s["fake_b"], -1, 1))
    y = model.translate(images(2), "b_to_a", style=s["draw_a"])
    close(y, np.clip(s["fake_a"], -1, 1))
    plain = model.translate(images(1), "a_to_b")
    zeros = model.translate(images(1), "a_to_b", style=tf.zeros((BATCH, 4)))
    assert np.array_equal(plain, zeros)
    assert np.abs(plain - s["fake_b"]).max() > 0.01


def test_styles_of_references_are_those_of_the_target_domain():
    model = shared(style_size=4)
    s = tensors(model, training=False)
    to_b = model.encode_style(images(2), "a_to_b")
    to_a = model.encode_style(images(1), "b_to_a")
    close(to_b, s["style_b"])
    close(to_a, s["style_a"])
    close(np.linalg.norm(to_b, axis=1), np.ones(BATCH))


def test_mistakes_are_refused(refuses):
    for sizes in ((12, None), (16, 32), (16, 12), (2, None)):
        with refuses("start_size"):
            TwinGAN(*sizes, width=0.03)
    model = shared()
    with refuses("direction"):
        model.translate(images(1), "a_to_c")
    with refuses("style"):
        model.translate(images(1), "a_to_b", style=tf.zeros((BATCH, 4)))
    with refuses("direction"):
        shared(style_size=4).encode_style(images(1), "b")
    with refuses("size"):
        model.enter_phase(16)


# Routes.


def test_translation_takes_the_routes_of_its_tensors():
    """Every route and domain has constants of its own in this model."""
    model = shared()
    s = tensors(model, training=False)
    path = {"size": 8}
    for name, source, target, seed in (
        ("same_a", "a", "a", 1),
        ("fake_b", "a", "b", 1),
        ("fake_a", "b", "a", 2),
        ("same_b", "b", "b", 2),
    ):
        content, skips = model.encoder(
            images(seed), routing=NormRouting((source,)), **path
        )
        close(s[f"content_{source}"], content)
        route = NormRouting((source + target,))
        close(s[name], model.generator(content, skips, routing=route, **path))
    for o in "ab":
        route = NormRouting((f"fake_{o}",))
        again, _ = model.encoder(s[f"fake_{o}"], routing=route, **path)
        close(s[f"again_{o}"], again)


def moving(network):
    """Moving means of all layers, side by side: `[routes, channels]`."""
    means = [v for v in network.variables if v.path.endswith("moving_mean")]
    return np.concatenate(values(means), axis=1)


def test_each_route_learns_from_its_own_images():
    routes = {}
    for name, (a, b) in {"one": (1, 2), "other_b": (1, 3)}.items():
        model = build()
        before = moving(model.encoder), moving(model.generator)
        model.forward(images(a), images(b), training=True)
        after = moving(model.encoder), moving(model.generator)
        for old, new in zip(before, after, strict=True):
            assert np.all(np.any(old != new, axis=1))
        routes[name] = after
    for routes_of_a, one, other in zip(
        # Encoder: a, b, fake_a, fake_b; generator: aa, ab, ba, bb.
        ([0, 3], [0, 1]),
        routes["one"],
        routes["other_b"],
        strict=True,
    ):
        equal = np.all(np.isclose(one, other, rtol=1e-6), axis=1)
        assert np.flatnonzero(equal).tolist() == routes_of_a


def test_inference_changes_nothing():
    model = build()
    before = values(model.variables)
    tensors(model, training=False)
    model.translate(images(1), "a_to_b")
    assert all(map(np.array_equal, before, values(model.variables)))


@pytest.mark.parametrize("network", ["encoder", "generator"])
def test_scale_and_offset_belong_to_a_domain(network):
    model = build()
    before = tensors(model, training=False)
    for variable in getattr(model, network).trainable_variables:
        if variable.path.endswith("beta"):
            variable.assign_add([[0.0], [0.5]] * np.ones(variable.shape))
    after = tensors(model, training=False)
    same = {
        name for name in before if np.array_equal(before[name], after[name])
    }
    # Encoder: b's images; generator: what becomes b.
    unchanged = {
        "encoder": {"content_a", "same_a", "fake_b"},
        "generator": {"content_a", "content_b", "same_a", "fake_a"},
    }[network]
    assert unchanged <= same
    changed = {
        "encoder": {"content_b", "same_b", "fake_a", "again_b"},
        "generator": {"same_b", "fake_b", "again_b"},
    }[network]
    assert not changed & same


def test_inference_repeats_training_once_statistics_have_settled():
    """At fixed weights the moving statistics become those of the batch, route
    by route; a mixture of `a -> b` and `b -> b` would be neither's."""
    model = build()
    for layer in model._flatten_layers():
        if isinstance(layer, DomainBatchRenormalization):
            layer.decay = 0.9
    names = ("same_a", "fake_b", "fake_a", "same_b", "again_a", "again_b")

    @tf.function
    def trained():
        s = tensors(model)
        return {name: s[name] for name in names}

    first = tensors(model, training=False)
    for _ in range(90):
        s = trained()
    at_inference = tensors(model, training=False)
    for name in names:
        close(at_inference[name], s[name], rtol=0, atol=5e-3)
        assert np.abs(first[name] - s[name]).max() > 0.1


# Growing and optimizing.


def test_real_images_fade_with_the_networks():
    model = build(image_size=16, start_size=8)
    model.enter_phase(16, start=0, images=100, fading=True)
    model.images_shown.assign(25)
    x = images(1, size=16).numpy()
    coarse = x.reshape(BATCH, 8, 2, 8, 2, 3).mean((2, 4))
    coarse = coarse.repeat(2, axis=1).repeat(2, axis=2)
    s = model.forward(tf.constant(x), images(2, size=16), training=True)
    close(s["a"], 0.25 * x + 0.75 * coarse)
    assert s["fake_b"].shape == x.shape


def test_inference_in_a_fade_is_that_of_the_trained_networks():
    """The networks are trained with blended images, and translate the same."""
    model = build(image_size=16, start_size=8, style_size=4)
    model.enter_phase(16, start=0, images=100, fading=True)
    model.images_shown.assign(25)
    a, b = images(1, size=16), images(2, size=16)
    s = model.forward(a, b, training=False)
    fake_b = model.translate(a, "a_to_b", style=s["draw_b"])
    close(fake_b, tf.clip_by_value(s["fake_b"], -1, 1))
    close(model.reconstruct(b, "b"), tf.clip_by_value(s["same_b"], -1, 1))
    close(model.embed(a, "a"), tf.reshape(s["content_a"], (BATCH, -1)))
    close(model.encode_style(b, "a_to_b"), s["style_b"])


def test_sizes_and_stride():
    model = build(image_size=16, start_size=4)
    assert model.sizes == (4, 8, 16)
    strides = []
    for size in model.sizes:
        model.enter_phase(size)
        strides.append(model.size_multiple)
    assert strides == [1, 2, 4]


def test_adam_meets_whole_gradients():
    """A domain's scale serves several routes: its gradient is their sum, and
    Adam's second moment the square of the sum."""
    model = build()
    with tf.GradientTape() as tape:
        total = tf.add_n([*model.translator_losses(tensors(model)).values()])
    gamma = model.generator.stem.norm.gamma.value
    gradient = tf.convert_to_tensor(tape.gradient(total, gamma)).numpy()

    model = build()
    adam = keras.optimizers.Adam(1e-3, beta_2=0.99)
    model.compile(adam, keras.optimizers.Adam(1e-3))
    model.train_step((images(1), images(2)))
    (velocity,) = (
        v for v in adam.variables if v.path.endswith("stem_norm_gamma_velocity")
    )
    np.testing.assert_allclose(
        velocity, 0.01 * gradient**2, rtol=1e-2, atol=1e-12
    )


def test_without_pixel_norm_nothing_is_normalized_per_image():
    assert count_per_image_norms(build()) > 0
    assert count_per_image_norms(build(pixel_norm=False)) == 0
