"""The networks of DRIT's authors' code, by shapes and counts."""

import pytest
import tensorflow as tf
from shapes import convolved
from shapes import parameters

from tf_i2i.networks.blocks import ResidualBlock
from tf_i2i.networks.drit import AttributeEncoder
from tf_i2i.networks.drit import ConcatDecoder
from tf_i2i.networks.drit import ContentCritic
from tf_i2i.networks.drit import TransformDecoder
from tf_i2i.networks.munit import ContentEncoder

IMAGE = tf.zeros((1, 16, 16, 3))
CONTENT, STYLE = tf.zeros((1, 4, 4, 256)), tf.zeros((1, 8))
TAIL = [(3, 256, 8, 128), (3, 128, 16, 64), (1, 64, 16, 3)]


def block():
    return ResidualBlock(256, reflect=True)


def test_content_encoder():
    network = ContentEncoder(3, 1.0, 3, first_norm=False, shared=[block()])
    assert convolved(network, IMAGE) == [
        (7, 3, 16, 64),
        (3, 64, 8, 128),
        (3, 128, 4, 256),
        *[(3, 256, 4, 256)] * 8,
    ]
    assert parameters(network) == 5_099_136


def test_attribute_encoder():
    network = AttributeEncoder()
    assert [x.shape for x in network(IMAGE)] == [(1, 8), (1, 8)]
    assert parameters(network) == 1_344_080


def test_decoders():
    network = ConcatDecoder(block())
    assert convolved(network, CONTENT, STYLE) == [
        *[(3, 256, 4, 256)] * 2,
        *[(3, 264, 4, 264)] * 6,
        *[(3, 272, 8, 136), (3, 144, 16, 72), (1, 80, 16, 3)],
    ]
    assert parameters(network) == 5_372_435
    network = TransformDecoder()
    shapes = [(3, 256, 4, 256), (1, 512, 4, 512), (1, 512, 4, 256)]
    assert convolved(network, CONTENT, STYLE) == [*shapes * 8, *TAIL]
    assert parameters(network) == 8_573_187


# Side of a code -> sides of the maps of the content critic.
@pytest.mark.parametrize(
    ("side", "sides"),
    [(54, [25, 11, 4, 1, 1]), (8, [2, 1, 1]), (4, [1, 1])],
)
def test_content_critic(side, sides):
    network = ContentCritic(width=1 / 64)
    rows = convolved(network, tf.zeros((1, side, side, 4)))
    assert [row[2] for row in rows] == sides
