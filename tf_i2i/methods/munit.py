r"""Multimodal Unsupervised Image-to-Image Translation (MUNIT).

Source: Huang, Liu, Belongie and Kautz, 2018, arXiv:1804.04732.

    a --C_a--> content_a --G_b( , draw_b)--> fake_b --C_b--> fake_content_b
    a --S_a--> style_a                       fake_b --S_b--> fake_style_b
    G_a(content_a, style_a) = same_a
    G_a(fake_content_b, style_a) = cycled_a          draw_b ~ N(0, I)

The tensors of B are computed in the same way. The content code is a feature
map that both domains share. The style code is a vector of 8 numbers, and each
domain has its own styles. Therefore both directions take a style.

What the paper leaves open, or what differs here:
- Losses are means over elements. An adversarial loss is the sum over the
  critics of the three image sizes, as in the authors' code.
- Critics are updated before translators, on the same images but with other
  sampled styles, as in the authors' code.
- The scale of AdaIN is one plus the output of the perceptron. In the authors'
  code it is the output alone.
- The authors' code adds a weight decay of 1e-4, which the paper does not
  mention (`weight_decay`).
- The initial scale of layer normalization is 1. In the authors' code it is a
  random number from 0 to 1.
- Critics average 3x3 pixels of the larger image to obtain a pixel of a smaller
  one. If the sides are even, the 3x3 pixels are centred at the second of two
  pixels. In the authors' code they are centred at the first.
- Critics are initialized as in He et al. 2015. In the authors' code they are
  initialized from N(0, .02), so that the scores of all images are nearly equal
  at first. With these initial weights, critics hardly learn in the first
  thousands of steps.
- The perceptual loss, which the paper uses only for images of at least 512
  pixels, is left out.
- `translate` without a style uses the mean of the prior, zeros.
- Moving averages of the network weights are used at inference. The paper has
  no such averages.
"""

from tf_i2i import losses
from tf_i2i.domains import ends
from tf_i2i.methods.base import UnpairedTranslator
from tf_i2i.methods.capabilities import Reconstructing
from tf_i2i.methods.capabilities import Styled
from tf_i2i.networks.munit import STRIDE
from tf_i2i.networks.munit import AdaINDecoder
from tf_i2i.networks.munit import ContentEncoder
from tf_i2i.networks.munit import StyleEncoder
from tf_i2i.networks.munit import check_critics_fit
from tf_i2i.networks.munit import strided_critics
from tf_i2i.sizes import Size
from tf_i2i.values import Count
from tf_i2i.values import Positive
from tf_i2i.values import Seed
from tf_i2i.values import Weight


