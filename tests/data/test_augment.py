"""Views: ranges, seeds, and each part alone."""

import numpy as np
import pytest
import tensorflow as tf

from tf_i2i.data.augment import Augmentation

OFF = {
    "crop": None,
    "flip": False,
    "contrast": 0.0,
    "hue": 0.0,
    "brightness": 0.0,
    "saturation": 0.0,
}


def only(**parts):
    return Augmentation(**{**OFF, **parts})


def views(augmentation, image, size, count=200):
    """[count, size, size, 3], one for each seed."""
    call = tf.function(
        lambda i: augmentation(tf.constant(image), tf.stack([3, i]), size)
    )
    return np.stack([call(tf.constant(i)) for i in range(count)])


def ramp(side=20):
    """Red rises by 10 a column, green by 10 a row."""
    image = np.zeros((side, side, 3), np.uint8)
    image[..., 0] = 10 * np.arange(side)
    image[..., 1] = 10 * np.arange(side)[:, None]
    image[..., 2] = 100
    return image


def levels(view):
    return (view + 1) * 127.5


def test_off_is_a_plain_resize(rng):
    image = rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)
    for size in (20, 16, 5, 32):
        view = only()(tf.constant(image), tf.constant([1, 2]), size)
        assert view.shape == (size, size, 3)
        plain = tf.image.resize(image, (size, size), antialias=True)
        np.testing.assert_allclose(levels(view), plain, atol=1e-3)


def test_a_view_is_a_function_of_its_seed(rng):
    image = tf.constant(rng.integers(0, 256, (20, 20, 3), dtype=np.uint8))
    views = [
        Augmentation()(image, tf.constant(seed, tf.int64), 16).numpy()
        for seed in ([5, 9], [5, 9], [5, 10], [6, 9])
    ]
    np.testing.assert_array_equal(views[0], views[1])
    for other in views[2:]:
        assert np.abs(views[0] - other).max() > 0.05


def test_everything_stays_in_range():
    image = np.zeros((12, 12, 3), np.uint8)
    image[:6] = 255
    wild = Augmentation((0.5, 1.0), True, 1.0, 0.5, 1.0, 1.0)
    found = views(wild, image, 10)
    assert found.dtype == np.float32
    assert found.min() == -1.0
    assert found.max() == 1.0


def test_crop_takes_squares_of_80_to_100_percent():
    """Lines through the ramp tell each view's side and place in pixels."""
    found = levels(views(only(crop=(0.8, 1.0)), ramp(), 16))
    # Inside, because kernels are cut off at the border.
    inside = np.arange(2, 14)
    side, corner = {}, {}
    for axis, values in (
        ("x", found[:, 8, 2:14, 0]),
        ("y", found[:, 2:14, 8, 1]),
    ):
        slope, offset = np.polyfit(inside + 0.5, values.T / 10 + 0.5, 1)
        side[axis], corner[axis] = 16 * slope, offset
        assert 15.9 < side[axis].min() < 16.4
        assert 19.6 < side[axis].max() < 20.1
        assert -0.1 < corner[axis].min() < 0.2
        assert corner[axis].max() > 2.5
        assert (corner[axis] + side[axis]).max() < 20.1
    np.testing.assert_allclose(side["x"], side["y"], atol=0.3)
    free = (corner["x"] - corner["y"]) / (20.2 - side["x"])
    assert free.std() > 0.2


def test_crops_above_one_shrink_the_image_on_black():
    white = np.full((20, 20, 3), 255, np.uint8)
    found = levels(views(only(crop=(2.0, 2.0)), white, 20))
    # A quarter of the view is the image, and the rest is black.
    np.testing.assert_allclose(found.mean((1, 2, 3)), 255 / 4, rtol=0.02)
    assert (found.min(), found.max()) == pytest.approx((0, 255), abs=0.01)
    columns = (found[:, :, :, 0].mean(1) > 60).argmax(1)
    assert columns.min() == 0
    assert 9 <= columns.max() <= 10


def test_flip_is_exact_and_happens_half_of_the_time():
    found = levels(views(only(flip=True), ramp(), 20))
    mirrored = ramp()[:, ::-1].astype(np.float32)
    as_is = np.abs(found - ramp()).max((1, 2, 3)) < 1e-3
    flipped = np.abs(found - mirrored).max((1, 2, 3)) < 1e-3
    assert (as_is ^ flipped).all()
    assert 70 < flipped.sum() < 130


