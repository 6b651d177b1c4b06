"""After training, inference makes the pictures that training saw."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_i2i.data import toy_faces
from tf_i2i.data.unpaired import unpaired
from tf_i2i.images import to_float
from tf_i2i.images import to_uint8
from tf_i2i.layers import NormRouting
from tf_i2i.methods import TwinGAN

STEPS, SIZE, BATCH = 500, 16, 8


def training_pass(model, a):
    """a -> b with the statistics of the batch, as in `forward`."""
    path = {"size": model.size, "fade": None}
    limits = model.renorm_limits(BATCH)
    content, skips = model.encoder(
        a, routing=NormRouting(("a",), limits), **path
    )
    return model.generator(
        content, skips, routing=NormRouting(("ab",), limits), **path
    )


@pytest.mark.slow
def test_inference_within_two_levels_after_500_steps():
    keras.utils.set_random_seed(0)
    model = TwinGAN(SIZE, width=0.1, cycle_weight=10.0, output_norm=False)
    model.compile(
        keras.optimizers.Adam(1e-3, 0.5, 0.99, 1e-8),
        keras.optimizers.Adam(1e-3, 0.5, 0.99, 1e-8),
    )
    model.enter_phase(SIZE, images=STEPS * BATCH)
    faces = {
        domain: toy_faces.render(domain, range(first, 400, 2), 20)
        for first, domain in enumerate("ab")
    }
    data = unpaired(faces["a"], faces["b"], SIZE, BATCH)
    model.fit(data, steps_per_epoch=STEPS, shuffle=False, verbose=0)

    differences = []
    for i in range(0, 80, BATCH):
        a = to_float(toy_faces.render("a", range(i, i + BATCH), SIZE))
        a = tf.constant(a)
        inference = to_uint8(model.translate(a, "a_to_b")).numpy()
        training = to_uint8(training_pass(model, a)).numpy()
        differences.append(np.abs(inference.astype(int) - training).mean())
    print("levels:", np.mean(differences))
    assert np.mean(differences) < 2
