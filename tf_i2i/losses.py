"""Losses: pure functions of tensors that return a float32 scalar.

Every reduction is a mean over all elements unless the line says otherwise;
a method multiplies the weight.
"""

import tensorflow as tf


def l1(x, y):
    """Mean absolute difference of two tensors of one shape."""
    return tf.reduce_mean(
        tf.abs(tf.cast(x, tf.float32) - tf.cast(y, tf.float32))
    )


def mean_square(x, y):
    """Mean squared difference of two tensors of one shape."""
    return tf.reduce_mean(
        tf.square(tf.cast(x, tf.float32) - tf.cast(y, tf.float32))
    )


def cosine_distance(x, y):
    """`mean(1 - cos(x, y))` of vectors `[N, D]`: 0 alike, 2 opposed."""
    x = tf.math.l2_normalize(tf.cast(x, tf.float32), axis=1)
    y = tf.math.l2_normalize(tf.cast(y, tf.float32), axis=1)
    return tf.reduce_mean(1.0 - tf.reduce_sum(x * y, axis=1))


def total_variation(images):
    """Mean absolute difference of neighbours, along rows and along columns.

    Args:
        images: `[N, H, W, C]`.

    Returns:
        The sum of the two means.
    """
    x = tf.cast(images, tf.float32)
    return l1(x[:, 1:], x[:, :-1]) + l1(x[:, :, 1:], x[:, :, :-1])


def squared_variation(images):
    """Mean squared difference of neighbours, along rows and along columns.

    Li et al. 2019, eq. 18; printed there as a sum, with a minus between the
    directions.

    Args:
        images: `[N, H, W, C]`.

    Returns:
        The sum of the two means.
    """
    x = tf.cast(images, tf.float32)
    return mean_square(x[:, 1:], x[:, :-1]) + mean_square(
        x[:, :, 1:], x[:, :, :-1]
    )


def gram(maps):
    """Gram matrices of feature maps (Johnson et al. 2016, eq. 3).

    Args:
        maps: `[N, H, W, C]`.

    Returns:
        `[N, C, C]`, float32: sums over pixels, divided by C * H * W.
    """
    x = tf.cast(maps, tf.float32)
    _, height, width, channels = x.shape
    products = tf.einsum("nhwc,nhwd->ncd", x, x)
    return products / (channels * height * width)


def style_distance(x, y):
    """Squared Frobenius norm between Gram matrices, mean over images.

    Args:
        x, y: feature maps `[N, H, W, C]`.
    """
    apart = tf.square(gram(x) - gram(y))
    return tf.reduce_mean(tf.reduce_sum(apart, [1, 2]))


def gan_critic(real, fake):
    """Sigmoid cross-entropy of a critic (Goodfellow et al. 2014, eq. 1).

    Args:
        real: logits of real images, any shape.
        fake: logits of translations, any shape.

    Returns:
        `mean(softplus(-real)) + mean(softplus(fake))`: 2 log 2 where the
        critic knows nothing.
    """
    real, fake = tf.cast(real, tf.float32), tf.cast(fake, tf.float32)
    return tf.reduce_mean(tf.nn.softplus(-real)) + tf.reduce_mean(
        tf.nn.softplus(fake)
    )


def gan_translator(fake):
    """Non-saturating loss of a translator: `mean(softplus(-fake))`.

    Args:
        fake: logits of translations, any shape.
    """
    return tf.reduce_mean(tf.nn.softplus(-tf.cast(fake, tf.float32)))


def lsgan_critic(real, fake):
    """Least squares of a critic (Mao et al. 2017, arXiv:1611.04076, eq. 2).

    Args:
        real: scores of real images, any shape.
        fake: scores of translations, any shape.

    Returns:
        `mean((real - 1)^2) + mean(fake^2)`.
    """
    real, fake = tf.cast(real, tf.float32), tf.cast(fake, tf.float32)
    return tf.reduce_mean(tf.square(real - 1.0)) + tf.reduce_mean(
        tf.square(fake)
    )


def lsgan_translator(fake):
    """Least squares of a translator: `mean((fake - 1)^2)`.

    Args:
        fake: scores of translations, any shape.
    """
    return tf.reduce_mean(tf.square(tf.cast(fake, tf.float32) - 1.0))


def wgan_critic(real, fake):
    """Wasserstein critic (Arjovsky et al. 2017): `mean(fake) - mean(real)`.

    Args:
        real: scores of what is real, any shape.
        fake: scores of translations, any shape.
    """
    return wgan_translator(real) - wgan_translator(fake)


def wgan_translator(fake):
    """Of a translator against a Wasserstein critic: `-mean(fake)`.

    Args:
        fake: scores of translations, any shape.
    """
    return -tf.reduce_mean(tf.cast(fake, tf.float32))


def kl_unit(mean):
    """KL divergence of N(mean, 1) from N(0, 1): `mean(mean^2) / 2`.

    Args:
        mean: means of codes whose deviation is fixed at 1, any shape.
    """
    return 0.5 * tf.reduce_mean(tf.square(tf.cast(mean, tf.float32)))


def slope(critic, images):
    """Norm of a critic's gradient at each image, in float32.

    Args:
        critic: function, images -> logits `[N, 1]`, each logit a function of
            its own image up to statistics of the batch.
        images: `[N, H, W, C]`, float.

    Returns:
        `[N]`: Euclidean norms over pixels and channels. The tiny number
        under the root keeps the second derivative finite at zero.
    """
    with tf.GradientTape() as tape:
        tape.watch(images)
        logits = tf.reduce_sum(tf.cast(critic(images), tf.float32))
    gradient = tf.cast(tape.gradient(logits, images), tf.float32)
    return tf.sqrt(tf.reduce_sum(tf.square(gradient), [1, 2, 3]) + 1e-12)


def slope_penalty(slopes, target=1.0):
    """`mean((slopes - target)^2)`, the penalty of WGAN-GP and DRAGAN."""
    return tf.reduce_mean(tf.square(slopes - target))
