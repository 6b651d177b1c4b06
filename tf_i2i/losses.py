"""Loss functions and their parts: pure functions of tensors.

A loss is a float32 scalar.
Losses are means over all elements unless the docstring says otherwise. Losses
are unweighted: the classes in `tf_i2i.methods` apply the loss weights.
"""

import tensorflow as tf


def l1(x, y):
    """Returns the mean absolute difference of two tensors of equal shape."""
    return tf.reduce_mean(
        tf.abs(tf.cast(x, tf.float32) - tf.cast(y, tf.float32))
    )


def mean_square(x, y):
    """Returns the mean squared difference of two tensors of equal shape."""
    return tf.reduce_mean(
        tf.square(tf.cast(x, tf.float32) - tf.cast(y, tf.float32))
    )


def cosine_distance(x, y):
    """Returns the mean cosine distance of vectors, `mean(1 - cos(x, y))`.

    Args:
        x, y: `[N, D]`.

    Returns:
        A scalar from 0 (same directions) to 2 (opposite directions).
    """
    x = tf.math.l2_normalize(tf.cast(x, tf.float32), axis=1)
    y = tf.math.l2_normalize(tf.cast(y, tf.float32), axis=1)
    return tf.reduce_mean(1.0 - tf.reduce_sum(x * y, axis=1))


def cross_entropy(labels, logits):
    """Returns the mean cross-entropy of class logits.

    Args:
        labels: classes, int `[N]`.
        logits: `[N, classes]`, float32.
    """
    return tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    )


def patch_nce(queries, keys, temperature=0.07):
    """Returns the PatchNCE loss (Park et al. 2020, arXiv:2007.15651, eq. 3).

    PatchNCE is the cross-entropy of a classification. The classes of a query
    are all keys of the same image. The right class is the key at the position
    of the query.

    Args:
        queries, keys: vectors of length 1, `[N, P, D]`, at P positions of each
            of N images. The gradient flows to both.
        temperature: number by which the scalar products of queries and keys
            are divided.

    Returns:
        A scalar; log P if all scalar products of a query are equal.
    """
    queries, keys = tf.cast(queries, tf.float32), tf.cast(keys, tf.float32)
    logits = tf.matmul(queries, keys, transpose_b=True) / temperature
    own = tf.linalg.diag_part(logits)
    return tf.reduce_mean(tf.reduce_logsumexp(logits, axis=2) - own)


def total_variation(images):
    """Returns the total variation of images.

    Args:
        images: `[N, H, W, C]`.

    Returns:
        The mean absolute difference of vertically adjacent pixels, plus the
        mean absolute difference of horizontally adjacent pixels.
    """
    x = tf.cast(images, tf.float32)
    return l1(x[:, 1:], x[:, :-1]) + l1(x[:, :, 1:], x[:, :, :-1])


def squared_variation(images):
    """Returns the squared variation of images (Li et al. 2019, eq. 18).

    The paper's equation has a sum over pixels instead of a mean, and a minus
    sign instead of a plus sign between the vertical and the horizontal term.

    Args:
        images: `[N, H, W, C]`.

    Returns:
        The mean squared difference of vertically adjacent pixels, plus the
        mean squared difference of horizontally adjacent pixels.
    """
    x = tf.cast(images, tf.float32)
    return mean_square(x[:, 1:], x[:, :-1]) + mean_square(
        x[:, :, 1:], x[:, :, :-1]
    )


def gram(maps):
    """Returns Gram matrices of feature maps (Johnson et al. 2016, eq. 3).

    Args:
        maps: `[N, H, W, C]`.

    Returns:
        `[N, C, C]`, float32. The sums over pixel positions are divided by
        C * H * W.
    """
    x = tf.cast(maps, tf.float32)
    _, height, width, channels = x.shape
    products = tf.einsum("nhwc,nhwd->ncd", x, x)
    return products / (channels * height * width)


def style_distance(x, y):
    """Returns the mean squared Frobenius distance between Gram matrices.

    Args:
        x, y: feature maps `[N, H, W, C]`.

    Returns:
        The squared distance between the Gram matrices of `x[i]` and `y[i]`,
        averaged over i.
    """
    apart = tf.square(gram(x) - gram(y))
    return tf.reduce_mean(tf.reduce_sum(apart, [1, 2]))


def gan_critic(real, fake):
    """Returns a critic's cross-entropy (Goodfellow et al. 2014, eq. 1).

    Args:
        real: logits of real images; a tensor of any shape.
        fake: logits of translations; a tensor of any shape.

    Returns:
        `mean(softplus(-real)) + mean(softplus(fake))`, which is 2 log 2 if
        all logits are 0.
    """
    real, fake = tf.cast(real, tf.float32), tf.cast(fake, tf.float32)
    return tf.reduce_mean(tf.nn.softplus(-real)) + tf.reduce_mean(
        tf.nn.softplus(fake)
    )


