"""Methods whose networks see blocks of pixels as one pixel."""

import numpy as np
import pytest
import tensorflow as tf

from tf_i2i.methods import CycleGAN
from tf_i2i.methods import TwinGAN
from tf_i2i.methods import registry

METHODS = [
    name
    for name, method in registry.methods().items()
    if "unshuffle" in method.tiny_variants
]


@pytest.mark.parametrize("name", METHODS)
def test_first_translations_have_blocks_of_one_colour(name, rng):
    model = registry.build_tiny(name, "unshuffle")
    multiple = model.size_multiple
    shape = (2, model.image_size + multiple, model.image_size, 3)
    images = tf.constant(rng.uniform(-1, 1, shape), tf.float32)
    for direction in model.directions:
        made = model.translate(images, direction).numpy()
        assert made.shape == shape
        assert np.std(made) > 0
        for pixel in (made[:, 1::2, ::2], made[:, ::2, 1::2]):
            np.testing.assert_allclose(pixel, made[:, ::2, ::2], atol=1e-6)


def test_sides_are_multiples_of_blocks(refuses):
    small = CycleGAN.tiny | {"unshuffle": 2}
    assert CycleGAN(**small).size_multiple == 8
    with refuses("image_size"):
        CycleGAN(**small | {"image_size": 20})
    with refuses("CycleGAN.unshuffle"):
        CycleGAN(**small | {"unshuffle": 3})
    with refuses("start_size"):
        TwinGAN(8, 4, width=0.05, unshuffle=2)


def test_more_channels_at_both_ends_only():
    shapes = [
        [
            tuple(sorted(v.shape))
            for v in CycleGAN(**settings).generator_b.trainable_variables
        ]
        for settings in (
            CycleGAN.tiny,
            CycleGAN.tiny | {"image_size": 32, "unshuffle": 2},
        )
    ]
    changed = [pair for pair in zip(*shapes, strict=True) if len({*pair}) > 1]
    assert changed == [
        ((3, 4, 7, 7), (4, 7, 7, 12)),
        ((3, 4, 7, 7), (4, 7, 7, 12)),
        ((3,), (12,)),
    ]
