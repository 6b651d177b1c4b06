"""DiscoGAN (Kim et al. 2017, arXiv:1703.05192), small.

a --G_b--> fake_b --G_a--> cycled_a
b --G_a--> fake_a --G_b--> cycled_b
"""

import gin
from keras import Sequential
from keras import layers

from tf_i2i import UnpairedTranslator
from tf_i2i import losses

HALF = {"strides": 2, "padding": "same", "activation": "leaky_relu"}


@gin.register
class DiscoGAN(UnpairedTranslator):
    translators = ("generator_a", "generator_b")
    critics = ("critic_a", "critic_b")
    size_multiple = 4  # Sides of images are multiples of this.

    def __init__(self, image_size=32, cycle_weight=10.0, seed=0):
        super().__init__(image_size, average_kimg=1.0, seed=seed)
        self.cycle_weight = cycle_weight
        self.generator_a, self.generator_b = generator(), generator()
        self.critic_a, self.critic_b = critic(), critic()
        self.build_networks()

    def translate(self, images, direction, style=None):
        self.check_direction(direction, style)
        return getattr(self, f"generator_{direction[-1]}")(images)

    def forward(self, a, b, training):
        s = {"a": a, "b": b}
        s["fake_a"], s["fake_b"] = self.generator_a(b), self.generator_b(a)
        s["cycled_a"] = self.generator_a(s["fake_b"])
        s["cycled_b"] = self.generator_b(s["fake_a"])
        for o, judge in (("a", self.critic_a), ("b", self.critic_b)):
            s[f"score_{o}"] = judge(self.augment_for_critic(s[o], o))
            s[f"fake_score_{o}"] = judge(
                self.augment_for_critic(s[f"fake_{o}"], f"fake_{o}")
            )
        return s

    def translator_losses(self, s):
        terms = {}
        for o in "ab":
            back = losses.l1(s[o], s[f"cycled_{o}"])
            terms[f"gan_{o}"] = losses.gan_translator(s[f"fake_score_{o}"])
            terms[f"cycle_{o}"] = self.cycle_weight * back
        return terms

    def critic_losses(self, s):
        scores = {o: (s[f"score_{o}"], s[f"fake_score_{o}"]) for o in "ab"}
        return {f"critic_{o}": losses.gan_critic(*scores[o]) for o in "ab"}


def generator():
    up = [layers.Conv2DTranspose(64, 4, **HALF) for _ in range(2)]
    float32 = {"activation": "tanh", "dtype": "float32"}
    rgb = layers.Conv2D(3, 3, padding="same", **float32)
    return Sequential([*halves(64, 128), *up, rgb])


def critic():
    return Sequential([*halves(64, 128), layers.Conv2D(1, 4)])


def halves(*channels):
    return [layers.Conv2D(count, 4, **HALF) for count in channels]
