r"""Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
Networks.

Source: Zhu, Park, Isola and Efros, 2017, arXiv:1703.10593.

    a --G_b--> fake_b --G_a--> cycled_a        a --G_a--> same_a
    b --G_a--> fake_a --G_b--> cycled_b        b --G_b--> same_b

A generator is named after the domain of its outputs. Generators and critics
are trained with the tensors of one forward pass. The critics are trained on
fakes from a pool, which holds fakes of earlier steps.

What the paper leaves open, or what differs here:
- The paper uses the identity loss for paintings and photos only (section
  5.2). Here it is used by default, with half the weight of the cycle loss, as
  in the authors' code.
- The critics' loss is divided by 2, as in appendix 7.1. The learning rate of
  critics is not halved.
- No two images of a batch are exchanged with the same entry of the pool. With
  a batch size of 1, as in the paper, this rule has no effect.
- Convolutions of stride 2 have the "same" padding of TensorFlow.
- `dropout` is not in the paper. Figure 5 of AsymGAN (Li et al. 2019) shows
  results of a CycleGAN that has dropout after each convolution, in training and
  at inference. That paper states neither the rate, which is 1/2 here, nor
  whether single elements or whole channels are dropped. Here whole channels are
  dropped. The dropped channels are determined by a vector whose length does not
  depend on the size of an image.
- Moving averages of the network weights are used at inference. The paper has
  no such averages.
"""

import tensorflow as tf

from tf_i2i import losses
from tf_i2i.layers.shuffle import Block
from tf_i2i.methods.base import UnpairedTranslator
from tf_i2i.methods.capabilities import StyleSampling
from tf_i2i.networks.patch import PatchCritic
from tf_i2i.networks.pool import ImagePool
from tf_i2i.networks.resnet import STRIDE
from tf_i2i.networks.resnet import DropoutGenerator
from tf_i2i.networks.resnet import ResnetGenerator
from tf_i2i.sizes import Size
from tf_i2i.sizes import short_side
from tf_i2i.values import Count
from tf_i2i.values import CountOrZero
from tf_i2i.values import Positive
from tf_i2i.values import Seed
from tf_i2i.values import Weight


