"""The published generator of DualGAN, by shapes and counts."""

import tensorflow as tf
from shapes import convolved
from shapes import parameters

from tf_i2i.networks.dualgan import UNet


def test_generator():
    network = UNet()
    rows = convolved(network, tf.zeros((1, 256, 256, 3)))
    assert rows == [
        (5, 3, 128, 64),
        (3, 64, 64, 128),
        (3, 128, 32, 256),
        (3, 256, 16, 512),
        *[(3, 512, side, 512) for side in (8, 4, 2, 1)],
        (3, 512, 2, 512),
        *[(3, 1024, side, 512) for side in (4, 8, 16)],
        (3, 1024, 32, 256),
        (3, 512, 64, 128),
        (3, 256, 128, 64),
        (5, 128, 256, 3),
    ]
    # Those of the authors' code without the normalization of the smallest map,
    # which has 1,024.
    assert parameters(network) == 30_627_907 - 1_024
