"""Distillation: what the student is told, and what it refuses."""

import numpy as np
import pytest
import tensorflow as tf

from tf_i2i.features.translator import exported
from tf_i2i.methods import Student

SIZE = 16
BOTH = ("a_to_b", "b_to_a")


def teacher():
    """Negatives of A, and B upside down."""

    def translate(images, direction):
        return -images if direction == "a_to_b" else images[:, ::-1]

    return translate


def student(**arguments):
    return Student(SIZE, teacher, width=0.1, blocks=1, **arguments)


def images(rng, count=4):
    return rng.uniform(-1, 1, (count, SIZE, SIZE, 3)).astype(np.float32)


def test_the_teacher_is_the_truth(rng):
    model = student(ways=BOTH)
    a, b = images(rng), images(rng)
    s = model.forward(a, b, training=True)
    np.testing.assert_array_equal(s["wanted_b"], -a)
    np.testing.assert_array_equal(s["wanted_a"], b[:, ::-1])
    losses = model.translator_losses(s)
    for domain in "ab":
        apart = np.abs(s[f"wanted_{domain}"] - s[f"fake_{domain}"])
        assert float(losses[f"distance_{domain}"]) == pytest.approx(
            apart.mean(), rel=1e-5
        )


@pytest.mark.slow
def test_it_learns_the_negative(rng):
    model = student()
    optimizer = tf.keras.optimizers.Adam(0.01)
    model.compile(optimizer, tf.keras.optimizers.Adam(0.01))
    a = images(rng)
    before = float(
        model.translator_losses(model.forward(a, a, True))["distance_b"]
    )
    for _ in range(30):
        model.train_step((a, a))
    after = float(
        model.translator_losses(model.forward(a, a, True))["distance_b"]
    )
    assert after < 0.7 * before


def test_one_way_has_no_way_back(rng, refuses):
    model = student()
    assert model.directions == ("a_to_b",)
    a = images(rng)
    _, returned = model.sample_rows(a, "a")
    np.testing.assert_array_equal(returned, a)
    with refuses("direction"):
        model.translate(a, "b_to_a")


def test_what_it_refuses(refuses):
    with refuses("Student.teacher"):
        Student(SIZE)
    with refuses("Student.ways"):
        student(ways=("a_to_c",))
    with refuses("image_size"):
        Student(12, teacher)


def test_a_teacher_that_is_gone_is_missed_when_asked(tmp_path, refuses):
    translate = exported(str(tmp_path / "gone"))
    with refuses("exported.folder"):
        translate(np.zeros((1, 8, 8, 3)), "a_to_b")
