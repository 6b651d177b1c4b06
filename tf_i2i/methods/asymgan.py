r"""Asymmetric GAN for Unpaired Image-to-image Translation.

Source: Li, Tang, Zhang, Zhang, Li and Yan, 2019, IEEE Transactions on Image
Processing.

    a --G--> fake_b --F( , fake_z)--> cycled_a     b --F( , z)--> fake_a
    a --E--> fake_z                                fake_a --G--> cycled_b
    z ~ N(0, I)                                    fake_a --E--> cycled_z
    remade_a = F(fake_b, z)                        styled_a = F(b, fake_z)

A is the paper's domain X, which has more information (photos), and B is its
domain Y (label maps, drawings). The auxiliary variable z contains the
information that images of A have and images of B lack. Therefore only the
direction from B to A takes a style. The style is z, which is sampled from N(0,
I), computed by E from an image of A, or interpolated between two values of z.

By default the weights of the extension losses (eq. 13 to 18) are 0. The sum of
the other losses is eq. 12, which the paper calls "Ours-w/o-ex". If the weights
of the extension losses are above 0, the loss is eq. 19.

What the paper leaves open, or what differs here:
- The paper does not give the layers of E and D_Z; `networks.asymgan` has the
  layers that are used here. D_Z has no normalization, and E has none if z is
  one vector.
- All terms of a training step use the same z, as in the equations.
- In the loss of the critic of A, the term for each kind of fakes is paired
  with a term for real images that has the same weight. The fakes of eq. 13 and
  14 are F(G(x), z) and F(y, E(x)). Section IV-E names F(G(x), E(x)) instead.
  The critic does not score that image here, because the cycle loss already
  compares it with x.
- Critics are trained on pools of earlier fakes, and their loss is halved. The
  paper adopts these settings of CycleGAN. There is no pool for z.
- The paper does not give the layers of the perceptual losses. The layers of
  Johnson et al. 2016 are used here. Each feature map is divided by its
  standard deviation over the first real images of A, so that loss weights
  have a similar effect for every feature network.
- The squared variation (eq. 18) is printed with a minus between the two axes,
  and as a sum over pixels. Here it is the mean squared difference along one
  axis plus the mean squared difference along the other axis.
- Moving averages of the network weights are used at inference. The paper has
  no such averages.
"""

import functools
from collections.abc import Callable

import tensorflow as tf

from tf_i2i import losses
from tf_i2i.errors import UserError
from tf_i2i.features.perceptual import perceptual
from tf_i2i.layers import FirstStandardDeviations
from tf_i2i.layers.shuffle import Block
from tf_i2i.methods.base import UnpairedTranslator
from tf_i2i.methods.capabilities import Styled
from tf_i2i.networks.asymgan import STYLE_PATH_ALIASES
from tf_i2i.networks.asymgan import STYLE_PATHS
from tf_i2i.networks.asymgan import AuxEncoder
from tf_i2i.networks.asymgan import MapCritic
from tf_i2i.networks.asymgan import StyledGenerator
from tf_i2i.networks.asymgan import VectorCritic
from tf_i2i.networks.patch import PatchCritic
from tf_i2i.networks.pool import ImagePool
from tf_i2i.networks.resnet import STRIDE
from tf_i2i.networks.resnet import ResnetGenerator
from tf_i2i.sizes import Size
from tf_i2i.sizes import height_width
from tf_i2i.sizes import image_shape
from tf_i2i.sizes import short_side
from tf_i2i.values import Count
from tf_i2i.values import CountOrZero
from tf_i2i.values import Positive
from tf_i2i.values import Seed
from tf_i2i.values import Weight


