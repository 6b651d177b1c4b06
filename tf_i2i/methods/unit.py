r"""Unsupervised Image-to-Image Translation Networks (UNIT).

Source: Liu, Breuel and Kautz, 2017, arXiv:1703.00848.

    a --E_a--> code_a --G_a--> same_a
                     \--G_b--> fake_b --E_b--> again_a --G_a--> cycled_a
    b --E_b--> code_b --G_b--> same_b
                     \--G_a--> fake_a --E_a--> again_b --G_b--> cycled_b

The encoders share their last residual blocks, and the generators share their
first residual blocks. An encoder returns the mean of a code. Noise is added to
the mean before it is decoded. The mean is called `mean_a` for images of A, and
`again_a` for the translations in the cycle that starts with images of A.

What the paper leaves open, or what differs here:
- `translate` decodes the mean of a code. The paper decodes a sample of
  q(z|x), which `sample=True` selects.
- Likelihoods and divergences are means over elements, so that loss weights
  have the same effect at every image size.
- Eq. 3 and eq. 7 both contain KL(q(z|x) || p). Therefore its weight is
  lambda_1 + lambda_3.
- New noise is sampled in the second half of the cycle (eq. 7: z_2 ~
  q_2(z_2|x_1->2)).
- Kernels of the residual blocks are 3x3, although Table 3 prints 1x1.
- Two choices are taken from the authors' code: instance normalization in the
  residual blocks, and leaky ReLUs with a factor of .01 below 0.
- Moving averages of the network weights are used at inference. The paper has
  no such averages.
"""

from typing import Annotated

import tensorflow as tf

from tf_i2i import losses
from tf_i2i.domains import ends
from tf_i2i.errors import UserError
from tf_i2i.layers.shuffle import Block
from tf_i2i.methods.base import UnpairedTranslator
from tf_i2i.methods.capabilities import Embedding
from tf_i2i.methods.capabilities import Prior
from tf_i2i.methods.capabilities import Reconstructing
from tf_i2i.networks.unit import BLOCKS
from tf_i2i.networks.unit import UnitCritic
from tf_i2i.networks.unit import UnitEncoder
from tf_i2i.networks.unit import UnitGenerator
from tf_i2i.networks.unit import residual_blocks
from tf_i2i.sizes import Size
from tf_i2i.sizes import height_width
from tf_i2i.sizes import short_side
from tf_i2i.values import Count
from tf_i2i.values import CountOrZero
from tf_i2i.values import Positive
from tf_i2i.values import Range
from tf_i2i.values import Seed
from tf_i2i.values import Weight


