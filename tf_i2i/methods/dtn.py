r"""DTN: Unsupervised Cross-Domain Image Generation.

Source: Taigman, Polyak and Wolf, 2016, arXiv:1611.02200. The paper of XGAN
uses this method as its baseline.

    a --f--> code_a --g--> fake_b --f--> again_b
    b --f--> code_b --g--> same_b
    D: fake_b, same_b or b?

One frozen encoder f encodes images of both domains. g generates only images of
B, so there is no translation from B to A.

What the paper leaves open, or what differs here:
- Codes are the vectors of f scaled to length 1. The f-constancy loss is one
  minus the cosine between the codes of an image and of its translation, as in
  the semantic loss of XGAN.
- g and D are the decoder and the critic of XGAN (Table 1 of its paper), so
  that the two methods can be compared.
- Distances are means over elements, so that loss weights have the same effect
  at every image size. Total variation is computed from absolute differences.
- With `finetune` (XGAN's appendix 7.2), f is trained by f-constancy alone,
  because no gradient flows from g to the codes.
- Moving averages of the network weights are used at inference. The paper has
  no such averages.
"""

from collections.abc import Callable

import tensorflow as tf

from tf_i2i import losses
from tf_i2i.errors import UserError
from tf_i2i.features.teacher import check_differentiable
from tf_i2i.features.teacher import tiny_teacher
from tf_i2i.layers import BATCH_NORM
from tf_i2i.layers import NormRouting
from tf_i2i.methods.base import UnpairedTranslator
from tf_i2i.methods.capabilities import Embedding
from tf_i2i.methods.capabilities import Reconstructing
from tf_i2i.methods.xgan import Untracked
from tf_i2i.networks.lifted import Lifted
from tf_i2i.networks.xgan import STRIDE
from tf_i2i.networks.xgan import XganCritic
from tf_i2i.networks.xgan import XganDecoder
from tf_i2i.values import Count
from tf_i2i.values import Positive
from tf_i2i.values import Seed
from tf_i2i.values import Weight

# The classes of D, in the order of its logits.
KINDS = ("ab", "bb", "real")


