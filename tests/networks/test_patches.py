"""The perceptrons of CUT, by their published count."""

import tensorflow as tf
from shapes import parameters

from tf_i2i.networks.patches import PatchHeads
from tf_i2i.networks.resnet import ResnetGenerator


def test_heads():
    generator = ResnetGenerator(9)
    _, maps = generator.encode(tf.zeros((1, 32, 32, 3)))
    assert [x.shape[1:] for x in maps] == [
        *((32, 32, 3), (16, 16, 128), (8, 8, 256)),
        *((8, 8, 256), (8, 8, 256)),
    ]
    heads = PatchHeads()
    vectors = heads(maps, [tf.range(7)] * 5)
    assert {x.shape for x in vectors} == {(1, 7, 256)}
    assert parameters(heads) == 560_384
