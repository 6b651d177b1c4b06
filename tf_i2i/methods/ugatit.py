r"""U-GAT-IT: Unsupervised Generative Attentional Networks with Adaptive
Layer-Instance Normalization for Image-to-Image Translation.

Source: Kim, Kim, Kang and Lee, 2020, arXiv:1907.10830. This is the version
that the authors call light.

    a --G_b--> fake_b --G_a--> cycled_a        a --G_a--> same_a
    G_b(a) also gives logits_b, and G_a(a) gives same_logits_a. Training makes
    logits_b positive and same_logits_a negative.

    fake_b or b --global D_b--> scores, logits
    fake_b or b --local D_b---> scores, logits

The tensors of A are computed in the same way. A generator is named after the
domain of its outputs. The logits are those of auxiliary classifiers. The
weights of these classifiers multiply the feature maps, so that a generator
attends to the regions in which the two domains differ, and a critic to those in
which translations and real images differ.

What the paper leaves open, or what differs here:
- In the light version, the perceptron of a generator takes the means of the
  feature map over the pixel positions. In the full version it takes the whole
  map, so that all images must have the same size.
- The paper says that a generator attends by the weights of one classifier. As
  in the authors' PyTorch code, the means and the maxima have separate weights.
  The map is multiplied by each of the two, and both products are concatenated.
- The losses of the critics' classifiers are those of LSGAN, as in the authors'
  code. The losses of the generators' classifiers are cross-entropies (eq. 5).
- AdaLIN's scale is one plus the output of the perceptron. In the authors' code
  it is the output alone.
- The variance of a layer is taken over all its elements (eq. 2). The authors'
  PyTorch code computes the variance over rows first, and then the variance of
  these values over columns.
- The initial value of AdaLIN's rho is .9 in residual blocks, and 0 in the
  layers that double the side, as in the authors' code.
- Critics are updated before generators, on the same images, as in the authors'
  code.
- The weight decay of the paper, 1e-4, is the L2 loss of the authors' code.
- Moving averages of the network weights are used at inference. The paper has
  no such averages.
"""

import tensorflow as tf

from tf_i2i import losses
from tf_i2i.domains import other_domain
from tf_i2i.methods.base import UnpairedTranslator
from tf_i2i.networks.munit import STRIDE
from tf_i2i.networks.ugatit import AttentiveCritic
from tf_i2i.networks.ugatit import AttentiveGenerator
from tf_i2i.sizes import Size
from tf_i2i.values import Count
from tf_i2i.values import Positive
from tf_i2i.values import Seed
from tf_i2i.values import Weight

# Names of the critics of a domain. Local ones have a smaller receptive field.
VIEWS = ("global", "local")


