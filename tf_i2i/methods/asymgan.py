r"""Asymmetric GAN for Unpaired Image-to-image Translation.

Li, Tang, Zhang, Zhang, Li and Yan, 2019, IEEE Transactions on Image
Processing.

    a --G--> fake_b --F( , fake_z)--> cycled_a     b --F( , z)--> fake_a
    a --E--> fake_z                                fake_a --G--> cycled_b
    z ~ N(0, I)                                    fake_a --E--> cycled_z
    remade_a = F(fake_b, z)                        styled_a = F(b, fake_z)

A is the paper's X, the domain of more information (photos), and B its Y
(label maps, drawings). The auxiliary variable z holds what images of A have
beyond those of B. So only the direction from B to A takes a style, which is
z: sampled from N(0, I), encoded by E from an image of A, or blended from two
of those.

By default the weights of the extension losses (eq. 13 to 18) are 0: that is
eq. 12, "Ours-w/o-ex" of the paper. With them it is eq. 19.

What the paper leaves open, or what differs here:
- The layers of E and of D_Z are not printed: see `networks.asymgan`. D_Z is
  not normalized, nor is E where z is one vector.
- One z serves a whole step, as in the equations.
- The critic of A has a real term for each kind of fakes, with the same weight
  as the fakes. Eq. 13 and 14 have F(G(x), z) and F(y, E(x)); section IV-E
  speaks of F(G(x), E(x)), which the cycle loss already compares with x.
- Critics see pools of earlier fakes, and their loss is halved, as CycleGAN's,
  whose settings the paper takes over; z has no pool.
- The layers of the perceptual losses are not printed; these are those of
  Johnson et al. 2016. Their maps are divided by their standard deviation over
  the first real images of A, so that the weights mean the same for every
  network.
- The squared variation (eq. 18) is printed with a minus, and as a sum; here it
  is a mean of squares along both axes.
- Averages of the weights are kept for inference; the paper has none.
"""

import functools

import tensorflow as tf

from tf_i2i import losses
from tf_i2i.errors import UserError
from tf_i2i.features.perceptual import perceptual
from tf_i2i.layers import FirstStandardDeviations
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


