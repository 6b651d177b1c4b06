r"""Augmented CycleGAN: Learning Many-to-Many Mappings from Unpaired Data.

Source: Almahairi, Rajeswar, Sordoni, Bachman and Courville, 2018,
arXiv:1802.10151.

    a, draw_b --G_b--> fake_b --G_a--> cycled_a
                a, fake_b --E_b--> fake_z_b            draw_b ~ N(0, I)
    b --G_a--> fake_a         fake_a, z_b --G_b--> cycled_b
    b, fake_a --E_b--> z_b

A code z_b holds the information that an image of B has and its translation to
A lacks. The translation from A to B takes a code. A critic of codes makes the
codes that the encoder computes similar to samples of N(0, I). In this package,
codes are called styles. With `styled_domains="ab"`, images of A have codes,
too, which G_a takes.

What the paper leaves open, or what differs here:
- The loss weights are taken from the authors' code. As here by default, images
  of A have no codes in the authors' code, and the encoder takes both images of
  a pair.
- The scale of conditional instance normalization is 1 + W z + w, and the offset
  V z + v. In the authors' code, scale and offset are the ReLUs of W z + w and
  of V z + v. The initial value of all other scales is 1. In the authors' code
  it is sampled from N(0, .02).
- The critics of images are the PatchGANs of CycleGAN. The authors' code has
  other critics, which differ between the domains. Critics of codes and encoders
  have no batch normalization, so that batches may be small.
- Critics have the same learning rate as translators, unless a .gin file sets
  another. In the authors' code it is a fifth of that of translators.
- Critics are updated before translators, on the same images but with other
  sampled codes. In the authors' code the codes are the same, and the norms of
  gradients are limited to 500.
- The code of a reference image is computed from the image and its translation.
  If this translation takes a code, it gets the mean of the codes, zeros.
- `translate` without a style uses the mean of the codes, zeros.
- Moving averages of the network weights are used at inference. The paper has
  no such averages.
"""

from typing import Annotated

from tf_i2i import losses
from tf_i2i.domains import ends
from tf_i2i.domains import other_domain
from tf_i2i.errors import UserError
from tf_i2i.methods.base import UnpairedTranslator
from tf_i2i.methods.capabilities import Styled
from tf_i2i.networks.asymgan import VectorCritic
from tf_i2i.networks.augmented_cyclegan import CodeGenerator
from tf_i2i.networks.augmented_cyclegan import PairEncoder
from tf_i2i.networks.patch import PatchCritic
from tf_i2i.sizes import Size
from tf_i2i.values import Count
from tf_i2i.values import OneOf
from tf_i2i.values import Positive
from tf_i2i.values import Seed
from tf_i2i.values import Weight


