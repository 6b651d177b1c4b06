"""Pixel scores against NumPy by hand, scikit-image and constructed cases."""

import numpy as np
import pytest

from tf_i2i.metrics import pixels


def noise(seed, count=3, size=32):
    shape = (count, size, size, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def flat(*levels, size=16):
    colours = np.array(levels, np.uint8).reshape(-1, 1, 1, 1)
    return np.broadcast_to(colours, (len(levels), size, size, 3)).copy()


def blurred(images):
    wide = np.pad(images, [(0, 0), (1, 1), (1, 1), (0, 0)], "reflect")
    wide = wide.astype(np.float64)
    rows = (wide[:, :-2] + wide[:, 1:-1] + wide[:, 2:]) / 3
    both = (rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]) / 3
    return np.rint(both).astype(np.uint8)


PAIRED = [
    pixels.psnr,
    pixels.ssim,
    pixels.ms_ssim,
    pixels.accuracy_within,
    pixels.round_trip_error,
]


@pytest.mark.parametrize("score", PAIRED, ids=lambda f: f.__name__)
def test_pairs_are_needed(score, refuses):
    with refuses("x", "output", "images"):
        score(noise(0, 3), noise(1, 2))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int64])
@pytest.mark.parametrize(
    "score", [*PAIRED, pixels.colour_distance], ids=lambda f: f.__name__
)
def test_floats_are_refused(score, dtype, refuses):
    with refuses("x", "output", "images"):
        score(noise(0).astype(dtype), noise(1).astype(dtype))


@pytest.mark.parametrize("score", PAIRED, ids=lambda f: f.__name__)
def test_constant_images_give_finite_numbers(score):
    assert np.isfinite(score(flat(0, 255), flat(255, 255)))


@pytest.mark.parametrize(
    "score",
    [pixels.psnr, pixels.ssim, pixels.ms_ssim, pixels.round_trip_error],
    ids=lambda f: f.__name__,
)
def test_one_by_one_equals_all_at_once(score):
    x, y = noise(0, 40, 16), blurred(noise(0, 40, 16))
    alone = [score(x[i : i + 1], y[i : i + 1]) for i in range(40)]
    together = score(x, y, per_image=True)
    np.testing.assert_allclose(together, alone, rtol=1e-12)
    assert score(x, y) == pytest.approx(np.mean(alone), rel=1e-12)


def test_psnr_by_hand():
    # Errors of 5 and 51 levels: 34.15 and 13.98 dB; the mean of the
    # decibels, not of the squares.
    value = pixels.psnr(flat(10, 100), flat(15, 151))
    by_hand = [10 * np.log10(255**2 / 25), 20 * np.log10(5)]
    assert value == pytest.approx(np.mean(by_hand), abs=1e-12)


def test_psnr_of_identical_images_is_the_cap():
    assert pixels.psnr(noise(0), noise(0)) == pixels.PSNR_CAP
    one_off = flat(100, size=128)
    one_off[0, 5, 5, 1] += 1
    assert 94 < pixels.psnr(one_off, flat(100, size=128)) < 96


def test_ssim_of_flat_images_by_hand():
    # Without variance only the light term is left.
    c1 = (0.01 * 255) ** 2
    by_hand = (2 * 40 * 90 + c1) / (40**2 + 90**2 + c1)
    value = pixels.ssim(flat(40), flat(90))
    assert value == pytest.approx(by_hand, abs=1e-9)


def test_ssim_against_a_gaussian_window_by_hand():
    x, y = noise(2, 1, 20), blurred(noise(2, 1, 20))
    at = np.arange(-5, 6)
    window = np.exp(-(at[:, None] ** 2 + at**2) / (2 * 1.5**2))
    window /= window.sum()
    values = []
    # Scikit-image leaves a border of half a window out of the mean.
    for channel in range(3):
        a, b = x[0, ..., channel] * 1.0, y[0, ..., channel] * 1.0
        for r in range(10):
            for c in range(10):
                p, q = a[r : r + 11, c : c + 11], b[r : r + 11, c : c + 11]
                mp, mq = (window * p).sum(), (window * q).sum()
                vp = (window * (p - mp) ** 2).sum()
                vq = (window * (q - mq) ** 2).sum()
                cov = (window * (p - mp) * (q - mq)).sum()
                c1, c2 = 2.55**2, 7.65**2
                values.append(
                    (2 * mp * mq + c1)
                    * (2 * cov + c2)
                    / ((mp**2 + mq**2 + c1) * (vp + vq + c2))
                )
    assert pixels.ssim(x, y) == pytest.approx(np.mean(values), abs=1e-10)


