"""The likeness loss: its values by hand, its gradient, and who may use it."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_i2i.errors import UserError
from tf_i2i.methods import registry
from tf_i2i.methods.base import UnpairedTranslator
from tf_i2i.methods.likeness import Likeness

SIZE, VECTOR = 4, 5
MATRIX = np.random.default_rng(1).normal(size=(SIZE * SIZE * 3, VECTOR))
PATTERN = np.random.default_rng(2).normal(size=(SIZE, SIZE, 3))


def embed(images):
    flat = tf.reshape(images, [-1, SIZE * SIZE * 3])
    return flat @ tf.constant(MATRIX, tf.float32)


class AddPattern(keras.layers.Layer):
    """Adds `PATTERN`, multiplied by one weight that starts at 1."""

    def build(self, shape):
        self.weight = self.add_weight(shape=(), initializer="ones")

    def call(self, x):
        return x + self.weight * tf.constant(PATTERN, tf.float32)


class TwoWays(UnpairedTranslator):
    translators = ("to_a", "to_b")
    updates = ("translator",)
    size_multiple = 1

    def __init__(self):
        super().__init__(SIZE)
        self.to_a, self.to_b = AddPattern(), AddPattern()
        self.build_networks()

    def translate(self, images, direction, style=None):
        return (self.to_b if direction == "a_to_b" else self.to_a)(images)

    def forward(self, a, b, training):
        s = {"a": a, "b": b, "fake_a": self.to_a(b), "fake_b": self.to_b(a)}
        s["cycled_a"] = self.to_a(s["fake_b"])
        s["cycled_b"] = self.to_b(s["fake_a"])
        return s

    def translator_losses(self, s):
        return {"cost": 0.0 * tf.reduce_mean(s["fake_a"] + s["fake_b"])}

    def critic_losses(self, s):
        return {}


class OneWay(TwoWays):
    directions = ("a_to_b",)

    def forward(self, a, b, training):
        return {"a": a, "b": b, "fake_b": self.to_b(a), "fake_a": self.to_a(b)}


class OfMaps(TwoWays):
    """Its training step translates feature maps."""

    def forward(self, a, b, training):
        s = super().forward(a, b, training)
        return s | {f"fake_{o}": s[f"fake_{o}"][:, ::2, ::2] for o in "ab"}


def compiled(method=TwoWays, network=lambda: embed, **settings):
    model = method()
    model.compile(
        keras.optimizers.SGD(1.0),
        keras.optimizers.SGD(1.0),
        likeness=Likeness(network, **settings),
    )
    return model


def batch(rng):
    return [
        rng.normal(size=(3, SIZE, SIZE, 3)).astype(np.float32) for _ in "ab"
    ]


def by_hand(x, y):
    """Mean of 1 - cos over images, in NumPy."""
    x, y = (images.reshape(len(images), -1) @ MATRIX for images in (x, y))
    lengths = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    return np.mean(1 - np.sum(x * y, axis=1) / lengths)


def logged(model):
    return {m.name: float(m.result()) for m in model.metrics}


@pytest.mark.parametrize(
    ("between", "times"), [("translation", 1), ("cycle", 2)]
)
def test_values_by_hand(between, times, rng):
    a, b = batch(rng)
    model = compiled(weight=2.0, between=between)
    model.train_step((a, b))
    found = logged(model)
    apart = {
        source: 2 * by_hand(images, images + times * PATTERN)
        for source, images in (("a", a), ("b", b))
    }
    if between == "translation":  # Losses have the domain of what was made.
        apart = {"a": apart["b"], "b": apart["a"]}
    assert found["likeness_a"] == pytest.approx(apart["a"], rel=1e-4)
    assert found["likeness_b"] == pytest.approx(apart["b"], rel=1e-4)


def test_a_step_follows_the_gradient_through_the_network(rng):
    a, b = batch(rng)
    model = compiled(directions=("a_to_b",))
    model.train_step((a, b))
    nudge = 1e-4
    ends = [by_hand(a, a + (1 + s) * PATTERN) for s in (-nudge, nudge)]
    slope = (ends[1] - ends[0]) / (2 * nudge)
    assert abs(slope) > 1e-3
    # The learning rate is 1, and the other loss has no slope.
    assert 1 - float(model.to_b.weight) == pytest.approx(slope, rel=1e-2)
    assert float(model.to_a.weight) == 1
    assert {*logged(model)} == {"cost", "likeness_b"}


def test_one_direction(rng):
    model = compiled(OneWay)
    model.train_step(batch(rng))
    assert {*logged(model)} == {"cost", "likeness_b"}


def test_what_does_not_fit_the_method_is_refused(refuses):
    with refuses("Likeness.directions"):
        compiled(OneWay, directions=("b_to_a",))
    with refuses("Likeness.between"):
        compiled(OneWay, between="cycle")
    with refuses("Likeness.between"):
        compiled(OfMaps)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("network", None),
        ("network", embed(np.zeros((1, SIZE, SIZE, 3), np.float32))),
        ("weight", 0.0),
        ("between", "identity"),
        ("directions", ()),
        ("directions", ("a_to_c",)),
    ],
)
def test_settings_that_are_refused(argument, value, refuses):
    with refuses(f"Likeness.{argument}"):
        Likeness(**{"network": lambda: embed, argument: value})


def test_a_network_without_a_gradient_is_refused_before_training(refuses):
    def blind():
        return lambda images: tf.stop_gradient(embed(images))

    model = compiled(network=blind)
    with refuses("Likeness.network"):
        model.make_train_function()


def test_the_network_is_loaded_once_and_not_before_training(rng):
    loads = []

    def network():
        loads.append(1)
        return embed

    model = compiled(network=network)
    assert loads == []
    data = tf.data.Dataset.from_tensors(
        tuple(np.clip(batch(rng), -1, 1))
    ).repeat(2)
    model.fit(data, verbose=0)
    model.fit(data, verbose=0)
    assert loads == [1]


def test_checkpoints_are_the_same_without_it(rng, tmp_path):
    path = tmp_path / "of_training.weights.h5"
    compiled().save_weights(path)
    plain = TwoWays()
    plain.compile(keras.optimizers.SGD(1.0), keras.optimizers.SGD(1.0))
    plain.load_weights(path)
    plain.save_weights(path)
    again = compiled()
    again.load_weights(path)
    assert len(again.variables) == len(plain.variables)


@pytest.mark.slow
def test_the_page_names_the_methods_that_refuse_it():
    refusing = set()
    for name in registry.methods():
        model = registry.build_tiny(name)
        try:
            model.compile(likeness=Likeness(lambda: embed))
        except UserError:
            refusing.add(name)
    page = Path(__file__).parents[2] / "docs" / "likeness.md"
    text = page.read_text("utf-8")
    sentence = text[text.index("Four methods refuse it") :].partition("\n\n")[0]
    assert refusing == {*re.findall("`(\\w+)`", sentence)}
    assert len(refusing) == 4


@pytest.mark.parametrize("name", ["CycleGAN", "DTN"])
def test_every_translator_gets_its_gradient(name):
    model = registry.build_tiny(name)
    side = model.image_size
    kernel = tf.random.stateless_normal((side * side * 3, 4), (1, 2))
    flat = keras.layers.Flatten()
    model.compile(likeness=Likeness(lambda: lambda x: flat(x) @ kernel))
    images = tf.random.stateless_uniform((2, side, side, 3), (3, 4)) - 0.5
    with tf.GradientTape() as tape:
        tensors = model.forward(images, -images, True)
        total = tf.add_n([*model.likeness.losses(tensors).values()])
    slopes = tape.gradient(total, model.owned("translator"))
    assert any(s is not None and np.any(s != 0) for s in slopes)
    assert len(model.likeness.pairs) == len(model.directions)
