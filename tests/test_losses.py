"""Each loss by hand, and its reduction."""

import numpy as np
import pytest
import tensorflow as tf

from tf_i2i import losses

X = np.array([1.0, -2.0, 0.5], np.float32)
Y = np.array([0.0, 2.0, 0.0], np.float32)


def softplus(x):
    return np.log1p(np.exp(x))


def test_l1():
    # (1 + 4 + .5) / 3.
    assert float(losses.l1(X, Y)) == pytest.approx(5.5 / 3)


def test_a_critic_that_knows_nothing():
    zeros = np.zeros((3, 1), np.float32)
    loss = float(losses.gan_critic(zeros, zeros))
    assert loss == pytest.approx(2 * np.log(2))
    loss = float(losses.gan_translator(zeros))
    assert loss == pytest.approx(np.log(2))


def test_gan_losses():
    # -log sigmoid(real) - log(1 - sigmoid(fake)); -log sigmoid(fake).
    loss = float(losses.gan_critic(X, Y))
    assert loss == pytest.approx(softplus(-X).mean() + softplus(Y).mean())
    loss = float(losses.gan_translator(X))
    assert loss == pytest.approx(softplus(-X).mean())


def test_gan_losses_of_a_certain_critic_are_finite():
    far = np.array([1e4], np.float32)
    assert float(losses.gan_critic(far, -far)) == 0
    assert float(losses.gan_critic(-far, far)) == 2e4
    assert float(losses.gan_translator(-far)) == 1e4


def test_least_squares():
    # Of 1, -2 and .5 to 1: 0, 9, .25; of 0, 2 and 0 to 0: 0, 4, 0.
    loss = float(losses.lsgan_critic(X, Y))
    assert loss == pytest.approx(9.25 / 3 + 4 / 3)
    assert float(losses.lsgan_translator(X)) == pytest.approx(9.25 / 3)


def test_sum_over_critics():
    real, fake = [tf.ones(3), tf.zeros(2)], [tf.zeros(3), 2 * tf.ones(2)]
    assert losses.summed(losses.lsgan_critic, real, fake) == 0 + 5
    assert losses.summed(losses.lsgan_translator, fake) == 1 + 1


def test_hinge():
    # Real: 1 - 1, 1 + 2, 1 - .5; fake: 1 + 0, 1 + 2, 1 + 0.
    loss = float(losses.hinge_critic(X, Y))
    assert loss == pytest.approx((0 + 3 + 0.5) / 3 + (1 + 3 + 1) / 3)
    # Scores beyond the margin cost nothing.
    assert float(losses.hinge_critic(3 + 0 * X, -3 + 0 * Y)) == 0


def test_divergence_from_the_unit_normal():
    # (1 + 4 + .25) / 3 / 2.
    assert float(losses.kl_unit(X)) == pytest.approx(5.25 / 6)


def test_squared_variation():
    image = np.array([[0.0, 1.0], [3.0, 1.0]], np.float32)
    # Down: 9 and 0; across: 1 and 4.
    loss = float(losses.squared_variation(image[None, :, :, None]))
    assert loss == 4.5 + 2.5


def test_style_distance():
    # Two channels on two pixels; divided by 2 * 1 * 2.
    x = np.array([[[[1.0, 0.0], [1.0, 2.0]]]], np.float32)
    expected = np.array([[2.0, 2.0], [2.0, 4.0]]) / 4
    np.testing.assert_allclose(losses.gram(x)[0], expected)
    # A sum over the matrix, a mean over images.
    apart = losses.style_distance(np.tile(x, (2, 1, 1, 1)), np.zeros_like(x))
    assert float(apart) == pytest.approx((4 + 4 + 4 + 16) / 16)


def test_style_is_no_matter_of_place_or_size(rng):
    x = rng.normal(size=(2, 4, 4, 3)).astype(np.float32)
    moved = np.roll(x, (1, 2), (1, 2))
    doubled = np.repeat(np.repeat(x, 2, 1), 2, 2)
    for other in (moved, doubled):
        assert float(losses.style_distance(x, other)) < 1e-10


def test_slope_of_a_linear_critic_is_the_norm_of_its_weights(rng):
    weights = rng.normal(size=(4, 4, 3)).astype(np.float32)
    images = rng.normal(size=(2, 4, 4, 3)).astype(np.float32)

    def critic(x):
        return tf.reduce_sum(weights * x, [1, 2, 3])[:, None] + 7.0

    slopes = losses.slope(critic, tf.constant(images))
    expected = np.linalg.norm(weights)
    np.testing.assert_allclose(slopes, [expected] * 2, rtol=1e-6)


def test_slope_is_taken_at_each_image(rng):
    images = rng.normal(size=(3, 4, 4, 3)).astype(np.float32)

    def critic(x):
        return tf.reduce_sum(tf.square(x), [1, 2, 3])[:, None] / 2

    slopes = losses.slope(critic, tf.constant(images))
    expected = np.linalg.norm(images.reshape(3, -1), axis=1)
    np.testing.assert_allclose(slopes, expected, rtol=1e-6)


def test_a_slope_of_zero_has_a_finite_gradient():
    weight = tf.Variable(0.0)
    with tf.GradientTape() as tape:
        slopes = losses.slope(
            lambda x: weight * tf.reduce_sum(x, [1, 2, 3])[:, None],
            tf.ones((2, 2, 2, 3)),
        )
        loss = losses.slope_penalty(slopes)
    assert float(loss) == pytest.approx(1, abs=1e-5)
    assert float(tape.gradient(loss, weight)) == 0


def test_slope_penalty():
    slopes = tf.constant([0.0, 3.0])
    # (1 + 4) / 2 and (0 + 9) / 2.
    assert float(losses.slope_penalty(slopes)) == 2.5
    assert float(losses.slope_penalty(slopes, target=0.0)) == 4.5


@pytest.mark.parametrize(
    "loss",
    [losses.l1, losses.gan_critic, lambda x, y: losses.gan_translator(x)],
)
def test_a_loss_is_a_mean_whatever_the_size(rng, loss):
    x, y = rng.normal(size=(2, 2, 4, 4, 1)).astype(np.float32)
    doubled = [np.repeat(np.repeat(z, 2, 1), 2, 2) for z in (x, y)]
    assert float(loss(*doubled)) == pytest.approx(float(loss(x, y)), rel=1e-6)


def test_a_slope_is_a_norm_and_its_penalty_a_mean_over_images(rng):
    """Four equal gradients for one: the norm doubles."""
    x = tf.ones((1, 4, 4, 3))
    doubled = tf.ones((1, 8, 8, 3))
    small, large = (
        losses.slope(lambda x: tf.reduce_sum(x, [1, 2, 3])[:, None], z)
        for z in (x, doubled)
    )
    np.testing.assert_allclose(large, 2 * small, rtol=1e-6)
    slopes = tf.constant(rng.uniform(size=3))
    twice = losses.slope_penalty(tf.concat([slopes, slopes], 0))
    assert float(twice) == pytest.approx(float(losses.slope_penalty(slopes)))


@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.float16])
def test_losses_are_float32(dtype):
    x, y = tf.constant(X, dtype), tf.constant(Y, dtype)
    for loss in (
        losses.l1(x, y),
        losses.gan_critic(x, y),
        losses.gan_translator(x),
        losses.slope(lambda z: z[:, 0, 0], tf.ones((2, 1, 1, 1), dtype)),
    ):
        assert loss.dtype == tf.float32
