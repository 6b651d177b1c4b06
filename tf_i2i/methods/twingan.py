r"""Twin-GAN: Unpaired Cross-Domain Image Translation with Weight-Sharing GANs.

Source: Jerry Li, 2018, arXiv:1809.00946.

    a --E--> content_a --G_a--> same_a
                      \--G_b--> fake_b --E--> again_b
    b --E--> content_b --G_b--> same_b
                      \--G_a--> fake_a --E--> again_a

One encoder E and one generator G process both domains. The domains share all
weights except the scales and offsets of normalizations. G_a and G_b are the
generator with the scales and offsets of A and of B. The generator has skip
connections from the encoder's features of the source image.

What the paper leaves open, and what is done here:
- Moving statistics are kept for each route (see
  `DomainBatchRenormalization`), which the paper does not mention. A single set
  of statistics would mix those of the route from A to B with those of the route
  from B to B.
- The paper does not print the weight lambda, the target gradient norm k and
  the variance c of the noise of DRAGAN, and prints the penalty without a
  square. Here the weight is .25, the target is 1 and the penalty is squared,
  as in the author's code.
- The paper's noise is normal (`dragan_noise="normal"`). The default is the
  noise of the author's code: uniform noise, whose amplitude is a maximum times
  a random number in [0, 1) for each image. The maximum in the code is half of
  the variance of the pixel values of a batch in [0, 1]. For images in [-1, 1]
  this maximum is .04 to .07, and the standard deviation of the noise is 3 to 5
  % of the standard deviation of the images. `dragan_width` is the ratio of
  these two standard deviations.
- The paper's sum over i and o contains the penalty of each critic twice. Here
  each critic has it once, as in the author's code.
- By default, convolution kernels are initialized from He's normal
  distribution, which suits narrow networks. `kernel_stddev=.02` selects
  N(0, .02), which was common in 2018.
- Translators and critics are trained with the tensors of one forward pass.
  The author's code takes a separate batch for each of the two.
- The paper says that inputs of two resolutions are "linearly combined" while
  the layers of a size are faded in. Here every real image is blended with its
  downsampled copy, in training and at inference.
- A critic has two adversarial terms, one for each route into its domain. Each
  of them contains the real batch, as in the paper's equations. Therefore the
  real batch is counted twice, or once if `same_gan` is False. The paper calls
  the terms of reconstructions optional, and the author's code has them from
  64 px on.
- Images are in [-1, 1], and those of the author's code in [0, 1]. The paper
  does not state the range. With equal weights, the reconstruction loss is
  twice as large here as in the author's code.
- The 1x1 convolutions to RGB are initialized from N(0, .02). The first images
  are therefore almost grey.
- All styles are scaled to length 1.
- Moving averages of the network weights are used at inference. The paper has
  no such averages.
"""

from typing import Annotated

import tensorflow as tf

from tf_i2i import losses
from tf_i2i.domains import ends
from tf_i2i.errors import UserError
from tf_i2i.layers import BATCH_NORM
from tf_i2i.layers import NormRouting
from tf_i2i.layers import RenormLimits
from tf_i2i.layers import downsample
from tf_i2i.layers import upsample
from tf_i2i.layers.replicas import across_replicas
from tf_i2i.layers.replicas import replica_position
from tf_i2i.layers.shuffle import Block
from tf_i2i.methods.base import UnpairedTranslator
from tf_i2i.methods.capabilities import Embedding
from tf_i2i.methods.capabilities import Reconstructing
from tf_i2i.methods.capabilities import Styled
from tf_i2i.networks.base import normal
from tf_i2i.networks.progressive import SMALLEST
from tf_i2i.networks.progressive import ProgressiveCritic
from tf_i2i.networks.progressive import ProgressiveEncoder
from tf_i2i.networks.progressive import ProgressiveGenerator
from tf_i2i.networks.progressive import StyleEncoder
from tf_i2i.networks.progressive import blend
from tf_i2i.values import Count
from tf_i2i.values import OneOf
from tf_i2i.values import Positive
from tf_i2i.values import Seed
from tf_i2i.values import Weight

