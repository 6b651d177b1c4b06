"""Names of domains: what they may be, and where they stand."""

import pytest

from tf_i2i import domains
from tf_i2i.training import settings

NAMES = ("selfie", "anime")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", "selfie"),
        ("b_to_a", "anime_to_selfie"),
        ("losses/gan_a", "losses/gan_selfie"),
        ("losses/decay_translator", "losses/decay_translator"),
        ("validation_a_to_b/code_a_distance",) * 2,
        ("images_per_second", "images_per_second"),
        ("teacher", "teacher"),
    ],
)
def test_named(text, expected):
    expected = expected.replace("_a_to_b/", "_selfie_to_anime/")
    assert domains.named(text, NAMES) == expected
    assert domains.named(text, domains.DOMAINS) == text


def test_directions_go_by_both_names(refuses):
    assert domains.find_direction("anime_to_selfie", NAMES) == "b_to_a"
    assert domains.find_direction("a_to_b", NAMES) == "a_to_b"
    with refuses("--direction") as refused:
        domains.find_direction("a2b", NAMES)
    assert "selfie_to_anime" in str(refused.value)


@pytest.mark.parametrize(
    "names",
    [
        "ab",
        ("one",),
        ("one", "two", "three"),
        ("same", "Same"),
        ("b", "a"),
        ("a", "anime"),
        ("a/b", "c"),
        ("", "c"),
        (1, 2),
        5,
        None,
    ],
)
def test_names_that_cannot_be(names, refuses):
    with refuses("train.domains"):
        domains.check_names(names)


def test_names_that_can_be():
    for names in (NAMES, ("a", "b"), ("horse-2", "Žebra_x")):
        assert domains.check_names(list(names)) == names


def test_a_run_knows_its_names(tmp_path):
    assert settings.domain_names(tmp_path) == ("a", "b")
    config = tmp_path / "config.gin"
    config.write_text("train.data_a = None\n")
    assert settings.domain_names(tmp_path) == ("a", "b")
    config.write_text("train.domains = ('selfie', 'anime')\n")
    assert settings.domain_names(tmp_path) == NAMES
    config.write_text("own = ('selfie', 'anime')\ntrain.domains = %own\n")
    assert settings.domain_names(tmp_path) == NAMES


@pytest.mark.parametrize(
    "value", ["('a', ", "@names()", "[" * 5000, "\x1b[31m"]
)
def test_a_run_with_nonsense_for_names(value, tmp_path, refuses):
    (tmp_path / "config.gin").write_text(f"train.domains = {value}\n")
    with refuses("train.domains") as error:
        settings.domain_names(tmp_path)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 400
