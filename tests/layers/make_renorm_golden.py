"""Makes renorm_golden.npz: batch renormalization as tf-keras computes it.

Keras 3 has none, so the numbers come from Keras 2, in an environment of its
own:

    python -m venv keras2 && keras2/bin/pip install tensorflow tf-keras
    keras2/bin/python tests/layers/make_renorm_golden.py
"""

import pathlib

import numpy as np
import tensorflow as tf
import tf_keras

CLIPS = ((1.1, 0.1), (1.5, 0.3), (2.0, 0.5), (4.0, 1.0))
STEPS_PER_CLIP = 2
SHAPE = (3, 4, 2, 6)


def main():
    rng = np.random.default_rng(0)
    layer = tf_keras.layers.BatchNormalization(
        momentum=0.99, epsilon=1e-3, renorm=True, renorm_momentum=0.99
    )
    layer.build(SHAPE)
    gamma = rng.normal(1.0, 0.3, SHAPE[-1]).astype("float32")
    beta = rng.normal(0.0, 0.3, SHAPE[-1]).astype("float32")
    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    # Channels that start far inside, near and far outside of the clips.
    means = np.array([0.0, 0.05, 0.4, -0.6, 2.0, -3.0])
    deviations = np.array([1.0, 0.95, 1.4, 0.6, 3.0, 0.1])

    kept = {
        name: []
        for name in (
            "clips",
            "x",
            "weight",
            "y",
            "x_gradient",
            "gamma_gradient",
            "beta_gradient",
            "mean",
            "deviation",
        )
    }
    for step in range(STEPS_PER_CLIP * len(CLIPS)):
        r_max, d_max = CLIPS[step // STEPS_PER_CLIP]
        layer.renorm_clipping = {
            "rmin": 1.0 / r_max,
            "rmax": r_max,
            "dmax": d_max,
        }
        x = (means + deviations * rng.normal(size=SHAPE)).astype("float32")
        weight = rng.normal(size=SHAPE).astype("float32")
        with tf.GradientTape() as tape:
            images = tf.constant(x)
            tape.watch(images)
            y = layer(images, training=True)
            loss = tf.reduce_sum(y * weight)
        gradients = tape.gradient(loss, [images, layer.gamma, layer.beta])
        values = (
            (r_max, d_max),
            x,
            weight,
            y,
            *gradients,
            layer.renorm_mean,
            layer.renorm_stddev,
        )
        for name, value in zip(kept, values, strict=True):
            kept[name].append(np.asarray(value, "float32"))
    np.savez_compressed(
        pathlib.Path(__file__).with_name("renorm_golden.npz"),
        gamma=gamma,
        beta=beta,
        inference=layer(kept["x"][-1], training=False),
        inference_mean=layer.moving_mean,
        inference_variance=layer.moving_variance,
        **{name: np.stack(values) for name, values in kept.items()},
    )


if __name__ == "__main__":
    main()
