"""Large images are translated in tiles that agree where they overlap."""

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import uniform_filter

from tf_i2i import tiles
from tf_i2i.exporting.pictures import Translation
from tf_i2i.images import to_float
from tf_i2i.layers import given_means
from tf_i2i.layers import recorded_means
from tf_i2i.methods import registry

RECORDING = ["CycleGAN", "MUNIT", "UGATIT"]


def tiny(name):
    method = registry.methods()[name]
    return method(**method.tiny)


@pytest.mark.parametrize(
    ("length", "multiple", "expected"),
    [
        (200, 4, [0]),
        (300, 4, [0, 44]),
        (384, 4, [0, 128]),
        (512, 4, [0, 128, 256]),
        (576, 64, [0, 128, 256, 320]),
    ],
)
def test_tiles_overlap_and_reach_the_end(length, multiple, expected):
    assert tiles.starts(length, 256, multiple) == expected


def test_a_local_function_gives_the_same_in_tiles(rng):
    """A mean over 31 x 31 pixels, in which tiles differ at their edges only."""
    image = rng.integers(0, 256, (300, 420, 3), np.uint8)

    def blurred(pixels):
        return uniform_filter(pixels, (31, 31, 1))

    made, seam = tiles.translate_in_tiles(image, blurred, 256, 4)
    assert np.array_equal(made, blurred(image))
    assert seam == 0.0


def test_the_difference_of_neighbours_is_reported():
    image = np.zeros((256, 384, 3), np.uint8)
    levels = iter((10, 30))
    made, seam = tiles.translate_in_tiles(
        image, lambda tile: tile + np.uint8(next(levels)), 256, 1
    )
    assert seam == 20.0
    # The levels rise evenly between the parts that one tile has for itself.
    assert (made[:, :161] == 10).all()
    assert (made[:, 223:] == 30).all()
    assert (np.diff(made[0, :, 0].astype(int)) >= 0).all()


@pytest.mark.parametrize("name", RECORDING)
def test_a_part_is_translated_as_in_the_whole(name, rng):
    """With the means of the whole image, networks see only neighbours."""
    model = tiny(name)
    image = to_float(rng.integers(0, 256, (1, 32, 128, 3), np.uint8))
    with recorded_means() as means:
        whole = model.translate(image, "a_to_b")
    np.testing.assert_allclose(
        whole, model.translate(image, "a_to_b"), atol=1e-4
    )
    with given_means(means):
        part = model.translate(image[:, :, :96], "a_to_b")
    np.testing.assert_allclose(part[:, :, :48], whole[:, :, :48], atol=1e-4)
    alone = model.translate(image[:, :, :96], "a_to_b")
    assert np.abs(alone[:, :, :48] - whole[:, :, :48]).max() > 1e-2


def test_large_images_are_cut_and_small_ones_share_calls(rng, eagerly):
    model = tiny("CycleGAN")
    translation = Translation(model, "a_to_b", tile=256)
    image = rng.integers(0, 256, (256, 268, 3), np.uint8)
    image = np.array(Image.fromarray(image[::8, ::8]).resize((268, 256)))
    with eagerly():
        cut = translation(image[None], [None])
        whole = Translation(model, "a_to_b")(image[None], [None])
    assert cut.shape == (1, 256, 268, 3)
    # The two tiles have the means of an image that is reduced by 4 percent.
    assert np.abs(cut.astype(int) - whole).mean() < 3
    assert translation.seam < 1


def test_batches_have_at_most_the_pixels_of_a_tile(rng):
    calls = []

    class Copy:
        size, size_multiple, fixed_size = 16, 4, False

        averaged_variables = ()

        def translate(self, images, direction, style):
            calls.append(images)
            return images

    images = rng.integers(0, 256, (5, 128, 192, 3), np.uint8)
    translation = Translation(Copy(), "a_to_b", tile=256)
    assert np.array_equal(translation(images, [None]), images)
    # 256 x 256 pixels are two images and two thirds of another.
    assert {call.shape[0] for call in calls} <= {None, 1, 2}


def test_tiles_must_be_larger_than_their_overlap(refuses):
    with refuses("tile"):
        tiles.check_side(255)
