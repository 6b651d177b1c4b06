"""The toy faces are a fair instrument: exact, varied, and hard to cheat."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tf_i2i.data import toy_faces

TRAIN, HELD_OUT = 300, 150


def shrink(images, factor):
    """Area average of uint8 `[N, S, S, 3]`, as floats."""
    n, size = images.shape[:2]
    side = size // factor
    blocks = images.reshape(n, side, factor, side, factor, 3)
    return blocks.mean((2, 4), dtype=np.float64)


def thumbnails(images):
    flat = shrink(images, 2).reshape(len(images), -1)
    return np.hstack([flat / 127.5 - 1, np.ones((len(flat), 1))])


def blur(images):
    """Three passes of a 3 x 3 mean."""
    images = images.astype(np.float64)
    for _ in range(3):
        for axis in (1, 2):
            images = (
                np.roll(images, 1, axis) + images + np.roll(images, -1, axis)
            ) / 3
    return images


def recolour(images, like):
    """Gives every channel the mean and deviation of another set."""
    axes = (0, 1, 2)
    normal = (images - images.mean(axes)) / images.std(axes)
    return np.clip(normal * like.std(axes) + like.mean(axes), 0, 255)


@pytest.fixture(scope="module")
def faces():
    """32-px faces: disjoint train sets, and the same people held out."""
    held_out = range(2 * TRAIN, 2 * TRAIN + HELD_OUT)
    return {
        "train_a": toy_faces.render("a", range(TRAIN), 32),
        "train_b": toy_faces.render("b", range(TRAIN, 2 * TRAIN), 32),
        "a": toy_faces.render("a", held_out, 32),
        "b": toy_faces.render("b", held_out, 32),
    }


@pytest.fixture(scope="module")
def looks_like_b(faces):
    """A ridge classifier on 16-px thumbnails of real faces."""
    x = np.vstack([thumbnails(faces["train_a"]), thumbnails(faces["train_b"])])
    y = np.repeat([-1.0, 1.0], TRAIN)
    weights = np.linalg.solve(x.T @ x + 10 * np.eye(x.shape[1]), x.T @ y)
    return lambda images: thumbnails(images) @ weights > 0


@pytest.mark.parametrize("domain", ["a", "b"])
def test_a_face_does_not_depend_on_its_company(domain):
    alone = toy_faces.render(domain, [5], 24)
    among = toy_faces.render(domain, np.array([3, 5, 9]), 24)
    assert alone.dtype == np.uint8
    assert among.shape == (3, 24, 24, 3)
    np.testing.assert_array_equal(alone[0], among[1])
    assert (among[0] != among[1]).mean() > 0.5


def test_another_process_draws_the_same_bits():
    code = (
        "import sys; from tf_i2i.data import toy_faces as t;"
        "sys.stdout.buffer.write(t.render('a', [7], 16).tobytes()"
        " + t.render('b', [7], 16).tobytes())"
    )
    there = subprocess.run(
        [sys.executable, "-c", code],
        cwd=pathlib.Path(toy_faces.__file__).parents[2],
        capture_output=True,
        check=True,
    ).stdout
    here = [toy_faces.render(domain, [7], 16).tobytes() for domain in "ab"]
    assert there == b"".join(here)


def test_attributes_are_even_and_independent():
    columns = toy_faces.attributes(range(3000))
    assert set(columns) == {*toy_faces.ATTRIBUTES, "turn"}
    for name, names in toy_faces.ATTRIBUTES.items():
        assert columns[name].dtype == np.int32
        share = np.bincount(columns[name], minlength=len(names)) / 3000
        assert len(share) == len(names)
        # "beard" is none for a half.
        expected = [1 / 2, 1 / 4, 1 / 4] if name == "beard" else 1 / len(names)
        np.testing.assert_allclose(share, expected, atol=0.04)
    turn = columns["turn"]
    assert turn.dtype == np.float32
    assert np.abs(turn).min() >= 0.25
    assert np.abs(turn).max() <= 1
    assert abs((turn > 0).mean() - 0.5) < 0.04
    table = np.corrcoef(np.stack(list(columns.values())))
    assert np.abs(table - np.eye(len(table))).max() < 0.08


def draw(monkeypatch, domain, **traits):
    """The person behind index 0, with these attributes, as integers."""
    plain = dict.fromkeys(toy_faces.ATTRIBUTES, 1)
    plain |= {"glasses": 0, "beard": 0, "turn": 0.5}
    monkeypatch.setattr(toy_faces, "_traits", lambda index: plain | traits)
    return toy_faces.render(domain, [0], 64)[0].astype(int)


@pytest.mark.parametrize("domain", ["a", "b"])
@pytest.mark.parametrize("name", toy_faces.ATTRIBUTES)
def test_each_attribute_is_drawn_and_the_rest_stays(domain, name, monkeypatch):
    values = range(len(toy_faces.ATTRIBUTES[name]))
    pictures = [draw(monkeypatch, domain, **{name: v}) for v in values]
    for i, one in enumerate(pictures):
        for other in pictures[:i]:
            changed = np.abs(one - other).max(-1) > 24
            # The least is the irises of a portrait.
            assert 10 <= changed.sum() <= 64 * 64 / 2
            assert not changed[:8, :4].any()


@pytest.mark.parametrize("domain", ["a", "b"])
@pytest.mark.parametrize("turn", [-0.6, 0.6])
def test_the_mouth_is_on_the_side_that_the_head_turns_to(
    domain, turn, monkeypatch
):
    smile, neutral, gape = (
        draw(monkeypatch, domain, turn=turn, mouth=value) for value in range(3)
    )
    changed = np.abs(smile - gape) + np.abs(smile - neutral) > 40
    mouth = np.nonzero(changed)[1].mean()
    hair = np.abs(smile - draw(monkeypatch, domain, turn=turn, hair_color=2))
    head = np.nonzero(hair > 40)[1].mean()
    assert (mouth - head) * np.sign(turn) > 3


@pytest.mark.parametrize("domain", ["a", "b"])
def test_a_size_is_a_view_of_the_same_picture(domain):
    large = shrink(toy_faces.render(domain, range(20), 64), 2)
    small = toy_faces.render(domain, range(20), 32)
    assert np.abs(large - small).mean() < 3
    assert toy_faces.render(domain, [1], 8).shape == (1, 8, 8, 3)
    assert toy_faces.render(domain, [1], 200).std() > 20


def test_a_linear_probe_separates_the_domains(faces, looks_like_b):
    right = np.append(~looks_like_b(faces["a"]), looks_like_b(faces["b"]))
    assert right.mean() >= 0.99


@pytest.mark.parametrize("centred", [False, True])
def test_pixels_do_not_find_the_hidden_partner(faces, centred):
    a, b = (thumbnails(faces[domain])[:, :-1] for domain in "ab")
    if centred:
        a, b = ((x - x.mean(0)) / x.std(0) for x in (a, b))
    distance = ((a[:, None] - b[None]) ** 2).sum(-1)
    first = (distance.argmin(1) == np.arange(HELD_OUT)).mean()
    assert first <= 0.3


@pytest.mark.parametrize("source", ["a", "b"])
@pytest.mark.parametrize("cheat", ["copy", "recolour", "blur", "both"])
def test_cheats_do_not_pass(faces, looks_like_b, source, cheat):
    target = "b" if source == "a" else "a"
    images = faces[source].astype(np.float64)
    if cheat in ("blur", "both"):
        images = blur(images)
    if cheat in ("recolour", "both"):
        images = recolour(images, faces["train_" + target])

    def passes(images):
        return (looks_like_b(images) == (target == "b")).mean()

    assert passes(faces[target]) >= 0.9
    assert passes(images) <= 0.2


def test_refuses_what_it_cannot_draw(refuses):
    with refuses("domain"):
        toy_faces.render("c", [0], 32)
    with refuses("size"):
        toy_faces.render("a", [0], 7)
    for indices in ([-1], [0.5], 3):
        with refuses("indices"):
            toy_faces.attributes(indices)
