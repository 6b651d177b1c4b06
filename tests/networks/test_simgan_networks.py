"""The networks of SimGAN, by the tables of the appendix."""

import tensorflow as tf
from shapes import convolved
from shapes import parameters

from tf_i2i.networks.simgan import SIZES
from tf_i2i.networks.simgan import Refiner
from tf_i2i.networks.simgan import RefinerCritic


def test_networks_have_the_layers_of_the_appendix():
    refiner, critic = (kind(SIZES["eyes"]) for kind in (Refiner, RefinerCritic))
    eye = tf.zeros((1, 35, 55, 3))
    inner = [(3, 64, 55, 64)] * 8
    assert convolved(refiner, eye) == [
        *((3, 3, 55, 64), *inner, (1, 64, 55, 3))
    ]
    assert convolved(critic, eye) == [
        *((3, 3, 28, 96), (3, 96, 14, 64), (3, 64, 14, 32)),
        *((1, 32, 14, 32), (1, 32, 14, 1)),
    ]
    assert parameters(refiner) == 297_411
    assert parameters(critic) == 77_601
    hand = RefinerCritic(SIZES["hands"])
    assert hand(tf.zeros((1, 224, 224, 3))).shape == (1, 7, 7, 1)
    assert len(Refiner(SIZES["hands"]).blocks) == 10
