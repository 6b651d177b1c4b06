"""Sliced Wasserstein distance against Karras' definition, SciPy and POT."""

import importlib
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage
from scipy.stats import wasserstein_distance

from tf_i2i.metrics.sliced_wasserstein import sliced_wasserstein

# The package has the function under this name.
module = importlib.import_module("tf_i2i.metrics.sliced_wasserstein")
KERNEL = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256


def scenes(count, size, seed):
    """Smooth images with a little texture."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, size, size, 3))
    coarse, fine = (blurred(x, sigma) for sigma in (2, 0.7))
    x = 200 * coarse + 50 * fine + 128
    return np.clip(np.rint(x), 0, 255).astype(np.uint8)


def blurred(images, sigma):
    return ndimage.gaussian_filter(images, (0, sigma, sigma, 0))


def convolved(image):
    """One channel, the two-dimensional filter, mirrored without the edge."""
    return ndimage.convolve(image, KERNEL, mode="mirror")


def grown(image):
    spread = np.zeros((2 * len(image), 2 * len(image)))
    spread[::2, ::2] = image
    return 4 * convolved(spread)


def pyramid(image):
    """Levels of one channel, by the book, in float64."""
    levels = [np.float64(image)]
    while len(levels[-1]) >= 32:
        small = convolved(levels[-1])[::2, ::2]
        levels[-1] = levels[-1] - grown(small)
        levels.append(small)
    return levels


def by_the_book(real, fake, seed, patches, directions):
    """Karras' metric one patch and one direction at a time."""
    result = {}
    for level in range(len(pyramid(real[0, ..., 0]))):
        clouds = []
        for side, images in enumerate((real, fake)):
            levels = [
                np.stack([pyramid(image[..., c])[level] for c in range(3)])
                for image in images
            ]
            size = levels[0].shape[-1]
            rng = np.random.default_rng([seed, level, side])
            at = rng.integers(0, size - 6, (len(images), patches, 2))
            cloud = np.stack(
                [
                    x[:, r : r + 7, c : c + 7]
                    for x, corners in zip(levels, at, strict=True)
                    for r, c in corners
                ]
            )
            cloud -= cloud.mean(axis=(0, 2, 3), keepdims=True)
            cloud /= cloud.std(axis=(0, 2, 3), keepdims=True)
            clouds.append(cloud.reshape(len(cloud), -1))
        rng = np.random.default_rng([seed, level, 2])
        vectors = rng.standard_normal((directions, 147))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        a, b = (cloud @ vectors.T for cloud in clouds)
        result[size] = 1e3 * np.mean(
            [wasserstein_distance(a[:, i], b[:, i]) for i in range(directions)]
        )
    return result


def test_it_is_the_definition_by_the_book():
    real, fake = scenes(6, 64, 0), blurred(scenes(6, 64, 1), 1)
    ours = sliced_wasserstein(
        real, fake, seed=3, patches=20, repeats=2, directions=12
    )
    book = by_the_book(real, fake, 3, 20, 24)
    assert list(ours) == [64, 32, 16, "average"]
    assert ours.pop("average") == pytest.approx(np.mean(list(book.values())))
    assert ours == pytest.approx(book, rel=1e-5)