class MUNIT(Styled, Reconstructing, UnpairedTranslator):
    """MUNIT (Huang et al. 2018, arXiv:1804.04732).

    Args:
        image_size: side of images in pixels, or their height and width, which
            are multiples of 4 and at least 16.
        width: factor on the channel counts of encoders and decoders.
        residual_blocks: number of residual blocks of a content encoder, and of
            a decoder (default 4).
        style_channels: number of elements of a style code (default 8).
        critic_layers: number of strided convolutions of a critic (default 4).
        critic_scales: number of image sizes at which critics score an image
            (default 3). Each size is half of the previous size.
        critic_width: factor on the channel counts of the critics (default:
            `width`).
        image_weight: weight of L1 between an image and its reconstruction,
            lambda_x (default 10, eq. 1).
        content_weight: weight of L1 between a content code and the content
            code of the translation, lambda_c (default 1, eq. 2).
        style_weight: weight of L1 between a sampled style code and the style
            code of the translation, lambda_s (default 1, eq. 3).
        cycle_weight: weight of the L1 cycle loss, where the translation back
            uses the style code of the input (default 0; 10 in the paper's
            "style-augmented cycle consistency").
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
    critics = ("critic_a", "critic_b")
    updates = ("critic", "translator")
    adam = {"learning_rate": 1e-4, "beta_1": 0.5, "beta_2": 0.999}
    measures = (*UnpairedTranslator.measures, "diversity")
    size_multiple = STRIDE
    tiny = {
        "image_size": 16,
        "width": 0.05,
        "residual_blocks": 1,
        "critic_layers": 2,
        "critic_scales": 2,
    }
    tiny_variants = {"": {"cycle_weight": 10.0, "weight_decay": 1e-4}}
    style_shape: tuple[int, ...]

    def __init__(
        self,
        image_size: Size = 256,
        width: Positive = 1.0,
        residual_blocks: Count = 4,
        style_channels: Count = 8,
        critic_layers: Count = 4,
        critic_scales: Count = 3,
        critic_width: Positive | None = None,
        image_weight: Weight = 10.0,
        content_weight: Weight = 1.0,
        style_weight: Weight = 1.0,
        cycle_weight: Weight = 0.0,
        weight_decay: Weight = 0.0,
        average_kimg: Weight = 10.0,
        seed: Seed = 0,
        name: str = "munit",
    ):
        super().__init__(image_size, average_kimg, seed, name)
        self.check_size(STRIDE)
        check_critics_fit(image_size, critic_layers, critic_scales)
        self.style_shape = (style_channels,)
        self.critic_scales = critic_scales
        self.image_weight = image_weight
        self.content_weight = content_weight
        self.style_weight = style_weight
        self.cycle_weight = cycle_weight
        self.weight_decay = weight_decay
        for o in "ab":
            networks = {
                "content_encoder": ContentEncoder(residual_blocks, width),
                "style_encoder": StyleEncoder(style_channels, width=width),
                "decoder": AdaINDecoder(residual_blocks, width),
                "critic": strided_critics(
                    critic_layers, critic_scales, critic_width or width
                ),
            }
            for kind, network in networks.items():
                setattr(self, f"{kind}_{o}", network)
        self.build_networks()

    # Inference.

    def translate(self, images, direction, style=None):
        self.check_direction(direction, style)
        source, target = ends(direction)
        style = self.style_or_mean(style, images)
        return self._decode(self._content(images, source), style, target)

    def encode_style(self, images, direction):
        self.check_direction(direction)
        return self._style(images, ends(direction)[1])

    def reconstruct(self, images, domain):
        """Returns images decoded from their own content and style."""
        content, style = (
            self._content(images, domain),
            self._style(images, domain),
        )
        return self._decode(content, style, domain)

    def _content(self, images, domain, training=False):
        encoder = getattr(self, f"content_encoder_{domain}")
        return encoder(images, training=training)

    def _style(self, images, domain, training=False):
        encoder = getattr(self, f"style_encoder_{domain}")
        return encoder(images, training=training)

    def _decode(self, content, style, domain, training=False):
        decoder = getattr(self, f"decoder_{domain}")
        return decoder(content, style, training=training)

    # Training.

    def forward(self, a, b, training):
        s = {"a": a, "b": b}
        for o in "ab":
            s[f"content_{o}"] = self._content(s[o], o, training)
            s[f"style_{o}"] = self._style(s[o], o, training)
            shape = (s[o].shape[0], *self.style_shape)
            s[f"draw_{o}"] = self.noise(shape, f"draw_{o}")
        for o, i in ("ab", "ba"):
            content, style = s[f"content_{o}"], s[f"style_{o}"]
            s[f"same_{o}"] = self._decode(content, style, o, training)
            content, style = s[f"content_{i}"], s[f"draw_{o}"]
            fake = self._decode(content, style, o, training)
            s[f"fake_{o}"] = fake
            s[f"fake_content_{o}"] = self._content(fake, o, training)
            s[f"fake_style_{o}"] = self._style(fake, o, training)
        if self.cycle_weight:
            for o, i in ("ab", "ba"):
                content, style = s[f"fake_content_{i}"], s[f"style_{o}"]
                s[f"cycled_{o}"] = self._decode(content, style, o, training)
        for o in "ab":
            critic = getattr(self, f"critic_{o}")
            for kind in ("", "fake_"):
                seen = self.augment_for_critic(s[f"{kind}{o}"], f"{kind}{o}")
                scores = critic(seen, training=training)
                for k, score in enumerate(scores):
                    s[f"{kind}score_{k}_{o}"] = score
        return s

    def _scores(self, s, o, kind=""):
        """Returns the scores of images of domain `o` at each size."""
        return [s[f"{kind}score_{k}_{o}"] for k in range(self.critic_scales)]

    def translator_losses(self, s):
        terms = {}
        for o, i in ("ab", "ba"):
            terms[f"gan_{o}"] = losses.summed(
                losses.lsgan_translator, self._scores(s, o, "fake_")
            )
            compared = {
                "reconstruction": (self.image_weight, o, f"same_{o}"),
                "content": (
                    self.content_weight,
                    f"content_{i}",
                    f"fake_content_{o}",
                ),
                "style": (self.style_weight, f"draw_{o}", f"fake_style_{o}"),
                "cycle": (self.cycle_weight, o, f"cycled_{o}"),
            }
            for kind, (weight, x, y) in compared.items():
                if weight:
                    terms[f"{kind}_{o}"] = weight * losses.l1(s[x], s[y])
        return terms | self.decay_loss("translator", self.weight_decay)

    def critic_losses(self, s):
        terms = {
            f"critic_{o}": losses.summed(
                losses.lsgan_critic,
                self._scores(s, o),
                self._scores(s, o, "fake_"),
            )
            for o in "ab"
        }
        return terms | self.decay_loss("critic", self.weight_decay)
