r"""XGAN: Unsupervised Image-to-Image Translation for Many-to-Many Mappings.

Source: Royer, Bousmalis, Gouws, Bertsch, Mosseri, Cole and Murphy, 2017,
arXiv:1711.05139, in the version that was submitted to ICLR 2018.

    a --e_a--> code_a --d_a--> same_a
                     \--d_b--> fake_b --e_b--> again_b
    b --e_b--> code_b --d_b--> same_b
                     \--d_a--> fake_a --e_a--> again_a
    C(code): is it of A or of B?     T(a) ~ code_a

Encoders and decoders share their layers next to the embedding. C is a
classifier of domains. The gradient of its loss is reversed before it reaches
the encoders. T is a frozen teacher network.

What the paper leaves open, or what differs here:
- The paper does not give the loss weights. The weights here are taken from
  public implementations, which compute means instead of sums.
- The reconstruction loss is a mean of squares. The paper prints the norm of
  the difference (eq. 2), which `reconstruction="norm"` selects. At 64 px the
  norm is 111 times the root mean square r of the difference. The gradient of
  the norm is larger than that of the mean of squares by the factor 55 / r, for
  example 185 for r = .3. With a mean of squares and equal weights, the other
  losses are so strong in comparison that the images are unrecognizable.
  Therefore `reconstruction_weight` must be raised (20 in `xgan.gin`), or the
  norm used (`paper/xgan.gin`).
- The translators' adversarial loss is the non-saturating one.
- Moving statistics are kept for each route (see `networks.xgan`). These
  statistics are updated once in a step, by the translators' update.
- The classifier C takes codes that are multiplied by the square root of their
  number of elements (32 for 1024), so that its inputs have a mean square of 1.
  At the start, the gradient that reaches the encoders is larger by about the
  same factor.
- The paper does not print Adam's beta_1. It is .5 here, as for most critics.
- In the semantic loss, the gradient flows into both embeddings, because the
  paper prints no `stop_gradient` there.
- If the teacher's vectors and the embedding have different numbers of
  elements, the vectors are compared with a learned linear map of the
  embedding.
- If a teacher network ends in a ReLU, all its vectors have similar directions.
  An encoder that returns the mean of these vectors for every image therefore
  has nearly the lowest loss, and the encoder learns only this mean. With
  `teacher_centred`, the mean over the batch is subtracted from the vectors
  before they are compared.
- Moving averages of the network weights are used at inference. The paper has
  no such averages.
"""

from collections.abc import Callable

import tensorflow as tf
from keras import layers

from tf_i2i import losses
from tf_i2i.domains import DIRECTIONS
from tf_i2i.domains import ends
from tf_i2i.errors import UserError
from tf_i2i.features.teacher import tiny_teacher
from tf_i2i.layers import BATCH_NORM
from tf_i2i.layers import NormRouting
from tf_i2i.layers import across_replicas
from tf_i2i.layers.reversal import reverse_gradient
from tf_i2i.methods.base import UnpairedTranslator
from tf_i2i.methods.capabilities import Embedding
from tf_i2i.methods.capabilities import Reconstructing
from tf_i2i.networks.xgan import BLOCKS
from tf_i2i.networks.xgan import STRIDE
from tf_i2i.networks.xgan import DomainClassifier
from tf_i2i.networks.xgan import XganCritic
from tf_i2i.networks.xgan import XganDecoder
from tf_i2i.networks.xgan import XganEncoder
from tf_i2i.values import Count
from tf_i2i.values import CountOrZero
from tf_i2i.values import Positive
from tf_i2i.values import Seed
from tf_i2i.values import Weight

# If the domain classifier has at least this accuracy, `alarms` warns that the
# domains do not overlap in the embedding.
_TOO_GOOD = 0.98


