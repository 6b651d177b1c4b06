"""CDFT: equations 1 to 4 in NumPy, its stages, its switches."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_i2i import exporting
from tf_i2i.methods import CDFT
from tf_i2i.training.phases import cascade_phases

SMALL = {
    "image_size": 32,
    "backbone": "random-conv",
    "taps": ("conv3", "conv4"),
    "width": 0.05,
}
STAGES = ("statistics", "inversion", "conv4", "conv3")


def build(**kwargs):
    keras.utils.set_random_seed(1)
    model = CDFT(**{**SMALL, **kwargs})
    model.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3))
    return model


@pytest.fixture(scope="module")
def model():
    """Measured on one batch, not trained."""
    model = build()
    model.enter_phase(32, stage="statistics")
    model.train_step((images(1), images(2)))
    return model


@pytest.fixture(scope="module")
def single():
    """Of one layer."""
    return build(taps=("conv3",))


def images(seed, count=8):
    x = np.random.default_rng(seed).uniform(-1, 1, (count, 32, 32, 3))
    return tf.constant(x, tf.float32)


def arrays(tensors):
    return {name: value.numpy() for name, value in tensors.items()}


def equal(x, y):
    return np.testing.assert_allclose(x, y, atol=1e-5)


def checked(found, expected):
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(value, rel=1e-4), name


def squares(x, y):
    return np.mean((x - y) ** 2)


def test_layers_are_measured_and_cut(model):
    for domain, seed in ("a", 1), ("b", 2):
        x = images(seed)
        raw = model.backbone(x)
        layers = model.normalize(x, domain)
        assert {*raw} == {*layers} == {"conv3", "conv4"}
        for tap, features in raw.items():
            f = features.numpy()
            units = (f - f.mean((0, 1, 2))) / f.std((0, 1, 2))
            np.testing.assert_allclose(
                layers[tap], np.clip(units, -1, 1), atol=1e-3
            )


def test_inversion_losses_as_in_numpy(model):
    model.enter_phase(32, stage="inversion")
    s = model.forward(images(1), images(2), training=False)
    n = arrays(s)
    found = model.translator_losses(s) | model.critic_losses(s)
    expected, seen = {}, {}
    for tap in model.taps:
        made = [(n[o], n[f"inverted_{tap}_{o}"]) for o in "ab"]
        fakes = [n[f"fake_score_{tap}_{o}"] for o in "ab"]
        reals = [n[f"score_{tap}_{o}"] for o in "ab"]
        expected |= {
            f"image_{tap}": 10 * sum(squares(x, y) for x, y in made),
            f"fooling_{tap}": 0.05 * sum(squares(f, 1) for f in fakes),
            f"inversion_critic_{tap}": 0.05
            * (
                sum(squares(f, 0) for f in fakes)
                + sum(squares(r, 1) for r in reals)
            ),
            f"perceptual_{tap}": np.mean(
                [
                    2 * squares(n[f"layer_{t}_{o}"], n[f"again_{t}_{tap}_{o}"])
                    for t in model.taps
                    for o in "ab"
                ]
            ),
        }
        error = np.mean([squares(x, y) for x, y in made])
        layers = np.stack([n[f"layer_{tap}_{o}"] for o in "ab"])
        seen[f"psnr_{tap}"] = 10 * np.log10(4 / error)
        seen[f"clamped_{tap}"] = np.mean(np.abs(layers) > 1)
    checked(found, expected)
    checked(model.observations(s), seen)
    again = model.backbone(s["inverted_conv3_b"])["conv4"]
    equal(
        n["again_conv4_conv3_b"],
        model._network("statistics", "conv4", "b")(again),
    )


def test_translation_losses_as_in_numpy(model):
    model.enter_phase(32, stage="conv3")
    s = model.forward(images(1), images(2), training=False)
    n = arrays(s)
    expected = {
        "adversarial_conv3": -sum(n[f"fake_score_{o}"].mean() for o in "ab"),
        "critic_conv3": sum(
            n[f"fake_score_{o}"].mean() - n[f"score_{o}"].mean() for o in "ab"
        ),
        "penalty_conv3": 10
        * sum(np.mean((n[f"slope_{o}"] - 1) ** 2) for o in "ab"),
    }
    for term, made in ("cycle", "cycled"), ("identity", "same"):
        expected[f"{term}_conv3"] = 100 * sum(
            np.abs(n[f"layer_{o}"] - n[f"{made}_{o}"]).mean() for o in "ab"
        )
    checked(model.translator_losses(s) | model.critic_losses(s), expected)


def test_tensors_take_the_ways_of_the_paper(model):
    model.enter_phase(32, stage="conv3")
    a, b = images(1), images(2)
    s = model.forward(a, b, training=False)
    layers = {"a": model.normalize(a, "a"), "b": model.normalize(b, "b")}
    for o, i in ("ab", "ba"):
        to_o = [getattr(model, f"translator_{tap}_{o}") for tap in STAGES[2:]]
        back = getattr(model, f"translator_conv3_{i}")
        # The style is the source's own layer, the content the translated
        # deeper one; cycle and identity have the original deeper layer.
        deeper = to_o[0](layers[i]["conv4"])
        fake = to_o[1](deeper, layers[i]["conv3"])
        equal(s[f"fake_{o}"], fake)
        equal(s[f"cycled_{i}"], back(layers[i]["conv4"], fake))
        equal(s[f"same_{o}"], to_o[1](layers[o]["conv4"], layers[o]["conv3"]))
        images_ = a if i == "a" else b
        inverter = getattr(model, f"inverter_conv3_{o}")
        equal(model.translate(images_, f"{i}_to_{o}"), inverter(fake))
    model.enter_phase(32, stage="conv4")
    s = model.forward(a, b, training=False)
    equal(s["fake_b"], model.translator_conv4_b(layers["a"]["conv4"]))


def test_slopes_are_taken_between_real_and_fake(model, monkeypatch):
    model.enter_phase(32, stage="conv4")
    inner = model._network

    def network(kind, tap, o):
        # The slope of half the squared length is the length.
        if kind == "critic":
            return lambda x: tf.reduce_sum(x * x, [1, 2, 3])[:, None] / 2
        return inner(kind, tap, o)

    monkeypatch.setattr(model, "_network", network)
    s = arrays(model.forward(images(1), images(2), training=False))
    for o in "ab":
        share = model.noise((8, 1, 1, 1), f"slope_{o}", "uniform").numpy()
        real, fake = s[f"layer_{o}"], s[f"fake_{o}"]
        between = (1 - share) * real + share * fake
        lengths = np.sqrt(np.sum(between**2, (1, 2, 3)))
        np.testing.assert_allclose(s[f"slope_{o}"], lengths, rtol=1e-4)


def test_a_step_moves_its_stage_alone(model):
    model.enter_phase(32, stage="conv3")
    model.begin_phase()
    before = {v.path: v.numpy() for v in model.trainable_variables}
    model.train_step((images(1), images(2)))
    moved = {
        v.path.split("/")[0]
        for v in model.trainable_variables
        if not np.array_equal(before[v.path], v.numpy())
    }
    assert moved == {
        f"{kind}_conv3_{o}" for kind in ("translator", "critic") for o in "ab"
    }
    for average, variable in model.average_pairs:
        if "conv3" not in variable.path:
            np.testing.assert_array_equal(average, variable)


def test_a_phase_begins_with_averages_and_whole_statistics(single):
    model = single
    for average, variable in model.average_pairs:
        average.assign(average + 1.0)
        variable.assign(variable + 2.0)
    averages = [average.numpy() for average in model.averages]
    model.begin_phase()
    for before, (average, variable) in zip(
        averages, model.average_pairs, strict=True
    ):
        np.testing.assert_array_equal(average, variable)
        live = 0.0 if variable.trainable else 1.0
        np.testing.assert_allclose(average, before + live, rtol=1e-6)


def test_stages_and_their_updates(model):
    assert model.stages == STAGES
    assert model.updates_in("statistics") == ("neither",)
    assert model.updates_in("inversion") == ("both",)
    assert model.updates_in("conv4") == ("critic",) * 4 + ("translator",)
    assert [model.batches_in(stage) for stage in STAGES] == [1, 1, 4, 4]
    phases = cascade_phases(model)
    assert tuple(phase.stage for phase in phases) == STAGES


def test_pictures_show_every_level(model):
    x = images(1, 2)
    model.enter_phase(32, stage="inversion")
    own = model.sample_rows(x, "a")
    equal(own[1], model.inverter_conv3_a(model.normalize(x, "a")["conv3"]))
    model.enter_phase(32, stage="conv4")
    assert len(model.sample_rows(x, "a")) == 2
    model.enter_phase(32, stage="conv3")
    reconstructed, deep, shallow = model.sample_rows(x, "a")
    equal(reconstructed, own[1])
    equal(shallow, model.translate(x, "a_to_b"))
    made = model.translator_conv4_b(model.normalize(x, "a")["conv4"])
    equal(deep, model.inverter_conv4_b(made))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("switches", "left_out"),
    [
        ({"cycle_weight": 0.0}, {"cycle"}),
        ({"identity_weight": 0.0}, {"identity"}),
        ({"adversarial_weight": 0.0}, {"adversarial", "critic", "penalty"}),
    ],
)
def test_ablations_leave_terms_out_and_train(switches, left_out):
    every = {"adversarial", "cycle", "identity", "critic", "penalty"}
    model = build(**switches)
    for stage in STAGES:
        model.enter_phase(32, stage=stage)
        model.train_step((images(1), images(2)))
        assert all(np.isfinite(m.result()) for m in model.metrics)
    terms = {name.rpartition("_")[0] for name in model.loss_metrics}
    assert every - terms == left_out


def test_a_single_layer_is_translated_for_itself(single):
    model = single
    model.enter_phase(32)
    assert model.stages == ("statistics", "inversion", "conv3")
    layer = model.normalize(images(1, 2), "a")["conv3"]
    equal(
        model.translate(images(1, 2), "a_to_b"),
        model.inverter_conv3_b(model.translator_conv3_b(layer)),
    )


@pytest.mark.parametrize(
    ("wrong", "argument"),
    [
        ({"taps": ("conv4", "conv3")}, "CDFT.taps"),
        ({"taps": ("conv2", "conv4")}, "CDFT.taps"),
        ({"taps": ("conv3", "conv5")}, "taps"),
        ({"backbone": "tflite:x.tflite"}, "backbone"),
        ({"backbone": "random"}, "name"),
        ({"perceptual_taps": ("conv1",)}, "CDFT.perceptual_taps"),
    ],
)
def test_wrong_settings_are_sentences(wrong, argument, refuses):
    with refuses(argument):
        CDFT(**{**SMALL, **wrong})


def test_another_backbone_is_noticed(model, refuses):
    mark = model.backbone_mark.numpy()
    model.backbone_mark.assign(mark + 1)
    with refuses("CDFT.backbone"):
        model.enter_phase(32, stage="conv3")
    model.backbone_mark.assign(mark)
    with refuses("stage"):
        model.enter_phase(32, stage="conv5")


@pytest.mark.slow
def test_a_phone_gets_the_same_pictures(model, tmp_path):
    model.enter_phase(32, stage="conv3")
    photos = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3), np.uint8)
    source = exporting.photo_to_photo(model, "b_to_a")
    exporting.export_tflite(model, tmp_path / "cdft.tflite", "b_to_a")
    exporting.export_saved_model(model, tmp_path / "saved")
    for found in (
        exporting.load_tflite(tmp_path / "cdft.tflite"),
        exporting.load_saved_model(tmp_path / "saved")["b_to_a"],
    ):
        assert exporting.parity(source, found, photos)["max"] <= 1