class AsymGAN(Styled, UnpairedTranslator):
    """AsymGAN (Li et al. 2019).

    Args:
        image_size: side of images in pixels, or their height and width, which
            are multiples of `4 * unshuffle` and of
            `2**style_halvings * unshuffle`.
        residual_blocks: number of residual blocks of G and F. None selects 9
            for images whose shorter side has at least 256 pixels, and 6 for
            smaller ones.
        width: factor on the channel counts of G and F.
        outer_norm: whether all layers of G and F are normalized, as in the
            paper, or only the residual blocks; see `ResnetGenerator`.
        unshuffle: side of the blocks of pixels that G, F and E process as one
            pixel (default 1). With 2, the feature maps for images of 128 pixels
            are as large as with 1 for images of 64 pixels. `unshuffle` has no
            effect on critics. See `layers.pixel_unshuffle`.
        style_path: how F takes z. "map": z is a map that is concatenated with
            the middle feature map ("Ours-w/o-ex"). "concat": z is a vector
            that is concatenated with all feature maps from the middle on.
            "norm": z is a vector that controls conditional instance
            normalization in the middle three blocks ("Ours"). "beside" is an
            earlier name of "concat".
        style_channels: number of channels of z (default 8).
        style_halvings: number of strided convolutions of E (default 3). If z is
            a map, its side is `image_size / (unshuffle * 2**style_halvings)`.
        style_width: factor on the channel counts of E (default: `width`).
        critic_layers: number of strided convolutions of the critics of
            images; with 3, a score depends on 70x70 pixels.
        critic_width: factor on the channel counts of all critics (default:
            `width`).
        code_gan_weight: weight of the adversarial losses of z, lambda 1.
        cycle_a_weight, cycle_b_weight: weights of L1 between an image and
            the image at the end of its cycle, lambda 2 and 3.
        cycle_z_weight: weight of L1 between z and E(F(b, z)), lambda 4.
        remade_gan_weight: weight of the adversarial losses of F(G(a), z),
            lambda 5 (eq. 13).
        styled_gan_weight: weight of the adversarial losses of F(b, E(a)),
            lambda 6 (eq. 14).
        content_weight: weight of the content distance between F(b, E(a)) and
            b, lambda 7 (eq. 15).
        style_weight: weight of the style distance between F(b, E(a)) and a,
            lambda 8 (eq. 16).
        variation_weight: weight of the squared variation of all six
            generated images, lambda 9 (eq. 18).
        features: function without arguments that returns a frozen network,
            such as `features.perceptual`. The network takes images and
            returns feature maps. The network is needed if `content_weight` or
            `style_weight` is not 0.
        pool_size: number of images in each pool (default 50). With 0, critics
            are trained on the fakes of the current step only.
        average_kimg, seed, name: see `UnpairedTranslator`.

    Raises:
        UserError: a size or a name is not allowed, or a loss needs `features`
            and there are none.
    """

    translators = ("generator_b", "generator_a", "encoder")
    critics = ("critic_a", "critic_b", "critic_z")
    updates = ("both",)
    adam = {"learning_rate": 2e-4, "beta_1": 0.5, "beta_2": 0.999}
    measures = (
        *UnpairedTranslator.measures,
        *("segmentation", "segmenter", "sensitivity", "diversity"),
    )
    tiny = {
        "image_size": 16,
        "residual_blocks": 2,
        "width": 0.05,
        "style_halvings": 2,
        "critic_layers": 1,
    }
    tiny_variants = {
        # A variant in which the weights of all losses are above 0.
        "": {
            "style_path": "norm",
            "remade_gan_weight": 1.0,
            "styled_gan_weight": 1.0,
            "content_weight": 0.2,
            "style_weight": 0.1,
            "variation_weight": 10.0,
            "features": functools.partial(perceptual, "random-conv"),
            "pool_size": 6,
        },
        "unshuffle": {"image_size": 32, "unshuffle": 2},
    }
    style_shape: tuple[int, ...]
    styled_directions = ("b_to_a",)

    def __init__(
        self,
        image_size: Size = 128,
        residual_blocks: Count | None = None,
        width: Positive = 1.0,
        outer_norm: bool = True,
        unshuffle: Block = 1,
        style_path: str = "map",
        style_channels: Count = 8,
        style_halvings: CountOrZero = 3,
        style_width: Positive | None = None,
        critic_layers: Count = 3,
        critic_width: Positive | None = None,
        code_gan_weight: Weight = 1.0,
        cycle_a_weight: Weight = 10.0,
        cycle_b_weight: Weight = 10.0,
        cycle_z_weight: Weight = 10.0,
        remade_gan_weight: Weight = 0.0,
        styled_gan_weight: Weight = 0.0,
        content_weight: Weight = 0.0,
        style_weight: Weight = 0.0,
        variation_weight: Weight = 0.0,
        features: Callable | None = None,
        pool_size: CountOrZero = 50,
        average_kimg: Weight = 10.0,
        seed: Seed = 0,
        name: str = "asymgan",
    ):
        super().__init__(image_size, average_kimg, seed, name)
        self.check_size(max(STRIDE, 2**style_halvings), unshuffle)
        self.unshuffle = unshuffle
        style_path = STYLE_PATH_ALIASES.get(style_path, style_path)
        self.style_path = style_path
        if style_path not in STYLE_PATHS:
            raise UserError(
                f"`style_path` must be one of {', '.join(STYLE_PATHS)}. "
                f"Received: {style_path!r}"
            )
        self.style_shape = (style_channels,)
        if style_path == "map":
            divisor = unshuffle * 2**style_halvings
            sides = height_width(image_size)
            self.style_shape = (
                *(side // divisor for side in sides),
                style_channels,
            )
        self.code_gan_weight = code_gan_weight
        self.cycle_weights = {
            "a": cycle_a_weight,
            "b": cycle_b_weight,
            "z": cycle_z_weight,
        }
        # The weights of the adversarial losses, for each kind of fakes of A.
        gan_weights = {
            "fake_a": 1.0,
            "remade_a": remade_gan_weight,
            "styled_a": styled_gan_weight,
        }
        self.gan_weights = {k: w for k, w in gan_weights.items() if w}
        self.content_weight = content_weight
        self.style_weight = style_weight
        self.variation_weight = variation_weight
        self.pool_size = pool_size

        blocks = residual_blocks or (9 if short_side(image_size) >= 256 else 6)
        self.generator_b = ResnetGenerator(
            blocks,
            width,
            outer_norm,
            name="generator_b",
            unshuffle=unshuffle,
        )
        self.generator_a = StyledGenerator(
            blocks,
            width,
            outer_norm,
            style_path,
            style_channels,
            name="generator_a",
            unshuffle=unshuffle,
        )
        self.encoder = AuxEncoder(
            style_halvings,
            style_width or width,
            style_channels,
            pooled=style_path != "map",
            name="encoder",
            unshuffle=unshuffle,
        )
        critic_width = critic_width or width
        self.critic_a = PatchCritic(critic_layers, critic_width, "critic_a")
        self.critic_b = PatchCritic(critic_layers, critic_width, "critic_b")
        self.critic_z = (
            MapCritic(critic_width, name="critic_z")
            if style_path == "map"
            else VectorCritic(name="critic_z")
        )
        for kind in (*self.gan_weights, "fake_b") if pool_size else ():
            pool = ImagePool(pool_size, image_size, name=f"pool_{kind}")
            setattr(self, f"pool_{kind}", pool)
        self.maps = self._feature_maps(features)
        self.build_networks()

    def _feature_maps(self, make):
        """Returns the frozen network, and adds a layer that measures its maps.

        The layer returns the standard deviations of the feature maps.
        `_perceive` divides the feature maps by them.

        Args:
            make: the argument `features` of the constructor.

        Returns:
            The network; None if no loss needs it.
        """
        compared = self.content_weight or self.style_weight
        # The network is made even if no loss needs it. Otherwise gin would
        # report that the settings of the network are unused.
        network = make and make()
        if not compared:
            return None
        if network is None:
            raise UserError(
                "`features` must be a network, such as @perceptual, because "
                "`content_weight` or `style_weight` is not 0. Received: None"
            )
        blank = tf.zeros((1, *image_shape(self.image_size)))
        content, style = network(blank)
        self.deviations = FirstStandardDeviations(
            len(content) + len(style), name="deviations"
        )
        return network

    @property
    def size_multiple(self):
        return STRIDE * self.unshuffle

    # Inference.

    def translate(self, images, direction, style=None):
        self.check_direction(direction, style)
        if direction == "a_to_b":
            return self.generator_b(images)
        return self.generator_a(images, self.style_or_mean(style, images))

    def encode_style(self, images, direction):
        """Returns the codes E(a) of images a of domain A.

        If z is a map, the size of the images must be `image_size`.
        """
        if direction not in self.styled_directions:
            raise UserError(
                "`direction` must be b_to_a, because images of B have no "
                f"style in AsymGAN. Received: direction={direction!r}"
            )
        if self.style_path == "map":
            images = self.require_size(images)
        return self.encoder(images)

    # Training.

    def forward(self, a, b, training):
        s = {"a": a, "b": b}
        s["z"] = self.noise((a.shape[0], *self.style_shape), "z")
        s["fake_b"] = self.generator_b(a, training=training)
        s["fake_z"] = self.encoder(a, training=training)
        s |= self._generate(s, training)
        s["cycled_b"] = self.generator_b(s["fake_a"], training=training)
        s["cycled_z"] = self.encoder(s["fake_a"], training=training)
        s |= self._scores("a", self.gan_weights, s, training)
        s |= self._scores("b", ("fake_b",), s, training)
        scores = self.critic_z(tf.concat([s["z"], s["fake_z"]], 0))
        s["score_z"], s["fake_z_score"] = tf.split(scores, 2)
        if self.maps:
            s |= self._perceive(s, training)
        return s

    def _generate(self, s, training):
        """Returns all outputs of F that losses need, computed by one call."""
        wanted = {
            "fake_a": ("b", "z"),
            "cycled_a": ("fake_b", "fake_z"),
            "remade_a": ("fake_b", "z"),
            "styled_a": ("b", "fake_z"),
        }
        if not self.variation_weight:
            needed = {"cycled_a", *self.gan_weights}
            needed |= {"styled_a"} if self.maps else set()
            wanted = {k: pair for k, pair in wanted.items() if k in needed}
        images, styles = (
            tf.concat([s[name] for name in names], 0)
            for names in zip(*wanted.values(), strict=True)
        )
        made = self.generator_a(images, styles, training=training)
        return dict(zip(wanted, tf.split(made, len(wanted)), strict=True))

    def _scores(self, o, kinds, s, training):
        """Returns a dictionary of a critic's scores and of the pooled fakes.

        Args:
            o: "a" or "b", the domain of the critic.
            kinds: kinds of fakes, such as "fake_a".
            s: dictionary of the tensors of the step.
            training: whether fakes are exchanged with the pools. The
                normalization of the critics gives the same values in both
                cases.

        Returns:
            Dictionary with the scores of real images, of new fakes (for the
            translators' loss) and of pooled fakes (for the critic's loss).
            The dictionary also holds the pooled fakes themselves.
        """
        critic = getattr(self, f"critic_{o}")
        pooled = {
            f"pooled_{kind}": self._exchange(kind, s[kind], training)
            for kind in kinds
        }

        def score(images):
            augmented = [
                self.augment_for_critic(x, name) for name, x in images.items()
            ]
            scores = critic(tf.concat(augmented, 0), training=training)
            return tf.split(scores, len(augmented))

        real, *pooled_scores = score({o: s[o]} | pooled)
        fake_scores = score({kind: s[kind] for kind in kinds})
        scores = {f"score_{o}": real}
        for i, kind in enumerate(kinds):
            scores[f"{kind}_score"] = fake_scores[i]
            scores[f"{kind}_pooled_score"] = pooled_scores[i]
        return scores | pooled

    def _exchange(self, kind, fakes, training):
        """Returns fakes, some of them replaced by earlier fakes in a pool."""
        if not (self.pool_size and training):
            return tf.stop_gradient(fakes)
        return self.exchange(fakes, f"pool_{kind}")

    def _perceive(self, s, training):
        """Returns the distances of F(b, E(a)) to b (content) and a (style)."""
        images = tf.concat([s["styled_a"], s["b"], s["a"]], 0)
        content, style = self.maps(tf.cast(images, tf.float32))
        thirds = [tf.split(maps, 3) for maps in (*content, *style)]
        deviations = self.deviations(
            [of_a for _, _, of_a in thirds], training=training
        )
        apart = {"content": 0.0, "style": 0.0}
        for i, (made, of_b, of_a) in enumerate(thirds):
            scale = deviations[i]
            if i < len(content):
                apart["content"] += losses.mean_square(
                    made / scale, of_b / scale
                )
            else:
                apart["style"] += losses.style_distance(
                    made / scale, of_a / scale
                )
        return apart

    def translator_losses(self, s):
        terms = {"gan_b": losses.lsgan_translator(s["fake_b_score"])}
        for kind, weight in self.gan_weights.items():
            terms[_loss_name("gan", kind)] = weight * losses.lsgan_translator(
                s[f"{kind}_score"]
            )
        terms["gan_z"] = self.code_gan_weight * losses.lsgan_translator(
            s["fake_z_score"]
        )
        for o, weight in self.cycle_weights.items():
            terms[f"cycle_{o}"] = weight * losses.l1(s[o], s[f"cycled_{o}"])
        if self.content_weight:
            terms["content"] = self.content_weight * s["content"]
        if self.style_weight:
            terms["style"] = self.style_weight * s["style"]
        if self.variation_weight:
            made = ("fake_b", "cycled_a", "remade_a", "fake_a", "cycled_b")
            terms["variation"] = self.variation_weight * tf.add_n(
                [losses.squared_variation(s[k]) for k in (*made, "styled_a")]
            )
        return terms

    def critic_losses(self, s):
        terms = {
            _loss_name("critic", kind): 0.5
            * weight
            * losses.lsgan_critic(
                s[f"score_{kind[-1]}"], s[f"{kind}_pooled_score"]
            )
            for kind, weight in (*self.gan_weights.items(), ("fake_b", 1.0))
        }
        terms["critic_z"] = (
            0.5
            * self.code_gan_weight
            * losses.lsgan_critic(s["score_z"], s["fake_z_score"])
        )
        return terms

    def observations(self, s):
        """Returns the standard deviation of the outputs of E.

        The value should become 1, the standard deviation of the prior.
        """
        return {"code_deviation": tf.math.reduce_std(s["fake_z"])}


def _loss_name(what, kind):
    """Returns the name of a loss, such as "gan_a" for fakes "fake_a"."""
    return f"{what}_{kind.removeprefix('fake_')}"