class AugmentedCycleGAN(Styled, UnpairedTranslator):
    """Augmented CycleGAN (Almahairi et al. 2018, arXiv:1802.10151).

    Args:
        image_size: side of images in pixels, or their height and width, which
            are even and at least 16.
        residual_blocks: number of residual blocks of a generator (default 3).
        width: factor on the channel counts of generators and encoders.
        style_channels: number of elements of a code (default 16).
        styled_domains: "b" if only images of B have codes, or "ab".
        critic_layers: number of strided convolutions of a critic of images
            (default 2).
        critic_width: factor on the channel counts of the critics of images
            (default: `width`).
        cycle_weight: weight of the cycle loss of images (default 1).
        cycle_z_weight: weight of L1 between a sampled code and the code that
            the encoder computes from the translation with this code (default
            .025).
        average_kimg, seed, name: see `UnpairedTranslator`.

    Raises:
        UserError: `image_size` is odd.
    """

    translators: tuple[str, ...] = ("generator_a", "generator_b", "encoder_b")
    critics: tuple[str, ...] = ("critic_a", "critic_b", "critic_z_b")
    updates = ("critic", "translator")
    adam = {"learning_rate": 2e-4, "beta_1": 0.5, "beta_2": 0.999}
    measures = (*UnpairedTranslator.measures, "diversity")
    size_multiple = 2
    tiny = {
        "image_size": 16,
        "width": 0.1,
        "residual_blocks": 1,
        "style_channels": 4,
        "critic_layers": 1,
    }
    tiny_variants = {"": {}, "both": {"styled_domains": "ab"}}
    style_shape: tuple[int, ...]

    def __init__(
        self,
        image_size: Size = 64,
        residual_blocks: Count = 3,
        width: Positive = 1.0,
        style_channels: Count = 16,
        styled_domains: Annotated[str, OneOf(("b", "ab"))] = "b",
        critic_layers: Count = 2,
        critic_width: Positive | None = None,
        cycle_weight: Weight = 1.0,
        cycle_z_weight: Weight = 0.025,
        average_kimg: Weight = 10.0,
        seed: Seed = 0,
        name: str = "augmented_cyclegan",
    ):
        super().__init__(image_size, average_kimg, seed, name)
        self.check_size(self.size_multiple)
        self.style_shape = (style_channels,)
        self.styled_domains = styled_domains
        self.styled_directions = tuple(
            f"{other_domain(o)}_to_{o}" for o in styled_domains
        )
        self.cycle_weight = cycle_weight
        self.cycle_z_weight = cycle_z_weight
        critic_width = critic_width or width
        for o in "ab":
            coded = o in styled_domains
            generator = CodeGenerator(residual_blocks, width, coded)
            setattr(self, f"generator_{o}", generator)
            critic = PatchCritic(critic_layers, critic_width)
            setattr(self, f"critic_{o}", critic)
            if coded:
                encoder = PairEncoder(style_channels, width)
                setattr(self, f"encoder_{o}", encoder)
                setattr(self, f"critic_z_{o}", VectorCritic())
        if "a" in styled_domains:
            self.translators = (*self.translators, "encoder_a")
            self.critics = (*self.critics, "critic_z_a")
        self.build_networks()

    # Inference.

    def translate(self, images, direction, style=None):
        self.check_direction(direction, style)
        o = ends(direction)[1]
        if o in self.styled_domains:
            style = self.style_or_mean(style, images)
        return self._generate(o, images, style)

    def encode_style(self, images, direction):
        """Returns codes of images and of their translations."""
        self.check_direction(direction)
        source, o = ends(direction)
        if o not in self.styled_domains:
            raise UserError(
                f"`direction` must be {' or '.join(self.styled_directions)}, "
                f"because other translations take no style. "
                f"Received: direction={direction!r}"
            )
        translations = self.translate(images, f"{o}_to_{source}")
        return self._encode(o, images, translations)

    def _generate(self, o, images, code, training=False):
        generator = getattr(self, f"generator_{o}")
        return generator(images, code, training=training)

    def _encode(self, o, images, translations, training=False):
        encoder = getattr(self, f"encoder_{o}")
        return encoder(images, translations, training=training)

    # Training.

    def forward(self, a, b, training):
        s = {"a": a, "b": b}
        for o, i in ("ab", "ba"):
            if o in self.styled_domains:
                shape = (s[o].shape[0], *self.style_shape)
                s[f"draw_{o}"] = self.noise(shape, f"draw_{o}")
            code = s.get(f"draw_{o}")
            s[f"fake_{o}"] = self._generate(o, s[i], code, training)
        for o, i in ("ab", "ba"):
            if o in self.styled_domains:
                s |= self._codes(o, i, s, training)
            if "translator" in self.active_sides:
                code = s.get(f"z_{o}")
                cycled = self._generate(o, s[f"fake_{i}"], code, training)
                s[f"cycled_{o}"] = cycled
            critic = getattr(self, f"critic_{o}")
            for kind in ("", "fake_"):
                seen = self.augment_for_critic(s[f"{kind}{o}"], f"{kind}{o}")
                s[f"{kind}score_{o}"] = critic(seen, training=training)
        return s

    def _codes(self, o, i, s, training):
        """Returns codes of real images and of translations, and scores."""
        code = self._encode(o, s[o], s[f"fake_{i}"], training)
        critic = getattr(self, f"critic_z_{o}")
        return {
            f"z_{o}": code,
            f"fake_z_{o}": self._encode(o, s[f"fake_{o}"], s[i], training),
            f"score_z_{o}": critic(s[f"draw_{o}"]),
            f"fake_score_z_{o}": critic(code),
        }

    def translator_losses(self, s):
        terms = {}
        for o in "ab":
            terms[f"gan_{o}"] = losses.lsgan_translator(s[f"fake_score_{o}"])
            terms[f"cycle_{o}"] = self.cycle_weight * losses.l1(
                s[o], s[f"cycled_{o}"]
            )
        for o in self.styled_domains:
            terms[f"gan_z_{o}"] = losses.lsgan_translator(
                s[f"fake_score_z_{o}"]
            )
            terms[f"cycle_z_{o}"] = self.cycle_z_weight * losses.l1(
                s[f"draw_{o}"], s[f"fake_z_{o}"]
            )
        return terms

    def critic_losses(self, s):
        judged = ("a", "b", *(f"z_{o}" for o in self.styled_domains))
        return {
            f"critic_{name}": 0.5
            * losses.lsgan_critic(s[f"score_{name}"], s[f"fake_score_{name}"])
            for name in judged
        }