class UNIT(Embedding, Prior, Reconstructing, UnpairedTranslator):
    """UNIT (Liu et al. 2017, arXiv:1703.00848).

    Args:
        image_size: side of images, or their height and width, which are
            multiples of `unshuffle * 2 ** halvings` pixels.
        width: factor on the channel counts of Table 3.
        shared_blocks: number of residual blocks that the two encoders share,
            and that the two generators share, 0 to 4 (default 1). For the
            ablation "no weight-sharing" of Figure 2(d), it is 0,
            `likelihood_weight`, `kl_weight` and `cycle_kl_weight` are 0, and
            `code_noise` is False. The losses are then those of CycleGAN.
        critic_layers: number of strided convolutions of a critic, 1 to 5
            (default 5).
        critic_width: factor on the channel counts of the critics (default:
            `width`).
        halvings: number of strided convolutions of an encoder, either 3 or, as
            in the authors' code, 2.
        unshuffle: side of the blocks of pixels that encoders and generators
            process as one pixel (default 1). With 2, the feature maps for
            images of 128 pixels are as large as with 1 for images of 64 pixels.
            `unshuffle` has no effect on critics. See `layers.pixel_unshuffle`.
        block_channels: number of channels of the residual blocks (default 512;
            256 in the authors' code).
        block_kernel: side of the kernels of residual blocks in pixels
            (default 3; Table 3 prints 1).
        gan_weight: weight of the adversarial losses, lambda_0 (default 10).
        kl_weight: weight of the KL divergence of codes, lambda_1 (default .1).
        likelihood_weight: weight of L1 between an image and its reconstruction,
            lambda_2 (default 100).
        cycle_kl_weight: weight of the KL divergence in the cycle, lambda_3
            (default .1).
        cycle_weight: weight of L1 between an image and the image at the end of
            its cycle, lambda_4 (default 100). For the ablation "no
            cycle-consistency" of Figure 2(d), it is 0, and so is
            `cycle_kl_weight`.
        code_noise: whether noise is added to codes in training (default
            True). For the ablation "no weight-sharing" the value is False.
        weight_decay: weight of half the sum of squares of the network
            weights, a loss of translators and of critics (default 0, as in the
            paper; 1e-4 in the authors' code).
        sample: whether `translate` adds noise to codes. The noise is the same
            for all images.
        average_kimg, seed, name: see `UnpairedTranslator`.

    Raises:
        UserError: a number of layers is out of its range, or `image_size` is
            not a multiple of `unshuffle * 2 ** halvings`.
    """

    translators = ("encoder_a", "encoder_b", "generator_a", "generator_b")
    critics = ("critic_a", "critic_b")
    updates = ("critic", "translator")
    adam = {"learning_rate": 1e-4, "beta_1": 0.5, "beta_2": 0.999}
    measures = (*UnpairedTranslator.measures, "embedding")
    tiny = {"image_size": 16, "width": 0.05, "critic_layers": 2}
    tiny_variants = {
        "": {"halvings": 2},
        "unshuffle": {"image_size": 32, "halvings": 2, "unshuffle": 2},
    }

    def __init__(
        self,
        image_size: Size = 256,
        width: Positive = 1.0,
        shared_blocks: CountOrZero = 1,
        critic_layers: Count = 5,
        critic_width: Positive | None = None,
        halvings: Annotated[int, Range(1, 3)] = 3,
        unshuffle: Block = 1,
        block_channels: Count = 512,
        block_kernel: Count = 3,
        gan_weight: Weight = 10.0,
        kl_weight: Weight = 0.1,
        likelihood_weight: Weight = 100.0,
        cycle_kl_weight: Weight = 0.1,
        cycle_weight: Weight = 100.0,
        code_noise: bool = True,
        weight_decay: Weight = 0.0,
        sample: bool = False,
        average_kimg: Weight = 10.0,
        seed: Seed = 0,
        name: str = "unit",
    ):
        super().__init__(image_size, average_kimg, seed, name)
        self.halvings = halvings
        self.unshuffle = unshuffle
        _check("shared_blocks", shared_blocks, range(BLOCKS + 1))
        _check("critic_layers", critic_layers, range(1, 6))
        _check("halvings", halvings, (2, 3))
        self.check_size(2**halvings, unshuffle)
        short = short_side(image_size)
        if short < 2 ** (critic_layers + 1):
            raise UserError(
                "`critic_layers` must be at most "
                f"{short.bit_length() - 2} for image_size={image_size}, "
                "because the last layer of a critic needs 2 x 2 pixels. "
                f"Received: critic_layers={critic_layers}"
            )
        self.gan_weight = gan_weight
        self.kl_weight = kl_weight
        self.likelihood_weight = likelihood_weight
        self.cycle_kl_weight = cycle_kl_weight
        self.cycle_weight = cycle_weight
        self.code_noise = code_noise
        self.weight_decay = weight_decay
        self.sample = sample

        def blocks(count, name="own"):
            return residual_blocks(
                count, block_channels, block_kernel, width, name
            )

        own = BLOCKS - shared_blocks
        last = blocks(shared_blocks, "shared")
        first = blocks(shared_blocks, "shared")
        shape = {
            "halvings": halvings,
            "width": width,
            "unshuffle": unshuffle,
        }
        for domain in "ab":
            encoder = UnitEncoder(
                [*blocks(own), *last], **shape, name=f"encoder_{domain}"
            )
            generator = UnitGenerator(
                [*first, *blocks(own)], **shape, name=f"generator_{domain}"
            )
            critic = UnitCritic(
                critic_layers, critic_width or width, name=f"critic_{domain}"
            )
            setattr(self, f"encoder_{domain}", encoder)
            setattr(self, f"generator_{domain}", generator)
            setattr(self, f"critic_{domain}", critic)
        self.build_networks()

    @property
    def size_multiple(self):
        return self.unshuffle * 2**self.halvings

    # Inference.

    def translate(self, images, direction, style=None):
        self.check_direction(direction, style)
        source, target = ends(direction)
        return self._decode(self._code(images, source), target)

    def reconstruct(self, images, domain):
        """Returns the reconstructions of images, `G_i(E_i(x_i))`."""
        return self._decode(self._code(images, domain), domain)

    def embed(self, images, domain):
        """Returns means of codes, reshaped to one vector for each image."""
        mean = self._encode(images, domain)
        size = mean.shape[1] * mean.shape[2] * mean.shape[3]
        return tf.reshape(mean, [-1, size])

    def sample_codes(self, count, seed):
        """Returns samples of N(0, I), `[count, h, w, channels]`.

        `decode` makes images of size `image_size` from them.
        """
        sides = height_width(self.image_size)
        height, width = (side // self.size_multiple for side in sides)
        shape = (count, height, width, self.encoder_a.blocks[-1].filters)
        return tf.random.stateless_normal(shape, (seed, 0))

    def decode(self, codes):
        """Returns the images that each code gives in both domains (eq. 1)."""
        return {domain: self._decode(codes, domain) for domain in "ab"}

    def _code(self, images, domain):
        mean = self._encode(images, domain)
        if not self.sample:
            return mean
        # The same noise is added to all codes, because the translation of an
        # image must not depend on the other images of its batch.
        return mean + tf.random.stateless_normal(
            tf.shape(mean[:1]), (self.seed, 0)
        )

    def _encode(self, images, domain, training=False):
        return getattr(self, f"encoder_{domain}")(images, training=training)

    def _decode(self, codes, domain, training=False):
        return getattr(self, f"generator_{domain}")(codes, training=training)

    # Training.

    def forward(self, a, b, training):
        s = {"a": a, "b": b}
        for i in "ab":
            s[f"mean_{i}"] = self._encode(s[i], i, training)
            s[f"code_{i}"] = self._sample(s[f"mean_{i}"], f"code_{i}", training)
        for o, i in ("ab", "ba"):
            s[f"fake_{o}"] = self._decode(s[f"code_{i}"], o, training)
            if self.likelihood_weight:
                s[f"same_{o}"] = self._decode(s[f"code_{o}"], o, training)
        if self.cycle_weight:
            for o, i in ("ab", "ba"):
                again = self._encode(s[f"fake_{i}"], i, training)
                s[f"again_{o}"] = again
                again = self._sample(again, f"again_{o}", training)
                s[f"cycled_{o}"] = self._decode(again, o, training)
        for o in "ab":
            critic = getattr(self, f"critic_{o}")
            # Real and fake images are scored by two separate calls, because
            # updates of the translators do not need the scores of real images.
            s[f"score_{o}"] = critic(self.augment_for_critic(s[o], o))
            s[f"fake_score_{o}"] = critic(
                self.augment_for_critic(s[f"fake_{o}"], f"fake_{o}")
            )
        return s

    def _sample(self, mean, name, training):
        """Returns a sample of q(z|x) = N(mean, I) in training.

        At inference, and without `code_noise`, it returns the mean.
        """
        if not (training and self.code_noise):
            return mean
        return mean + self.noise(mean.shape, name)

    def translator_losses(self, s):
        terms = {}
        for o in "ab":
            terms[f"gan_{o}"] = self.gan_weight * losses.gan_translator(
                s[f"fake_score_{o}"]
            )
            if self.likelihood_weight:
                terms[f"likelihood_{o}"] = self.likelihood_weight * losses.l1(
                    s[o], s[f"same_{o}"]
                )
            divergence = self.kl_weight * losses.kl_unit(s[f"mean_{o}"])
            if self.cycle_weight:
                terms[f"cycle_{o}"] = self.cycle_weight * losses.l1(
                    s[o], s[f"cycled_{o}"]
                )
                divergence += self.cycle_kl_weight * (
                    losses.kl_unit(s[f"mean_{o}"])
                    + losses.kl_unit(s[f"again_{o}"])
                )
            terms[f"kl_{o}"] = divergence
        return terms | self.decay_loss("translator", self.weight_decay)

    def critic_losses(self, s):
        terms = {
            f"critic_{o}": self.gan_weight
            * losses.gan_critic(s[f"score_{o}"], s[f"fake_score_{o}"])
            for o in "ab"
        }
        return terms | self.decay_loss("critic", self.weight_decay)


def _check(name, value, allowed):
    if value not in allowed:
        raise UserError(
            f"`{name}` must be one of {', '.join(map(str, allowed))}. "
            f"Received: {value}"
        )
