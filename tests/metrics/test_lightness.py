"""Lightness in boxes, and what a translation does to it, by hand."""

import numpy as np
import pytest

from tf_i2i.metrics.lightness import box_lightness
from tf_i2i.metrics.lightness import lightness_kept


def test_lightness_is_that_of_the_median_colour_in_the_boxes():
    images = np.zeros((2, 10, 10, 3), np.uint8)
    images[0, 2:4, 1:3] = 100, 0, 0
    images[0, 2:4, 7:9] = 100, 200, 0
    images[0, 3, 8] = 255  # One pixel of eight, which the median ignores.
    images[1] = 0, 0, 250
    boxes = ((0.2, 0.4, 0.1, 0.3), (0.2, 0.4, 0.7, 0.9))
    found = box_lightness(images, boxes)
    assert found == pytest.approx([0.299 * 100 + 0.587 * 100, 0.114 * 250])


def test_boxes_of_small_images_have_a_pixel():
    images = np.arange(4, dtype=np.uint8).reshape(1, 2, 2, 1).repeat(3, 3)
    assert box_lightness(images, [(0.2, 0.22, 0.4, 0.41)]) == pytest.approx([1])
    assert box_lightness(images, [(0.9, 1.0, 0.9, 1.0)]) == pytest.approx([3])


def test_order_and_level_of_lightness():
    source = [60, 10, 30, 20, 50, 40]
    made = [66, 15, 37, 26, 57, 49]
    assert lightness_kept(source, made) == pytest.approx(
        {
            "rank": 1,
            "shift_dark": (5 + 6) / 2,
            "shift_middle": (7 + 9) / 2,
            "shift_light": (7 + 6) / 2,
        }
    )
    assert lightness_kept(source, [-v for v in source])["rank"] == -1
    # Spearman: 1 - 6 (1 + 1) / (3 * (9 - 1)).
    assert lightness_kept([1, 2, 3], [1, 3, 2])["rank"] == pytest.approx(0.5)


def test_a_constant_has_no_order(refuses):
    found = lightness_kept([10, 20, 30], [20, 20, 20])
    assert found == {
        "rank": 0,
        "shift_dark": 10,
        "shift_middle": 0,
        "shift_light": -10,
    }
    with refuses("source"):
        lightness_kept([1, 2], [1, 2])
    with refuses("source"):
        lightness_kept([1, 2, 3], [1, 2])