def clouds():
    """Two clouds of points, directions, and our distance."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 147))
    y = 1.2 * rng.normal(size=(300, 147)) + 0.1
    vectors = rng.normal(size=(20, 147))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    same = {"scale": np.ones(147), "mean": np.zeros(147)}
    with ThreadPoolExecutor(2) as pool:
        ours = module._distance(
            SimpleNamespace(points=x, **same),
            SimpleNamespace(points=y, **same),
            vectors,
            pool,
        )
    return x, y, vectors, ours


def test_the_distance_of_clouds_is_that_of_scipy():
    x, y, vectors, ours = clouds()
    lines = [wasserstein_distance(x @ v, y @ v) for v in vectors]
    assert ours == pytest.approx(np.mean(lines), rel=1e-12)


def test_the_distance_of_clouds_is_that_of_pot(monkeypatch):
    for name in ("TENSORFLOW", "PYTORCH", "JAX", "CUPY"):
        monkeypatch.setenv(f"POT_BACKEND_DISABLE_{name}", "1")
    reason = "POT is 177 MB, for one line: pip install POT"
    ot = pytest.importorskip("ot", reason=reason)
    x, y, vectors, ours = clouds()
    theirs = ot.sliced_wasserstein_distance(x, y, projections=vectors.T, p=1)
    assert ours == pytest.approx(theirs, rel=1e-12)


def test_the_pyramid_gives_the_image_back():
    image = scenes(2, 64, 0)
    levels = [module._level(image, i) for i in range(3)]
    back = levels[2]
    for level in reversed(levels[:2]):
        back = level + module._grow(back)
    expected = image.transpose(0, 3, 1, 2)
    np.testing.assert_allclose(back, expected, atol=1e-4)


def test_equal_sets_at_equal_places_score_zero():
    images = scenes(4, 32, 0)
    result = sliced_wasserstein(images, images, patches=8, paired=True)
    assert result == {32: 0.0, 16: 0.0, "average": 0.0}
    elsewhere = sliced_wasserstein(images, images, patches=8)
    assert elsewhere["average"] > 10


def test_batches_threads_and_memory_maps_do_not_matter(tmp_path):
    real, fake = scenes(10, 32, 0), scenes(10, 32, 1)
    np.save(tmp_path / "real.npy", real)
    whole = sliced_wasserstein(real, fake, patches=16, batch_size=10)
    mapped = np.load(tmp_path / "real.npy", mmap_mode="r")
    streamed = sliced_wasserstein(mapped, fake, patches=16, batch_size=3)
    assert streamed == pytest.approx(whole, rel=1e-10)


def test_blind_to_brightness_and_contrast_of_a_channel():
    # A property to know: a colour distance belongs beside this number.
    real = scenes(40, 32, 0)
    dark = (real // 4 * 4, (real // 4) * 2 + np.uint8([9, 60, 90]))
    plain, shifted = (sliced_wasserstein(real, x, patches=32) for x in dark)
    assert shifted == pytest.approx(plain, rel=1e-4)


def test_blur_and_noise_show_at_the_finest_level():
    real, others = scenes(40, 32, 0), scenes(40, 32, 1)
    rng = np.random.default_rng(2)
    noise = rng.normal(size=others.shape)
    changes = {
        "blur": [blurred(others, sigma) for sigma in (1, 2)],
        "noise": [
            np.clip(others + sigma * noise, 0, 255).astype(np.uint8)
            for sigma in (30, 60)
        ],
    }
    plain = sliced_wasserstein(real, others, patches=32)
    for changed in changes.values():
        little, much = (
            sliced_wasserstein(real, x, patches=32) for x in changed
        )
        assert 1.15 * plain[32] < little[32] < much[32]
        assert little[16] < 1.2 * plain[16]


def test_order_matters_no_more_than_the_seed():
    # Image i brings its own places, so the order is part of the sampling.
    real, fake = scenes(40, 32, 0), blurred(scenes(40, 32, 1), 1)
    plain, turned, seeded = (
        sliced_wasserstein(real, fake, patches=32)["average"],
        sliced_wasserstein(real, fake[::-1], patches=32)["average"],
        sliced_wasserstein(real, fake, patches=32, seed=1)["average"],
    )
    assert turned == pytest.approx(plain, rel=0.1)
    assert seeded == pytest.approx(plain, rel=0.1)


def test_of_the_larger_set_a_seeded_part_is_taken():
    real, fake = scenes(9, 32, 0), scenes(5, 32, 1)
    rows = np.sort(np.random.default_rng(4).choice(9, 5, replace=False))
    ours = sliced_wasserstein(real, fake, seed=4, patches=8, batch_size=2)
    assert ours == sliced_wasserstein(real[rows], fake, seed=4, patches=8)
    assert ours != sliced_wasserstein(real[:5], fake, seed=4, patches=8)


def test_a_constant_set_is_far_and_finite():
    real = scenes(8, 32, 0)
    grey = np.full_like(real, 90)
    with pytest.warns(UserWarning, match="constant channel"):
        result = sliced_wasserstein(real, grey, patches=32)
    # The mean size of a projection of normalized patches.
    assert 500 < result["average"] < 1200
    with pytest.warns(UserWarning, match="constant channel"):
        assert sliced_wasserstein(grey, grey + 9, patches=8)["average"] == 0


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((2, 32, 32, 3), np.float16),
        ((2, 32, 32, 3), np.float32),
        ((2, 32, 32, 1), np.uint8),
        ((2, 32, 41, 3), np.uint8),
        ((2, 8, 8, 3), np.uint8),
        ((2, 66, 66, 3), np.uint8),
        ((0, 32, 32, 3), np.uint8),
    ],
)
def test_what_is_not_a_set_of_images_is_refused(shape, dtype, refuses):
    images = np.zeros(shape, dtype)
    with refuses("real"):
        sliced_wasserstein(images, scenes(2, 32, 0))


def test_two_sizes_are_refused(refuses):
    with refuses("fake"):
        sliced_wasserstein(scenes(2, 32, 0), scenes(2, 16, 0))