def gan_translator(fake):
    """Returns a translator's non-saturating loss: `mean(softplus(-fake))`.

    Args:
        fake: logits of translations, any shape.
    """
    return tf.reduce_mean(tf.nn.softplus(-tf.cast(fake, tf.float32)))


def lsgan_critic(real, fake):
    """Returns a critic's LSGAN loss (Mao et al. 2017, arXiv:1611.04076, eq. 2).

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
    """Returns a translator's LSGAN loss: `mean((fake - 1)^2)`.

    Args:
        fake: scores of translations, any shape.
    """
    return tf.reduce_mean(tf.square(tf.cast(fake, tf.float32) - 1.0))


def summed(loss, *scores):
    """Returns the sum of an adversarial loss over several critics.

    Args:
        loss: function of this module, such as `lsgan_critic`.
        scores: for each argument of `loss`, a list with the scores by each
            critic.
    """
    return tf.add_n([loss(*each) for each in zip(*scores, strict=True)])


def hinge_critic(real, fake):
    """Returns a critic's hinge loss (Lim and Ye 2017, arXiv:1705.02894).

    The matching loss of the translator is `wgan_translator`.

    Args:
        real: scores of real images, any shape.
        fake: scores of translations, any shape.

    Returns:
        `mean(max(0, 1 - real)) + mean(max(0, 1 + fake))`.
    """
    real, fake = tf.cast(real, tf.float32), tf.cast(fake, tf.float32)
    return tf.reduce_mean(tf.nn.relu(1.0 - real)) + tf.reduce_mean(
        tf.nn.relu(1.0 + fake)
    )


def wgan_critic(real, fake):
    """Returns the loss of a Wasserstein critic: `mean(fake) - mean(real)`.

    Source: Arjovsky et al. 2017.

    Args:
        real: scores of real images or features, any shape.
        fake: scores of translations, any shape.
    """
    return wgan_translator(real) - wgan_translator(fake)


def wgan_translator(fake):
    """Returns a translator's loss with a Wasserstein critic: `-mean(fake)`.

    Args:
        fake: scores of translations, any shape.
    """
    return -tf.reduce_mean(tf.cast(fake, tf.float32))


def kl_unit(mean):
    """Returns the KL divergence of N(mean, 1) from N(0, 1).

    The divergence of each element is `mean^2 / 2`. The result is the mean over
    all elements.

    Args:
        mean: means of codes whose standard deviation is 1; a tensor of any
            shape.
    """
    return 0.5 * tf.reduce_mean(tf.square(tf.cast(mean, tf.float32)))


def kl_normal(mean, log_variance):
    """Returns the KL divergence of N(mean, variance) from N(0, I).

    Args:
        mean: means of codes, `[N, D]`.
        log_variance: logarithms of their variances, `[N, D]`.

    Returns:
        The sum over the elements of a code, averaged over the codes.
    """
    mean = tf.cast(mean, tf.float32)
    log_variance = tf.cast(log_variance, tf.float32)
    terms = tf.square(mean) + tf.exp(log_variance) - 1.0 - log_variance
    return 0.5 * tf.reduce_mean(tf.reduce_sum(terms, 1))


def slope(critic, images):
    """Returns the norm of a critic's gradient with respect to each image.

    Args:
        critic: function that takes images and returns logits `[N, 1]`. Each
            logit must depend only on its own image and on statistics of the
            batch.
        images: `[N, H, W, C]`, float.

    Returns:
        float32 `[N]`, the Euclidean norms over pixels and channels. 1e-12 is
        added to the sum of squares, so that the second derivative is finite
        at 0.
    """
    with tf.GradientTape() as tape:
        tape.watch(images)
        logits = tf.reduce_sum(tf.cast(critic(images), tf.float32))
    gradient = tf.cast(tape.gradient(logits, images), tf.float32)
    return tf.sqrt(tf.reduce_sum(tf.square(gradient), [1, 2, 3]) + 1e-12)


def slope_penalty(slopes, target=1.0):
    """Returns the gradient penalty `mean((slopes - target)^2)`.

    WGAN-GP and DRAGAN use this penalty with the target 1, and R1 with the
    target 0.

    Args:
        slopes: gradient norms `[N]`; see `slope`.
        target: gradient norm at which the penalty is 0.
    """
    return tf.reduce_mean(tf.square(slopes - target))