class AsymGAN(Styled, UnpairedTranslator):
    """AsymGAN (Li et al. 2019).

    Args:
        image_size: side of images, a multiple of 4 and of `2**style_halvings`
            pixels.
        residual_blocks: of G and F; None: 9 from 256 pixels on, else 6.
        width: factor on the channel counts of G and F.
        outer_norm: of G and F, as in `ResnetGenerator`; True is the paper's.
        style_path: how F gets z: "map", a map, concatenated with the middle
            feature map ("Ours-w/o-ex"); "concat", one vector, concatenated
            with all feature maps from there on; "norm", one vector, by
            conditional instance normalization of the middle three blocks
            ("Ours"). "beside" is the old word for "concat".
        style_channels: channels of z (8).
        style_halvings: strided convolutions of E (3): a map of z has sides
            of `image_size / 2**style_halvings`.
        style_width: factor on the channel counts of E; None: `width`.
        critic_layers: strided convolutions of the critics of images: 3 for
            70x70 pixels.
        critic_width: factor on the channel counts of all critics; None:
            `width`.
        code_gan_weight: lambda 1, of the adversarial losses of z.
        cycle_a_weight, cycle_b_weight: lambda 2 and 3, of L1 between an
            image and its cycle.
        cycle_z_weight: lambda 4, of L1 between z and E(F(b, z)).
        remade_gan_weight: lambda 5, of the adversarial losses of F(G(a), z),
            eq. 13.
        styled_gan_weight: lambda 6, of the adversarial losses of
            F(b, E(a)), eq. 14.
        content_weight: lambda 7, of the content distance between F(b, E(a))
            and b, eq. 15.
        style_weight: lambda 8, of the style distance between F(b, E(a)) and
            a, eq. 16.
        variation_weight: lambda 9, of the squared variation of all six
            generated images, eq. 18.
        features: function without arguments that returns a frozen network,
            a function of images to maps as `features.perceptual` returns it;
            needed with `content_weight` or `style_weight`.
        pool_size: images that each pool holds (50); 0: critics see only the
            newest fakes.
        average_kimg, seed, name: as in `UnpairedTranslator`.

    Raises:
        UserError: a size or a name is out of its range, or there are no
            `features` where a weight needs them.
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
        # With every loss.
        "": {
            "style_path": "norm",
            "remade_gan_weight": 1.0,
            "styled_gan_weight": 1.0,
            "content_weight": 0.2,
            "style_weight": 0.1,
            "variation_weight": 10.0,
            "features": functools.partial(perceptual, "random-conv"),
            "pool_size": 6,
        }
    }
    style_shape: tuple[int, ...]
    styled_directions = ("b_to_a",)

    def __init__(
        self,
        image_size=128,
        residual_blocks=None,
        width=1.0,
        outer_norm=True,
        style_path="map",
        style_channels=8,
        style_halvings=3,
        style_width=None,
        critic_layers=3,
        critic_width=None,
        code_gan_weight=1.0,
        cycle_a_weight=10.0,
        cycle_b_weight=10.0,
        cycle_z_weight=10.0,
        remade_gan_weight=0.0,
        styled_gan_weight=0.0,
        content_weight=0.0,
        style_weight=0.0,
        variation_weight=0.0,
        features=None,
        pool_size=50,
        average_kimg=10.0,
        seed=0,
        name="asymgan",
    ):
        super().__init__(image_size, average_kimg, seed, name)
        self.check_size(max(STRIDE, 2**style_halvings))
        style_path = STYLE_PATH_ALIASES.get(style_path, style_path)
        self.style_path = style_path
        side = image_size // 2**style_halvings
        if style_path not in STYLE_PATHS:
            raise UserError(
                f"`style_path` must be one of {', '.join(STYLE_PATHS)}. "
                f"Received: {style_path!r}"
            )
        self.style_shape = (style_channels,)
        if style_path == "map":
            self.style_shape = (side, side, style_channels)
        self.code_gan_weight = code_gan_weight
        self.cycle_weights = {
            "a": cycle_a_weight,
            "b": cycle_b_weight,
            "z": cycle_z_weight,
        }
        # Kind of fakes -> weight of their adversarial losses, in A.
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

        blocks = residual_blocks or (9 if image_size >= 256 else 6)
        self.generator_b = ResnetGenerator(
            blocks, width, outer_norm, name="generator_b"
        )
        self.generator_a = StyledGenerator(
            blocks,
            width,
            outer_norm,
            style_path,
            style_channels,
            name="generator_a",
        )
        self.encoder = AuxEncoder(
            style_halvings,
            style_width or width,
            style_channels,
            pooled=style_path != "map",
            name="encoder",
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
        """Returns the frozen network; makes the scales of its maps."""
        compared = self.content_weight or self.style_weight
        # It is made in any case, so that its gin bindings count as used.
        network = make and make()
        if not compared:
            return None
        if network is None:
            raise UserError(
                "`features` must be a network for the perceptual terms, such "
                "as @perceptual, or content_weight and style_weight 0. "
                "Received: None"
            )
        side = self.image_size
        content, style = network(tf.zeros((1, side, side, 3)))
        self.deviations = FirstStandardDeviations(
            len(content) + len(style), name="deviations"
        )
        return network

    @property
    def size_multiple(self):
        return STRIDE

    # Inference.

    def translate(self, images, direction, style=None):
        self.check_direction(direction, style)
        if direction == "a_to_b":
            return self.generator_b(images)
        return self.generator_a(images, self.style_or_mean(style, images))

    def encode_style(self, images, direction):
        """Returns E(images), of images of A.

        Where z is a map, images must be of `image_size`.
        """
        if direction not in self.styled_directions:
            raise UserError(
                "`direction` must be b_to_a: AsymGAN's images of B have no "
                f"style. Received: direction={direction!r}"
            )
        if self.style_path == "map":
            images = self.require_size(images)
        return self.encoder(images)

    def sample_style(self, count, seed):
        """Returns samples of N(0, I)."""
        return tf.random.stateless_normal((count, *self.style_shape), (seed, 0))

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
        """Returns all outputs of F, made in one call."""
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
        """Returns scores of new fakes, of pooled fakes and of real images."""
        critic = getattr(self, f"critic_{o}")
        pooled = {
            kind: self._exchange(kind, s[kind], training) for kind in kinds
        }

        def judged(images):
            seen = [
                self.augment_for_critic(x, name) for name, x in images.items()
            ]
            scores = critic(tf.concat(seen, 0), training=training)
            return tf.split(scores, len(seen))

        known = {f"pooled_{kind}": image for kind, image in pooled.items()}
        real, *learnt = judged({o: s[o]} | known)
        fooling = judged({kind: s[kind] for kind in kinds})
        scores = {f"score_{o}": real}
        for i, kind in enumerate(kinds):
            scores[f"{kind}_score"] = fooling[i]
            scores[f"{kind}_pooled_score"] = learnt[i]
        return scores | known

    def _exchange(self, kind, fakes, training):
        """Returns fakes of the pool in place of some of the new ones."""
        if not (self.pool_size and training):
            return tf.stop_gradient(fakes)
        pool, batch = getattr(self, f"pool_{kind}"), self.global_batch(fakes)
        order = self.draw((self.pool_size,), f"pool_{kind}/order", "uniform")
        coins = self.draw((batch,), f"pool_{kind}/coins", "uniform")
        return pool(fakes, order, coins)

    def _perceive(self, s, training):
        """Returns content and style distances of F(b, E(a)) to b and a."""
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
            terms[_term("gan", kind)] = weight * losses.lsgan_translator(
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
            _term("critic", kind): 0.5
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
        """Returns the standard deviation of E's codes; the prior's is 1."""
        return {"code_deviation": tf.math.reduce_std(s["fake_z"])}


def _term(what, kind):
    """Returns the name of a loss; "gan_a" for "fake_a", as elsewhere."""
    return f"{what}_{kind.removeprefix('fake_')}"
