r"""Diverse Image-to-Image Translation via Disentangled Representations (DRIT).

Source: Lee, Tseng, Huang, Singh and Yang, 2018, arXiv:1808.00948.

    a --C_a--> content_a --G_b( , style_b)--> fake_b --C_b--> again_a
    a --E_a--> style_a     G_b( , draw)-----> random_b
    G_a(content_a, style_a) = same_a
    G_a(again_a, E_a(fake_a)) = cycled_a             draw ~ N(0, I)

The tensors of B are computed in the same way. The content code is a feature
map that both domains share. A content critic learns from which domain a
content code comes, and the encoders learn codes for which the critic cannot
tell the domain. The attribute code, here called style, is a vector of 8
numbers. `fake_a` and `fake_b` are a pair of images whose attributes were
exchanged. A second exchange must result in both original images (cross-cycle
consistency).

What the paper leaves open, or what differs here:
- The networks, the order of the updates and the weights of the KL terms are
  taken from the authors' code. As in that code, N(0, 1) noise is added to
  content codes in training.
- There is one critic for each domain, as in the paper's figure. This critic
  scores `fake` and `random` images. The authors' code has one critic for `fake`
  and another for `random` images, and gives them different real images.
- Content critics are updated on additional batches, as in the authors' code
  (`content_critic_steps`), with the learning rate of all critics. The
  authors' code divides this rate by 2.5, and limits the norm of the gradient to
  5.
- Latent regression also updates the attribute encoders. In the authors' code
  it does not.
- With `style_path="transform"`, the authors' code uses an attribute encoder
  without a variance, which is MUNIT's. Here the encoder is the same as with
  "concat".
- A ReLU follows the first layer of content encoders, and the leaky ReLUs of
  critics have the factor .2. In the authors' code, both are leaky ReLUs with
  the factor .01.
- The authors' code adds a weight decay of 1e-4, which the paper does not
  mention (`weight_decay`). The code also has a mode-seeking loss, which belongs
  to the later DRIT++ (arXiv:1905.01270) and is left out.
- Most layers are initialized as in He et al. 2015. In the authors' code they
  are initialized from N(0, .02).
- `translate` without a style uses the mean of the prior, zeros.
- Moving averages of the network weights are used at inference. The paper has
  no such averages.
"""

from typing import Annotated

import tensorflow as tf

from tf_i2i import losses
from tf_i2i.domains import ends
from tf_i2i.methods.base import UnpairedTranslator
from tf_i2i.methods.capabilities import Reconstructing
from tf_i2i.methods.capabilities import Styled
from tf_i2i.networks.blocks import ResidualBlock
from tf_i2i.networks.blocks import widen
from tf_i2i.networks.drit import STYLE_PATHS
from tf_i2i.networks.drit import AttributeEncoder
from tf_i2i.networks.drit import ConcatDecoder
from tf_i2i.networks.drit import ContentCritic
from tf_i2i.networks.drit import TransformDecoder
from tf_i2i.networks.munit import STRIDE
from tf_i2i.networks.munit import ContentEncoder
from tf_i2i.networks.munit import check_critics_fit
from tf_i2i.networks.munit import strided_critics
from tf_i2i.sizes import Size
from tf_i2i.values import Count
from tf_i2i.values import OneOf
from tf_i2i.values import Positive
from tf_i2i.values import Seed
from tf_i2i.values import Weight


