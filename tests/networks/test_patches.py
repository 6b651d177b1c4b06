"""The networks of CUT, by their published counts."""

import tensorflow as tf
from shapes import parameters

from tf_i2i.networks.patches import PatchHeads
from tf_i2i.networks.resnet import AntialiasedGenerator


def test_generator_and_heads():
    generator = AntialiasedGenerator(9)
    _, maps = generator.encode(tf.zeros((1, 32, 32, 3)))
    assert [x.shape[1:] for x in maps] == [
        *((32, 32, 3), (32, 32, 128), (16, 16, 256)),
        *((8, 8, 256), (8, 8, 256)),
    ]
    assert generator.decode(maps[-1], False).shape == (1, 32, 32, 3)
    assert parameters(generator) == 11_378_179
    heads = PatchHeads()
    vectors = heads(maps, [tf.range(7)] * 5)
    assert {x.shape for x in vectors} == {(1, 7, 256)}
    assert parameters(heads) == 560_384
