"""Blocks that compute their feature maps again for the gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_i2i.networks.asymgan import ConcatBlock
from tf_i2i.networks.asymgan import ConditionedBlock
from tf_i2i.networks.augmented_cyclegan import CodeBlock
from tf_i2i.networks.blocks import AdaptiveBlock
from tf_i2i.networks.blocks import ResidualBlock
from tf_i2i.networks.drit import HalvingBlock
from tf_i2i.networks.drit import TransformBlock
from tf_i2i.networks.recompute import Recomputable
from tf_i2i.networks.resnet import DropoutBlock
from tf_i2i.networks.ugatit import AdaLINBlock

VECTOR = (2, 4)
PAIRS = ((VECTOR, VECTOR), (VECTOR, VECTOR))
FACTORS = ((2, 1, 1, 4), (2, 1, 1, 4))
# The blocks, and the shapes of their arguments after the feature map.
BLOCKS = {
    "residual": (lambda: ResidualBlock(4, reflect=True), []),
    "projected": (lambda: ResidualBlock(6, normalized=False), []),
    "dropout": (lambda: DropoutBlock(4), [FACTORS]),
    "adaptive": (lambda: AdaptiveBlock(4), [PAIRS]),
    "AdaLIN": (lambda: AdaLINBlock(4), [PAIRS]),
    "concat": (lambda: ConcatBlock(4), [VECTOR]),
    "conditioned": (lambda: ConditionedBlock(4), [VECTOR]),
    "transform": (lambda: TransformBlock(4), [VECTOR]),
    "halving": (lambda: HalvingBlock(4, 6), []),
    "code": (lambda: CodeBlock(4, coded=True), [VECTOR]),
    "no code": (lambda: CodeBlock(4), [None]),
}


def subclasses(kind):
    found = {kind}.union(*map(subclasses, kind.__subclasses__()))
    return {one for one in found if one.__module__.startswith("tf_i2i")}


def test_every_block_is_tested():
    tested = {type(make()) for make, _ in BLOCKS.values()}
    assert tested | {Recomputable} == subclasses(Recomputable)


def sampled(shapes, rng):
    """Returns the shapes with a sampled tensor in place of each."""
    if shapes is None:
        return None
    if not isinstance(shapes[0], int):
        return tuple(sampled(shape, rng) for shape in shapes)
    return tf.constant(rng.normal(size=shapes), tf.float32)


@pytest.mark.parametrize("name", BLOCKS)
def test_outputs_and_gradients_are_the_same(name, rng, monkeypatch):
    make, shapes = BLOCKS[name]
    keras.utils.set_random_seed(1)
    block = make()
    args = [sampled(shape, rng) for shape in ((2, 6, 6, 4), *shapes)]
    block(*args, training=True)
    inputs = [x for x in tf.nest.flatten(args) if x is not None]
    calls = []
    call = block.call
    monkeypatch.setattr(
        block, "call", lambda *a, **k: calls.append(1) or call(*a, **k)
    )
    found = []
    for block.recompute in (False, True):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            y = block(*args, training=True)
            loss = tf.reduce_sum(tf.square(y) * tf.range(1.0, 1 + y.shape[-1]))
        variables = block.trainable_variables
        found.append([y, *tape.gradient(loss, [*inputs, *variables])])
    assert len(calls) == 3
    for mine, its in zip(*found, strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-4, atol=1e-6)
    block(*args)
    assert len(calls) == 4