# The values are indices of domains, 0 for A and 1 for B. A route uses the
# scales and offsets of this domain. In the encoder it is the domain of the
# input, and in the generator it is the domain of the output.
ENCODER_ROUTES = {"a": 0, "b": 1, "fake_a": 0, "fake_b": 1}
GENERATOR_ROUTES = {"aa": 0, "ab": 1, "ba": 0, "bb": 1}
# The loss of critics, that of translators, and the gradient norm at which the
# gradient penalty is 0, for each value of `gan_loss`.
GAN_LOSSES = {
    "dragan": (losses.gan_critic, losses.gan_translator, 1.0),
    "wgan_gp": (losses.wgan_critic, losses.wgan_translator, 1.0),
    "r1": (losses.gan_critic, losses.gan_translator, 0.0),
}
RENORM_LIMITS = ((1.1, 0.1), (1.5, 0.3), (2.0, 0.5), (4.0, 1.0))


class TwinGAN(Styled, Embedding, Reconstructing, UnpairedTranslator):
    """TwinGAN (Li 2018, arXiv:1809.00946).

    Args:
        image_size: side of the largest images, a power of two from
            `4 * unshuffle` to 1024 pixels.
        start_size: side of the images in the first phase. If it is None, the
            side is `image_size` in all phases, and the networks do not grow.
        width: factor on the channel counts of Table 4.
        unshuffle: side of the blocks of pixels that encoders and generator
            process as one pixel (default 1). With 2, the feature maps for
            images of 128 pixels are as large as with 1 for images of 64 pixels.
            `unshuffle` has no effect on critics. See `layers.pixel_unshuffle`.
        gan_weight: weight of the adversarial losses, section 3.3 (1 in the
            paper).
        cycle_weight: weight of L1 between an image and its reconstruction
            within its domain (default 1). 0 is the ablation "No L_cyc" of Table
            2.
        semantic_weight: weight of L1 between the 4x4 content maps of an image
            and of its translation (default .1). 0 is the ablation "No L_sem".
        same_gan: whether critics also score reconstructions. In the paper's
            sum over input domains i and output domains o, these are the terms
            with i = o.
        gan_loss: "dragan" (the paper); "wgan_gp", the Wasserstein loss
            with gradient penalty (Gulrajani et al. 2017), with which the
            paper compares DRAGAN; or "r1", the loss of DRAGAN with the
            penalty R1 (Mescheder et al. 2018, arXiv:1801.04406, eq. 9). The
            gradient penalty of WGAN-GP is computed at interpolations between
            real images and translations, and that of R1 at real images.
        skips: whether there are skip connections, as in a U-Net. False is the
            ablation "No UNet".
        style_size: length of the style vectors; None for no styles.
        style_weight: weight of L1 between a sampled style and the style of
            the translation with that style (.1, as in the author's code).
        dragan_weight: weight of the critics' gradient penalty, which is
            that of DRAGAN, WGAN-GP or R1 (default .25; 10 in the papers of
            DRAGAN and WGAN-GP; for R1 it is gamma / 2 of eq. 9).
        penalty_every: number of steps in which the gradient penalty is
            computed once, with a weight that is larger by this factor (default
            1; Karras et al. 2020, arXiv:1912.04958, section 3.1). On several
            devices a number above 1 does not save time.
        dragan_noise: distribution of DRAGAN's noise, "uniform" (author's
            code) or "normal" (paper).
        dragan_width: standard deviation of DRAGAN's noise, in units of the
            standard deviation of all pixel values of the batch (default .04).
        renormalize: whether normalizations are batch renormalization. If
            False, they are batch normalization. The paper compares the two.
        renorm_boundaries: the three points of a phase at which the clipping
            ranges of batch renormalization are widened. A number up to 1 is a
            fraction of the phase; a number above 1 is a number of steps (10k,
            20k and 30k in the paper's implementation).
        output_norm: whether the last convolution is normalized too.
        pixel_norm: whether pixel normalization follows each leaky ReLU of
            encoder and generator. False is the ablation without it.
        convs_at_8: number of convolutions at 8 px in encoder and critics: 2
            as in Table 4, or 1 as in earlier versions of this package.
        kernel_stddev: standard deviation of the normal initializer of
            convolution kernels; None for He's initializer.
        average_kimg, seed, name: see `UnpairedTranslator`.

    Raises:
        UserError: a size is not a power of two, `start_size` is larger than
            `image_size`, or another value is not allowed.
    """

    translators: tuple[str, ...] = ("encoder", "generator")
    critics = ("critic_a", "critic_b")
    updates = ("both",)
    measures = (*UnpairedTranslator.measures, "swd", "embedding", "diversity")
    tiny = {"image_size": 8, "start_size": 4, "width": 0.05}
    tiny_variants = {
        "": {"kernel_stddev": 0.2},
        "style": {"style_size": 4, "skips": False},
        "unshuffle": {
            "image_size": 16,
            "start_size": 8,
            "unshuffle": 2,
            "renormalize": False,
        },
    }

    def __init__(
        self,
        image_size: Count = 64,
        start_size: Count | None = None,
        width: Positive = 1.0,
        unshuffle: Block = 1,
        gan_weight: Weight = 1.0,
        cycle_weight: Weight = 1.0,
        semantic_weight: Weight = 0.1,
        same_gan: bool = True,
        gan_loss: Annotated[str, OneOf(tuple(GAN_LOSSES))] = "dragan",
        skips: bool = True,
        style_size: Count | None = None,
        style_weight: Weight = 0.1,
        dragan_weight: Weight = 0.25,
        dragan_noise: Annotated[str, OneOf(("uniform", "normal"))] = "uniform",
        dragan_width: Weight = 0.04,
        penalty_every: Count = 1,
        renormalize: bool = True,
        renorm_boundaries: tuple[Weight, ...] = (0.27, 0.53, 0.8),
        output_norm: bool = True,
        pixel_norm: bool = True,
        convs_at_8: Annotated[int, OneOf((1, 2))] = 2,
        kernel_stddev: Positive | None = None,
        average_kimg: Weight = 10.0,
        seed: Seed = 0,
        name: str = "twingan",
    ):
        super().__init__(image_size, average_kimg, seed, name)
        self.start_size = start_size or image_size
        self._check_sizes(SMALLEST * unshuffle)
        if len(renorm_boundaries) != len(RENORM_LIMITS) - 1:
            raise UserError(
                "`renorm_boundaries` must have three entries, the points of a "
                "phase at which the limits of batch renormalization are "
                "widened, such as (0.27, 0.53, 0.8). "
                f"Received: {renorm_boundaries}"
            )
        self.gan_weight = gan_weight
        self.cycle_weight = cycle_weight
        self.semantic_weight = semantic_weight
        self.same_gan = same_gan
        self.gan_loss = gan_loss
        self.style_size = style_size
        self.style_shape = (style_size,) if style_size else None
        self.style_weight = style_weight
        self.dragan_weight = dragan_weight
        self.dragan_noise = dragan_noise
        self.dragan_width = dragan_width
        self.penalty_every = penalty_every
        self.renormalize = renormalize
        self.renorm_boundaries = renorm_boundaries

        shared = {
            "sizes": self.sizes,
            "width": width,
            "kernel_initializer": "he_normal"
            if kernel_stddev is None
            else normal(kernel_stddev),
        }
        every = {"pixel_norm": pixel_norm}
        self.encoder = ProgressiveEncoder(
            **shared,
            unshuffle=unshuffle,
            norm={**every, "routes": ENCODER_ROUTES},
            convs_at_8=convs_at_8,
            name="encoder",
        )
        self.generator = ProgressiveGenerator(
            **shared,
            unshuffle=unshuffle,
            norm={
                **every,
                "routes": GENERATOR_ROUTES,
                "style_size": style_size,
            },
            skips=skips,
            output_norm=output_norm,
            name="generator",
        )
        if style_size:
            self.translators = (*self.translators, "style_encoder")
            self.style_encoder = StyleEncoder(
                **shared,
                unshuffle=unshuffle,
                norm={**every, "routes": ENCODER_ROUTES},
                style_size=style_size,
                convs_at_8=convs_at_8,
                name="style_encoder",
            )
        self.critic_a = ProgressiveCritic(
            **shared, convs_at_8=convs_at_8, name="critic_a"
        )
        self.critic_b = ProgressiveCritic(
            **shared, convs_at_8=convs_at_8, name="critic_b"
        )
        self.build_networks()

    def _check_sizes(self, smallest):
        powers = [2**i for i in range(2, 11) if 2**i >= smallest]
        if (
            self.image_size not in powers
            or self.start_size not in powers
            or self.start_size > self.image_size
        ):
            raise UserError(
                "`start_size` and `image_size` must be powers of two from "
                f"{smallest} to 1024, and `start_size` must not be the larger. "
                f"Received: start_size={self.start_size}, "
                f"image_size={self.image_size}"
            )

    @property
    def sizes(self):
        sizes = [self.start_size]
        while sizes[-1] < self.image_size:
            sizes.append(2 * sizes[-1])
        return tuple(sizes)

    @property
    def size_multiple(self):
        return self.size // SMALLEST

    # Inference.

    def translate(self, images, direction, style=None):
        self.check_direction(direction, style)
        source, target = ends(direction)
        return self._convert(self._fade_in(images), source, target, style)

    def reconstruct(self, images, domain):
        """Returns the reconstructions of images, `G_i(E_i(x_i))`.

        If the model has styles, each image is decoded with its own style.
        """
        images = self._fade_in(images)
        style = None
        if self.style_size:
            style = self._style(images, (domain,), None)
        return self._convert(images, domain, domain, style)

    def embed(self, images, domain):
        """Returns the 4x4 content maps of E as vectors (section 4.4)."""
        content, _ = self.encoder(
            self._fade_in(images),
            size=self.size,
            fade=self.fade,
            routing=NormRouting((domain,)),
        )
        size = content.shape[1] * content.shape[2] * content.shape[3]
        return tf.reshape(tf.cast(content, tf.float32), [-1, size])

    def encode_style(self, images, direction):
        """Returns style vectors of the style encoder, scaled to length 1."""
        self.check_direction(direction)
        return self._style(self._fade_in(images), (direction[-1],), None)

    def sample_style(self, count, seed):
        """Returns samples of N(0, I), scaled to length 1."""
        draws = tf.random.stateless_normal((count, self.style_size), (seed, 0))
        return tf.math.l2_normalize(draws, axis=1)

    def blend_styles(self, first, last, count):
        """Returns linear interpolations of styles, scaled to length 1."""
        blended = super().blend_styles(first, last, count)
        return tf.math.l2_normalize(blended, axis=1)

    def _convert(self, images, source, target, style):
        path = {"size": self.size, "fade": self.fade}
        content, skips = self.encoder(
            images, routing=NormRouting((source,)), **path
        )
        routing = NormRouting(
            (source + target,), style=self.style_or_mean(style, images)
        )
        converted = self.generator(content, skips, routing=routing, **path)
        return tf.clip_by_value(converted, -1.0, 1.0)

    # Training.

    def forward(self, a, b, training):
        path = {"size": self.size, "fade": self.fade}
        limits = None
        if training:
            batch = self.accumulate * self.global_batch(a)
            limits = self.renorm_limits(batch)
        a, b = self._fade_in(a), self._fade_in(b)
        styles = self._styles(a, b, limits)

        content, skips = self.encoder(
            tf.concat([a, b], 0),
            routing=NormRouting(("a", "b"), limits),
            **path,
        )
        same_a, fake_b, fake_a, same_b = tf.split(
            self.generator(
                content,
                skips,
                routing=NormRouting(
                    ("aa", "ab", "ba", "bb"),
                    limits,
                    _generator_styles(styles),
                    routes_per_source=2,
                ),
                **path,
            ),
            4,
        )
        again, _ = self.encoder(
            tf.concat([fake_b, fake_a], 0),
            routing=NormRouting(("fake_b", "fake_a"), limits),
            **path,
        )
        s = {"a": a, "b": b, **styles}
        s |= {"same_a": same_a, "same_b": same_b}
        s |= {"fake_a": fake_a, "fake_b": fake_b}
        s["content_a"], s["content_b"] = tf.split(content, 2)
        s["again_b"], s["again_a"] = tf.split(again, 2)
        if self.style_size:
            fakes = tf.concat([fake_a, fake_b], 0)
            s["fake_style_a"], s["fake_style_b"] = tf.split(
                self._style(fakes, ("fake_a", "fake_b"), limits), 2
            )
        return {
            **s,
            **self._scores(self.critic_a, "a", s),
            **self._scores(self.critic_b, "b", s),
        }

    def _scores(self, critic, domain, s):
        """Returns a critic's logits and gradient norms.

        `gan_loss` determines the images at which gradient norms are computed.
        """
        kinds = ("", "fake_", "same_") if self.same_gan else ("", "fake_")
        augmented = [
            self.augment_for_critic(s[kind + domain], kind + domain)
            for kind in kinds
        ]
        images = tf.concat(augmented, 0)
        path = {"size": self.size, "fade": self.fade}
        logits = critic(images, groups=len(kinds), **path)
        names = [f"{kind}score_{domain}" for kind in kinds]
        scores = dict(zip(names, tf.split(logits, len(kinds)), strict=True))
        if self.dragan_weight:
            name = f"slope_{domain}"
            at = augmented[0]
            if self.gan_loss == "dragan":
                at = self._add_noise(at, name)
            elif self.gan_loss == "wgan_gp":
                at = self._interpolate(at, augmented[1], name)
            scores[name] = self._when_due(
                lambda: losses.slope(lambda x: critic(x, **path), at), at
            )
        return scores

    def _when_due(self, slopes, images):
        """Returns gradient norms in one of `penalty_every` steps.

        Args:
            slopes: function that returns the gradient norms, float32 `[N]`.
            images: the images at which they are computed, `[N, H, W, 3]`.

        Returns:
            float32 `[N]`. In all other steps, each number is the gradient norm
            at which the penalty is 0.
        """
        if self.penalty_every == 1:
            return slopes()
        due = tf.convert_to_tensor(self.step) % self.penalty_every == 0
        *_, target = GAN_LOSSES[self.gan_loss]
        free = tf.fill(images.shape[:1], target)
        _, replicas = replica_position()
        if replicas == 1:
            return tf.cond(due, slopes, lambda: free)
        # Replicas cannot wait for each other in a branch of a condition.
        return tf.where(due, slopes(), free)

    def translator_losses(self, s):
        terms = {}
        _, fool, _ = GAN_LOSSES[self.gan_loss]
        for o, i in ("ab", "ba"):
            fooling = fool(s[f"fake_score_{o}"])
            if self.same_gan:
                fooling += fool(s[f"same_score_{o}"])
            terms[f"gan_{o}"] = self.gan_weight * fooling
            if self.cycle_weight:
                terms[f"cycle_{o}"] = self.cycle_weight * losses.l1(
                    s[o], s[f"same_{o}"]
                )
            if self.semantic_weight:
                terms[f"semantic_{o}"] = self.semantic_weight * losses.l1(
                    s[f"content_{i}"], s[f"again_{o}"]
                )
            if self.style_size:
                terms[f"style_{o}"] = self.style_weight * losses.l1(
                    s[f"draw_{o}"], s[f"fake_style_{o}"]
                )
        return terms

    def critic_losses(self, s):
        terms = {}
        judge, _, target = GAN_LOSSES[self.gan_loss]
        for o in "ab":
            loss = judge(s[f"score_{o}"], s[f"fake_score_{o}"])
            if self.same_gan:
                loss += judge(s[f"score_{o}"], s[f"same_score_{o}"])
            terms[f"critic_{o}"] = self.gan_weight * loss
            if self.dragan_weight:
                weight = self.dragan_weight * self.penalty_every
                terms[f"{self.gan_loss}_{o}"] = weight * losses.slope_penalty(
                    s[f"slope_{o}"], target
                )
        return terms

    def renorm_limits(self, batch):
        """Returns the `RenormLimits` at the current step of a phase.

        Args:
            batch: number of images in a step, over all replicas.
        """
        if not self.renormalize:
            return BATCH_NORM
        step = self.images_in_phase / tf.cast(batch, tf.float32)
        passed = tf.add_n(
            [
                tf.cast(
                    (self.phase_progress if at <= 1 else step) >= at, tf.int32
                )
                for at in self.renorm_boundaries
            ]
        )
        limits = tf.gather(tf.constant(RENORM_LIMITS), passed)
        return RenormLimits(limits[0], limits[1])

    def _fade_in(self, images):
        """Returns real images, blended in the same way as generated images.

        While a block is being faded in, details that only the newest size can
        represent have the weight `fade`. The networks are trained with such
        images, and therefore also need them at inference.

        Args:
            images: `[N, height, width, 3]`, float in [-1, 1].
        """
        if not self.fading:
            return images
        return blend(images, upsample(downsample(images)), self.fade)

    def _add_noise(self, images, name):
        """Returns images with DRAGAN's noise.

        The standard deviation of the noise is `dragan_width` times the standard
        deviation of the pixel values of the batch.
        """
        (mean,) = across_replicas([tf.reduce_mean(images)])
        (variance,) = across_replicas(
            [tf.reduce_mean(tf.square(images - mean))]
        )
        width = self.dragan_width * tf.sqrt(variance)
        if self.dragan_noise == "normal":
            return images + width * self.noise(images.shape, name)
        # The product of `share` and `noise` has the standard deviation 1 / 3.
        noise = 2 * self.noise(images.shape, name, "uniform") - 1
        share = self._share(images, name)
        return images + 3 * width * share * noise

    def _interpolate(self, real, fake, name):
        """Returns random interpolations between real and generated images."""
        share = self._share(real, name)
        return real + share * (tf.stop_gradient(fake) - real)

    def _share(self, images, name):
        """Returns a random number in [0, 1) for each image, `[N, 1, 1, 1]`."""
        shape = (images.shape[0], 1, 1, 1)
        return self.noise(shape, f"{name}/share", "uniform")

    def _style(self, images, routes, limits):
        style = self.style_encoder(
            images,
            size=self.size,
            fade=self.fade,
            routing=NormRouting(routes, limits),
        )
        return tf.math.l2_normalize(style, axis=1)

    def _styles(self, a, b, limits):
        """Returns the images' own styles, and sampled styles for fakes."""
        if not self.style_size:
            return {}
        own = self._style(tf.concat([a, b], 0), ("a", "b"), limits)
        shape = (a.shape[0], self.style_size)
        draws = {
            f"draw_{o}": tf.math.l2_normalize(self.noise(shape, f"draw_{o}"), 1)
            for o in "ab"
        }
        return {
            **dict(zip(("style_a", "style_b"), tf.split(own, 2), strict=True)),
            **draws,
        }


def _generator_styles(styles):
    """Returns styles in the order of the generator's routes, or None."""
    if not styles:
        return None
    names = ("style_a", "draw_b", "draw_a", "style_b")
    return tf.concat([styles[name] for name in names], 0)
