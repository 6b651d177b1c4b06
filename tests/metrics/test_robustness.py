"""The sensitivity curve on ways back whose error is known."""

import numpy as np
import pytest

from tf_i2i.images import to_float
from tf_i2i.images import to_uint8
from tf_i2i.metrics.robustness import sensitivity

NAMES = [
    *(f"noise_{sigma}" for sigma in (0, 0.1, 0.2, 0.5, 1, 2, 3, 5)),
    "rounding",
    "jpeg_75",
    *(f"shift_{pixels}" for pixels in range(1, 9)),
    "resize_0.9",
]


def same(images):
    return images


@pytest.fixture
def images():
    """Smooth pictures away from black and white, not on whole levels."""
    at = np.linspace(0, 3, 32)
    waves = np.sin(at[:, None] + at)[None, ..., None]
    phase = np.linspace(-0.5, 0.5, 12).reshape(4, 1, 1, 3)
    return (0.6 * waves * phase + 0.1).astype(np.float32)


def test_names_and_order(images):
    assert list(sensitivity(same, images)) == NAMES


def test_of_the_identity_the_curve_is_the_disturbance(images):
    curve = sensitivity(same, images)
    assert curve["noise_0"] == 0.0
    for sigma in (0.1, 1, 5):
        # Mean of |N(0, sigma)|.
        expected = sigma * np.sqrt(2 / np.pi)
        assert curve[f"noise_{sigma}"] == pytest.approx(expected, rel=0.03)
    # Mean of a rounding error, spread evenly over half a level.
    assert curve["rounding"] == pytest.approx(0.25, abs=0.02)
    assert 0.25 < curve["jpeg_75"] < 5
    # Moved, and moved back: nothing is lost where both show the same.
    assert all(curve[f"shift_{pixels}"] == 0.0 for pixels in range(1, 9))
    assert 0 < curve["resize_0.9"] < 1


def test_a_shift_cuts_at_the_top_left(images):
    # A way back that is a filter of one pixel and its right neighbour
    # follows the shift exactly, up to the last column, which is compared
    # nowhere.
    def beside(x):
        return np.concatenate([x[:, :, 1:], x[:, :, -1:]], axis=2)

    curve = sensitivity(beside, images)
    inner = [curve[f"shift_{pixels}"] for pixels in range(1, 9)]
    assert max(inner) < 0.1

    # One that knows where it is does not.
    ramp = np.linspace(-1, 1, 32, dtype=np.float32)[:, None, None]
    fixed = sensitivity(lambda x: x * 0 + ramp, images)
    step = 255 / 31
    for pixels in (1, 8):
        by_hand = pixels * step
        assert fixed[f"shift_{pixels}"] == pytest.approx(by_hand, rel=1e-4)
    assert fixed["noise_5"] == 0.0


def test_a_hidden_message_is_a_jump(images):
    """The way back reads a picture from a quarter of a level."""
    message = np.sign(np.random.default_rng(0).standard_normal(images.shape))
    grid = np.round(images * 127.5) / 127.5
    carrier = (grid + message * 0.25 / 127.5).astype(np.float32)

    def reads(x):
        levels = x.astype(np.float64) * 127.5
        return np.sign(levels - np.round(levels)).astype(np.float32) * 0.5

    def honest(x):
        return x

    told = sensitivity(reads, carrier, truth=(message * 0.5).astype(np.float32))
    plain = sensitivity(honest, carrier)
    assert told["noise_0"] < 1.0
    assert told["noise_0.1"] < 5.0
    assert told["noise_1"] > 40.0
    assert told["rounding"] > 40.0
    assert plain["rounding"] < 0.3


def test_truth_adds_what_the_way_back_misses(images):
    curve = sensitivity(same, images, truth=images + np.float32(2 / 127.5))
    assert curve["noise_0"] == pytest.approx(2.0, abs=1e-4)
    assert curve["shift_3"] == pytest.approx(2.0, abs=1e-4)


def test_bytes_in_and_out(images):
    def back(x):
        return to_uint8(x)

    stored = to_uint8(images)
    curve = sensitivity(back, stored)
    assert curve["rounding"] == 0.0
    assert curve == sensitivity(lambda x: to_float(to_uint8(x)), stored)


def test_neither_batches_nor_other_images_matter(images):
    whole = sensitivity(same, images)
    assert sensitivity(same, images, batch_size=3) == pytest.approx(whole)
    first = sensitivity(same, images[:2])
    last = sensitivity(same, images[2:])
    assert whole["jpeg_75"] == pytest.approx(
        (first["jpeg_75"] + last["jpeg_75"]) / 2
    )
    assert first["noise_5"] == sensitivity(same, images[:2])["noise_5"]
    assert first["noise_5"] != sensitivity(same, images[:2], seed=1)["noise_5"]


def test_what_is_refused(images, refuses):
    with refuses("images"):
        sensitivity(same, images.astype(np.float16))
    with refuses("images"):
        sensitivity(same, images[:, :16, :16])
    with refuses("truth"):
        sensitivity(same, images, truth=images[:1])
    with refuses("translate_back"):
        sensitivity(lambda x: x[:, ::2], images)


def test_other_sizes_are_sent_through_at_their_own_size(images):
    """32 pixels become 31 by the crop and 33 by resizing; both are padded."""
    seen = []

    def back(x):
        seen.append(x.shape[1:3])
        return x

    curve = sensitivity(back, images, multiple=4)
    assert seen[-2:] == [(32, 32), (36, 36)]
    assert list(curve) == [*NAMES, "crop_0.98", "zoom_1.02"]
    assert curve["crop_0.98"] == curve["zoom_1.02"] == 0.0

    # This way back returns the index of the column, so that the error of a
    # crop is the column at which it begins, 0 or 1.
    def column(x):
        index = np.arange(x.shape[2], dtype=np.float32)[:, None]
        return np.broadcast_to(index / 127.5 - 1, x.shape)

    moved = sensitivity(column, images, multiple=1)["crop_0.98"]
    corners = [
        np.random.default_rng([0, i]).integers(0, 2, 2) for i in range(4)
    ]
    assert moved == pytest.approx(np.mean(corners, 0)[1], abs=1e-4)
