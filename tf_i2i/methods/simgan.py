r"""SimGAN: Learning from Simulated and Unsupervised Images.

Source: Shrivastava, Pfister, Tuzel, Susskind, Wang and Webb, 2017,
arXiv:1612.07828.

    a --R--> fake_b                    D: fake_b or b?
    fake_b ~ a

A is a domain of simulated images, and B is one of real images. The refiner R
makes images of A look like images of B. R must not change the pixels much, so
that labels of the simulated images remain correct. D scores patches of images.
D is trained on fakes of which half come from a pool of earlier fakes.

What the paper leaves open, or what differs here:
- Losses are means over pixels and over patches, so that loss weights have the
  same effect at every image size. In the paper, losses are sums, and the loss
  weight is chosen for sums.
- The paper first trains R for 1,000 steps by self-regularization alone, and
  then D for 200 steps. Here, both are done at the same time: the adversarial
  loss of R is 0 for the first `warm_up_images` images.
- Each fake is exchanged with an entry of the pool with probability 1/2. In the
  paper, exactly half of a batch comes from the pool, and half of the new fakes
  are stored.
- Images have three channels, and R ends with a hyperbolic tangent. The images
  of the paper have one channel. D returns one logit for each patch, which is
  the difference of the two logits of the paper.
- Self-regularization compares pixels, the first choice of the paper for the
  function psi of eq. 3.
- The authors published no code. As in public reimplementations, a ReLU follows
  each sum of a residual block. Adam is used; algorithm 1 has plain gradient
  steps.
- Moving averages of the network weights are used at inference. The paper has
  no such averages.
"""

from typing import Annotated

import tensorflow as tf

from tf_i2i import losses
from tf_i2i.methods.base import UnpairedTranslator
from tf_i2i.networks.pool import ImagePool
from tf_i2i.networks.simgan import SIZES
from tf_i2i.networks.simgan import Refiner
from tf_i2i.networks.simgan import RefinerCritic
from tf_i2i.sizes import Size
from tf_i2i.values import Count
from tf_i2i.values import CountOrZero
from tf_i2i.values import OneOf
from tf_i2i.values import Positive
from tf_i2i.values import Seed
from tf_i2i.values import Weight


class SimGAN(UnpairedTranslator):
    """SimGAN (Shrivastava et al. 2017, arXiv:1612.07828).

    Args:
        image_size: side of images, or their height and width, in pixels.
        networks: "eyes" or "hands", the experiment of the paper whose layers
            the networks have. "hands" is for large images.
        width: factor on the channel counts of the refiner.
        critic_width: factor on the channel counts of the critic (default:
            `width`).
        regularization_weight: weight of L1 between an image of A and its
            translation, lambda of eq. 4 (default 5).
        refiner_updates: number of updates of the refiner for each update of
            the critic, K_g of algorithm 1 (default 2). Each of these updates
            takes its own part of the batch.
        pool_size: number of images in the pool (default 512). With 0, the
            critic is trained on the fakes of the current step only.
        warm_up_images: number of images of each domain, at the beginning of
            training, for which the refiner has no adversarial loss (default
            0).
        average_kimg, seed, name: see `UnpairedTranslator`.
    """

    translators = ("refiner",)
    critics = ("critic",)
    adam = {"learning_rate": 2e-4, "beta_1": 0.5, "beta_2": 0.999}
    measures = (
        *("score", "style", "content", "copying", "checks", "labels"),
        *("paired", "outlines", "swd", "segmentation", "segmenter"),
    )
    tiny = {"image_size": 16, "width": 0.05, "pool_size": 6}
    # With several updates of the refiner, each would take a part of the batch,
    # and tests could not divide the parts between two devices.
    tiny_variants = {"": {"refiner_updates": 1, "warm_up_images": 8}}
    directions = ("a_to_b",)
    size_multiple = 1

    def __init__(
        self,
        image_size: Size = 64,
        networks: Annotated[str, OneOf(tuple(SIZES))] = "eyes",
        width: Positive = 1.0,
        critic_width: Positive | None = None,
        regularization_weight: Weight = 5.0,
        refiner_updates: Count = 2,
        pool_size: CountOrZero = 512,
        warm_up_images: CountOrZero = 0,
        average_kimg: Weight = 10.0,
        seed: Seed = 0,
        name: str = "simgan",
    ):
        super().__init__(image_size, average_kimg, seed, name)
        self.updates = (*("translator",) * refiner_updates, "critic")
        self.regularization_weight = regularization_weight
        self.pool_size = pool_size
        self.warm_up_images = warm_up_images
        sizes = SIZES[networks]
        self.refiner = Refiner(sizes, width, "refiner")
        self.critic = RefinerCritic(sizes, critic_width or width, "critic")
        if pool_size:
            self.pool_b = ImagePool(pool_size, image_size, name="pool_b")
        self.build_networks()

    # Inference.

    def translate(self, images, direction, style=None):
        self.check_direction(direction, style)
        return self.refiner(images)

    # Training.

    def forward(self, a, b, training):
        fake = self.refiner(a, training=training)
        pooled = tf.stop_gradient(fake)
        if self.pool_size and training and "critic" in self.active_sides:
            pooled = self.exchange(fake, "pool_b")
        s = {"a": a, "b": b, "fake_b": fake, "pooled_b": pooled}
        # The critic is called separately for each batch, because the updates of
        # the refiner need the scores of new fakes only.
        for name in ("b", "fake_b", "pooled_b"):
            seen = self.augment_for_critic(s[name], name)
            kind = name.removesuffix("b")
            s[f"{kind}score_b"] = self.critic(seen, training=training)
        return s

    def translator_losses(self, s):
        fooling = losses.gan_translator(s["fake_score_b"])
        warm = tf.convert_to_tensor(self.images_shown) >= self.warm_up_images
        change = losses.l1(s["a"], s["fake_b"])
        return {
            "gan": tf.cast(warm, tf.float32) * fooling,
            "regularization": self.regularization_weight * change,
        }

    def critic_losses(self, s):
        loss = losses.gan_critic(s["score_b"], s["pooled_score_b"])
        return {"critic": loss}