def test_ssim_needs_its_window(refuses):
    with refuses("x"):
        pixels.ssim(noise(0, 1, 10), noise(1, 1, 10))


def ms_ssim_by_hand(x, y):
    """One pair, written out with a two-dimensional window."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    product = 1.0
    for i, weight in enumerate([0.0448, 0.2856, 0.3001, 0.2363, 0.1333]):
        size = min(11, x.shape[0])
        at = np.arange(size) - (size - 1) / 2
        sigma = 1.5 * size / 11
        window = np.exp(-(at[:, None] ** 2 + at**2) / (2 * sigma**2))
        window = window[..., None] / window.sum()
        whole, contrast = [], []
        for r in range(x.shape[0] - size + 1):
            for c in range(x.shape[1] - size + 1):
                p, q = (
                    x[r : r + size, c : c + size],
                    y[r : r + size, c : c + size],
                )
                mp, mq = (window * p).sum((0, 1)), (window * q).sum((0, 1))
                vp = (window * (p - mp) ** 2).sum((0, 1))
                vq = (window * (q - mq) ** 2).sum((0, 1))
                cov = (window * (p - mp) * (q - mq)).sum((0, 1))
                light = (2 * mp * mq + 6.5025) / (mp**2 + mq**2 + 6.5025)
                contrast.append((2 * cov + 58.5225) / (vp + vq + 58.5225))
                whole.append(light * contrast[-1])
        term = np.mean(whole if i == 4 else contrast)
        product *= max(term, 0) ** weight
        if i < 4:
            half = x.shape[0] // 2
            x = x.reshape(half, 2, half, 2, 3).mean((1, 3))
            y = y.reshape(half, 2, half, 2, 3).mean((1, 3))
    return product


@pytest.mark.parametrize("size", [16, 32])
def test_ms_ssim_by_hand(size):
    x, y = noise(3, 1, size), blurred(noise(3, 1, size))
    value = pixels.ms_ssim(x, y)
    assert 0.1 < value < 0.9
    assert value == pytest.approx(ms_ssim_by_hand(x[0], y[0]), abs=1e-12)


def test_ms_ssim_of_equal_and_of_opposite_images():
    x = noise(4)
    assert pixels.ms_ssim(x, x) == pytest.approx(1.0, abs=1e-12)
    # Negative contrast is clipped, not raised to a fraction.
    assert pixels.ms_ssim(x, 255 - x) == 0.0


def test_ms_ssim_of_the_usual_size():
    # Of grey images, whose channels cannot disagree, this is what
    # tf.image.ssim_multiscale of TensorFlow 2.21 gives (compared once).
    grey = np.repeat(noise(5, 1, 176)[..., :1], 3, axis=-1)
    assert pixels.ms_ssim(grey, blurred(grey)) == pytest.approx(
        0.7784055, abs=1e-5
    )


def test_ms_ssim_refuses_what_cannot_be_halved_four_times(refuses):
    with refuses("x"):
        pixels.ms_ssim(noise(0, 1, 15), noise(1, 1, 15))


def test_ms_ssim_within_takes_neighbours_as_pairs(refuses):
    x = noise(6, 5)
    by_hand = (
        pixels.ms_ssim(x[:1], x[1:2]) + pixels.ms_ssim(x[2:3], x[3:4])
    ) / 2
    assert pixels.ms_ssim_within(x) == pytest.approx(by_hand, rel=1e-12)
    with refuses("images"):
        pixels.ms_ssim_within(x[:1])


def two_errors():
    """Half of the pixels are (16, 16, 16) off, half (17, 0, 0)."""
    truth = flat(100)
    output = truth + np.uint8(16)
    output[:, :8] = truth[:, :8] + np.array([17, 0, 0], np.uint8)
    return output, truth


def test_accuracy_within_by_hand():
    output, truth = two_errors()
    assert pixels.accuracy_within(output, truth) == 0.5
    assert pixels.accuracy_within(output, truth, levels=17) == 1.0
    assert pixels.accuracy_within(output, truth, levels=15) == 0.0


def test_accuracy_within_by_distance():
    # 16 * sqrt(3) is 27.7.
    output, truth = two_errors()
    within = pixels.accuracy_within
    assert within(output, truth, 17, "euclidean") == 0.5
    assert within(output, truth, 27, "euclidean") == 0.5
    assert within(output, truth, 28, "euclidean") == 1.0


def test_accuracy_goes_down_as_well_as_up():
    assert pixels.accuracy_within(flat(0), flat(16)) == 1.0
    assert pixels.accuracy_within(flat(0), flat(255)) == 0.0


def test_accuracy_within_a_mask():
    output, truth = two_errors()
    mask = np.zeros((16, 16), bool)
    mask[6:12] = True
    assert pixels.accuracy_within(output, truth, mask=mask) == 4 / 6


@pytest.mark.parametrize(
    "mask",
    [np.zeros((16, 16), bool), np.ones((16, 16)), np.ones((4, 4), bool)],
    ids=["empty", "floats", "shape"],
)
def test_masks_that_are_refused(mask, refuses):
    with refuses("mask"):
        pixels.accuracy_within(*two_errors(), mask=mask)


def test_accuracy_names_its_norms(refuses):
    with refuses("norm"):
        pixels.accuracy_within(*two_errors(), norm="l1")


def test_constant_baselines_by_hand():
    images = flat(10, 20, 60, size=2)
    images[:, 0, 0] = (1, 2, 3)
    rows = pixels.constant_baselines(images)
    assert {name: row.dtype for name, row in rows.items()} == dict.fromkeys(
        ["mean", "median", "commonest", "white"], np.uint8
    )
    assert rows["mean"].tolist() == [[[1, 2, 3], [30] * 3], [[30] * 3] * 2]
    assert rows["median"].tolist() == [[[1, 2, 3], [20] * 3], [[20] * 3] * 2]
    # (10, 10, 10) is there three times, and so is (1, 2, 3), the smaller.
    assert rows["commonest"].tolist() == [[[1, 2, 3]] * 2] * 2
    assert (rows["white"] == 255).all()


def test_a_constant_picture_wins_on_flat_backgrounds():
    # Which is why it stands in every table: 15 of 16 pixels are paper.
    truth = flat(*[250] * 8)
    truth[:, :4, :4] = noise(0, 8, 4)
    rows = pixels.constant_baselines(truth)
    constant = np.broadcast_to(rows["commonest"], truth.shape)
    assert pixels.accuracy_within(constant, truth) > 0.93
    assert pixels.accuracy_within(constant[:, :4, :4], truth[:, :4, :4]) < 0.1


def test_colour_distance_sees_what_sliced_wasserstein_cannot():
    x = noise(7, 40)
    changed = (x // 2 + 60).astype(np.uint8)
    gap = pixels.colour_distance(x, changed)
    # Means 127.5 and 123.5; standard deviations 73.9 and half of it.
    assert gap["mean"] == pytest.approx(x.mean() - changed.mean(), abs=1e-6)
    assert gap["std"] == pytest.approx(x.std() / 2, rel=0.01)


def test_colour_distance_by_hand():
    x, y = noise(8, 3, 16), noise(9, 5, 8) // 2
    gap = pixels.colour_distance(x, y)
    axes = (0, 1, 2)
    for name in ("mean", "std"):
        by_hand = getattr(x, name)(axes) - getattr(y, name)(axes)
        assert gap[name] == pytest.approx(np.abs(by_hand).mean(), rel=1e-12)


def test_colour_distance_of_constant_sets():
    gap = pixels.colour_distance(flat(7, 7, 7), flat(10, 10))
    assert gap == {"mean": 3.0, "std": 0.0}


def test_round_trip_error_in_levels():
    assert pixels.round_trip_error(flat(10, 20), flat(13, 19)) == 2.0
    errors = pixels.round_trip_error(flat(10, 20), flat(13, 19), per_image=True)
    assert errors.tolist() == [3.0, 1.0]