class DRIT(Styled, Reconstructing, UnpairedTranslator):
    """DRIT (Lee et al. 2018, arXiv:1808.00948).

    Args:
        image_size: side of images in pixels, or their height and width, which
            are multiples of 4 and at least 16.
        width: factor on the channel counts of encoders, decoders and of the
            content critic.
        residual_blocks: number of residual blocks of a content encoder, and of
            a decoder (default 4). One of them is shared by both domains, except
            in decoders with `style_path="transform"`.
        style_channels: number of elements of an attribute code (default 8).
        style_path: how a decoder takes the attribute code, "concat" or
            "transform"; see `networks.drit.STYLE_PATHS`. The authors use
            "transform" if shapes differ between the domains.
        critic_layers: number of strided convolutions of a critic of images
            (default 4).
        critic_scales: number of image sizes at which critics score an image
            (default 3). Each size is half of the previous size.
        critic_width: factor on the channel counts of the critics of images
            (default: `width`).
        content_critic_steps: number of updates of the content critic in a
            training step, each on its own part of the batch (default 3). In
            the first of these updates, the critics of images are updated too.
        content_critic_weight: weight of the content critic's loss for the
            encoders (default 1, eq. 3).
        cycle_weight: weight of the cross-cycle loss (default 10, eq. 5).
        reconstruction_weight: weight of L1 between an image and the image that
            is decoded from its own codes (default 10).
        style_weight: weight of L1 between a sampled attribute code and the
            mean code that the encoder computes from the translation with this
            code (default 10).
        kl_weight: weight of the KL divergence of attribute codes from N(0, I)
            (default .01).
        content_norm_weight: weight of the mean square of content codes
            (default .01).
        weight_decay: weight of half the sum of squares of the network weights,
            a loss of translators and of critics (default 0).
        average_kimg, seed, name: see `UnpairedTranslator`.

    Raises:
        UserError: `image_size` is too small, or not a multiple of 4.
    """

    translators = (
        *("content_encoder_a", "style_encoder_a", "decoder_a"),
        *("content_encoder_b", "style_encoder_b", "decoder_b"),
    )
    critics = ("critic_a", "critic_b", "content_critic")
    adam = {"learning_rate": 1e-4, "beta_1": 0.5, "beta_2": 0.999}
    measures = (*UnpairedTranslator.measures, "diversity")
    size_multiple = STRIDE
    tiny = {
        "image_size": 16,
        "width": 0.05,
        "residual_blocks": 2,
        "critic_layers": 2,
        "critic_scales": 2,
        "content_critic_steps": 2,
    }
    tiny_variants = {
        "": {"weight_decay": 1e-4},
        "transform": {"style_path": "transform"},
    }
    style_shape: tuple[int, ...]

    def __init__(
        self,
        image_size: Size = 216,
        width: Positive = 1.0,
        residual_blocks: Count = 4,
        style_channels: Count = 8,
        style_path: Annotated[str, OneOf(STYLE_PATHS)] = "concat",
        critic_layers: Count = 4,
        critic_scales: Count = 3,
        critic_width: Positive | None = None,
        content_critic_steps: Count = 3,
        content_critic_weight: Weight = 1.0,
        cycle_weight: Weight = 10.0,
        reconstruction_weight: Weight = 10.0,
        style_weight: Weight = 10.0,
        kl_weight: Weight = 0.01,
        content_norm_weight: Weight = 0.01,
        weight_decay: Weight = 0.0,
        average_kimg: Weight = 10.0,
        seed: Seed = 0,
        name: str = "drit",
    ):
        super().__init__(image_size, average_kimg, seed, name)
        self.check_size(STRIDE)
        check_critics_fit(image_size, critic_layers, critic_scales)
        self.style_shape = (style_channels,)
        self.critic_scales = critic_scales
        self.updates = (*["critic"] * content_critic_steps, "translator")
        self.content_critic_weight = content_critic_weight
        self.cycle_weight = cycle_weight
        self.reconstruction_weight = reconstruction_weight
        self.style_weight = style_weight
        self.kl_weight = kl_weight
        self.content_norm_weight = content_norm_weight
        self.weight_decay = weight_decay
        own = residual_blocks - 1
        encoding, decoding = (
            ResidualBlock(
                widen(256, width), width=width, reflect=True, name=f"shared_{k}"
            )
            for k in ("encoder", "decoder")
        )
        for o in "ab":
            networks = {
                "content_encoder": ContentEncoder(
                    own, width, 3, first_norm=False, shared=[encoding]
                ),
                "style_encoder": AttributeEncoder(style_channels, width),
                "decoder": ConcatDecoder(decoding, own, width, style_channels)
                if style_path == "concat"
                else TransformDecoder(residual_blocks, width),
                "critic": strided_critics(
                    critic_layers, critic_scales, critic_width or width
                ),
            }
            for kind, network in networks.items():
                setattr(self, f"{kind}_{o}", network)
        self.content_critic = ContentCritic(width)
        self.build_networks()

    # Inference.

    def translate(self, images, direction, style=None):
        self.check_direction(direction, style)
        source, target = ends(direction)
        style = self.style_or_mean(style, images)
        return self._decode(self._content(images, source), style, target)

    def encode_style(self, images, direction):
        """Returns the means of attribute codes."""
        self.check_direction(direction)
        return self._distribution(images, ends(direction)[1])[0]

    def reconstruct(self, images, domain):
        """Returns images decoded from their own content and mean style."""
        style, _ = self._distribution(images, domain)
        return self._decode(self._content(images, domain), style, domain)

    def _content(self, images, domain, training=False, name=None):
        """Returns content codes; in training, with noise called `name`."""
        encoder = getattr(self, f"content_encoder_{domain}")
        content = encoder(images, training=training)
        return (
            content + self.noise(content.shape, name) if training else content
        )

    def _distribution(self, images, domain, training=False):
        encoder = getattr(self, f"style_encoder_{domain}")
        return encoder(images, training=training)

    def _decode(self, content, style, domain, training=False):
        decoder = getattr(self, f"decoder_{domain}")
        return decoder(content, style, training=training)

    # Training.

    def forward(self, a, b, training):
        s = {"a": a, "b": b}
        for o in "ab":
            content = self._content(s[o], o, training, f"content_{o}")
            s[f"content_{o}"] = content
            s[f"content_score_{o}"] = self.content_critic(
                content, training=training
            )
        # Only the first update of critics trains the critics of images.
        if self.active_sides == ("critic",) and self.current_update.index:
            return s
        for o in "ab":
            s |= self._styles(s[o], o, "", training)
            shape = (s[o].shape[0], *self.style_shape)
            s[f"draw_{o}"] = self.noise(shape, f"draw_{o}")
        for o, i in ("ab", "ba"):
            s |= self._images(o, i, s, training)
        if "translator" in self.active_sides:
            for o, i in ("ab", "ba"):
                s |= self._cycled(o, i, s, training)
        for o in "ab":
            critic = getattr(self, f"critic_{o}")
            for name in (o, f"fake_{o}", f"random_{o}"):
                seen = self.augment_for_critic(s[name], name)
                scores = critic(seen, training=training)
                for k, score in enumerate(scores):
                    s[f"score_{k}_{name}"] = score
        return s

    def _styles(self, images, o, kind, training):
        """Returns the mean, log variance and a sample of attribute codes."""
        mean, log_variance = self._distribution(images, o, training)
        noise = self.noise(mean.shape, f"{kind}style_{o}")
        return {
            f"{kind}mean_{o}": mean,
            f"{kind}log_variance_{o}": log_variance,
            f"{kind}style_{o}": mean + tf.exp(0.5 * log_variance) * noise,
        }

    def _images(self, o, i, s, training):
        """Returns the images of domain `o`, decoded from the codes in `s`."""
        own, other = s[f"content_{o}"], s[f"content_{i}"]
        style, draw = s[f"style_{o}"], s[f"draw_{o}"]
        images = self._decode(
            tf.concat([own, other, other], 0),
            tf.concat([style, style, draw], 0),
            o,
            training,
        )
        names = (f"same_{o}", f"fake_{o}", f"random_{o}")
        return dict(zip(names, tf.split(images, 3), strict=True))

    def _cycled(self, o, i, s, training):
        """Returns the second translation, and the mean style of `random`."""
        content = self._content(s[f"fake_{i}"], i, training, f"again_{o}")
        made = self._styles(s[f"fake_{o}"], o, "fake_", training)
        cycled = self._decode(content, made[f"fake_style_{o}"], o, training)
        mean, _ = self._distribution(s[f"random_{o}"], o, training)
        return made | {
            f"again_{o}": content,
            f"cycled_{o}": cycled,
            f"random_mean_{o}": mean,
        }

    def _scores(self, s, name):
        """Returns the scores of the images `name` at each size."""
        return [s[f"score_{k}_{name}"] for k in range(self.critic_scales)]

    def translator_losses(self, s):
        terms = {}
        for o in "ab":
            judged = self._scores(s, f"fake_{o}") + self._scores(
                s, f"random_{o}"
            )
            terms[f"gan_{o}"] = losses.summed(losses.gan_translator, judged)
            # The cross-entropy with the probability 1/2 for each domain.
            score = s[f"content_score_{o}"]
            terms[f"gan_content_{o}"] = (
                0.5 * self.content_critic_weight
            ) * losses.gan_critic(score, score)
            compared = {
                "cycle": (self.cycle_weight, o, f"cycled_{o}"),
                "reconstruction": (self.reconstruction_weight, o, f"same_{o}"),
                "style": (self.style_weight, f"draw_{o}", f"random_mean_{o}"),
            }
            for kind, (weight, x, y) in compared.items():
                terms[f"{kind}_{o}"] = weight * losses.l1(s[x], s[y])
            terms[f"kl_{o}"] = self.kl_weight * losses.kl_normal(
                s[f"mean_{o}"], s[f"log_variance_{o}"]
            )
            terms[f"content_norm_{o}"] = (
                self.content_norm_weight
                * losses.mean_square(s[f"content_{o}"], 0.0)
            )
        return terms | self.decay_loss("translator", self.weight_decay)

    def critic_losses(self, s):
        scores = (s["content_score_b"], s["content_score_a"])
        terms = {"critic_content": losses.gan_critic(*scores)}
        if "fake_a" not in s:  # The update trains the content critic only.
            return terms
        for o in "ab":
            made = self._scores(s, f"fake_{o}") + self._scores(s, f"random_{o}")
            terms[f"critic_{o}"] = losses.summed(
                losses.gan_critic, 2 * self._scores(s, o), made
            )
        return terms | self.decay_loss("critic", self.weight_decay)