def test_negatives_are_exact_and_half_of_the_views():
    found = levels(views(only(invert=True), ramp(), 20))
    as_is = np.abs(found - ramp()).max((1, 2, 3)) < 1e-3
    negative = np.abs(found - (255.0 - ramp())).max((1, 2, 3)) < 1e-3
    assert (as_is ^ negative).all()
    assert 70 < negative.sum() < 130
    # Whether a view is one says nothing of whether it is mirrored.
    both = levels(views(only(invert=True, flip=True), ramp(), 20))
    flipped = (both[:, 10, 0, 0] > both[:, 10, -1, 0]) ^ negative
    assert 70 < flipped.sum() < 130
    assert 25 < (flipped & negative).sum() < 75


def test_brightness_shifts_by_a_share_of_the_range():
    image = np.full((4, 4, 3), 128, np.uint8)
    shift = levels(views(only(brightness=0.1), image, 4)) - 128
    assert np.ptp(shift, axis=(1, 2, 3)).max() < 1e-3
    assert -25.5 <= shift.min() < -24
    assert 24 < shift.max() <= 25.5


def test_contrast_scales_about_the_mean():
    image = np.full((4, 4, 3), 100, np.uint8)
    image[:2] = 140
    found = levels(views(only(contrast=0.2), image, 4))
    np.testing.assert_allclose(found.mean((1, 2, 3)), 120, atol=1e-3)
    factor = (found[:, 0, 0, 0] - found[:, 3, 0, 0]) / 40
    assert 0.8 <= factor.min() < 0.81
    assert 1.19 < factor.max() <= 1.2001


def test_saturation_scales_about_grey():
    image = np.full((4, 4, 3), (90, 120, 150), np.uint8)
    found = levels(views(only(saturation=0.5), image, 4))[:, 0, 0]
    np.testing.assert_allclose(found[:, 1], 120, atol=1e-3)
    factor = (found[:, 2] - found[:, 0]) / 60
    assert 0.5 <= factor.min() < 0.52
    assert 1.48 < factor.max() <= 1.5001


def test_hue_turns_about_grey():
    image = np.full((4, 4, 3), (160, 100, 100), np.uint8)
    found = levels(views(only(hue=0.05), image, 4))[:, 0, 0] - 120
    np.testing.assert_allclose(found.sum(-1), 0, atol=1e-3)
    radius = np.linalg.norm(found, axis=-1)
    np.testing.assert_allclose(radius, np.sqrt(2400), rtol=1e-5)
    angle = np.degrees(
        np.arctan2(np.sqrt(3) * (found[:, 1] - found[:, 2]), 3 * found[:, 0])
    )
    assert -18.01 <= angle.min() < -17
    assert 17 < angle.max() <= 18.01


def test_a_third_of_a_turn_makes_red_green():
    draws = [tf.constant(d) for d in (0.5, 1.0, 0.5, 0.5)]
    red = tf.ones((2, 2, 3)) * [0.6, -0.1, -0.1]
    view = only(hue=1 / 3)._recolour(red, draws)
    np.testing.assert_allclose(view[0, 0], [-0.1, 0.6, -0.1], atol=1e-6)


def test_grey_stays_grey(rng):
    grey = rng.integers(60, 200, (8, 8, 1), dtype=np.uint8).repeat(3, -1)
    found = views(only(hue=0.5, saturation=1.0), grey, 8, 20)
    np.testing.assert_allclose(levels(found), np.stack([grey] * 20), atol=1e-3)


def test_switching_a_part_off_leaves_the_others_draws():
    image = np.full((4, 4, 3), 128, np.uint8)
    both = views(only(brightness=0.1, flip=True), image, 4, 20)
    # Eight numbers are the first of nine: runs of before go on as they were.
    draws = [tf.random.stateless_uniform([n], [3, 14]).numpy() for n in (8, 9)]
    np.testing.assert_array_equal(draws[0], draws[1][:8])
    alone = views(only(brightness=0.1), image, 4, 20)
    np.testing.assert_array_equal(both, alone)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"crop": (0.9, 0.8)}, "crop"),
        ({"crop": (0.0, 1.0)}, "crop"),
        ({"crop": (0.8, 2.1)}, "crop"),
        ({"crop": (0.8, 1.2), "maps": True}, "crop"),
        ({"contrast": -0.1}, "contrast"),
        ({"hue": 0.6}, "hue"),
        ({"brightness": 1.5}, "brightness"),
        ({"saturation": 2}, "saturation"),
    ],
)
def test_values_out_of_range(arguments, name, refuses):
    with refuses(f"Augmentation.{name}"):
        Augmentation(**arguments)