class UGATIT(UnpairedTranslator):
    """U-GAT-IT, light (Kim et al. 2020, arXiv:1907.10830).

    Args:
        image_size: side of images, or their height and width, which are
            multiples of 4 pixels.
        residual_blocks: number of residual blocks of a generator's encoder,
            and of its decoder (default 4).
        width: factor on the channel counts of the generators.
        global_layers, local_layers: number of strided convolutions of the
            global and of the local critics (default 5 and 3).
        critic_width: factor on the channel counts of the critics (default:
            `width`).
        gan_weight: weight of the adversarial losses, lambda_1 (default 1).
        cycle_weight: weight of L1 between an image and the image at the end of
            its cycle, lambda_2 (default 10).
        identity_weight: weight of L1 between an image and the output that the
            generator of the image's own domain computes from it, lambda_3
            (default 10).
        attention_weight: weight of the cross-entropy of the generators'
            classifiers, lambda_4 (default 1000).
        weight_decay: weight of half the sum of squares of the network weights,
            a loss of generators and of critics (default 1e-4).
        average_kimg, seed, name: see `UnpairedTranslator`.

    Raises:
        UserError: `image_size` is not a multiple of 4, or too small for the
            critics.
    """

    translators = ("generator_a", "generator_b")
    critics = tuple(f"{view}_critic_{o}" for o in "ab" for view in VIEWS)
    updates = ("critic", "translator")
    adam = {"learning_rate": 1e-4, "beta_1": 0.5, "beta_2": 0.999}
    size_multiple = STRIDE
    measures = (
        *UnpairedTranslator.measures,
        *("swd", "segmentation", "segmenter"),
    )
    tiny = {
        "image_size": 16,
        "residual_blocks": 1,
        "width": 0.05,
        "global_layers": 2,
        "local_layers": 1,
    }

    def __init__(
        self,
        image_size: Size = 256,
        residual_blocks: Count = 4,
        width: Positive = 1.0,
        global_layers: Count = 5,
        local_layers: Count = 3,
        critic_width: Positive | None = None,
        gan_weight: Weight = 1.0,
        cycle_weight: Weight = 10.0,
        identity_weight: Weight = 10.0,
        attention_weight: Weight = 1000.0,
        weight_decay: Weight = 1e-4,
        average_kimg: Weight = 10.0,
        seed: Seed = 0,
        name: str = "ugatit",
    ):
        super().__init__(image_size, average_kimg, seed, name)
        self.check_size(STRIDE)
        self.gan_weight = gan_weight
        self.cycle_weight = cycle_weight
        self.identity_weight = identity_weight
        self.attention_weight = attention_weight
        self.weight_decay = weight_decay
        layers = {"global": global_layers, "local": local_layers}
        for o in "ab":
            generator = AttentiveGenerator(
                residual_blocks, width, f"generator_{o}"
            )
            setattr(self, f"generator_{o}", generator)
            for view in VIEWS:
                name = f"{view}_critic_{o}"
                critic = AttentiveCritic(
                    layers[view], critic_width or width, name
                )
                setattr(self, name, critic)
        self.build_networks()

    # Inference.

    def translate(self, images, direction, style=None):
        self.check_direction(direction, style)
        return self._generate(direction[-1], images)[0]

    def attention(self, images, direction):
        """Returns attention maps as grey images.

        Args:
            images: `[N, height, width, 3]`, float in [-1, 1].
            direction: "a_to_b" or "b_to_a", the generator that attends.

        Returns:
            float32 in [-1, 1], shape of `images`. In each image, -1 is the
            least attention and 1 the most.
        """
        maps = self._generate(direction[-1], images)[2][..., None]
        low, high = (
            reduce(maps, [1, 2, 3], keepdims=True)
            for reduce in (tf.reduce_min, tf.reduce_max)
        )
        maps = 2.0 * tf.math.divide_no_nan(maps - low, high - low) - 1.0
        maps = tf.image.resize(maps, images.shape[1:3])
        return tf.repeat(maps, 3, axis=3)

    def sample_rows(self, images, domain):
        """Returns translations, attention maps and cycles of images."""
        translated, cycled = super().sample_rows(images, domain)
        direction = f"{domain}_to_{other_domain(domain)}"
        return [translated, self.attention(images, direction), cycled]

    def _generate(self, o, images, training=False):
        """Returns outputs of the generator of domain `o`."""
        return getattr(self, f"generator_{o}")(images, training=training)

    # Training.

    def forward(self, a, b, training):
        s = {"a": a, "b": b}
        for o, i in ("ab", "ba"):
            s[f"fake_{o}"], s[f"logits_{o}"], _ = self._generate(
                o, s[i], training
            )
        if "translator" in self.active_sides:
            for o, i in ("ab", "ba"):
                s[f"same_{o}"], s[f"same_logits_{o}"], _ = self._generate(
                    o, s[o], training
                )
                s[f"cycled_{o}"], *_ = self._generate(
                    o, s[f"fake_{i}"], training
                )
        for o in "ab":
            s |= self._scores(o, s, training)
        return s

    def _scores(self, o, s, training):
        """Returns the scores and the attention's logits of the critics."""
        kinds = ("", "fake_") if "critic" in self.active_sides else ("fake_",)
        judged = [self.augment_for_critic(s[k + o], k + o) for k in kinds]
        judged = tf.concat(judged, 0)
        found = {}
        for view in VIEWS:
            critic = getattr(self, f"{view}_critic_{o}")
            outputs = critic(judged, training=training)
            names = (f"score_{view}_{o}", f"logit_score_{view}_{o}")
            for name, values in zip(names, outputs, strict=True):
                parts = tf.split(values, len(kinds))
                for kind, part in zip(kinds, parts, strict=True):
                    found[kind + name] = part
        return found

    def _judged(self, s, o, kind=""):
        """Returns all scores and logits of images of domain `o`."""
        return [
            s[f"{kind}{output}_{view}_{o}"]
            for output in ("score", "logit_score")
            for view in VIEWS
        ]

    def translator_losses(self, s):
        terms = {}
        for o in "ab":
            terms[f"gan_{o}"] = self.gan_weight * losses.summed(
                losses.lsgan_translator, self._judged(s, o, "fake_")
            )
            terms[f"cycle_{o}"] = self.cycle_weight * losses.l1(
                s[o], s[f"cycled_{o}"]
            )
            terms[f"identity_{o}"] = self.identity_weight * losses.l1(
                s[o], s[f"same_{o}"]
            )
            terms[f"attention_{o}"] = self.attention_weight * losses.gan_critic(
                s[f"logits_{o}"], s[f"same_logits_{o}"]
            )
        return terms | self.decay_loss("translator", self.weight_decay)

    def critic_losses(self, s):
        terms = {}
        for o in "ab":
            terms[f"critic_{o}"] = self.gan_weight * losses.summed(
                losses.lsgan_critic,
                self._judged(s, o),
                self._judged(s, o, "fake_"),
            )
        return terms | self.decay_loss("critic", self.weight_decay)
