"""OwnStyle against drawings whose codes are known."""

import ast

import numpy as np
import pytest
import tensorflow as tf

from tf_i2i import OwnStyle
from tf_i2i.configs import find_config
from tf_i2i.data.labels import word_numbers
from tf_i2i.methods import own_style
from tf_i2i.methods.capabilities import UNKNOWN_WORD
from tf_i2i.training.settings import bindings_of
from tf_i2i.training.settings import read_gin

# Entries of the palette: black, the colours of skin and hair, and white.
MIXTURE = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]], np.float32)
OFFSET = np.array([[-1], [0], [0], [1]], np.float32).repeat(3, 1)
COLOURS = np.float32([[[0.5, 0.2, 0.0], [-0.5, 0.1, -0.2], [0.0, 0.0, 0.0]]])
WORDS = {"hair": ("short", "short", "long")}


@pytest.fixture(scope="module")
def model():
    """Skin everywhere; three options of hair of 2, 3 and 6 rows; glasses."""
    model = OwnStyle(**OwnStyle.tiny)
    drawer = model.drawer
    drawer.mixture.assign(MIXTURE)
    drawer.offset.assign(OFFSET)
    drawer.ground.assign(np.broadcast_to([0.0, 20, 0, 0], (8, 8, 4)))
    sprites = {
        slot: np.zeros(sprite.shape, np.float32)
        for slot, sprite in drawer.sprites.items()
    }
    for option, rows in enumerate((2, 3, 6)):
        entry = OwnStyle.tiny["slots"]["hair"][2].index(1)
        sprites["hair"][option, :rows, :, entry] = -40
    sprites["glasses"][1, ..., 1] = 60
    for slot, sprite in sprites.items():
        drawer.sprites[slot].assign(sprite)
    # Where the skin is taken away, the hair is left.
    drawer.ground[..., 2].assign(tf.fill((8, 8), 0.0))
    drawer.ground[..., 0].assign(tf.fill((8, 8), -60.0))
    drawer.ground[..., 3].assign(tf.fill((8, 8), -30.0))
    return model


def draw(model, hair, glasses):
    options = {
        "hair": tf.one_hot([hair], 3),
        "glasses": tf.one_hot([glasses], 2),
        "mouth": tf.one_hot([0], 2),
    }
    drawer = model.drawer
    shares = tf.nn.softmax(drawer.logits(options))
    return drawer.paint(shares, drawer.palette(tf.constant(COLOURS)))


def search(model, drawing, word=UNKNOWN_WORD):
    allowed = model._allowed_options(tf.constant([[float(word)]]), 1)
    chosen, colours = model._search(drawing, allowed)
    return {slot: int(tf.argmax(x[0])) for slot, x in chosen.items()}, colours


@pytest.mark.parametrize(("hair", "glasses"), [(0, 0), (1, 1), (2, 0)])
def test_the_code_of_a_drawing_is_found(model, hair, glasses, monkeypatch):
    monkeypatch.setattr(own_style, "PRIOR_PIXELS", 1e-3)
    found, colours = search(model, draw(model, hair, glasses))
    assert (found["hair"], found["glasses"]) == (hair, glasses)
    np.testing.assert_allclose(colours[0, :2], COLOURS[0, :2], atol=0.01)


def test_a_word_allows_only_its_options(model):
    drawing = draw(model, 0, 0)
    assert search(model, drawing, word=0)[0]["hair"] == 0
    assert search(model, drawing, word=1)[0]["hair"] == 2


def test_random_options_keep_to_the_word_or_are_rare(model, monkeypatch):
    best = {"hair": tf.one_hot([0] * 64, 3)}
    allowed = {"hair": tf.constant([[1.0, 1.0, 0.0]] * 64)}
    assert tf.argmax(model._explore(best, allowed)["hair"], 1).numpy().any()
    monkeypatch.setattr(own_style, "ANY_OPTION", 0.0)
    monkeypatch.setattr(own_style, "ANY_OF_WORD", 1.0)
    drawn = tf.argmax(model._explore(best, allowed)["hair"], 1).numpy()
    assert {*drawn.tolist()} == {0, 1}


def test_only_constant_entries_of_the_palette_are_trained(model):
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(model._palette(tf.constant(COLOURS)))
    gradient = tape.gradient(total, model.drawer.offset).numpy()
    np.testing.assert_array_equal(gradient[:, 0], [1, 0, 0, 1])


def test_each_option_has_a_word(refuses):
    with refuses("OwnStyle.options"):
        OwnStyle(**OwnStyle.tiny | {"options": {"hair": ("short",)}})


def test_words_become_numbers_and_may_be_missing(refuses):
    words = {"hair": ("short", "long"), "beard": ("none", "beard")}
    table = {"hair": {"p": "long"}, "other": {"q": "x"}}
    numbers = word_numbers(table, ["q.png", "p.png"], words)
    np.testing.assert_array_equal(numbers, [[-1, -1], [1, -1]])
    with refuses("--labels_b"):
        word_numbers({"hair": {"p": "bun"}}, ["p.png"], words)


def test_the_config_begins_with_the_shipped_sprites():
    """Options, sizes of boxes and entries are those of face_avatar.gin."""

    def shapes(config, key):
        slots = ast.literal_eval(
            bindings_of(read_gin(find_config(config)))[key]
        )
        return [
            (slot, bottom - top, right - left, count, uses)
            for slot, ((top, bottom, left, right), count, uses) in slots.items()
        ]

    ours = shapes("own_style.gin", "OwnStyle.slots")
    assert ours == shapes("face_avatar.gin", "SpriteTranslator.slots")
