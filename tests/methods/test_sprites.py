"""SpriteTranslator against pictures and numbers made by hand."""

import numpy as np
import pytest
import tensorflow as tf

from tf_i2i import SpriteTranslator
from tf_i2i.data.labels import annotation_numbers
from tf_i2i.methods.sprites import check_slots
from tf_i2i.networks.sprites import SpriteDrawer
from tf_i2i.networks.sprites import SpriteReader
from tf_i2i.networks.sprites import weights_of

# Two colours of the palette are fixed: entry 0 is black, 1 is white. Entry 2
# is half of the skin's colour in levels, 3 the colour of hair.
MIXTURE = np.array([[0, 0, 0], [0, 0, 0], [0.5, 0, 0], [0, 1, 0]], np.float32)
OFFSET = np.array([[-1], [1], [-0.5], [0]], np.float32).repeat(3, 1)


@pytest.fixture
def drawer():
    slots = {"hat": ((0, 2, 0, 4), 2, (3,)), "dot": ((1, 3, 1, 3), 2, (1, 2))}
    drawer = SpriteDrawer(4, slots, cells=4, palette=4)
    drawer.mixture.assign(MIXTURE)
    drawer.offset.assign(OFFSET)
    ground = np.zeros((4, 4, 4), np.float32)
    ground[..., 0] = 50
    drawer.ground.assign(ground)
    hat = np.zeros((2, 2, 4, 1), np.float32)
    hat[1] = 100
    drawer.sprites["hat"].assign(hat)
    dot = np.zeros((2, 2, 2, 2), np.float32)
    dot[0, ..., 0] = dot[1, ..., 1] = 200
    drawer.sprites["dot"].assign(dot)
    return drawer


def draw(drawer, hat, dot):
    options = {
        "hat": tf.one_hot([hat], 2),
        "dot": tf.one_hot([dot], 2),
    }
    colours = tf.constant([[[1.0, 0.0, -1.0], [0.2, 0.4, 0.6], [0.0] * 3]])
    return drawer(options, colours).numpy()[0]


def test_the_ground_is_drawn_where_no_option_is(drawer):
    np.testing.assert_allclose(draw(drawer, 0, 0)[3], -1, atol=1e-6)
    np.testing.assert_allclose(draw(drawer, 0, 0)[0], -1, atol=1e-6)


def test_the_option_with_the_larger_logits_lies_above(drawer):
    drawn = draw(drawer, 1, 0)
    np.testing.assert_allclose(drawn[0], [[0.2, 0.4, 0.6]] * 4, atol=1e-6)
    np.testing.assert_allclose(drawn[1, 1:3], 1, atol=1e-6)
    np.testing.assert_allclose(drawn[1, 0], [0.2, 0.4, 0.6], atol=1e-6)


def test_a_shade_has_half_of_the_levels_of_its_colour(drawer):
    # The levels 255, 127.5 and 0 become 127.5, 63.75 and 0.
    np.testing.assert_allclose(draw(drawer, 0, 1)[1, 1], [0, -0.5, -1])


def test_nearly_always_one_option_is_drawn():
    weights = weights_of({"hat": tf.constant([[1.0, 0.8, -2.0]])})["hat"]
    assert weights.numpy()[0, 0] > 0.99


def test_a_larger_drawing_keeps_straight_edges(drawer):
    large = SpriteDrawer(16, drawer.slots, cells=4, palette=4)
    large.set_weights(drawer.get_weights())
    drawn = draw(large, 1, 1)
    assert drawn.shape == (16, 16, 3)
    np.testing.assert_allclose(drawn[15], -1, atol=1e-6)
    np.testing.assert_allclose(drawn[0], [[0.2, 0.4, 0.6]] * 16, atol=1e-6)


def tiny():
    return SpriteTranslator(**SpriteTranslator.tiny)


def test_skin_lies_between_the_two_nearest_tones():
    reader = tiny().reader
    for linear in reader.shades.linear.values():
        for weight in linear.weights:
            weight.assign(tf.zeros_like(weight))
    reader.shades.linear["large"].bias.assign([1.25, 0.0, 0.0, 0.0])
    photo = tf.random.stateless_uniform((1, 16, 16, 3), (0, 0), -1, 1)
    _, colours = reader(photo)
    dark, light = reader.skins.numpy()[1:3]
    np.testing.assert_allclose(
        colours[0, 0], 0.75 * dark + 0.25 * light, atol=1e-5
    )


def test_a_reader_without_details_has_the_weights_of_earlier_versions():
    counts = {"hair": 3, "glasses": 2, "mouth": 2}
    reader = SpriteReader(counts, detailed=False)
    logits, _ = reader(tf.zeros((1, 16, 16, 3)))
    assert logits["hair"].shape == (1, 3)
    vectors = ["large", "small", "parts", "images", "colours"]
    assert [*reader.whole.linear] == [*reader.shades.linear] == vectors
    assert not hasattr(reader, "places")


def test_the_trunk_is_not_trained():
    names = {v.path for v in tiny().owned("translator")}
    assert names
    assert not any("trunk" in name for name in names)


@pytest.mark.parametrize(
    "slots",
    [
        {},
        {"hair": ((0, 9, 0, 8), 2, (0, 1))},
        {"hair": ((4, 4, 0, 8), 2, (0, 1))},
        {"hair": ((0, 8, 0, 8), 0, (0, 1))},
        {"hair": ((0, 8, 0, 8), 2, (0, 4))},
        {"hair": ((0, 8, 0, 8), 2)},
        {"hair": ((0, 8, 0), 2, (0, 1))},
        {"hair": (8, 2, (0, 1))},
        {"hair": ((0, 8, 0, 8), 2, 1)},
        {"hair": ((0, 8, 0, 8), (2,), (0, 1))},
        {"hair": ()},
    ],
)
def test_slots_that_cannot_be_drawn_are_refused(slots, refuses):
    with refuses("SpriteTranslator.slots"):
        SpriteTranslator(**SpriteTranslator.tiny | {"slots": slots})


def test_the_order_of_slots_in_a_config_does_not_matter():
    """gin writes dictionaries sorted by their keys."""
    slots = check_slots(SpriteTranslator.tiny["slots"], 8, 4, "Any")
    shuffled = {slot: slots[slot] for slot in sorted(slots)}
    assert [*shuffled] != [*slots]
    assert [*check_slots(shuffled, 8, 4, "Any")] == [*slots]


def test_annotations_are_read_in_the_order_of_the_columns(refuses):
    table = {"x": {"p": "1", "q": "2"}, "y": {"p": "3.5", "q": "four"}}
    numbers = annotation_numbers(table, ["q.png", "p.png"], ("x", "x"))
    np.testing.assert_array_equal(numbers, [[2, 2], [1, 1]])
    for columns in (("z",), ("y",)):
        with refuses("--labels_a"):
            annotation_numbers(table, ["p.png", "q.png"], columns)
