"""Overlap of outlines, on squares that a reader can place."""

import numpy as np
import pytest

from tf_i2i.metrics import outline_overlap


def square(first, side=64, size=24, dark=0, light=255):
    image = np.full((1, side, side, 3), dark, np.uint8)
    image[:, first : first + size, first : first + size] = light
    return image


def test_a_copy_and_what_only_paints_keep_all():
    image = square(10)
    assert outline_overlap(image, image) == 1
    assert outline_overlap(image, 255 - image) == 1
    assert outline_overlap(image, square(10, dark=90, light=120)) == 1


def test_shapes_elsewhere_keep_nothing():
    assert outline_overlap(square(4, size=12), square(40, size=12)) == 0


def test_it_falls_as_a_shape_moves():
    scores = [outline_overlap(square(10), square(10 + d)) for d in range(0, 9)]
    assert scores[1] > 0.9
    assert scores == sorted(scores, reverse=True)
    # Where the outlines of two squares cross, they agree.
    assert 0 < scores[8] < 0.3


def test_it_is_the_same_at_another_size():
    small = outline_overlap(square(10), square(14))
    large = outline_overlap(square(20, 128, 48), square(28, 128, 48))
    assert large == pytest.approx(small, abs=0.05)


def test_flat_images_have_no_outlines():
    flat = np.full((1, 64, 64, 3), 200, np.uint8)
    assert outline_overlap(flat, flat) == 0
    both = np.concatenate([square(10), flat])
    assert outline_overlap(both, both, per_image=True).tolist() == [1, 0]


def test_other_arrays_are_refused(refuses):
    with refuses("x"):
        outline_overlap(square(4), square(4, side=32))
