"""Table 4 by shapes and parameter counts; growing by hand."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_i2i.layers import NormRouting
from tf_i2i.layers import downsample
from tf_i2i.layers import upsample
from tf_i2i.methods.twingan import ENCODER_ROUTES
from tf_i2i.methods.twingan import GENERATOR_ROUTES
from tf_i2i.networks import progressive
from tf_i2i.networks.progressive import Convolution
from tf_i2i.networks.progressive import ProgressiveCritic
from tf_i2i.networks.progressive import ProgressiveEncoder
from tf_i2i.networks.progressive import ProgressiveGenerator
from tf_i2i.networks.progressive import StyleEncoder
from tf_i2i.networks.progressive import UpConvolution
from tf_i2i.networks.progressive import channels

ENCODER_NORM = {"routes": ENCODER_ROUTES}
GENERATOR_NORM = {"routes": GENERATOR_ROUTES}
A = NormRouting(("a",))
AB = NormRouting(("ab",))

# Trainable parameters at width 1: gamma and beta of two domains, no bias
# before a norm; the output convolution has one; the critic has biases.
COUNTS = {
    256: (2_953_904, 5_115_068, 3_543_740, 4_590_097),
    64: (2_919_104, 5_057_228, 3_508_940, 4_555_585),
    32: (2_808_192, 4_872_588, 3_398_028, 4_445_057),
    4: (1_792, 591_628, 591_628, 1_642_497),
}
# A mean and a deviation for each channel and route: four routes each, where
# statistics by domain would be half as many.
STATISTICS = {
    256: (2 * 7_040, 2 * 7_052),
    64: (2 * 6_656, 2 * 6_668),
    32: (2 * 6_144, 2 * 6_156),
    4: (2 * 1_024, 2 * 1_036),
}
# With one convolution at 8 px, as in models of earlier versions.
ONE_AT_8 = {
    256: (2_363_056, 4_000_017),
    64: (2_328_256, 3_965_505),
    32: (2_217_344, 3_854_977),
    4: (1_792, 1_642_497),
}


class Recorded:
    """Networks of one path at width 1, and the shapes that went through."""

    def __init__(self, size):
        path = {"sizes": (size,), "width": 1}
        self.encoder = ProgressiveEncoder(**path, norm=ENCODER_NORM)
        self.generator = ProgressiveGenerator(**path, norm=GENERATOR_NORM)
        self.critic = ProgressiveCritic(**path)
        blank = tf.zeros((1, size, size, 3))
        self.shapes = {}
        with pytest.MonkeyPatch.context() as patch:
            self.record(patch, "encoder")
            content, skips = self.encoder(blank, size=size, routing=A)
            self.record(patch, "generator")
            self.generator(content, skips, size=size, routing=AB)
            self.record(patch, "critic")
            self.critic(blank, size=size)
        self.content = tuple(content.shape)
        self.skips = {at: tuple(skip.shape[1:]) for at, skip in skips.items()}

    def record(self, patch, name):
        """Keeps (channels in, side, channels out) of every convolution."""
        rows = self.shapes[name] = []
        inner = progressive.keras.layers.Layer.__call__

        def call(convolution, x, *args, **kwargs):
            y = inner(convolution, x, *args, **kwargs)
            assert y.shape[1] == y.shape[2]
            kernel = convolution.convolution.kernel
            rows.append((kernel.shape[2], y.shape[1], y.shape[3]))
            return y

        patch.setattr(progressive.ConvolutionBase, "__call__", call)


recorded = functools.cache(Recorded)


def trainable(network):
    return sum(np.prod(v.shape) for v in network.trainable_variables)


def not_trainable(network):
    return sum(np.prod(v.shape) for v in network.non_trainable_variables)


@pytest.mark.parametrize("size", COUNTS)
def test_parameter_counts(size):
    networks = recorded(size)
    encoder, generator, _, critic = COUNTS[size]
    assert trainable(networks.encoder) == encoder
    assert trainable(networks.generator) == generator
    assert trainable(networks.critic) == critic
    assert not_trainable(networks.encoder) == STATISTICS[size][0]
    assert not_trainable(networks.generator) == STATISTICS[size][1]
    assert not_trainable(networks.critic) == 0


@pytest.mark.parametrize("size", COUNTS)
def test_parameter_counts_without_u_net(size):
    generator = ProgressiveGenerator(
        (size,), 1, norm=GENERATOR_NORM, skips=False
    )
    generator(tf.zeros((1, 4, 4, 256)), {}, size=size, routing=AB)
    assert trainable(generator) == COUNTS[size][2]


@pytest.mark.parametrize("size", ONE_AT_8)
def test_parameter_counts_with_one_convolution_at_8(size):
    path = {"sizes": (size,), "width": 1, "convs_at_8": 1}
    encoder = ProgressiveEncoder(**path, norm=ENCODER_NORM)
    critic = ProgressiveCritic(**path)
    blank = tf.zeros((1, size, size, 3))
    encoder(blank, size=size, routing=A)
    critic(blank, size=size)
    assert (trainable(encoder), trainable(critic)) == ONE_AT_8[size]


# Table 4, row by row: (channels in, side of the output, channels out).
# "Concat 64 x 256 x 256" tells that the second convolution at 256 px gives
# 32 channels, where the table prints 16.
TRUNK = [
    (3, 256, 16),
    (16, 256, 16),
    (16, 256, 32),
    (32, 128, 32),
    (32, 128, 64),
    (64, 64, 64),
    (64, 64, 128),
    (128, 32, 128),
    (128, 32, 256),
    (256, 16, 256),
    (256, 16, 256),
    (256, 8, 256),
    (256, 8, 256),
]


def test_up_convolution_is_upsample_concatenate_convolve(rng):
    """Two sources, each for two routes, as two calls of plain layers."""
    norm = {"routes": {"aa": 0, "ab": 1, "ba": 0, "bb": 1}}
    layer = UpConvolution(5, 3, norm=norm)
    x = rng.normal(size=(8, 4, 4, 3)).astype(np.float32)
    skip = rng.normal(size=(4, 8, 8, 2)).astype(np.float32)
    routing = NormRouting(tuple(norm["routes"]), routes_per_source=2)
    y = layer(x, skip=skip, routing=routing)
    beside = np.concatenate([skip[:2], skip[:2], skip[2:], skip[2:]])
    both = np.concatenate([upsample(x), beside], axis=3)
    convolved = layer.convolution(both)
    expected = layer.activate(convolved, routing)
    np.testing.assert_allclose(y, expected, rtol=1e-3, atol=1e-4)


def test_table_4_encoder():
    networks = recorded(256)
    assert networks.shapes["encoder"] == TRUNK
    assert networks.content == (1, 4, 4, 256)
    assert networks.skips == {
        256: (256, 256, 32),
        128: (128, 128, 64),
        64: (64, 64, 128),
        32: (32, 32, 256),
        16: (16, 16, 256),
        8: (8, 8, 256),
    }


def test_table_4_generator():
    assert recorded(256).shapes["generator"] == [
        (256, 4, 256),
        (512, 8, 256),
        (256, 8, 256),
        (512, 16, 256),
        (256, 16, 256),
        (512, 32, 128),
        (128, 32, 128),
        (256, 64, 64),
        (64, 64, 64),
        (128, 128, 32),
        (32, 128, 32),
        (64, 256, 16),
        (16, 256, 16),
        (16, 256, 3),
    ]


def test_table_4_critic():
    # The 257th channel is the minibatch deviation.
    tail = [(257, 4, 256), (256, 1, 256)]
    assert recorded(256).shapes["critic"] == TRUNK + tail


def test_channels():
    sizes = [4, 8, 16, 32, 64, 128, 256]
    table = [256, 256, 256, 128, 64, 32, 16]
    assert [channels(size, 1) for size in sizes] == table
    assert [channels(size, 0.25) for size in sizes] == [64] * 3 + [32, 16, 8, 4]
    assert channels(256, 0.1) == 4


def test_a_convolution_by_hand():
    """1x1 kernel (1, -1); statistics 0 and 1: the norm only scales by 2."""
    one = tf.ones((1, 1, 1, 1))
    outputs = {}
    for name, options in {
        "hidden": {"norm": ENCODER_NORM},
        "linear": {"norm": ENCODER_NORM, "linear": True},
        "critic": {},
    }.items():
        layer = progressive.Convolution(2, 1, **options)
        layer(one, routing=A)
        layer.convolution.kernel.assign([[[[1.0, -1.0]]]])
        if layer.norm:
            layer.norm.gamma.assign(tf.fill((2, 2), 2.0))
        outputs[name] = layer(one, routing=A)[0, 0, 0]
    close(outputs["linear"], [2, -2])
    close(outputs["critic"], [1, -0.2])
    # (2, -.4) over its root mean square, sqrt(2.08).
    close(outputs["hidden"], np.array([2, -0.4]) / 2.08**0.5)


# Growing, on narrow networks for 8 and 16 px.

NARROW = {"sizes": (8, 16), "width": 0.03}


def with_a_past(network, *args, **kwargs):
    """Builds both paths of a network and makes all its constants differ."""
    network(*args, size=16, fade=0.5, **kwargs)
    rng = np.random.default_rng(3)
    for variable in network.variables:
        if not variable.path.endswith("kernel"):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    return network


def images(rng, size=16, count=2):
    return tf.constant(rng.uniform(-1, 1, (count, size, size, 3)), tf.float32)


@pytest.fixture(scope="module")
def encoder():
    network = ProgressiveEncoder(**NARROW, norm=ENCODER_NORM)
    return with_a_past(network, tf.zeros((1, 16, 16, 3)), routing=A)


@pytest.fixture(scope="module")
def generator(encoder):
    network = ProgressiveGenerator(**NARROW, norm=GENERATOR_NORM)
    coded = encoder(tf.zeros((1, 16, 16, 3)), size=16, routing=A)
    return with_a_past(network, *coded, routing=AB)


@pytest.fixture(scope="module")
def critic():
    # With other first weights, its scores may hardly depend on the deviation.
    keras.utils.set_random_seed(1)
    return with_a_past(ProgressiveCritic(**NARROW), tf.zeros((1, 16, 16, 3)))


def close(x, y, atol=1e-5):
    np.testing.assert_allclose(x, y, rtol=1e-4, atol=atol)


def differ(x, y):
    return np.abs(np.asarray(x) - np.asarray(y)).max() > 0.01


def test_an_encoder_fades_from_the_path_below(rng, encoder):
    x = images(rng)
    old, old_skips = encoder(downsample(x), size=8, routing=A)
    new, new_skips = encoder(x, size=16, routing=A)
    assert differ(old, new)
    at_0, skips_at_0 = encoder(x, size=16, fade=0.0, routing=A)
    at_1, skips_at_1 = encoder(x, size=16, fade=1.0, routing=A)
    close(at_0, old)
    close(at_1, new)
    close(skips_at_0[8], old_skips[8])
    close(skips_at_1[8], new_skips[8])
    close(skips_at_0[16], new_skips[16])


def test_a_skip_is_taken_before_pooling(rng, encoder):
    content, skips = encoder(images(rng), size=16, routing=A)
    close(downsample(skips[8]), content)
    for skip in skips.values():
        assert differ(skip, upsample(downsample(skip)))


def test_a_critic_fades_from_the_path_below(rng, critic):
    x = images(rng)
    old, new = critic(downsample(x), size=8), critic(x, size=16)
    assert differ(old, new)
    close(critic(x, size=16, fade=0.0), old)
    close(critic(x, size=16, fade=1.0), new)


def test_a_generator_fades_from_the_path_below(rng, encoder, generator):
    content, skips = encoder(images(rng), size=16, routing=A)
    old = generator(content, skips, size=8, routing=AB)
    new = generator(content, skips, size=16, routing=AB)
    assert differ(upsample(old), new)
    for fade in (0.0, 0.3, 1.0):
        faded = generator(content, skips, size=16, fade=fade, routing=AB)
        close(faded, fade * new + (1 - fade) * upsample(old))


def test_fading_is_continuous(rng, encoder, generator, critic):
    x = images(rng)

    def at(fade):
        path = {"size": 16, "fade": fade}
        content, skips = encoder(x, routing=A, **path)
        pictures = generator(content, skips, routing=AB, **path)
        return np.concatenate(
            [np.ravel(y) for y in (content, pictures, critic(x, **path))]
        )

    outputs = {fade: at(fade) for fade in (0, 1e-3, 0.5, 0.501, 0.999, 1)}
    whole = np.abs(outputs[1] - outputs[0]).max()
    assert whole > 0.1
    for fade, next_fade in ((0, 1e-3), (0.5, 0.501), (0.999, 1)):
        step = np.abs(outputs[next_fade] - outputs[fade]).max()
        assert 0 < step < 0.02 * whole


def test_skips_reach_the_generator_only_with_a_u_net(rng, encoder, generator):
    content, skips = encoder(images(rng), size=16, routing=A)
    others = {size: skip + 1 for size, skip in skips.items()}
    path = {"size": 16, "routing": AB}
    with_u_net = [generator(content, s, **path) for s in (skips, others)]
    assert differ(*with_u_net)
    without = ProgressiveGenerator(**NARROW, norm=GENERATOR_NORM, skips=False)
    pictures = [without(content, s, **path) for s in (skips, others)]
    assert np.array_equal(*pictures)


def test_a_generator_without_output_norm_has_a_bias(rng):
    networks = [
        ProgressiveGenerator((4,), 0.03, GENERATOR_NORM, output_norm=norm)
        for norm in (True, False)
    ]
    for network in networks:
        network(tf.zeros((1, 4, 4, 8)), {}, size=4, routing=AB)
    # gamma and beta of two domains against one bias, of three channels.
    assert trainable(networks[0]) - trainable(networks[1]) == 12 - 3


def test_oblong_multiples_of_the_size(rng, encoder, generator):
    x = tf.concat([images(rng), images(rng)[:, :, :8]], 2)
    x = tf.concat([x, x], 1)
    content, skips = encoder(x, size=16, routing=A)
    assert content.shape[1:3] == (8, 6)
    y = generator(content, skips, size=16, routing=AB)
    assert y.shape == x.shape == (2, 32, 24, 3)


def test_a_critic_takes_the_deviation_within_groups(rng, critic):
    x, z = 5 * images(rng), 0 * images(rng)
    both = critic(tf.concat([x, z], 0), size=16, groups=2)
    apart = tf.concat([critic(x, size=16), critic(z, size=16)], 0)
    close(both, apart)
    assert differ(both, critic(tf.concat([x, z], 0), size=16))


def test_outputs_are_float32_in_mixed_precision(rng):
    keras.config.set_dtype_policy("mixed_bfloat16")
    x = images(rng)
    encoder = ProgressiveEncoder(**NARROW, norm=ENCODER_NORM)
    generator = ProgressiveGenerator(**NARROW, norm=GENERATOR_NORM)
    style = StyleEncoder(**NARROW, norm=ENCODER_NORM, style_size=2)
    content, skips = encoder(x, size=16, routing=A)
    assert content.dtype == skips[16].dtype == tf.bfloat16
    y = generator(content, skips, size=16, routing=AB)
    assert y.dtype == tf.float32
    assert ProgressiveCritic(**NARROW)(x, size=16).dtype == tf.float32
    assert style(x, size=16, routing=A).shape == (2, 2)
    assert style(x, size=16, routing=A).dtype == tf.float32


def test_pixels_are_normalized_only_where_asked(rng):
    x = tf.constant(rng.normal(size=(4, 8, 8, 3)), tf.float32)
    routing = NormRouting(("aa", "bb"))
    for pixel_norm in (True, False):
        norm = {"routes": {"aa": 0, "bb": 1}, "pixel_norm": pixel_norm}
        layer = Convolution(6, 3, norm=norm)
        squares = tf.reduce_mean(layer(x, routing=routing) ** 2, axis=-1)
        assert layer.per_image == pixel_norm
        assert np.allclose(squares, 1, atol=1e-3) == pixel_norm