class XGAN(Embedding, Reconstructing, UnpairedTranslator):
    """XGAN (Royer et al. 2017, arXiv:1711.05139).

    Args:
        image_size: side of images, a multiple of 16 pixels.
        width: factor on the channel counts of Table 1.
        critic_width: factor on the channel counts of the critics (default:
            `width`).
        shared_blocks: number of convolutions next to the embedding that the
            encoders share, and of transposed convolutions that the decoders
            share, 0 to 4 (default 2). 0 is the paper's "sharing only the middle
            layer".
        reconstruction: "squares" for a mean of squares, or "norm" for the
            norm that the paper prints.
        reconstruction_weight: weight of the reconstruction loss (default 1).
        dann_weight: weight of the domain-adversarial loss. With 0 there is no
            classifier.
        semantic_weight: weight of the cosine distance between the embeddings
            of an image and of its translation. With 0 the loss is left out.
        gan_weight: weight of the adversarial losses.
        gan_directions: tuple of the directions whose translations a critic
            scores. The value in the paper is ("a_to_b",). With (), there are no
            critics.
        variation_weight: weight of the total variation of translations (default
            0). In Figure 13 this loss replaces the critics.
        teacher: function without arguments that returns a frozen network.
            The network takes images `[N, S, S, 3]` in [-1, 1] and returns
            vectors `[N, D]`. None for no teacher.
        teacher_weight: weight of the cosine distance to the teacher's
            vectors.
        teacher_domain: "a" or "b", the domain on which the teacher was
            trained.
        teacher_centred: whether the teacher's and the encoder's vectors are
            centred before they are compared: the mean over the batch is
            subtracted from each vector. The teacher's vectors are first
            scaled to length 1. If True, batches must have more than one
            image.
        average_kimg, seed, name: see `UnpairedTranslator`.

    Raises:
        UserError: a size, a name or a number is not allowed.
    """

    translators: tuple[str, ...] = ("encoder", "decoder")
    critics: tuple[str, ...] = ()
    updates: tuple[str, ...] = ("translator", "critic")
    adam = {"learning_rate": 1e-4, "beta_1": 0.5, "beta_2": 0.999}
    measures = (*UnpairedTranslator.measures, "embedding")
    tiny = {"image_size": 16, "width": 0.05}
    tiny_variants = {"": {"teacher": tiny_teacher}}
    fixed_size = True

    def __init__(
        self,
        image_size: Count = 64,
        width: Positive = 1.0,
        critic_width: Positive | None = None,
        shared_blocks: CountOrZero = 2,
        reconstruction: str = "squares",
        reconstruction_weight: Weight = 1.0,
        dann_weight: Weight = 1.0,
        semantic_weight: Weight = 1.0,
        gan_weight: Weight = 1.0,
        gan_directions: tuple[str, ...] = ("a_to_b",),
        variation_weight: Weight = 0.0,
        teacher: Callable | None = None,
        teacher_weight: Weight = 0.75,
        teacher_domain: str = "a",
        teacher_centred: bool = False,
        average_kimg: Weight = 10.0,
        seed: Seed = 0,
        name: str = "xgan",
    ):
        super().__init__(image_size, average_kimg, seed, name)
        self.check_size(STRIDE)
        gan_directions = tuple(gan_directions)
        _check(shared_blocks, gan_directions, reconstruction)
        _check_teacher_domain(teacher_domain)
        self.reconstruction = reconstruction
        self.reconstruction_weight = reconstruction_weight
        self.dann_weight = dann_weight
        self.semantic_weight = semantic_weight
        self.gan_weight = gan_weight
        self.gan_directions = gan_directions
        self.variation_weight = variation_weight
        self.teacher_weight = teacher_weight
        self.teacher_domain = teacher_domain
        self.teacher_centred = teacher_centred

        shape = {"image_size": image_size, "width": width}
        self.encoder = XganEncoder(
            **shape, shared_blocks=shared_blocks, name="encoder"
        )
        self.decoder = XganDecoder(
            **shape, shared_blocks=shared_blocks, name="decoder"
        )
        if dann_weight:
            self.translators = (*self.translators, "classifier")
            self.classifier = DomainClassifier(width, name="classifier")
        self.critics = tuple(f"critic_{way[-1]}" for way in gan_directions)
        for critic in self.critics:
            network = XganCritic(image_size, critic_width or width, name=critic)
            setattr(self, critic, network)
        if not self.critics:
            self.updates = ("translator",)
        self.teach = self._teacher(teacher)
        self.build_networks()

    @property
    def averaged_networks(self):
        return ("encoder", "decoder")

    # Inference.

    def translate(self, images, direction, style=None):
        self.check_direction(direction, style)
        source, target = ends(direction)
        return self._convert(images, source, target)

    def reconstruct(self, images, domain):
        """Returns the reconstructions of images, `d_i(e_i(x_i))`."""
        return self._convert(images, domain, domain)

    def embed(self, images, domain):
        """Returns the embeddings of images, which are vectors of length 1."""
        return self.encoder(
            self.require_size(images), routing=NormRouting((domain,))
        )

    def _convert(self, images, source, target):
        code = self.embed(images, source)
        return self.decoder(code, routing=NormRouting((source + target,)))

    # Training.

    def forward(self, a, b, training):
        limits = BATCH_NORM if training else None
        s = {"a": a, "b": b}
        if "translator" in self.active_sides:
            s |= self._generate(s, limits, "ab", ("aa", "ab", "ba", "bb"))
            s |= self._compare(s, limits)
        else:
            sources = [way[0] for way in self.gan_directions]
            ways = [way[0] + way[-1] for way in self.gan_directions]
            # The translators' update of the same step has updated the moving
            # statistics already.
            still = limits and limits._replace(moves=False)
            s |= self._generate(s, still, sources, tuple(ways))
        for critic in self.critics:
            o = critic[-1]
            scores = getattr(self, critic)(
                tf.concat(
                    [
                        self.augment_for_critic(s[n], n)
                        for n in (o, f"fake_{o}")
                    ],
                    0,
                ),
                routing=NormRouting(("real", "fake"), limits),
            )
            s[f"score_{o}"], s[f"fake_score_{o}"] = tf.split(scores, 2)
        return s

    def _generate(self, s, limits, sources, ways):
        """Returns embeddings of images, and images decoded from them.

        Args:
            s: the tensors of the step, with images "a" and "b".
            limits: `RenormLimits`, or None at inference.
            sources: domains of the images to encode.
            ways: routes of the decoder, such as "ab", which is from A to B.
        """
        codes = self.encoder(
            tf.concat([s[i] for i in sources], 0),
            routing=NormRouting(tuple(sources), limits),
        )
        routes_per_source = len(ways) // len(sources)
        images = self.decoder(
            codes, routing=NormRouting(ways, limits, None, routes_per_source)
        )
        made = {
            f"{'same' if i == o else 'fake'}_{o}": image
            for (i, o), image in zip(
                ways, tf.split(images, len(ways)), strict=True
            )
        }
        for i, code in zip(sources, tf.split(codes, len(sources)), strict=True):
            made[f"code_{i}"] = code
        return made

    def _compare(self, s, limits):
        """Returns the tensors of the semantic, domain and teacher losses."""
        compared = {}
        codes = tf.concat([s["code_a"], s["code_b"]], 0)
        if self.semantic_weight:
            again = self.encoder(
                tf.concat([s["fake_a"], s["fake_b"]], 0),
                routing=NormRouting(("fake_a", "fake_b"), limits),
            )
            compared["again_a"], compared["again_b"] = tf.split(again, 2)
        if self.dann_weight:
            logits = self.classifier(reverse_gradient(codes))
            compared["domain_a"], compared["domain_b"] = tf.split(logits, 2)
        if self.teach:
            compared |= self._ask_teacher(s, self.teacher_domain)
        return compared

    def _ask_teacher(self, s, i):
        """Returns the teacher's vectors, and the vectors compared with them.

        Args:
            s: the tensors of the step.
            i: "a" or "b", the domain of the images.
        """
        vectors = tf.stop_gradient(self.teach(s[i]))
        pupils = tf.cast(self._pupil(s[f"code_{i}"]), tf.float32)
        if self.teacher_centred:
            vectors = tf.math.l2_normalize(vectors, axis=1)
            means = [tf.reduce_mean(x, axis=0) for x in (vectors, pupils)]
            of_vectors, of_pupils = across_replicas(means)
            vectors, pupils = vectors - of_vectors, pupils - of_pupils
        return {f"teacher_{i}": vectors, f"pupil_{i}": pupils}

    def translator_losses(self, s):
        terms = {}
        for o, i in ("ab", "ba"):
            terms[f"reconstruction_{o}"] = (
                self.reconstruction_weight * self._reconstruction(s, o)
            )
            if self.semantic_weight:
                terms[f"semantic_{o}"] = (
                    self.semantic_weight
                    * losses.cosine_distance(s[f"code_{i}"], s[f"again_{o}"])
                )
            if f"critic_{o}" in self.critics:
                terms[f"gan_{o}"] = self.gan_weight * losses.gan_translator(
                    s[f"fake_score_{o}"]
                )
            if self.variation_weight:
                terms[f"variation_{o}"] = (
                    self.variation_weight
                    * losses.total_variation(s[f"fake_{o}"])
                )
        if self.dann_weight:
            # The classifier's cross-entropy equals the loss of a critic for
            # which embeddings of A are real and those of B are fake.
            terms["domain"] = self.dann_weight * losses.gan_critic(
                s["domain_a"], s["domain_b"]
            )
        if self.teach:
            i = self.teacher_domain
            terms["teacher"] = self.teacher_weight * losses.cosine_distance(
                s[f"pupil_{i}"], s[f"teacher_{i}"]
            )
        return terms

    def critic_losses(self, s):
        return {
            critic: self.gan_weight
            * losses.gan_critic(
                s[f"score_{critic[-1]}"], s[f"fake_score_{critic[-1]}"]
            )
            for critic in self.critics
        }

    def observations(self, s):
        """Returns `domain_accuracy`, the accuracy of the classifier C."""
        if not self.dann_weight:
            return {}
        right = tf.concat([s["domain_a"] > 0, s["domain_b"] < 0], 0)
        return {"domain_accuracy": tf.reduce_mean(tf.cast(right, tf.float32))}

    def alarms(self, means):
        """Returns a warning if the domains do not overlap in the embedding.

        The paper describes this failure and its possible causes in section 5
        and appendix 7.4.
        """
        if means.get("domain_accuracy", 0.0) < _TOO_GOOD:
            return []
        return [
            "domain_accuracy: the domain classifier is right about nearly "
            "all embeddings instead of about half of them. So the domains do "
            "not overlap in the embedding, and translation fails. Either "
            f"XGAN.dann_weight = {self.dann_weight:g} is too low (section 5 "
            "of the paper) or too high (appendix 7.4), or the networks are "
            f"too narrow. Try XGAN.dann_weight = {self.dann_weight / 3:.2g} "
            f"and {self.dann_weight * 3:.2g}"
        ]

    def _reconstruction(self, s, o):
        if self.reconstruction == "squares":
            return losses.mean_square(s[o], s[f"same_{o}"])
        difference = s[o] - s[f"same_{o}"]
        return tf.reduce_mean(
            # 1e-12 keeps the gradient finite at zero.
            tf.sqrt(tf.reduce_sum(tf.square(difference), [1, 2, 3]) + 1e-12)
        )

    # The following methods are about the teacher.

    def _teacher(self, make):
        """Returns the frozen network; adds a projection if one is needed.

        A learned projection is needed if the network's vectors and the
        embedding have different numbers of elements.
        """
        if make is None or not self.teacher_weight:
            return None
        network = make()
        side = self.image_size
        size = network(tf.zeros((1, side, side, 3))).shape[-1]
        if size != self.encoder.size:
            self.translators = (*self.translators, "projection")
            self.projection = layers.Dense(
                size, use_bias=False, name="projection"
            )
        return Untracked(network)

    def _pupil(self, code):
        return (
            self.projection(code) if "projection" in self.translators else code
        )


