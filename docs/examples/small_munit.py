"""MUNIT (Huang et al. 2018, arXiv:1804.04732), small.

a --C_a--> content_a --G_b( , draw_b)--> fake_b --C_b--> again_b
                                                --S_b--> fake_style_b
a --S_a--> style_a; G_a(content_a, style_a) = same_a; the same from b
"""

import gin
import tensorflow as tf
from keras import Sequential
from keras import layers

from tf_i2i import UnpairedTranslator
from tf_i2i import losses
from tf_i2i.layers import InstanceNormalization
from tf_i2i.layers import modulate
from tf_i2i.methods.capabilities import Reconstructing
from tf_i2i.methods.capabilities import Styled
from tf_i2i.networks.base import Network

HALF = {"strides": 2, "padding": "same", "activation": "leaky_relu"}
CHANNELS = 128


@gin.register
class SmallMUNIT(Styled, Reconstructing, UnpairedTranslator):
    translators = (
        *("content_encoder_a", "style_encoder_a", "generator_a"),
        *("content_encoder_b", "style_encoder_b", "generator_b"),
    )
    critics = ("critic_a", "critic_b")
    size_multiple = 4  # Sides of images are multiples of this.
    style_shape = (8,)  # Shape of the style of one image.

    def __init__(self, image_size=32, image_weight=10.0, seed=0):
        super().__init__(image_size, average_kimg=1.0, seed=seed)
        self.image_weight = image_weight
        for o in "ab":
            setattr(self, f"content_encoder_{o}", content_encoder())
            setattr(self, f"style_encoder_{o}", style_encoder())
            setattr(self, f"generator_{o}", Generator())
            setattr(self, f"critic_{o}", critic())
        self.build_networks()

    def translate(self, images, direction, style=None):
        self.check_direction(direction, style)
        source, target = direction.split("_to_")
        content = self.encode_content(images, source)
        return self.generate(content, self.style_or_mean(style, images), target)

    def encode_style(self, images, direction):
        self.check_direction(direction)
        return getattr(self, f"style_encoder_{direction[-1]}")(images)

    def reconstruct(self, images, domain):
        style = getattr(self, f"style_encoder_{domain}")(images)
        return self.generate(self.encode_content(images, domain), style, domain)

    def encode_content(self, images, domain):
        return getattr(self, f"content_encoder_{domain}")(images)

    def generate(self, content, style, domain):
        return getattr(self, f"generator_{domain}")(content, style)

    def forward(self, a, b, training):
        s = {"a": a, "b": b}
        for o in "ab":
            s[f"content_{o}"] = self.encode_content(s[o], o)
            s[f"same_{o}"] = self.reconstruct(s[o], o)
            shape = (s[o].shape[0], *self.style_shape)
            s[f"draw_{o}"] = self.noise(shape, f"draw_{o}")
        for o, i in ("ab", "ba"):
            fake = self.generate(s[f"content_{i}"], s[f"draw_{o}"], o)
            s[f"fake_{o}"] = fake
            s[f"again_{o}"] = self.encode_content(fake, o)
            s[f"fake_style_{o}"] = getattr(self, f"style_encoder_{o}")(fake)
            judge = getattr(self, f"critic_{o}")
            for name in (o, f"fake_{o}"):
                seen = self.augment_for_critic(s[name], name)
                s[f"score_of_{name}"] = judge(seen)
        return s

    def translator_losses(self, s):
        terms = {}
        for o, i in ("ab", "ba"):
            fooling = losses.lsgan_translator(s[f"score_of_fake_{o}"])
            same = losses.l1(s[o], s[f"same_{o}"])
            terms[f"gan_{o}"] = fooling
            terms[f"identity_{o}"] = self.image_weight * same
            terms[f"content_{o}"] = losses.l1(
                s[f"content_{i}"], s[f"again_{o}"]
            )
            terms[f"style_{o}"] = losses.l1(
                s[f"draw_{o}"], s[f"fake_style_{o}"]
            )
        return terms

    def critic_losses(self, s):
        return {
            f"critic_{o}": losses.lsgan_critic(
                s[f"score_of_{o}"], s[f"score_of_fake_{o}"]
            )
            for o in "ab"
        }


class Generator(Network):
    """Images from content and style, by adaptive instance normalization."""

    def __init__(self, name=None):
        super().__init__(name)
        self.affine = layers.Dense(2 * CHANNELS, dtype="float32")
        self.first = layers.Conv2D(CHANNELS, 3, padding="same")
        self.norm = InstanceNormalization()
        self.ups = [layers.Conv2DTranspose(64, 4, **HALF) for _ in range(2)]
        float32 = {"activation": "tanh", "dtype": "float32"}
        self.rgb = layers.Conv2D(3, 3, padding="same", **float32)

    def call(self, content, style):
        scale, offset = tf.split(self.affine(style), 2, axis=1)
        x = tf.nn.relu(modulate(self.norm(self.first(content)), scale, offset))
        for up in self.ups:
            x = up(x)
        return self.rgb(x)


def content_encoder():
    return Sequential(halves(64, CHANNELS))


def style_encoder():
    pooled = [layers.GlobalAveragePooling2D(), layers.Dense(8, dtype="float32")]
    return Sequential([*halves(64, CHANNELS), *pooled])


def critic():
    return Sequential([*halves(64, 128), layers.Conv2D(1, 4)])


def halves(*channels):
    return [layers.Conv2D(count, 4, **HALF) for count in channels]
