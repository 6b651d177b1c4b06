"""Ovals by numbers."""

import numpy as np
import pytest

from tf_i2i.faces import align
from tf_i2i.faces.align import in_box
from tf_i2i.faces.paste import head_mask
from tf_i2i.faces.paste import paste
from tf_i2i.faces.paste import replace_background


def noise(height, width, seed=0):
    shape = (height, width, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def test_the_oval_holds_eyes_and_mouth_and_not_the_corners():
    assert (head_mask(*align.EYES_AND_MOUTH.T) == 1).all()
    assert (head_mask(*align.CORNERS.T) == 0).all()
    along = head_mask(np.linspace(0.5, 1.5, 100), np.full(100, 0.45))
    assert (np.diff(along) <= 0).all()
    assert ((along > 0) & (along < 1)).sum() > 10


def test_background():
    picture = noise(64, 64)
    assert replace_background(picture, "keep") is picture
    white = replace_background(picture, "white", margin=0.15)
    assert (white[:4, :4] == 255).all()
    # (.5, .45) in the face square lies at (.5, .6 / 1.3) of the crop.
    np.testing.assert_array_equal(white[24:36, 26:38], picture[24:36, 26:38])
    blur = replace_background(picture, "blur", margin=0.15)
    np.testing.assert_array_equal(blur[24:36, 26:38], picture[24:36, 26:38])
    assert blur[:8, :8].std() < picture[:8, :8].std() / 3


@pytest.mark.parametrize("margin", [-0.2, 0.0, 0.15, 1.0])
def test_a_picture_lands_where_its_crop_came_from(margin):
    photo = np.zeros((100, 120, 3), np.uint8)
    white = np.full((32, 32, 3), 255, np.uint8)
    paste(photo, white, in_box(40, 30, 40), margin)
    assert (photo[48, 60] == 255).all()  # The oval's centre, (.5, .45).
    y, x = np.nonzero(photo[..., 0])
    reach = margin * 40
    for low, high, at in ((40, 80, x), (30, 70, y)):
        assert at.min() >= np.floor(low - reach)
        assert at.max() < np.ceil(high + reach)
    # The rim is soft: no two neighbours are far apart.
    assert np.abs(np.diff(photo[..., 0].astype(int), axis=1)).max() < 90


def test_a_crop_put_back_leaves_the_photo_as_it_was():
    y, x = np.indices((90, 110))
    photo = np.stack([x, y, x + y], -1).astype(np.uint8)
    points = np.array([(40, 45), (60, 35), (50, 65), (66, 58)])
    face = align.Face(points, align.EYES_AND_MOUTH)
    pasted = photo.copy()
    paste(pasted, align.crop(photo, face, 128), face)
    assert np.abs(pasted.astype(int) - photo).max() <= 1
    paste(pasted, np.full((128, 128, 3), 255, np.uint8), face)
    assert (pasted != photo).any()


def test_faces_beyond_the_photo():
    photo = noise(20, 20)
    before = photo.copy()
    picture = np.full((16, 16, 3), 255, np.uint8)
    paste(photo, picture, in_box(100, 0, 16))
    np.testing.assert_array_equal(photo, before)
    paste(photo, picture, in_box(12, 4, 16))
    assert (photo[:, :9] == before[:, :9]).all()
    assert (photo[11, 19] == 255).all()


def test_a_picture_with_alpha_is_pasted_along_its_outline():
    photo = np.zeros((100, 120, 3), np.uint8)
    picture = np.full((32, 32, 4), 255, np.uint8)
    picture[:16, ..., 3] = 0
    paste(photo, picture, in_box(40, 30, 40), margin=0.15)
    assert (photo[:45] == 0).all()
    assert (photo[55, 60] == 255).all()
    # Beside the oval, below the transparent half.
    assert photo[60, 79].all()