class Untracked:
    """A wrapper of a function, which hides the function's weights from Keras.

    Without the wrapper, Keras would track these weights as weights of the
    model.
    """

    def __init__(self, function):
        self._function = function

    def __call__(self, images):
        return tf.cast(self._function(images), tf.float32)


def _check(shared_blocks, gan_directions, reconstruction):
    if shared_blocks not in range(BLOCKS + 1):
        raise UserError(
            f"`shared_blocks` must be from 0 to {BLOCKS}. "
            f"Received: {shared_blocks}"
        )
    if len({*gan_directions}) != len(gan_directions) or not (
        {*gan_directions} <= {*DIRECTIONS}
    ):
        raise UserError(
            "`gan_directions` must be a tuple that contains each of "
            f"{', '.join(DIRECTIONS)} at most once. "
            f"Received: {gan_directions}"
        )
    if reconstruction not in ("squares", "norm"):
        raise UserError(
            "`reconstruction` must be squares or norm. "
            f"Received: {reconstruction!r}"
        )


def _check_teacher_domain(domain):
    if domain not in ("a", "b"):
        raise UserError(
            "`teacher_domain` must be 'a' or 'b'. The teacher was trained on "
            "one domain. If it were used for both, its vectors would separate "
            "the domains in the embedding (section 3 of the paper). "
            f"Received: {domain!r}"
        )
