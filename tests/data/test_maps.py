"""Label maps keep their colours from the file to the batch."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tf_i2i.data.augment import Augmentation
from tf_i2i.data.maps import colours_of
from tf_i2i.data.maps import read_palette
from tf_i2i.data.reading import fit_image
from tf_i2i.data.reading import read_image
from tf_i2i.data.sources import ArraySource
from tf_i2i.data.sources import source_for
from tf_i2i.data.store import open_store
from tf_i2i.data.unpaired import evaluation_images
from tf_i2i.data.unpaired import unpaired
from tf_i2i.errors import UserError
from tf_i2i.images import to_uint8

PALETTE = np.array(
    [[0, 0, 0], [128, 64, 128], [70, 130, 180], [255, 255, 0]], np.uint8
)


def map_of(seed, side=37):
    """Blobs of three pixels a side, so that borders are many."""
    cells = np.random.default_rng(seed).integers(0, 4, (13, 13))
    return np.kron(cells, np.ones((3, 3), int))[:side, :side]


def colours(images):
    return {tuple(c) for c in np.asarray(images).reshape(-1, 3).tolist()}


KNOWN = colours(PALETTE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """PNGs of mode P, whose pixels are numbers of colours."""
    folder = tmp_path_factory.mktemp("maps")
    for i in range(12):
        image = Image.fromarray(map_of(i).astype(np.uint8), mode="P")
        image.putpalette(PALETTE.ravel().tolist())
        image.save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def store(folder, tmp_path_factory):
    return open_store(
        source_for(folder, "b"),
        20,
        fit="crop maps",
        cache_dir=tmp_path_factory.mktemp("cache"),
        progress=lambda line: None,
    )


def test_the_palette_of_a_png_is_honoured(folder):
    image = read_image(folder / "3.png")
    np.testing.assert_array_equal(image, PALETTE[map_of(3)])


@pytest.mark.parametrize("size", [20, 37, 50])
def test_resizing_takes_pixels(folder, size):
    image = read_image(folder / "0.png")
    assert colours(fit_image(image, size, "crop maps")) == KNOWN
    if size < 37:
        assert not colours(fit_image(image, size)) <= KNOWN


def test_stores_and_test_images_are_exact(store):
    assert store.maps
    assert colours(store.images) == KNOWN
    assert colours(evaluation_images(store, "train", 13)) == KNOWN
    np.testing.assert_array_equal(colours_of(store), sorted(KNOWN))


def test_a_store_of_maps_is_not_one_of_pictures(folder, store):
    pictures = open_store(
        source_for(folder, "b"),
        20,
        cache_dir=store.path.parent,
        progress=lambda line: None,
    )
    assert pictures.path != store.path
    assert not pictures.maps
    assert colours(pictures.images) > KNOWN


def test_batches_are_exact(store):
    strong = Augmentation(crop=(0.5, 1.0), invert=True).of_maps()
    assert strong == Augmentation(
        (0.5, 1.0), True, 0.0, 0.0, 0.0, 0.0, False, True
    )
    options = {"augmentation": strong, "load_size": 20}
    for more in ({}, {"full_size": 32}):
        data = unpaired(store, store, 16, 4, **options, **more)
        for _, b in data.take(5):
            assert colours(to_uint8(b)) == KNOWN


def test_a_view_of_maps_lies_where_that_of_pictures_lies():
    """Red and green say where a pixel came from; one pixel is 10 levels."""
    image = np.zeros((20, 20, 3), np.uint8)
    image[..., 0] = 10 * np.arange(20)
    image[..., 1] = 10 * np.arange(20)[:, None]
    plain = Augmentation((0.5, 1.0), True, 0.0, 0.0, 0.0, 0.0)
    leans = []
    for i in range(100):
        seed = tf.constant([3, i])
        picture, view = (
            (127.5 * (one(tf.constant(image), seed, 16) + 1)).numpy()
            for one in (plain, plain.of_maps())
        )
        apart = (view - picture)[2:-2, 2:-2, :2]
        assert np.abs(apart).max() <= 10
        leans.append(apart.mean((0, 1)))
    assert np.abs(np.mean(leans, 0)).max() < 1


def test_pictures_are_no_maps(rng, tmp_path):
    images = rng.integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    store = open_store(
        ArraySource(images),
        16,
        fit="crop maps",
        cache_dir=tmp_path,
        progress=lambda line: None,
    )
    with pytest.raises(UserError, match="JPEG and resizing mix"):
        colours_of(store)


def test_colours_of_classes(tmp_path, refuses):
    table = tmp_path / "palette.csv"
    table.write_text("class,r,g,b\nsky,0,0,255\nroad,9,8,7\n")
    assert read_palette(table).tolist() == [[0, 0, 255], [9, 8, 7]]
    table.write_text("class,red\nsky,0\n")
    with refuses("palette"):
        read_palette(table)
