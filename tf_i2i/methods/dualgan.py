r"""DualGAN: Unsupervised Dual Learning for Image-to-Image Translation.

Source: Yi, Zhang, Tan and Gong, 2017, arXiv:1704.02510.

    a --G_b--> fake_b --G_a--> cycled_a
    b --G_a--> fake_a --G_b--> cycled_b

The method is CycleGAN without an identity loss and without pools of earlier
images, and with other generators (U-Nets) and other adversarial losses.

What the paper leaves open, or what differs here:
- The paper trains Wasserstein critics, whose weights are clipped
  (`gan_loss="wgan"`). The first version of the authors' code has logistic
  losses (`gan_loss="logistic"`), a weight of 20 for the cycle, and two updates
  of the generators for each update of the critics. The last version of the code
  has a gradient penalty in place of the clipping. This penalty is left out
  here.
- RMSProp is replaced by Adam with beta_1 = 0 and beta_2 = .9. The two
  optimizers differ only in the first tens of updates, in which Adam corrects
  the bias of its averages.
- The paper mentions noise by dropout, in training and at inference. There is
  none here, as in the authors' code by default.
- The smallest map of a generator is not normalized. The authors' code
  normalizes this map. However, it has one pixel, so that only a constant would
  remain.
- Critics score patches of 70x70 pixels, as in the paper. The authors' code has
  five convolutions of stride 2 and a dense layer.
- If generators or critics are updated several times in a step, each update has
  its own part of the batch. In the authors' code the two updates of the
  generators use the same batch.
- Losses are means over elements.
- Moving averages of the network weights are used at inference. The paper has
  no such averages.
"""

import math
from typing import Annotated

import tensorflow as tf

from tf_i2i import losses
from tf_i2i.methods.base import UnpairedTranslator
from tf_i2i.networks.dualgan import UNet
from tf_i2i.networks.patch import PatchCritic
from tf_i2i.sizes import Size
from tf_i2i.sizes import height_width
from tf_i2i.values import Count
from tf_i2i.values import OneOf
from tf_i2i.values import Positive
from tf_i2i.values import Seed
from tf_i2i.values import Weight

# Kind of adversarial loss -> the losses of critics and of translators.
GAN_LOSSES = {
    "wgan": (losses.wgan_critic, losses.wgan_translator),
    "logistic": (losses.gan_critic, losses.gan_translator),
}
# The published generator halves images of 256 pixels eight times.
MOST_LAYERS = 8


class DualGAN(UnpairedTranslator):
    """DualGAN (Yi et al. 2017, arXiv:1704.02510).

    Args:
        image_size: side of images in pixels, or their height and width, which
            are multiples of `2 ** layers`.
        layers: number of convolutions of stride 2 in a generator. None selects
            as many as the sides of the images can be halved, at most 8.
        width: factor on the channel counts of the generators.
        critic_layers: number of strided convolutions of a critic. With 3, the
            critic is the 70x70 PatchGAN.
        critic_width: factor on the channel counts of the critics (default:
            `width`).
        gan_loss: "wgan" for Wasserstein critics whose weights are clipped, as
            in the paper, or "logistic".
        clip: largest absolute value of a weight of Wasserstein critics
            (default .01; .01 to .1 in the paper).
        cycle_weight: weight of the cycle loss, lambda of eq. 2 (default 500;
            100 to 1000 in the paper).
        critic_steps: number of updates of the critics in a training step
            (default 2; 2 to 4 in the paper).
        translator_steps: number of updates of the generators in a training
            step (default 1).
        average_kimg, seed, name: see `UnpairedTranslator`.

    Raises:
        UserError: `image_size` is not a multiple of `2 ** layers`.
    """

    translators = ("generator_a", "generator_b")
    critics = ("critic_a", "critic_b")
    adam = {"learning_rate": 5e-5, "beta_1": 0.0, "beta_2": 0.9}
    tiny = {
        "image_size": 16,
        "width": 0.05,
        "critic_layers": 1,
        # With the default of 500, a rounding error that changes the sign of one
        # activation before a ReLU changes weights by 1e-3 in a step. Tests of
        # equal results could not distinguish this from an error of the program.
        "cycle_weight": 1.0,
        "critic_steps": 2,
    }
    tiny_variants = {
        "": {},
        "logistic": {"gan_loss": "logistic"},
    }

    def __init__(
        self,
        image_size: Size = 256,
        layers: Count | None = None,
        width: Positive = 1.0,
        critic_layers: Count = 3,
        critic_width: Positive | None = None,
        gan_loss: Annotated[str, OneOf(tuple(GAN_LOSSES))] = "wgan",
        clip: Positive = 0.01,
        cycle_weight: Weight = 500.0,
        critic_steps: Count = 2,
        translator_steps: Count = 1,
        average_kimg: Weight = 10.0,
        seed: Seed = 0,
        name: str = "dualgan",
    ):
        super().__init__(image_size, average_kimg, seed, name)
        self.layer_count = layers or _halvings(image_size)
        self.check_size(self.size_multiple)
        self.critic_loss, self.translator_loss = GAN_LOSSES[gan_loss]
        self.cycle_weight = cycle_weight
        self.updates = (
            *["critic"] * critic_steps,
            *["translator"] * translator_steps,
        )
        critic_width = critic_width or width
        for o in "ab":
            generator = UNet(self.layer_count, width, f"generator_{o}")
            setattr(self, f"generator_{o}", generator)
            critic = PatchCritic(critic_layers, critic_width, f"critic_{o}")
            setattr(self, f"critic_{o}", critic)
        self.build_networks()
        if gan_loss == "wgan":
            for variable in self.owned("critic"):
                # Optimizers apply the constraint after each update.
                variable.constraint = lambda x: tf.clip_by_value(x, -clip, clip)

    @property
    def size_multiple(self):
        return 2**self.layer_count

    def translate(self, images, direction, style=None):
        self.check_direction(direction, style)
        return getattr(self, f"generator_{direction[-1]}")(images)

    def forward(self, a, b, training):
        s = {"a": a, "b": b}
        for o, i in ("ab", "ba"):
            generator = getattr(self, f"generator_{o}")
            s[f"fake_{o}"] = generator(s[i], training=training)
        for o, i in ("ab", "ba"):
            if "translator" in self.active_sides:
                generator = getattr(self, f"generator_{o}")
                s[f"cycled_{o}"] = generator(s[f"fake_{i}"], training=training)
            critic = getattr(self, f"critic_{o}")
            for kind in ("", "fake_"):
                seen = self.augment_for_critic(s[f"{kind}{o}"], f"{kind}{o}")
                s[f"{kind}score_{o}"] = critic(seen, training=training)
        return s

    def translator_losses(self, s):
        terms = {}
        for o in "ab":
            terms[f"gan_{o}"] = self.translator_loss(s[f"fake_score_{o}"])
            terms[f"cycle_{o}"] = self.cycle_weight * losses.l1(
                s[o], s[f"cycled_{o}"]
            )
        return terms

    def critic_losses(self, s):
        return {
            f"critic_{o}": self.critic_loss(
                s[f"score_{o}"], s[f"fake_score_{o}"]
            )
            for o in "ab"
        }


def _halvings(image_size):
    """Returns how many times the sides of images can be halved, at most 8."""
    common = math.gcd(*height_width(image_size))
    return next(n for n in range(MOST_LAYERS, -1, -1) if common % 2**n == 0)