class CycleGAN(StyleSampling, UnpairedTranslator):
    """CycleGAN (Zhu et al. 2017, arXiv:1703.10593).

    Args:
        image_size: side of images, or their height and width, which are
            multiples of `4 * unshuffle` pixels.
        residual_blocks: number of residual blocks of a generator. None
            selects 9 for images whose shorter side has at least 256 pixels,
            and 6 for smaller ones (appendix 7.2).
        width: factor on the channel counts of the generators.
        outer_norm: whether all layers of the generators are normalized, as in
            the paper, or only the residual blocks; see `ResnetGenerator`.
        unshuffle: side of the blocks of pixels that the generators process as
            one pixel (default 1). With 2, the feature maps for images of 128
            pixels are as large as with 1 for images of 64 pixels. `unshuffle`
            has no effect on critics. See `layers.pixel_unshuffle`.
        critic_layers: number of strided convolutions of a critic. With 3, the
            critic is the 70x70 PatchGAN.
        critic_width: factor on the channel counts of the critics (default:
            `width`).
        cycle_weight: weight of the cycle loss, lambda of eq. 3 (default 10).
        identity_weight: weight of L1 between an image and the output that the
            generator of the image's own domain computes from it (default 5).
            With 0 this output is not computed.
        pool_size: number of images in each pool (default 50). With 0, critics
            are trained on the fakes of the current step only.
        dropout: whether channels of the generators' feature maps are dropped;
            see `DropoutGenerator`. In training, they are dropped at random. At
            inference, the style determines which channels are dropped. Without
            a style, no channel is dropped.
        average_kimg, seed, name: see `UnpairedTranslator`.

    Raises:
        UserError: `image_size` is not a multiple of `4 * unshuffle`.
    """

    translators = ("generator_a", "generator_b")
    critics = ("critic_a", "critic_b")
    updates = ("both",)
    adam = {"learning_rate": 2e-4, "beta_1": 0.5, "beta_2": 0.999}
    measures = (
        *UnpairedTranslator.measures,
        *("swd", "segmentation", "segmenter", "sensitivity"),
    )
    tiny = {
        # With images of 8 x 8 pixels, the feature maps of the residual blocks
        # would have 2 x 2 pixels, which is too small for instance
        # normalization.
        "image_size": 16,
        "residual_blocks": 1,
        "width": 0.05,
        "critic_layers": 1,
    }
    tiny_variants = {
        "": {"pool_size": 6},
        "unshuffle": {"image_size": 32, "unshuffle": 2},
        # In narrower networks, all channels of a feature map may be dropped. In
        # this case, the normalization that follows divides rounding errors by
        # nearly zero.
        "dropout": {"dropout": True, "width": 0.2},
    }

    def __init__(
        self,
        image_size: Size = 256,
        residual_blocks: Count | None = None,
        width: Positive = 1.0,
        outer_norm: bool = True,
        unshuffle: Block = 1,
        critic_layers: Count = 3,
        critic_width: Positive | None = None,
        cycle_weight: Weight = 10.0,
        identity_weight: Weight = 5.0,
        pool_size: CountOrZero = 50,
        dropout: bool = False,
        average_kimg: Weight = 10.0,
        seed: Seed = 0,
        name: str = "cyclegan",
    ):
        super().__init__(image_size, average_kimg, seed, name)
        self.check_size(STRIDE, unshuffle)
        self.unshuffle = unshuffle
        self.cycle_weight = cycle_weight
        self.identity_weight = identity_weight
        self.pool_size = pool_size

        blocks = residual_blocks or (9 if short_side(image_size) >= 256 else 6)
        critic_width = critic_width or width
        network = DropoutGenerator if dropout else ResnetGenerator
        for o in "ab":
            name = f"generator_{o}"
            generator = network(
                blocks, width, outer_norm, name, unshuffle=unshuffle
            )
            setattr(self, name, generator)
        self.style_shape = (generator.style_size,) if dropout else None
        self.critic_a = PatchCritic(critic_layers, critic_width, "critic_a")
        self.critic_b = PatchCritic(critic_layers, critic_width, "critic_b")
        if pool_size:
            self.pool_a = ImagePool(pool_size, image_size, name="pool_a")
            self.pool_b = ImagePool(pool_size, image_size, name="pool_b")
        self.build_networks()

    @property
    def size_multiple(self):
        return STRIDE * self.unshuffle

    # Inference.

    def translate(self, images, direction, style=None):
        self.check_direction(direction, style)
        style = self.style_or_mean(style, images)
        return self._run(direction[-1], images, style)

    def _run(self, o, images, style, training=False):
        """Returns outputs of the generator of domain `o`."""
        given = {} if style is None else {"style": style}
        generator = getattr(self, f"generator_{o}")
        return generator(images, **given, training=training)

    # Training.

    def forward(self, a, b, training):
        s = {"a": a, "b": b}
        for o, i in ("ab", "ba"):
            s |= self._generate(o, s[i], s[o], training)
        for o, i in ("ab", "ba"):
            s |= self._outputs(o, {f"cycled_{o}": s[f"fake_{i}"]}, training)
        for o in "ab":
            s |= self._scores(o, s, training)
        return s

    def _generate(self, o, source, own, training):
        """Returns the dictionary of `fake_{o}` and, if used, of `same_{o}`.

        Args:
            o: "a" or "b".
            source: images of the other domain, which are translated to `o`.
            own: images of domain `o`. If the identity loss is used, the
                generator of `o` is applied to them too.
            training: see `_outputs`.
        """
        inputs = {f"fake_{o}": source}
        if self.identity_weight:
            inputs[f"same_{o}"] = own
        return self._outputs(o, inputs, training)

    def _outputs(self, o, inputs, training):
        """Returns a dictionary of outputs of the generator of domain `o`.

        Args:
            o: "a" or "b".
            inputs: dictionary of batches of images. The keys are the names of
                the outputs.
            training: whether channels are dropped, if the model has dropout.
        """
        images = tf.concat(list(inputs.values()), 0)
        style = self.style_or_mean(None, images)
        if style is not None and training:
            length = self.generator_a.style_size
            styles = [
                self.noise((batch.shape[0], length), f"drop/{name}")
                for name, batch in inputs.items()
            ]
            style = tf.concat(styles, 0)
        made = self._run(o, images, style, training)
        parts = tf.split(made, len(inputs))
        return dict(zip(inputs, parts, strict=True))

    def _scores(self, o, s, training):
        """Returns scores of new fakes, of pooled fakes and of real images.

        The translators' loss uses the scores of new fakes. The critics' loss
        uses the scores of pooled fakes and of real images.
        """
        critic = getattr(self, f"critic_{o}")
        fake = s[f"fake_{o}"]
        pooled = tf.stop_gradient(fake)
        if self.pool_size and training:
            pooled = self.exchange(fake, f"pool_{o}")
        augmented = [
            self.augment_for_critic(s[o], o),
            self.augment_for_critic(pooled, f"pooled_{o}"),
        ]
        scores = critic(tf.concat(augmented, 0), training=training)
        real_score, pooled_score = tf.split(scores, 2)
        return {
            f"pooled_{o}": pooled,
            f"fake_score_{o}": critic(
                self.augment_for_critic(fake, f"fake_{o}"), training=training
            ),
            f"score_{o}": real_score,
            f"pooled_score_{o}": pooled_score,
        }

    def translator_losses(self, s):
        terms = {}
        for o in "ab":
            terms[f"gan_{o}"] = losses.lsgan_translator(s[f"fake_score_{o}"])
            terms[f"cycle_{o}"] = self.cycle_weight * losses.l1(
                s[o], s[f"cycled_{o}"]
            )
            if self.identity_weight:
                terms[f"identity_{o}"] = self.identity_weight * losses.l1(
                    s[o], s[f"same_{o}"]
                )
        return terms

    def critic_losses(self, s):
        return {
            f"critic_{o}": 0.5
            * losses.lsgan_critic(s[f"score_{o}"], s[f"pooled_score_{o}"])
            for o in "ab"
        }