class DTN(Embedding, Reconstructing, UnpairedTranslator):
    """Domain Transfer Network (Taigman et al. 2016, arXiv:1611.02200).

    Args:
        image_size: side of images, a multiple of 16 pixels.
        encoder: function without arguments that returns f. f is a
            differentiable function that takes images `[N, S, S, 3]` in
            [-1, 1] and returns vectors `[N, D]`.
        width: factor on the channel counts of g and D.
        constancy_weight: weight of f-constancy, alpha in the paper (default
            100).
        identity_weight: weight of the mean squared difference between an image
            of B and its reconstruction by g, beta in the paper (default 1).
        variation_weight: weight of the total variation of generated images,
            gamma in the paper (default .05).
        gan_weight: weight of the adversarial losses (default 1).
        finetune: whether f is trained too.
        average_kimg, seed, name: see `UnpairedTranslator`.

    Raises:
        UserError: there is no encoder, it is not differentiable, or
            `image_size` is not a multiple of 16.
    """

    translators: tuple[str, ...] = ("decoder",)
    critics = ("critic",)
    updates = ("both",)
    adam = {"learning_rate": 1e-4, "beta_1": 0.5, "beta_2": 0.999}
    measures = (
        *("score", "style", "content", "copying", "checks"),
        *("labels", "paired", "embedding"),
    )
    tiny = {"image_size": 16, "encoder": tiny_teacher, "width": 0.05}
    tiny_variants = {"": {"finetune": True}}
    directions = ("a_to_b",)
    fixed_size = True

    def __init__(
        self,
        image_size: Count = 64,
        encoder: Callable | None = None,
        width: Positive = 1.0,
        constancy_weight: Weight = 100.0,
        identity_weight: Weight = 1.0,
        variation_weight: Weight = 0.05,
        gan_weight: Weight = 1.0,
        finetune: bool = False,
        average_kimg: Weight = 10.0,
        seed: Seed = 0,
        name: str = "dtn",
    ):
        super().__init__(image_size, average_kimg, seed, name)
        self.check_size(STRIDE)
        if encoder is None:
            raise UserError(
                "`DTN.encoder` must be a function that returns a network, for "
                "example DTN.encoder = @teacher with teacher.name = '...'. "
                "Received: None"
            )
        self.constancy_weight = constancy_weight
        self.identity_weight = identity_weight
        self.variation_weight = variation_weight
        self.gan_weight = gan_weight
        network = encoder()
        check_differentiable(network, image_size, "DTN.encoder")
        if finetune:
            self.translators = ("encoder", "decoder")
            network = Lifted(network, image_size, name="encoder")
        self.encoder = network if finetune else Untracked(network)
        shape = {"image_size": image_size, "width": width}
        self.decoder = XganDecoder(
            **shape, shared_blocks=0, targets="b", name="decoder"
        )
        self.critic = XganCritic(
            **shape, routes=KINDS, logits=len(KINDS), name="critic"
        )
        self.build_networks()

    # Inference.

    def translate(self, images, direction, style=None):
        self.check_direction(direction, style)
        return self._make(self.embed(images, "a"), ("ab",))

    def reconstruct(self, images, domain):
        """Returns `g(f(x))`, which is an image of B, even if x is one of A."""
        return self._make(self.embed(images, domain), (f"{domain}b",))

    def embed(self, images, domain):
        """Returns the vectors of f, scaled to length 1, for either domain."""
        del domain
        return self._code(self.require_size(images))

    def _code(self, images):
        return tf.math.l2_normalize(self.encoder(images), axis=1)

    def _make(self, codes, routes, limits=None):
        return self.decoder(codes, routing=NormRouting(routes, limits))

    # Training.

    def forward(self, a, b, training):
        limits = BATCH_NORM if training else None
        codes = self._code(tf.concat([a, b], 0))
        made = self._make(tf.stop_gradient(codes), ("ab", "bb"), limits)
        s = {"a": a, "b": b}
        s["code_a"], s["code_b"] = tf.split(codes, 2)
        s["fake_b"], s["same_b"] = tf.split(made, 2)
        s["again_b"] = self._code(s["fake_b"])
        images = [
            self.augment_for_critic(s[n], n) for n in ("fake_b", "same_b", "b")
        ]
        logits = self.critic(
            tf.concat(images, 0), routing=NormRouting(KINDS, limits)
        )
        names = ("fake_score_b", "same_score_b", "score_b")
        s |= zip(names, tf.split(logits, 3), strict=True)
        return s

    def translator_losses(self, s):
        fooling = _cross_entropy(s["fake_score_b"], "real")
        fooling += _cross_entropy(s["same_score_b"], "real")
        terms = {
            "gan": self.gan_weight * fooling,
            "constancy": self.constancy_weight
            * losses.cosine_distance(s["code_a"], s["again_b"]),
        }
        if self.identity_weight:
            terms["identity"] = self.identity_weight * losses.mean_square(
                s["b"], s["same_b"]
            )
        if self.variation_weight:
            terms["variation"] = self.variation_weight * (
                losses.total_variation(s["fake_b"])
                + losses.total_variation(s["same_b"])
            )
        return terms

    def critic_losses(self, s):
        correct = (
            _cross_entropy(s["fake_score_b"], "ab")
            + _cross_entropy(s["same_score_b"], "bb")
            + _cross_entropy(s["score_b"], "real")
        )
        return {"critic": self.gan_weight * correct}


def _cross_entropy(logits, kind):
    """Returns the mean cross-entropy for images whose class is `kind`."""
    logits = tf.cast(logits, tf.float32)
    labels = tf.fill(tf.shape(logits)[:1], KINDS.index(kind))
    return tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    )
