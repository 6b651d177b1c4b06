"""Plain backgrounds are found, and leave figures with the right alpha."""

import numpy as np
import pytest
from PIL import Image
from PIL import ImageFilter

from tf_i2i.ground import clear_ground
from tf_i2i.ground import plain_ground

GROUND = np.array((242, 243, 247))
SIDE = 64


def disk(radius=0.35, centre=(0.5, 0.5), blur=0.0):
    """The exact alpha of a disk, floats `[SIDE, SIDE]` in [0, 1]."""
    fine = 8
    y, x = (np.indices((SIDE * fine, SIDE * fine)) + 0.5) / (SIDE * fine)
    inside = np.hypot(x - centre[0], y - centre[1]) < radius
    alpha = inside.reshape(SIDE, fine, SIDE, fine).mean((1, 3))
    picture = Image.fromarray(np.rint(255 * alpha).astype(np.uint8))
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(blur))) / 255


def compose(alpha, figure, ground=GROUND):
    alpha = alpha[..., None]
    mixed = alpha * np.array(figure) + (1 - alpha) * np.array(ground)
    return np.rint(mixed).astype(np.uint8)


def cleared(image):
    """Alpha in [0, 1], and the colours."""
    result = clear_ground(image, plain_ground(image))
    return result[..., 3] / 255, result[..., :3].astype(int)


@pytest.mark.parametrize("blur", [0, 1])
@pytest.mark.parametrize("figure", [(60, 120, 200), (20, 20, 20)])
def test_a_disk_gets_its_alpha_and_its_colour(figure, blur):
    truth = disk(blur=blur)
    alpha, colours = cleared(compose(truth, figure))
    # Mixtures within 12 levels of the background are ground: 12 / 187 = .064.
    np.testing.assert_allclose(alpha, truth, atol=0.07)
    assert np.abs(alpha - truth).mean() < 0.005
    assert np.abs(colours[alpha > 0.1] - figure).max() <= 6


def test_no_light_rim_stays_on_a_dark_ground():
    truth = disk(blur=1)
    alpha, colours = cleared(compose(truth, (60, 40, 30)))
    dark = (20, 20, 28)
    seen = compose(alpha, colours, dark).astype(int)
    wanted = compose(truth, (60, 40, 30), dark).astype(int)
    assert np.abs(seen - wanted).max() <= 6


def test_only_connected_ground_goes():
    image = compose(disk(), (60, 120, 200))
    # A white shirt, and one that is cut off by the lower edge.
    image[24:40, 24:40] = GROUND
    image[40:, 10:54] = (60, 120, 200)
    image[46:, 20:44] = GROUND
    alpha, colours = cleared(image)
    assert (alpha[24:40, 24:40] == 1).all()
    assert (alpha[46:, 20:44] == 1).all()
    assert (colours[46:, 20:44] == GROUND).all()
    assert (alpha[:8] == 0).all()
    assert (alpha[46:, :4] == 0).all()


def test_ground_is_followed_round_corners():
    image = np.full((SIDE, SIDE, 3), GROUND, np.uint8)
    image[20:50, 20:24] = image[20:50, 40:44] = 0
    image[46:50, 20:44] = image[20:24, 20:40] = 0
    image[26:28, 24:34] = 0  # A wall in the way, from an entry at (22, 40).
    image[24:26, 40:44] = GROUND
    alpha, _ = cleared(image)
    assert (alpha[34:40, 30:34] == 0).all()
    image[24:26, 40:44] = 0
    alpha, _ = cleared(image)
    assert (alpha[34:40, 30:34] == 1).all()


def test_thin_lines_stay():
    image = np.full((SIDE, SIDE, 3), GROUND, np.uint8)
    image[10:60, 30:32] = (90, 50, 30)
    alpha, colours = cleared(image)
    assert (alpha[10:60, 30:32] == 1).all()
    assert (colours[10:60, 30:32] == (90, 50, 30)).all()
    assert alpha.sum() == 100


def test_stains_of_the_ground_go(rng):
    image = compose(disk(), (60, 120, 200)).astype(int)
    image += rng.integers(-4, 5, image.shape)
    image[5, 5] -= 20
    alpha, _ = cleared(np.clip(image, 0, 255).astype(np.uint8))
    assert (alpha[:8] == 0).all()


def test_what_is_a_plain_ground(rng):
    plain = compose(disk(), (60, 120, 200))
    np.testing.assert_array_equal(plain_ground(plain), GROUND)
    noisy = plain.astype(int) + rng.integers(-8, 9, plain.shape)
    found = plain_ground(np.clip(noisy, 0, 255).astype(np.uint8))
    assert np.abs(found - GROUND).max() <= 3
    # A bust is cut off below, and its shoulders reach the sides.
    plain[-12:] = 30
    assert plain_ground(plain) is not None
    plain[:, :10] = 30
    assert plain_ground(plain) is None
    assert plain_ground(rng.integers(0, 256, plain.shape, np.uint8)) is None
    slope = np.zeros((SIDE, SIDE, 3), np.uint8)
    slope[:] = np.linspace(100, 200, SIDE)[:, None, None]
    assert plain_ground(slope) is None
