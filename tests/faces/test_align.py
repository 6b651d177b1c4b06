"""Geometry by hand; no detector."""

import numpy as np
import pytest

from tf_i2i.faces import align
from tf_i2i.faces.align import EYES_AND_MOUTH
from tf_i2i.faces.align import Face
from tf_i2i.faces.align import in_box


def noise(height, width, seed=0):
    shape = (height, width, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def turned(degrees, scale, shift):
    """Eyes and mouth of a face square of `scale` pixels, turned."""
    angle = np.deg2rad(degrees)
    c, s = np.cos(angle), np.sin(angle)
    return EYES_AND_MOUTH * scale @ np.array([[c, s], [-s, c]]) + shift


def test_similarity_of_a_quarter_turn():
    # (x, y) -> (3 - 2y, 4 + 2x): twice as large, x becomes y.
    matrix = align.similarity(
        [(0, 0), (1, 0), (0, 1)], [(3, 4), (3, 6), (1, 4)]
    )
    np.testing.assert_allclose(matrix, [[0, -2, 3], [2, 0, 4]], atol=1e-12)


def test_similarity_is_least_squares():
    rng = np.random.default_rng(0)
    points, targets = rng.normal(size=(2, 5, 2))
    matrix = align.similarity(points, targets)
    # Unknowns p, q, u, v of (p x - q y + u, q x + p y + v).
    (x, y), one, zero = points.T, np.ones(5), np.zeros(5)
    system = np.concatenate(
        [np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)]
    )
    (p, q, u, v), *_ = np.linalg.lstsq(system, targets.T.ravel(), rcond=None)
    np.testing.assert_allclose(matrix, [[p, -q, u], [q, p, v]], atol=1e-12)


def test_a_mirrored_face_is_not_mirrored_back():
    square = align.CORNERS
    matrix = align.similarity(square * (-1, 1), square)
    assert np.linalg.det(matrix[:, :2]) >= 0


def test_invert():
    matrix = np.array([[0.0, -2, 3], [2, 0, 4]])
    points = np.array([(5.0, 6.0), (-1.0, 0.5)])
    back = align.apply(align.invert(matrix), align.apply(matrix, points))
    np.testing.assert_allclose(back, points)


def test_side_is_that_of_the_face_square():
    assert in_box(2, 3, 8).side == pytest.approx(8)
    face = Face(turned(30, 50, (7, 9)), EYES_AND_MOUTH)
    assert face.side == pytest.approx(50)


def test_a_crop_of_whole_pixels_is_a_slice():
    photo = noise(20, 30)
    np.testing.assert_array_equal(
        align.crop(photo, in_box(2, 3, 8), 8, margin=0), photo[3:11, 2:10]
    )
    # A quarter of 8 pixels on every side.
    np.testing.assert_array_equal(
        align.crop(photo, in_box(4, 5, 8), 12, margin=0.25), photo[3:15, 2:14]
    )


def test_a_face_that_lies_on_its_side_is_put_upright():
    photo = noise(16, 16)
    # The top of the face is at the right of the photo.
    places = align.CORNERS
    corners = np.array([(16, 0), (16, 16), (0, 0), (0, 16)])
    np.testing.assert_array_equal(
        align.crop(photo, Face(corners, places), 16, margin=0),
        np.rot90(photo),
    )


@pytest.mark.parametrize("degrees", [0, 33, -80])
@pytest.mark.parametrize("margin", [0.0, 0.4])
@pytest.mark.parametrize("size", [40, 200])
def test_eyes_and_mouth_come_to_their_places(degrees, margin, size):
    points = turned(degrees, 90, (120, 110))
    y, x = np.indices((300, 320)) + 0.5
    for point, place in zip(points, EYES_AND_MOUTH, strict=True):
        dot = np.exp(-((x - point[0]) ** 2 + (y - point[1]) ** 2) / 50)
        photo = np.repeat(np.rint(255 * dot)[..., None], 3, 2).astype(np.uint8)
        picture = align.crop(photo, Face(points, EYES_AND_MOUTH), size, margin)
        weight = picture[..., 0].astype(float)
        rows, columns = np.indices(weight.shape) + 0.5
        centre = np.array([(columns * weight).sum(), (rows * weight).sum()])
        centre /= weight.sum()
        expected = (place + margin) / (1 + 2 * margin) * size
        np.testing.assert_allclose(centre, expected, atol=0.1)


def test_shrinking_filters():
    # Columns of 0 and 255: a pixel of the result covers four of each.
    photo = np.zeros((64, 64, 3), np.uint8)
    photo[:, ::2] = 255
    picture = align.crop(photo, in_box(0, 0, 64), 8, margin=0)
    assert np.abs(picture[:, 1:-1].astype(int) - 127.5).max() <= 2


def test_enlarging_keeps_a_ramp():
    photo = np.repeat(np.arange(0, 160, 10, np.uint8)[None, :, None], 16, 0)
    photo = np.repeat(photo, 3, 2)
    picture = align.crop(photo, in_box(4, 4, 8), 32, margin=0)
    # Pixel i has its centre at 4 + (i + .5) / 4, where the level is
    # 10 * (that - .5).
    expected = 10 * (4 + (np.arange(32) + 0.5) / 4 - 0.5)
    assert np.abs(picture[7, :, 0] - expected).max() < 1


def test_beyond_the_borders_is_a_mirror_image_that_fades():
    assert align._reflect(np.arange(-4, 7), 3).tolist() == [
        *(2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0)
    ]
    photo = noise(64, 64)
    picture = align.crop(photo, in_box(-32, 0, 64), 64, margin=0)
    np.testing.assert_array_equal(picture[:, 32:], photo[:, :32])
    # Next to the border it is nearly the mirror image, far away only hues.
    near = np.abs(picture[:, 31].astype(int) - photo[:, 0])
    assert near.mean() < 8
    assert picture[:, :20].std() < photo.std() / 3
    assert align.outside(in_box(-32, 0, 64), photo.shape, 0) == 0.5
    assert align.outside(in_box(8, 8, 48), photo.shape, 0) == 0


def test_tiny_and_distant_photos():
    one = np.full((1, 1, 3), 9, np.uint8)
    assert (align.crop(one, in_box(-90, 40, 3), 16) == 9).all()


def test_central():
    assert align.central((30, 50, 3)).points.tolist() == [
        [10, 0],
        [40, 0],
        [10, 30],
        [40, 30],
    ]


def test_margins(refuses):
    assert align.check_margin(None) == align.MARGIN
    assert align.check_margin(0.0) == 0
    for wrong in (-0.3, 2.1, float("nan")):
        with refuses("--margin"):
            align.check_margin(wrong)
